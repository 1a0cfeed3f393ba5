"""stdout as the commands write to it: it takes every name, and a full disk behind it is noticed."""

import codecs
import os
import sys

__all__ = ["drop", "flush", "take_every_name"]

_ESCAPE = "apimodels_escape"


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """One character that cannot be encoded, as Python's ``backslashreplace`` writes it.

    A file name on POSIX is bytes: those that are no text are written as they are.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    sign, after = error.object[error.start], error.start + 1
    if os.name == "posix" and "\udc80" <= sign <= "\udcff":
        return sign.encode("utf-8", "surrogateescape"), after
    return sign.encode("ascii", "backslashreplace").decode(), after


def take_every_name() -> None:
    """Have stdout escape what its encoding lacks: a batch must not end because a file is called after its prompt."""
    codecs.register_error(_ESCAPE, _escaped)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=_ESCAPE)


def flush() -> None:
    """Write what stdout still holds back.

    Raises:
        OSError: it takes no more.
    """
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]  (closed by the shell: >&-)
        sys.stdout.flush()


def drop() -> None:
    """If stdout can no longer be written, prevent Python's last flush from failing as well."""
    try:
        flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
