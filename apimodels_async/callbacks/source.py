"""The port through which a client gets callback URLs and notifications. `CallbackReceiver` implements it."""

from collections.abc import Callable
from typing import Protocol


class CallbackSource(Protocol):
    """Issues callback URLs, and notifies subscribers of the tasks for which they were called.

    A client asks for a URL before a create request, subscribes to it, and sends it with the request. A notification is
    only a hint, because any caller who knows the URL can cause it: the client confirms it by a query of its own.
    """

    def issue(self) -> tuple[str, str]:
        """Return a new intent id and the authenticated URL that the server is to call for it."""
        ...

    def subscribe(self, intent_id: str, told: Callable[[str], object]) -> None:
        """Call `told` with the task id of every callback accepted for this intent, earlier ones included.

        `told` may be called in any thread, must be quick and must not raise. `subscribe` itself never waits for a disk.
        """
        ...

    def unsubscribe(self, intent_id: str) -> None:
        """Cancel the subscription to an intent. An unknown intent is ignored."""
        ...
