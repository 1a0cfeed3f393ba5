"""Where pictures go: a folder, or the file of one picture."""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from apimodels_async._download.names import split_suffix
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed

__all__ = ["Target", "folder_of", "make_usable", "target_of"]

_PROBE = 1 << 13
"""Bytes: on a full disk an empty file can still be made, and some file systems keep tiny ones beside the name."""


class Target(NamedTuple):
    """Where pictures go.

    Attributes:
        given: as it was typed.
        folder: the folder.
        file: the name of the file, where one was typed.
    """

    given: str
    folder: Path
    file: str | None = None


def target_of(given: str) -> Target:
    """What was typed as ``--output``: ``cat.png`` is a file, ``pictures/`` and everything else a folder."""
    path = Path(given)
    is_folder = given.endswith(("/", os.sep)) or not split_suffix(path.name)[1] or path.is_dir()
    return Target(given, path) if is_folder else Target(given, path.parent, path.name)


def folder_of(given: str, why: str) -> Path:
    """What was typed as ``--output`` where there may be many pictures.

    Raises:
        CommandFailed: it is a file.
    """
    target = target_of(given)
    if target.file is not None:
        raise CommandFailed(
            f"--output {given}: {why}: give a folder, and --name for the names of the files", exit_codes.USAGE
        )
    return target.folder


def make_usable(directory: Path) -> None:
    """Create a directory if it is missing, and test that it can be written: otherwise nothing must be bought.

    Raises:
        CommandFailed: it cannot be made or written.
    """
    probe = directory / f".apimodels-{secrets.token_hex(4)}.part"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("xb") as file:
                file.write(b"\0" * _PROBE)
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise CommandFailed(f"--output {directory}: {error.strerror or error}", exit_codes.USAGE) from error
