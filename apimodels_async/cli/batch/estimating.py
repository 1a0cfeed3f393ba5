"""``--dry-run`` and ``--confirm-above``: what a batch would do, said before anything is sent."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import typer

from apimodels_async._batch.estimate import Estimate, estimate
from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.keeping import Again, Keeping, automatic_ledger
from apimodels_async.cli.batch.request_files import RequestFile, StandardInput
from apimodels_async.cli.batch.request_lines import BadLineError
from apimodels_async.cli.failures import CommandFailed, is_empty
from apimodels_async.cli.options import ServerChoice
from apimodels_async.cli.output import Target
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse_offline, server_of
from apimodels_async.client import AsyncImagesClient
from apimodels_async.ledger import SqliteLedger
from apimodels_async.models import GenerationRequest

__all__ = ["Plans", "confirm", "show_estimate"]


class Plans(NamedTuple):
    """A batch that is not begun yet.

    Attributes:
        source: of the requests.
        target: where the pictures go.
        ledger: as it was named.
        keeping: which ledger it keeps.
        retry_failed: whether a failed task is submitted again.
    """

    source: RequestFile | StandardInput
    target: Target
    ledger: Path | None
    keeping: Keeping
    retry_failed: bool

    def estimate(self, server: ServerChoice, store: Path | None) -> Estimate:
        """What would become of it. Nothing is sent, nothing is written, and no key is needed.

        Raises:
            CommandFailed: a line that is no request, or no line at all.
            LedgerError: the ledger cannot be read.
        """

        async def look(client: AsyncImagesClient) -> Estimate:
            ledger = self.ledger
            if self.keeping.automatic:
                ledger = automatic_ledger(self.target, server_of(client))
            engine = client._engine  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            if ledger is None or self.keeping.again is Again.ALL or not ledger.is_file():
                return await estimate(engine, self._requests(), None)
            with SqliteLedger(ledger, read_only=True) as opened:
                return await estimate(
                    engine, self._requests(), opened,
                    failed_again=self.keeping.again is Again.FAILED, retry_failed=self.retry_failed,
                )  # fmt: skip

        try:
            found = converse_offline(look, server, store=store)
        except BadLineError as error:
            raise CommandFailed(str(error), exit_codes.USAGE) from error
        if not found.requests:
            raise is_empty("FILE -", "give a request a line")
        return found

    async def _requests(self) -> AsyncIterator[GenerationRequest]:
        async for line in self.source:
            yield line.request


def show_estimate(found: Estimate, file: str, screen: Screen, *, budget: float | None, as_json: bool) -> None:
    """Print what would become of a batch."""
    if as_json:
        screen.json({
            "requests": found.requests,
            "new": found.new,
            "matched": found.matched,
            "unknown": found.unknown,
            "cost": round(found.cost, 6),
            "unpriced": found.unpriced,
        })  # fmt: skip
        return
    rows = {
        "new": f"{found.new}, which would be sent and paid for",
        "matched": f"{found.matched}, known from an earlier run and not sent again",
        "unknown": f"{found.unknown}, perhaps accepted in an earlier run: not sent until you decide",
        "cost": _cost(found),
    }
    if budget is not None and found.cost > budget:
        rows["budget"] = f"US$ {budget:.2f}: it would end the sending before the end of {file}"
    if screen.for_people:
        screen.pairs(rows)
    else:
        screen.pairs_plain(rows.items())
    screen.note("Nothing was sent.")


def _cost(found: Estimate) -> str:
    if not found.unpriced:
        return f"about US$ {found.cost:.2f}"
    are = "1 request of unknown price" if found.unpriced == 1 else f"{found.unpriced} requests of unknown price"
    return f"about US$ {found.cost:.2f}, and {are}"


def confirm(found: Estimate, above: float, screen: Screen) -> None:
    """Ask whether a batch shall begin, if it would cost more than `above` US dollars, or it is not known how much.

    Raises:
        CommandFailed: the answer was no, or there is no terminal to ask at.
    """
    if found.cost <= above and not found.unpriced:
        return
    words = f"{found.new} new requests would cost {_cost(found)}"
    if not (_is_terminal() and screen.notes.is_terminal):
        raise CommandFailed(
            f"{words}, which is above --confirm-above {above:g}, and there is no terminal to ask at: nothing was sent",
            exit_codes.NOT_CONFIRMED,
        )
    if not typer.confirm(f"{words}. Send them?", err=True):
        raise CommandFailed("not confirmed: nothing was sent", exit_codes.NOT_CONFIRMED)


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]
