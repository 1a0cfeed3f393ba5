"""The ledgers that one client has open."""

import os

import anyio
import anyio.to_thread

from apimodels_async.errors import LedgerError
from apimodels_async.ledger import SqliteLedger
from apimodels_async.ledger.recorder import GroupCommitWriter
from apimodels_async.ledger.run import LedgerRun


class OpenLedgers:
    """Opens the ledgers that are given as paths, once each, and closes them with the client.

    A ledger that is given as an object is the caller's, and stays open.
    """

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._opened: dict[str, SqliteLedger] = {}
        self._recorders: dict[int, tuple[SqliteLedger, GroupCommitWriter]] = {}

    async def records(self, ledger: SqliteLedger | str | os.PathLike[str], *, match: bool) -> LedgerRun:
        """A run's records in `ledger`; with `match`, those of earlier runs are read for it.

        Raises:
            LedgerError: it cannot be used.
        """
        async with self._turn:
            if not isinstance(ledger, SqliteLedger):
                path = os.path.abspath(ledger)  # noqa: ASYNC240, PTH100  (asks no disk)
                if path not in self._opened:
                    self._opened[path] = await anyio.to_thread.run_sync(SqliteLedger, path)
                ledger = self._opened[path]
            if id(ledger) not in self._recorders:
                self._recorders[id(ledger)] = ledger, GroupCommitWriter(ledger)
            _, recorder = self._recorders[id(ledger)]
            return LedgerRun(recorder, await anyio.to_thread.run_sync(ledger.steps) if match else {})

    async def aclose(self) -> None:
        """Write what is left to be written, and close what was opened here."""
        errors: list[LedgerError] = []
        for _, recorder in self._recorders.values():
            try:
                await recorder.flush()
            except LedgerError as error:
                errors.append(error)
        for opened in self._opened.values():
            await anyio.to_thread.run_sync(opened.close)
        if errors:
            raise errors[0]
