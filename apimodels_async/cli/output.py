"""Where pictures go: a folder, or a store. The notes of a command go to a folder in either case."""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from apimodels_async._download.destination import Place, destination, place_of
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, in_words_of_the_command_line
from apimodels_async.errors import DownloadError

__all__ = ["OutputPlace", "make_usable", "output_place"]

_PROBE = 1 << 13
"""Bytes: on a full disk an empty file can still be made, and some file systems keep tiny ones beside the name."""


class OutputPlace(NamedTuple):
    """What ``--output`` names.

    Attributes:
        pictures: where the pictures go: a folder, or the URL of a store.
        notes: the folder for what the command writes down: that of the pictures, or the current one beside a store.
    """

    pictures: Place
    notes: Path


def output_place(given: str) -> OutputPlace:
    """The place that ``--output`` names.

    Raises:
        CommandFailed: a URL where nothing can be saved.
    """
    try:
        place = place_of(given, "output")
    except ValueError as error:
        raise CommandFailed(in_words_of_the_command_line(error), exit_codes.USAGE) from error
    return OutputPlace(place, place if isinstance(place, Path) else Path())


def make_usable(output: OutputPlace) -> None:
    """Create what is missing, and test that it can be written: otherwise nothing must be bought.

    Raises:
        CommandFailed: it cannot be made or written.
        ConfigurationError: a library for the store is not installed.
    """
    _make_usable(output.notes)
    if not isinstance(output.pictures, Path):
        try:
            destination(output.pictures).prepare()
        except DownloadError as error:
            raise CommandFailed(f"--output {output.pictures}: {error}", exit_codes.USAGE) from error


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
        raise CommandFailed(f"--output {directory}: {error.strerror or error}", exit_codes.USAGE) from error
