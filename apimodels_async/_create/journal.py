"""A protocol that is notified of each step of a create request before it is taken."""

from typing import Protocol

from apimodels_async.errors import APIError, ApimodelsError, ContentPolicyError, LedgerError, SubmissionUnknownError
from apimodels_async.models import Task


class TakenElsewhereError(LedgerError):
    """Another run has sent the request first, or is sending it: nothing was sent."""


class BudgetUsedUpError(LedgerError):
    """The ledger's budget does not allow the request: nothing was sent."""


class NotLoadedError(LedgerError):
    """The request is not the one that was loaded: nothing was sent."""


class Journal(Protocol):
    """Records the steps of one create request."""

    async def turn(self) -> None:
        """Wait until one more create request may be sent.

        Raises:
            LedgerError: it cannot be found out, so nothing must be sent.
        """
        ...

    async def sending(self) -> None:
        """Record that the first byte is about to be sent.

        Raises:
            LedgerError: it could not be recorded, so nothing must be sent.
        """
        ...

    async def accepted(self, task: Task) -> None:
        """Record that the server accepted the request.

        Raises:
            LedgerError: it could not be recorded; carries the task id.
        """
        ...

    async def not_taken(self) -> None:
        """Record that the server certainly did not accept the request."""
        ...

    async def rejected(self, error: Exception) -> None:
        """Record that the server refused the request."""
        ...

    async def unknown(self, error: Exception) -> None:
        """Record that it is not known whether the server accepted the request."""
        ...

    def ended(self) -> None:
        """Release the journal. Called once when the create request is over, in any way, with or without its caller."""
        ...


class NoJournal:
    """The journal of create requests without a ledger: records nothing."""

    async def turn(self) -> None:
        """Nothing is waited for."""

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


async def write_down(journal: Journal, error: ApimodelsError) -> None:
    """Record how a create request failed, if anything of it was sent."""
    match error:
        case SubmissionUnknownError():
            await journal.unknown(error)
        case APIError() | ContentPolicyError():
            await journal.rejected(error)
        case _:  # nothing was sent, or what was sent could not be written down
            pass
