"""The folder that pictures are saved in: created and tested before anything is paid for. Blocking, for threads."""

import logging
from collections.abc import Collection
from pathlib import Path

from apimodels_async._download.part_file import SWEPT_SUFFIX, PartFile, sweep
from apimodels_async.errors import DownloadError

logger = logging.getLogger("apimodels_async")


def expand(directory: Path) -> Path:
    """Return `directory` with a leading ``~`` expanded: a folder named ``~`` is never meant.

    Raises:
        DownloadError: there is no home directory.
    """
    try:
        return directory.expanduser()
    except RuntimeError as error:
        if directory.parts[0] != "~":  # a folder whose name begins so, where there is no such user
            return directory
        raise DownloadError(f"the output folder {str(directory)!r} cannot be used: {error}") from error


def prepare_folder(directory: Path) -> Path:
    """Make `directory`, write a byte there and remove it, sweep what killed runs left behind, and return its path.

    Raises:
        DownloadError: it cannot be written to; the message names it and says why.
    """
    directory = expand(directory)
    part = PartFile(directory, "test", SWEPT_SUFFIX)
    try:
        part.begin()
        part.write(b"\n")
        part.flush()
    except (OSError, ValueError) as error:  # ValueError: a name that no file system takes, such as one with a NUL
        raise DownloadError(f"the output folder {str(directory)!r} cannot be used: {error}") from error
    finally:
        part.discard()
    removed = sweep(directory)
    if removed:
        logger.info("part files of ended runs removed from %s: %d", directory, len(removed))
    return directory


class LocalFolder:
    """A folder as a `Destination`.

    Args:
        directory: its path; ``~`` is the home directory.

    Raises:
        DownloadError: there is no home directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory: Path = expand(directory)

    def prepare(self) -> Path:
        """As `prepare_folder`."""
        return prepare_folder(self.directory)

    def part(self, stem: str) -> PartFile:
        """A part file in the folder."""
        return PartFile(self.directory, stem, SWEPT_SUFFIX)

    def has(self, stem: str, suffixes: Collection[str]) -> bool:
        """Whether a file there has the name `stem` with one of these suffixes."""
        return any((self.directory / f"{stem}{suffix}").exists() for suffix in suffixes)
