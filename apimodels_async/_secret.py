"""Something that may not be seen."""

from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")


class Secret(Generic[T]):
    """A text or bytes that no repr, message or traceback shows."""

    __slots__ = ("_content",)
    _content: T

    def __init__(self, content: T) -> None:
        self._content = content

    def reveal(self) -> T:
        """The content itself, for the one place that puts it on the wire."""
        return self._content

    def forget(self) -> None:
        """Let go of the content: an error that was raised where it was at hand may live long, and it may be large."""
        if hasattr(self, "_content"):
            del self._content

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied: make what holds it anew in each process")

    def __repr__(self) -> str:
        return "Secret(…)"
