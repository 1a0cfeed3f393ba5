"""Reading one picture from any supported source: bytes, a path, a file, a Pillow image. Blocking, for threads."""

import hashlib
import inspect
import io
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from apimodels_async._arguments import ArgumentError, ArgumentTypeError
from apimodels_async._create.format_check import LocalPicture, check_head, check_picture, check_verdict
from apimodels_async._create.open_files import alone, foreign_errors, read_file
from apimodels_async._create.picture_file import PictureFile
from apimodels_async._text import shorten
from apimodels_async._wire.data_uris import is_data_uri, parse_data_uri, recognise_base64
from apimodels_async._wire.picture_formats import HEAD, PictureFormat
from apimodels_async._wire.picture_structure import PictureVerdict, PictureWalker
from apimodels_async.models import ImageInput

_CHUNK = 1 << 20
"""Bytes of one read of a file that is only inspected."""
_LONG_BASE64 = r"[A-Za-z0-9+/=_\s-]{256,}"
"""Text longer than any file name that has only base64 characters."""
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
"""From an EXIF orientation to the number of Pillow's `Transpose` that makes the picture upright."""


def read_picture(image: ImageInput, argument: str) -> LocalPicture:
    """Read one picture that is not a URL.

    A file is read from its position to its end, or from its beginning if it is at its end. The position is restored.

    Raises:
        TypeError: a text file, or an object that no picture can be read from.
        ValueError: no such file, a malformed ``data:`` URI, not a picture, or a truncated one; names `argument`.
    """
    return check_picture(_read(image, argument), argument)


def inspect_picture(image: str | Path, argument: str, *, whole: bool) -> PictureVerdict | None:
    """Check a picture without keeping it: only its first bytes, or all of them if `whole`.

    Returns:
        The verdict on the whole picture, or ``None`` if only the first bytes were read.

    Raises:
        ValueError: as `read_picture`, as far as the picture was read.
    """
    walker = PictureWalker()
    if isinstance(image, str) and is_data_uri(image):
        data = _read(image, argument)
        check_head(data[:HEAD], argument, len(data))
        walker.feed(data)
    else:
        with _open_path(image, argument) as file, foreign_errors(argument, "the file cannot be read"):
            head = file.read(HEAD)
            check_head(head, argument)
            if not whole:
                return None
            walker.feed(head)
            while chunk := file.read(_CHUNK):
                walker.feed(chunk)
    verdict = walker.finish()
    check_verdict(verdict, argument)
    return verdict


class FilePicture(NamedTuple):
    """A picture file that was checked and not kept.

    Attributes:
        file: reads it again.
        format: of the file.
        size: width and height in pixels as a viewer shows it; ``None`` if the file does not say.
        sha256: of the file, in hexadecimal; empty if it was not asked for.
    """

    file: PictureFile
    format: PictureFormat
    size: tuple[int, int] | None
    sha256: str


def check_large_file(image: ImageInput, argument: str, *, above: int, digest: bool) -> FilePicture | None:
    """Check a picture given as a path to a file of more than `above` bytes; ``None`` for any other picture.

    The file is read once, in pieces.

    Raises:
        ValueError: as `read_picture`.
    """
    path = _as_path(image, argument)
    if path is None or not _is_larger(path, above):
        return None
    walker, sha256 = PictureWalker(), hashlib.sha256()
    with _open_path(path, argument) as file, foreign_errors(argument, "the file cannot be read"):
        found = PictureFile(Path(path), argument, os.fstat(file.fileno()))
        head = b""
        while chunk := file.read(_CHUNK):
            head = head or chunk[:HEAD]
            walker.feed(chunk)
            if digest:
                sha256.update(chunk)
    format_ = check_head(head, argument)
    verdict = walker.finish()
    check_verdict(verdict, argument)
    return FilePicture(found, format_, verdict.upright_size, sha256.hexdigest() if digest else "")


def _as_path(image: ImageInput, argument: str) -> str | Path | None:
    """The path that a picture is given as, if it is."""
    if isinstance(image, str):
        return None if is_data_uri(image) else image
    if isinstance(image, os.PathLike) and not isinstance(image, Path) and not _can_open(image):
        with foreign_errors(argument, "its path cannot be read"):
            return Path(os.fsdecode(os.fspath(image)))
    return image if isinstance(image, Path) else None


def _is_larger(path: str | Path, size: int) -> bool:
    try:
        seen = Path(path).stat()
    except (OSError, ValueError):
        return False  # the error is raised when it is read
    return stat.S_ISREG(seen.st_mode) and seen.st_size > size


