"""Where pictures are saved: the port, and which of its adapters a path or a URL means. Blocking, for threads."""

import hashlib
import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Protocol, TypeAlias, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from apimodels_async._arguments import ArgumentError, path_text
from apimodels_async._download.folder import LocalFolder
from apimodels_async._download.part import PicturePart
from apimodels_async._download.remote import RemoteFolder

Place: TypeAlias = Path | str
"""A folder or a file as a `Path`; what is in a store by its URL."""

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_FLATTENED = re.compile(r"(s3|s3a|gs|gcs|az|abfs|abfss|sftp|memory):/")
_WILD = re.compile(r"[*?\[\]]")


class Destination(Protocol):
    """Where pictures are saved. Its methods block."""

    def prepare(self) -> Place:
        """Make it ready and test it, before anything is paid for.

        Raises:
            DownloadError: it cannot be written to; the message names it and says why.
            ConfigurationError: an extra is missing.
        """
        ...

    def part(self, stem: str) -> PicturePart:
        """What one picture is written to; `stem` is the start of its name."""
        ...

    def has(self, stem: str, suffixes: Collection[str]) -> bool:
        """Whether anything there has the name `stem` with one of these suffixes.

        Raises:
            OSError: as the system or the store says.
        """
        ...


def is_url(place: object) -> bool:
    """Whether a place is in a store, and not in a folder."""
    return isinstance(place, str) and _URL.match(place) is not None


def place_of(given: str | os.PathLike[str], argument: str) -> Place:
    """The place that an argument names: a folder, or the URL of one in a store.

    Args:
        given: a path, or the URL of a store that fsspec knows, such as ``s3://bucket/prefix``.
        argument: its name, for the message.

    Raises:
        ArgumentTypeError, ArgumentError: no path, or a URL where nothing can be saved.
    """
    text = path_text(given, argument, "give the path of a folder, or the URL of a store")
    if not isinstance(given, str):
        if _FLATTENED.match(text):
            raise ArgumentError(argument, "a Path cannot hold a URL: give it as a string", value=text)
        return Path(text)
    if "://" not in text:
        return Path(text)
    scheme = text.partition("://")[0].lower()
    if scheme in ("file", "local"):
        return Path(url2pathname(text.partition("://")[2]))
    problem = _problem(text, scheme)
    if problem:
        shown = re.sub(r"//[^/@]*@", "//…@", text)
        raise ArgumentError(argument, problem, value=shown)
    return text.rstrip("/") if text.partition("://")[2].strip("/") else text


def _problem(url: str, scheme: str) -> str:
    if not _URL.match(url):
        return "give a folder, or the URL of a store, such as s3://bucket/prefix"
    if scheme in ("http", "https"):
        return "nothing can be saved under an http(s) URL: give a folder, or the URL of a store, as s3://bucket/prefix"
    if _WILD.search(url):
        return "a URL with a wildcard (* ? [ ]) names no single folder"
    try:
        password = urlsplit(url).password
    except ValueError as error:
        return f"not a URL ({error})"
    if password is not None:
        return "a password must not be in the URL, which stands in messages: use the configuration of fsspec"
    return ""


def destination(place: Place) -> Destination:
    """The adapter for a place.

    Raises:
        DownloadError: a folder below ``~``, and there is no home directory.
    """
    return RemoteFolder(place) if isinstance(place, str) else LocalFolder(place)


def beside(saved: Place) -> Destination:
    """Where a picture was saved, for what is to be beside it."""
    return destination(saved.rpartition("/")[0] if isinstance(saved, str) else saved.parent)


def name_of(saved: Place) -> str:
    """The file name of a saved picture."""
    return saved.rpartition("/")[2] if isinstance(saved, str) else saved.name


def absolute(saved: Place) -> str:
    """A place as it is written down: its absolute path, or its URL."""
    return str(saved.absolute()) if isinstance(saved, Path) else saved


def seen_from(directory: Place, saved: Place) -> Place:
    """A picture of an earlier run as a run that saves to `directory` names it: relative where that is."""
    if isinstance(saved, Path) and isinstance(directory, Path) and saved.is_relative_to(directory.absolute()):
        return directory / saved.relative_to(directory.absolute())
    return saved


def as_paths(saved: Iterable[Place]) -> tuple[Path, ...]:
    """Saved pictures as the public methods return them.

    They are annotated as paths, because nearly all are, and code that opens them should not have to ask. A caller that
    saves to a URL has named it, and receives URLs.
    """
    return cast("tuple[Path, ...]", tuple(saved))


def sum_of(saved: Place) -> str:
    """The sha256 of what lies there now, in hexadecimal.

    Raises:
        OSError: it cannot be read, or is not there.
    """
    if isinstance(saved, str):
        folder, _, name = saved.rpartition("/")
        return RemoteFolder(folder).sum_of(name)
    with saved.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
