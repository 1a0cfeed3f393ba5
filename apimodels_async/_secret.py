"""A text that may not be seen."""


class Secret:
    """A text that no repr, message or traceback shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that puts it on the wire."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"
