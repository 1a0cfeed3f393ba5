"""Pictures in a store that fsspec reaches: S3, Google Cloud Storage, Azure, SFTP, … Blocking, for threads.

Credentials, endpoints and everything else about a store come from where its library looks for them: the environment,
its own files, or those of fsspec. A picture is sent to the store only when it is known to be whole, in one request
where the store makes an object appear at once (`_AT_ONCE`); elsewhere under another name, which is then changed.
"""

import contextlib
import errno
import hashlib
import inspect
import os
import secrets
import tempfile
from collections.abc import Callable, Collection, Generator, Iterable
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from apimodels_async._download.part import PicturePart
from apimodels_async._wire.picture_formats import PictureFormat
from apimodels_async.errors import ConfigurationError, DownloadError

IN_MEMORY = 8 << 20
"""Bytes of a picture that are kept in memory until they are sent; a longer one goes into a temporary file."""
TEST_NAME = ".apimodels-write-test"
"""The object with which a store is tested. It stays where the store lets nothing be removed."""
_AT_ONCE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci", "tos", "r2"})
"""Protocols of stores in which an object appears whole, or not at all, and which have no folders to be made."""
_BY_PREFIX = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
"""Protocols whose libraries list the objects that begin with a text, in one request."""
_TYPE_ARGUMENT = {"s3": "ContentType", "s3a": "ContentType", "gs": "content_type", "gcs": "content_type"}
"""What a store's library calls the media type of an object."""
_MEDIA_TYPES = {each.suffix: each.media_type for each in PictureFormat} | {".json": "application/json"}


