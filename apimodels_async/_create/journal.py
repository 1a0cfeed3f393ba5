"""A protocol that is notified of each step of a create request before it is taken."""

from typing import Protocol

from apimodels_async.models import Task


class Journal(Protocol):
    """Writes down the create of one request."""

    async def sending(self) -> None:
        """The first byte is about to leave.

        Raises:
            LedgerError: it could not be written down, so nothing may be sent.
        """
        ...

    async def accepted(self, task: Task) -> None:
        """The server accepted.

        Raises:
            LedgerError: it could not be written down; carries the task id.
        """
        ...

    async def not_taken(self) -> None:
        """It is certain that the server took nothing."""
        ...

    async def rejected(self, error: Exception) -> None:
        """The server refused."""
        ...

    async def unknown(self, error: Exception) -> None:
        """It is not known whether the server accepted."""
        ...

    def ended(self) -> None:
        """The create request is over, however it ended and whether its caller is still there or not."""
        ...


class NoJournal:
    """For creates without a ledger: nothing is written."""

    async def sending(self) -> None:
        """Nothing is written."""

    async def accepted(self, task: Task) -> None:
        """Nothing is written."""

    async def not_taken(self) -> None:
        """Nothing is written."""

    async def rejected(self, error: Exception) -> None:
        """Nothing is written."""

    async def unknown(self, error: Exception) -> None:
        """Nothing is written."""

    def ended(self) -> None:
        """Nothing waits for it."""
