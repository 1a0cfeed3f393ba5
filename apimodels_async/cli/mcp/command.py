"""``apimodels mcp``: a server of tools for agents, on stdin and stdout."""

import math
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.keeping import FOLDER, automatic_ledger
from apimodels_async.cli.failures import CommandFailed
from apimodels_async.cli.mcp.payments import PaidRequests
from apimodels_async.cli.mcp.tools import ImageTools
from apimodels_async.cli.options import DEFAULT_MODEL, Folder, Model, ServerChoice, maybe_local, takes
from apimodels_async.cli.output import Target, folder_of, make_usable
from apimodels_async.cli.session import converse, server_of
from apimodels_async.client import AsyncImagesClient

__all__ = ["mcp"]


@takes(server=maybe_local)
def mcp(
    *,
    server: ServerChoice,
    budget: Annotated[
        float, typer.Option(min=0, metavar="DOLLARS", help="All that may be spent, by what the ledger holds.")
    ] = 1.0,
    model: Model = DEFAULT_MODEL,
    output: Folder = "",
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            exists=True,
            show_default="the output folder alone",
            help="A folder whose pictures may be edited; can be repeated.",
        ),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            show_default="in the output folder",
            help="What was paid for; the budget is for all of it, over restarts.",
        ),
    ] = None,
) -> None:
    """Serve tools to an agent, by the Model Context Protocol on stdin and stdout.

    The tools make, edit and fetch pictures. A request that is repeated is
    paid for once, and nothing is sent that would exceed --budget.
    """
    if math.isnan(budget):
        raise CommandFailed("--budget: give US dollars, as 0.50", exit_codes.USAGE)
    target = folder_of(output, "the ledger and the pictures go into a folder")
    if target.pictures != target.folder:
        raise CommandFailed(f"--output {output}: agents are shown pictures from a folder: give one", exit_codes.USAGE)
    make_usable(target)
    store = target.folder / FOLDER / "mcp-gateway.db"
    converse(
        partial(_serve, budget=budget, model=model, target=target, folders=folder or [], ledger=ledger),
        server,
        store=store,
    )


async def _serve(
    client: AsyncImagesClient, *, budget: float, model: str, target: Target, folders: list[Path], ledger: Path | None
) -> None:
    try:
        from apimodels_async.cli.mcp.server import build_server  # noqa: PLC0415  (needs the extra)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types", "pydantic"}:
            raise
        raise CommandFailed(
            f'this command needs {error.name}, which comes with an extra: pip install "apimodels-async[mcp]"',
            exit_codes.CONFIGURATION,
        ) from error
    automatic = automatic_ledger(target, server_of(client))
    place = ledger or automatic.with_name(f"mcp-{automatic.name}")
    place.parent.mkdir(parents=True, exist_ok=True)
    payments = await PaidRequests.open(client, place, budget)
    tools = ImageTools(client, payments, model, target.folder, folders)
    await build_server(tools, payments).run_stdio_async()