class RemoteFolder:
    """A prefix in a store, as a `Destination`.

    Args:
        url: of the prefix.
    """

    def __init__(self, url: str) -> None:
        self.url: str = url

    def prepare(self) -> str:
        """Write an object there and remove it, and return the URL.

        Raises:
            DownloadError: it cannot be written to.
            ConfigurationError: fsspec, or what it needs for this store, is not installed.
        """
        try:
            with _as_os_errors(self.url):
                files, path = _connect(self.url)
                if not self._at_once:
                    files.makedirs(path, exist_ok=True)
            self.put(TEST_NAME, b"\n")
        except OSError as error:
            raise DownloadError(f"the output folder {self.url!r} cannot be used: {error.strerror or error}") from error
        with contextlib.suppress(Exception):  # many keys may write and not remove
            files.rm_file(f"{path.rstrip('/')}/{TEST_NAME}")
        return self.url

    def part(self, stem: str) -> "RemotePart":
        """What an object is gathered in; its name is given at the end."""
        del stem
        return RemotePart(self)

    def has(self, stem: str, suffixes: Collection[str]) -> bool:
        """Whether an object there has the name `stem` with one of these suffixes.

        Raises:
            OSError: as the store says.
        """
        with _as_os_errors(self.url):
            files, path = _connect(self.url)
            start = path.rstrip("/")
            if self._scheme in _BY_PREFIX:
                names = {str(each).rpartition("/")[2] for each in files.find(start, prefix=f"{stem}.")}
                return any(f"{stem}{suffix}" in names for suffix in suffixes)
            return any(files.exists(f"{start}/{stem}{suffix}") for suffix in suffixes)

    def put(self, name: str, content: bytes | Path, *, new: bool = False) -> str:
        """Store an object, whole or not at all, and return its URL.

        Args:
            name: of the object.
            content: its bytes, or the file that has them.
            new: whether an object that is there must stay as it is. The store decides that where it can; elsewhere
                another process may write the name between the look and the rename.

        Raises:
            FileExistsError: `new`, and the name is taken.
            OSError: as the store says.
        """
        with _as_os_errors(self.url):
            files, path = _connect(self.url)
            place = f"{path.rstrip('/')}/{name}"
            written = place if self._at_once else f"{place}.{secrets.token_hex(4)}.part"
            argument = _TYPE_ARGUMENT.get(self._scheme)
            media_type = _MEDIA_TYPES.get(Path(name).suffix)
            about = {} if argument is None or media_type is None else {argument: media_type}
            if new and files.exists(place):
                raise FileExistsError(errno.EEXIST, "the name is taken", place)
            try:
                _send(files, written, content, about, new=new and written == place)
                if written != place:
                    files.mv(written, place)
            except BaseException:
                if written != place:
                    with contextlib.suppress(Exception):
                        files.rm_file(written)
                raise
        return self.url_of(name)

    def url_of(self, name: str) -> str:
        """The URL of an object."""
        return f"{self.url.rstrip('/')}/{name}" if self.url.partition("://")[2] else f"{self.url}{name}"

    def holds(self, name: str, sha256: str) -> bool:
        """Whether an object is there and has these bytes.

        Raises:
            OSError: it cannot be read.
        """
        with _as_os_errors(self.url):
            files, path = _connect(self.url)
            if not files.exists(f"{path.rstrip('/')}/{name}"):
                return False
        return self.sum_of(name) == sha256

    def sum_of(self, name: str) -> str:
        """The sha256 of an object, in hexadecimal.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        with _as_os_errors(self.url):
            files, path = _connect(self.url)
            with files.open(f"{path.rstrip('/')}/{name}", "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def _scheme(self) -> str:
        return self.url.partition("://")[0].lower()

    @property
    def _at_once(self) -> bool:
        return self._scheme in _AT_ONCE


class RemotePart(PicturePart):
    """The bytes of an object on their way: in memory, or in a temporary file if there are many.

    Args:
        folder: where the object will be.
    """

    def __init__(self, folder: RemoteFolder) -> None:
        super().__init__()
        self._folder = folder
        self._memory = bytearray()
        self._path: Path | None = None
        self._file: IO[bytes] | None = None

    def begin(self) -> None:
        """Nothing is to be made."""

    def finish(self, name: str) -> str:
        """Store the object as `name`, over what is there, and return its URL.

        Raises:
            OSError: as the store says.
        """
        with self._working():
            try:
                if self._file is None or self._path is None:
                    return self._folder.put(name, bytes(self._memory))
                self._file.close()
                return self._folder.put(name, self._path)
            finally:
                self._remove()

    def finish_new(self, names: Iterable[str], *, again: bool = False) -> str:
        """Store the object as the first of `names` that no object has, and return its URL.

        Args:
            names: to try, one after another.
            again: whether an earlier run may have stored this object already: then one that is there, with the same
                bytes, is it.

        Raises:
            OSError: as the store says.
        """
        with self._working():
            try:
                content: bytes | Path = bytes(self._memory)
                if self._file is not None and self._path is not None:
                    self._file.close()
                    content = self._path
                for name in names:
                    if again and self._folder.holds(name, self.sha256):
                        return self._folder.url_of(name)
                    with contextlib.suppress(FileExistsError):
                        return self._folder.put(name, content, new=True)
            finally:
                self._remove()
        raise FileExistsError(errno.EEXIST, "every name is taken", self._folder.url)

    def _append(self, data: bytes) -> None:
        if self._file is None and len(self._memory) + len(data) > IN_MEMORY:
            handle, path = tempfile.mkstemp(prefix="apimodels-", suffix=".part")
            self._path, self._file = Path(path), os.fdopen(handle, "wb")
            self._file.write(self._memory)
            self._memory.clear()
        if self._file is None:
            self._memory += data
        else:
            self._file.write(data)

    def _remove(self) -> None:
        self._memory = bytearray()
        if self._file is not None and self._path is not None:
            with contextlib.suppress(OSError):  # a full disk fails on the last buffered bytes
                self._file.close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _send(files: Any, place: str, content: bytes | Path, about: dict[str, str], *, new: bool) -> None:
    """Store an object; with `new`, so that the store refuses it if it is there, where library and store know that."""
    send: Callable[..., object] = files.pipe_file
    given: tuple[object, ...] = (place, content)
    if isinstance(content, Path):
        send, given = files.put_file, (str(content), place)
    if new and "mode" in inspect.signature(send).parameters:
        try:
            send(*given, **about, mode="create")
        except OSError as error:
            if error.errno != errno.ENOSYS:  # some servers do not know the condition
                raise
        else:
            return
    send(*given, **about)


def _connect(url: str) -> tuple[Any, str]:
    """The file system of fsspec for a URL, and the path in it. fsspec keeps the file systems that it makes.

    Raises:
        ConfigurationError: fsspec or what it needs for this store is not installed.
    """
    try:
        url_to_fs = import_module("fsspec.core").url_to_fs  # an extra, and without types
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "fsspec":
            raise
        raise ConfigurationError(
            f'saving to {url} needs fsspec, which comes with an extra: pip install "apimodels-async[storage]"'
        ) from error
    try:
        files, path = url_to_fs(url)
    except ImportError as error:  # names the library of the store
        raise ConfigurationError(
            f'saving to {url}: {error}; for S3, pip install "apimodels-async[storage]" brings what is needed'
        ) from error
    return files, str(path)


@contextlib.contextmanager
def _as_os_errors(url: str) -> Generator[None]:
    """Raise what a store's library raises as an `OSError` whose number says whether the next picture may fare better.

    The libraries raise errors of their own, and some of Python's without a number.
    """
    try:
        yield
    except ConfigurationError:
        raise
    except FileExistsError:
        raise
    except PermissionError as error:
        raise OSError(errno.EACCES, _words(error), url) from error
    except FileNotFoundError as error:  # such as a bucket that is not there
        raise OSError(errno.ENODEV, _words(error), url) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise OSError(errno.EBUSY, _words(error), url) from error
    except Exception as error:
        raise OSError(getattr(errno, "EHOSTDOWN", errno.EIO), _words(error), url) from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
