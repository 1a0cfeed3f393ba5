"""The errors for a bad argument, in parts: the command line puts an option's name in place of the argument's.

And the checks of types that all packages share. What counts as a number is converted once, where it comes in.
"""

import math
import os
from operator import index
from typing import Any, cast


class BadArgument:
    """What is wrong with an argument.

    Attributes:
        argument: its name in Python, with an index where it is one of several: ``images[2]``.
        value: it, shortened, where it may be shown.
        reason: what is wrong, or what would be right.
        hint: what follows the reason, such as advice for Python, which the command line leaves out.
    """

    argument: str
    value: str | None
    reason: str
    hint: str

    def explain(self, argument: str, *, equals: str = "=", hint: bool = True) -> str:
        """The message, with `argument` as its name, and `equals` between name and value."""
        shown = argument if self.value is None else f"{argument}{equals}{self.value}"
        joint = " " if self.reason.startswith("is ") else ": "
        return f"{shown}{joint}{self.reason}{self.hint if hint else ''}"


class ArgumentError(BadArgument, ValueError):
    """An argument the server could not accept, or that makes no sense."""

    def __init__(self, argument: str, reason: str, *, value: str | None = None, hint: str = "") -> None:
        self.argument, self.reason, self.value, self.hint = argument, reason, value, hint
        super().__init__(self.explain(argument))

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (ArgumentError, self.argument, self.reason, self.value, self.hint)


class ArgumentTypeError(BadArgument, TypeError):
    """An argument of the wrong type."""

    def __init__(self, argument: str, reason: str, *, value: str | None = None, hint: str = "") -> None:
        self.argument, self.reason, self.value, self.hint = argument, reason, value, hint
        super().__init__(self.explain(argument))

    def __reduce__(self) -> tuple[object, ...]:
        return _make, (ArgumentTypeError, self.argument, self.reason, self.value, self.hint)


def _make(
    kind: type[ArgumentError] | type[ArgumentTypeError], argument: str, reason: str, value: str | None, hint: str
) -> Exception:
    return kind(argument, reason, value=value, hint=hint)


def check_type(value: object, kinds: type | tuple[type, ...], argument: str, right: str) -> None:
    """Refuse a value of another type; `right` says what to give.

    Raises:
        ArgumentTypeError: naming the argument.
    """
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is int):
        raise ArgumentTypeError(argument, f"is a {type(value).__name__}: {right}")


def check_functions(**functions: object) -> None:
    """Refuse what is neither a function nor ``None``.

    Raises:
        ArgumentTypeError: naming the argument.
    """
    for argument, function in functions.items():
        if function is not None and not callable(function):
            raise ArgumentTypeError(argument, f"is a {type(function).__name__}: give a function")


def path_text(value: object, argument: str, right: str) -> str:
    """Return a path as text; `right` says what to give.

    Raises:
        ArgumentTypeError: it is no path, or one of bytes.
    """
    text = os.fspath(cast("os.PathLike[str]", value)) if isinstance(value, os.PathLike) else value
    check_type(text, str, argument, right)
    return str(text)


_NO_LIMIT = ", or None for no limit"


def number(argument: str, value: object, *, above: float | None = None, least: float | None = None) -> float:
    """Return a number as a float: that of a ``Decimal``, a ``Fraction`` and of NumPy's types as well.

    Args:
        argument: its name, for the message.
        value: what was given.
        above: what it must exceed.
        least: what it must at least be.

    Raises:
        ArgumentTypeError, ArgumentError: it is no number, or out of range.
    """
    return _number(argument, value, "a number", above=above, least=least)


def limit(argument: str, value: object, *, above: float | None = None, least: float | None = None) -> float | None:
    """The same of a limit, of which ``None`` says that there is none."""
    return None if value is None else _number(argument, value, "a number", _NO_LIMIT, above=above, least=least)


def seconds(argument: str, value: object, *, above: float | None = None, least: float | None = None) -> float | None:
    """The same of seconds, of which ``None`` and infinity say that there is no limit."""
    if value is None:
        return None
    found = _number(argument, value, "seconds", _NO_LIMIT, above=above, least=least)
    return None if found == math.inf else found


def whole(argument: str, value: object, *, least: int) -> int:
    """Return a whole number; one of NumPy's types as well.

    Raises:
        ArgumentTypeError, ArgumentError: it is none, or less than `least`.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ArgumentTypeError(argument, f"is a {type(value).__name__}: give a whole number, {least} or more")
    found = index(cast("Any", value))
    if found < least:
        raise ArgumentError(argument, f"give {least} or more", value=str(found))
    return found


def _number(
    argument: str, value: object, what: str, hint: str = "", *, above: float | None, least: float | None
) -> float:
    bounds = ("" if above is None else f" above {above:g}") + ("" if least is None else f" from {least:g}")
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        raise ArgumentTypeError(argument, f"is a {type(value).__name__}: give {what}{bounds}", hint=hint)
    try:
        found = float(cast("Any", value))
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if math.isnan(found) or (above is not None and found <= above) or (least is not None and found < least):
        raise ArgumentError(argument, f"give {what}{bounds}", value=str(value)[:40], hint=hint)
    return found
