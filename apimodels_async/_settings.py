"""Where the key, the base URL and the default model come from: the argument, the environment, the credentials file.

The names are those of the vendor's own clients: ``APIMODELS_API_KEY``, ``APIMODELS_BASE_URL``, and
``~/.apimodels/credentials`` (the key and a newline, mode 0600). ``APIMODELS_MODEL`` and ``APIMODELS_PRICES`` are ours.
"""

import os
import re
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from apimodels_async._arguments import check_type
from apimodels_async._secret import Secret
from apimodels_async._urls import check_endpoint, exposed_host
from apimodels_async.catalogue import PUBLISHED, PriceTable, parse_prices
from apimodels_async.errors import ConfigurationError

DEFAULT_BASE_URL = "https://apimodels.app/api/v1"

_PRINTABLE = "[!-~]+"


class Settings(NamedTuple):
    """What a client was set up with.

    Attributes:
        api_key: never shown.
        base_url: with no slash at its end.
        model: for calls that name none.
        prices: what pictures cost.
    """

    api_key: Secret[str]
    base_url: str
    model: str | None = None
    prices: PriceTable = PUBLISHED


def resolve(
    api_key: Secret[str] | None,
    base_url: str | None,
    model: str | None,
    *,
    getenv: Callable[[str], str | None] = os.getenv,
    home: Path | None = None,
) -> Settings:
    """Return the settings: an argument wins over the environment, the environment over the file.

    `getenv` looks a variable up. It is a function, not the environment itself, so that a traceback that shows
    our locals does not show the key.

    Raises:
        ConfigurationError: the API key is missing or malformed, the base URL is not an absolute http(s) URL, or the
            file of prices cannot be read.
    """
    for argument, value in (("base_url", base_url), ("model", model)):
        if value is not None:
            check_type(value, str, argument, "give text")
    if api_key is not None:
        key = key_of(api_key, "api_key")
    elif getenv("APIMODELS_API_KEY"):
        key = key_of(Secret(getenv("APIMODELS_API_KEY") or ""), "APIMODELS_API_KEY")
    else:
        key = _key_from_file(home)
    given, source = (base_url, "base_url") if base_url is not None else (getenv("APIMODELS_BASE_URL"), "")
    url = _checked_base_url((given if source else given or DEFAULT_BASE_URL) or "", source or "APIMODELS_BASE_URL")
    return Settings(key, url, model or getenv("APIMODELS_MODEL") or None, load_prices(getenv))


def load_prices(getenv: Callable[[str], str | None] = os.getenv) -> PriceTable:
    """The prices that count: those of the file that ``APIMODELS_PRICES`` names, and else those of the catalogue.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    name = getenv("APIMODELS_PRICES")
    if not name:
        return PUBLISHED
    try:
        return parse_prices(Path(name).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"APIMODELS_PRICES: {name}: {reason}") from None


def credentials_file(home: Path | None = None) -> Path:
    """Where the key is, if it is in a file.

    Raises:
        RuntimeError: there is no home directory.
    """
    return (home or Path.home()) / ".apimodels" / "credentials"


def key_of(key: Secret[str], source: str) -> Secret[str]:
    """Return `key` if it can be one.

    Raises:
        ConfigurationError: it cannot; the message names the `source`, and not the key.
    """
    check_type(key.reveal(), str, source, "give text")
    # Checked here because an HTTP library's own complaint about a bad header would quote the key.
    if not re.fullmatch(_PRINTABLE, key.reveal()):
        raise ConfigurationError(
            f"{source}: an API key is printable ASCII without spaces or line breaks, such as sk_ and letters and digits"
        )
    return key


def _key_from_file(home: Path | None) -> Secret[str]:
    advice = (
        "no API key: give api_key=, set APIMODELS_API_KEY, or write the key to ~/.apimodels/credentials (mode 0600); "
        "keys are made at https://apimodels.app/console/api-keys"
    )
    try:
        path = credentials_file(home)
    except RuntimeError:  # a user id without an entry and without HOME, as in some containers
        raise ConfigurationError(advice) from None
    try:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            warnings.warn(f"{path} can be read by others and is not used: chmod 600 it", UserWarning, stacklevel=5)
            raise ConfigurationError(f"{advice} ({path} is refused: others can read it)")
        return key_of(Secret(path.read_text(encoding="utf-8").strip()), str(path))
    except FileNotFoundError:
        raise ConfigurationError(advice) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{advice} ({path} cannot be read: {type(error).__name__})") from None


def _checked_base_url(url: str, source: str) -> str:
    try:
        parts = check_endpoint(url, source, example=DEFAULT_BASE_URL, credentials="the key goes to api_key=")
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if (host := exposed_host(parts)) is not None:
        warnings.warn(
            f"{source} is plain http to {host}: the API key and the pictures travel unprotected",
            UserWarning,
            stacklevel=4,
        )
    return url.rstrip("/")
