"""The TLS context that all clients share, and the variables that say which certificates it trusts."""

import os
import ssl
import threading
from pathlib import Path

import httpx

from apimodels_async.errors import ConfigurationError

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_made: dict[tuple[str | None, ...], ssl.SSLContext] = {}
_making = threading.Lock()


def _settings() -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) or None for name in _VARIABLES)


def ready_context() -> ssl.SSLContext | None:
    """The shared context, if it was made already."""
    return _made.get(_settings())


def shared_context() -> ssl.SSLContext:
    """The context for this environment, made once. It reads a few hundred certificates: call it in a thread.

    Raises:
        ConfigurationError: a variable names what cannot be used.
    """
    with _making:
        settings = _settings()
        if settings not in _made:
            check_environment()
            try:
                _made[settings] = httpx.create_ssl_context()
            except (OSError, ssl.SSLError, ValueError) as error:
                where = next((name for name in (*_VARIABLES[2:], *_VARIABLES[:2]) if os.environ.get(name)), "TLS")
                raise _unusable(where, str(error)) from None
        return _made[settings]


def check_environment() -> None:
    """Check that the certificates that the environment names are there, without reading them all.

    Raises:
        ConfigurationError: they are not.
    """
    file, directory, _ = _settings()
    if file is not None:
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise _unusable("SSL_CERT_FILE", error.strerror or type(error).__name__) from None
        if not any(b"-----BEGIN %b-----" % kind in content for kind in (b"CERTIFICATE", b"TRUSTED CERTIFICATE")):
            raise _unusable("SSL_CERT_FILE", "no certificate is in it")
    elif directory is not None and not Path(directory).is_dir():
        raise _unusable("SSL_CERT_DIR", "there is no such directory")


def _unusable(variable: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{variable}={os.environ.get(variable, '')!r} cannot be used: {why}; correct or unset it")
