"""The errors for a bad argument, in parts: the command line puts an option's name in place of the argument's."""


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
