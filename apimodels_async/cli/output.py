"""Where pictures go: a folder, a store, or the file of one picture. The notes of a command always go to a folder."""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from apimodels_async._download.destination import Place, destination, is_url, place_of
from apimodels_async._download.names import split_suffix
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line
from apimodels_async.errors import DownloadError

__all__ = ["Target", "folder_of", "make_usable", "target_of", "unusable"]

_PROBE = 1 << 13
"""Bytes: on a full disk an empty file can still be made, and some file systems keep tiny ones beside the name."""


class Target(NamedTuple):
    """Where pictures go, and what a command notes about them.

    Attributes:
        given: as it was typed.
        pictures: the folder, or the URL of one in a store.
        folder: the folder for what the command writes down: that of the pictures, or the current one beside a store.
        file: the name of the file, where one was typed.
    """

    given: str
    pictures: Place
    folder: Path
    file: str | None = None


def target_of(given: str) -> Target:
    """What was typed as ``--output``: ``cat.png`` is a file, ``pictures/`` and everything else a folder.

    Raises:
        CommandFailed: a URL where nothing can be saved.
    """
    try:
        place = place_of(given, "output")
    except ValueError as error:
        raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error
    if isinstance(place, str):
        start, _, last = place.rpartition("/")
        is_file = not given.endswith("/") and is_url(start) and split_suffix(last)[1]
        return Target(given, start, Path(), last) if is_file else Target(given, place, Path())
    is_folder = given.endswith(("/", os.sep)) or not split_suffix(place.name)[1] or place.is_dir()
    return Target(given, place, place) if is_folder else Target(given, place.parent, place.parent, place.name)


def folder_of(given: str, why: str) -> Target:
    """What was typed as ``--output`` where there may be many pictures.

    Raises:
        CommandFailed: it is a file, or a URL where nothing can be saved.
    """
    target = target_of(given)
    if target.file is not None:
        raise CommandFailed(
            f"--output {given}: {why}: give a folder, and --name for the names of the files", exit_codes.USAGE
        )
    return target


def make_usable(target: Target) -> None:
    """Create what is missing, and test that it can be written: otherwise nothing must be bought.

    Raises:
        CommandFailed: it cannot be made or written.
        ConfigurationError: a library for the store is not installed.
    """
    _make_usable(target.folder)
    if not isinstance(target.pictures, Path):
        try:
            destination(target.pictures).prepare()
        except DownloadError as error:
            raise CommandFailed(f"--output {target.pictures}: {error}", exit_codes.USAGE) from error


def _make_usable(directory: Path) -> None:
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
        raise unusable(directory, error) from error


def unusable(directory: Path, error: OSError) -> CommandFailed:
    """The error for an output folder that cannot be written to; nothing was sent."""
    return CommandFailed(f"--output {directory}: {error.strerror or error}", exit_codes.USAGE)