def _read(image: ImageInput, argument: str) -> bytes:
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, str) and is_data_uri(image):
        try:
            return parse_data_uri(image).data
        except ValueError as error:
            raise ArgumentError(argument, str(error)) from None
    path = _as_path(image, argument)
    if path is not None:
        with _open_path(path, argument) as file:
            return read_file(file, argument)
    return _read_object(image, argument)


def _can_open(image: Any) -> bool:
    """Whether the object has a blocking ``open``. That of an anyio or trio path must be awaited."""
    method = getattr(image, "open", None)
    return method is not None and not inspect.iscoroutinefunction(method)


def _read_object(image: Any, argument: str) -> bytes:
    # The uploads of some web frameworks have both `read` and `save`; only `read` returns the bytes unchanged.
    if hasattr(image, "read"):
        return read_file(image, argument)
    if _can_open(image):
        with foreign_errors(argument, "it cannot be opened"):
            file = _opened(image)
        try:
            return read_file(file, argument)
        finally:
            close = getattr(file, "close", None)
            if close is not None:
                close()
    if hasattr(image, "read_bytes"):
        with foreign_errors(argument, "it cannot be read"):
            data = image.read_bytes()
        if not isinstance(data, bytes):
            raise ArgumentTypeError(argument, f"its read_bytes() gives {type(data).__name__}, not bytes")
        return data
    if hasattr(image, "save"):
        with foreign_errors(argument, "it cannot be saved as a PNG"), alone(image):
            return _save_as_png(image, argument)
    raise ArgumentTypeError(
        argument,
        f"is a {type(image).__name__}: give a data: URI, a path, bytes, a binary file or a Pillow image",
    )


def _opened(image: Any) -> Any:
    try:
        return image.open("rb")
    except TypeError:  # the mode is its own, as in fsspec
        return image.open()


def _save_as_png(image: Any, argument: str) -> bytes:
    """Save an image as a viewer shows it, with EXIF rotation applied, because few readers look for EXIF in a PNG."""
    buffer = io.BytesIO()
    options: dict[str, Any] = {}
    if hasattr(image, "getexif") and hasattr(image, "transpose"):
        image.load()  # Pillow itself rotates some formats when it reads them
        turn = _TURNS.get(image.getexif().get(0x112))
        if turn is not None:
            image = image.transpose(turn)
        options["exif"] = b""  # some versions of Pillow would write the old orientation
    try:
        image.save(buffer, "PNG", **options)
    except OSError as error:
        if "cannot write mode" not in str(error):
            raise
        raise ArgumentError(
            argument, str(error), hint="; convert it first, such as with image.convert('RGB')"
        ) from error
    return buffer.getvalue()


def _open_path(path: str | Path, argument: str) -> BinaryIO:
    """Open a file by its path.

    Raises:
        ValueError: it cannot be opened; the message says what the text looks like.
    """
    try:
        return Path(path).open("rb") if isinstance(path, str) else path.open("rb")
    except (OSError, ValueError) as error:
        text = str(path)
        reason, hint = _no_file(text, error)
        shown = repr(shorten(text)) if text.strip() else None
        raise ArgumentError(argument, reason, value=shown, hint="" if isinstance(path, Path) else hint) from None


def _no_file(text: str, error: Exception) -> tuple[str, str]:
    """Return why a path cannot be opened and a hint how to fix it."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", text.strip())
    if not text.strip():
        return "is empty: give a path, a URL or a data: URI", ""
    if isinstance(error, (IsADirectoryError, PermissionError)) and Path(text).is_dir():
        return "is a folder: name a file in it", ""
    if scheme is not None and not isinstance(error, PermissionError):
        return _of_scheme(scheme[1].lower()), ""
    if isinstance(error, FileNotFoundError):
        return "no such file" + _looks_like(text), _base64_hint(text)
    if _base64_hint(text):
        return "no such file", _base64_hint(text)
    return f"cannot be opened: {getattr(error, 'strerror', None) or error}", ""


def _of_scheme(scheme: str) -> str:
    if scheme == "file":
        return "no such file: a path has no file: in front of it"
    if scheme in ("http", "https"):
        return "no such file, and no URL that can be sent here"
    return f"no such file: {scheme}: is not read here; give the bytes, an open file or an http(s) URL"


def _looks_like(text: str) -> str:
    if text.startswith("~"):
        return ": ~ is not expanded; give os.path.expanduser(path)"
    if text[0] == text[-1] and text[0] in "\"'" and len(text) > 1:
        return ": it has quotation marks around it"
    return ": it has white space around it" if text != text.strip() else ""


def _base64_hint(text: str) -> str:
    if recognise_base64(text) is None and not re.fullmatch(_LONG_BASE64, text):
        return ""
    return "; raw base64 goes as 'data:image/png;base64,…' or as base64.b64decode(text)"
