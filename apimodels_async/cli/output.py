"""The folder that pictures go to."""

import os
import secrets
from pathlib import Path

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed

__all__ = ["make_usable"]

_PROBE = 1 << 13
"""Bytes: on a full disk an empty file can still be made, and some file systems keep tiny ones beside the name."""


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
