"""``apimodels login``: the API key into its file."""

import os
import secrets
import sys
from pathlib import Path

import typer

from apimodels_async._secret import Secret
from apimodels_async._settings import credentials_file, key_of
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, is_empty
from apimodels_async.cli.options import ServerChoice, remote, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse
from apimodels_async.cli.stderr import current
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import APIError, AuthenticationError, ConnectionFailedError, ProtocolError

__all__ = ["login"]

KEYS = "https://apimodels.app/console/api-keys"


@takes(server=remote)
def login(*, server: ServerChoice) -> None:
    """Ask for the API key, try it, and write it to ~/.apimodels/credentials, which only you can read.

    In a pipe, the key is read from stdin. A key that the server does not accept is not written.
    """
    screen = Screen()
    key = _key(screen)
    try:
        place = credentials_file()
    except RuntimeError as error:
        raise CommandFailed("there is no home directory to write the key to", exit_codes.CONFIGURATION) from error
    try:
        with screen.busy("trying the key"):
            converse(AsyncImagesClient.balance, server, api_key=key)
    except AuthenticationError:
        raise
    except (APIError, ConnectionFailedError, ProtocolError) as error:
        current().warn(f"the key could not be tried ({error})")
    there = place.exists()
    try:
        write_key(place, key)
    except OSError as error:
        why = error.strerror or str(error)
        raise CommandFailed(f"{place} cannot be written: {why}", exit_codes.CONFIGURATION) from error
    screen.say(f"The key is {'replaced' if there else 'written'} in {place}.")
    if os.environ.get("APIMODELS_API_KEY"):
        current().warn("APIMODELS_API_KEY is set, and is used instead of the file")


def _key(screen: Screen) -> Secret[str]:
    if sys.stdin is not None and sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        screen.say(f"Keys are made at {KEYS}.")
        given = typer.prompt("API key (it is not shown)", hide_input=True, default="", show_default=False, err=True)
    else:
        given = "" if sys.stdin is None else sys.stdin.readline()  # pyright: ignore[reportUnnecessaryComparison]
    if not given.strip():
        raise is_empty("the key", "type it, or pipe it to stdin")
    return key_of(Secret(given.strip()), "the key")


def write_key(place: Path, key: Secret[str]) -> None:
    """Write a key to its file, whole or not at all, readable by its owner only.

    Raises:
        OSError: as the system says.
    """
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.{secrets.token_hex(4)}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        try:
            os.write(handle, f"{key.reveal()}\n".encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
