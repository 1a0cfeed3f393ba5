"""The port between a client and whatever is called back for it. The receiver in `apimodels_async.callbacks` is one."""

from collections.abc import Callable
from typing import Protocol


class CallbackSource(Protocol):
    """Gives out callback URLs, and tells which task each was called for.

    A client asks for a URL before a create, follows it, and puts it into the create. What it is told is a hint and no
    more: it comes from whoever knows the URL, so the client confirms it by a query of its own.
    """

    def issue(self) -> tuple[str, str]:
        """A fresh intent id, and the authenticated URL that the server is to call for it."""
        ...

    def subscribe(self, intent_id: str, told: Callable[[str], object]) -> None:
        """Have `told` called with the task id of every callback accepted for this intent; soon, if one has come before.

        It may be called in any thread, has to be quick, and must not raise. This call never waits for a disk.
        """
        ...

    def unsubscribe(self, intent_id: str) -> None:
        """Have it called no more. What is not followed is passed over."""
        ...
