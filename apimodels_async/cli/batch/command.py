"""``apimodels batch``: from a file of requests to a folder of pictures."""

from pathlib import Path
from typing import Annotated

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.ending import Place, ledger_lines
from apimodels_async.cli.batch.keeping import Again, Keeping, local_store
from apimodels_async.cli.batch.progress import BatchProgress
from apimodels_async.cli.batch.request_files import RequestFile, StandardInput
from apimodels_async.cli.batch.request_lines import BadLineError
from apimodels_async.cli.batch.run import BatchRun
from apimodels_async.cli.failures import CommandFailed
from apimodels_async.cli.options import DEFAULT_MODEL, Local, Model, Output, Timeout
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse
from apimodels_async.errors import LedgerError

__all__ = ["batch"]


def batch(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Requests: .jsonl, .csv, .txt, or - for stdin.", show_default=False)
    ],
    *,
    output: Output = Path(),
    model: Model = DEFAULT_MODEL,
    max_in_flight: Annotated[int, typer.Option(metavar="N", min=1, help="Maximum number of paid tasks at once.")] = 64,
    budget: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="Send nothing that would exceed it, by the known prices.")
    ] = None,
    allow_unpriced: Annotated[
        bool, typer.Option("--allow-unpriced", help="With --budget, also send what has no known price; it counts as 0.")
    ] = False,
    retry_failed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Submit a failed task again, where the server says it is worth it.")
    ] = 0,
    ledger: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            show_default="in the output folder",
            help="Write each step down before it is taken: the same command again goes on where this one ended.",
        ),
    ] = None,
    no_ledger: Annotated[
        bool, typer.Option("--no-ledger", help="Write nothing down: the same command again buys everything again.")
    ] = False,
    again: Annotated[
        Again | None,
        typer.Option(metavar="all|failed", help="Make again what an earlier run made: all of it, or what failed."),
    ] = None,
    outage_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, help="How long a server that takes nothing is waited for; 0 for no limit."
        ),
    ] = 300.0,
    sidecar: Annotated[
        bool, typer.Option("--sidecar", help="A .json beside each task's pictures: prompt, parameters, task id.")
    ] = False,
    create_rate: Annotated[float | None, typer.Option(metavar="N", help="Creates a second.")] = None,
    poll_rate: Annotated[float | None, typer.Option(metavar="N", help="Queries a second.")] = None,
    timeout: Timeout = 600.0,
    local: Local = False,
) -> None:
    """Make the pictures of all requests in FILE, and save them with results.jsonl.

    A .jsonl file has an object a line, with the fields of a request: prompt,
    model, size, n, image, … A .csv file names them in its header. A .txt file
    has a prompt a line, and # begins a comment. On stdin, a line that begins
    with { is an object. Paths of pictures start from the folder of FILE.

    The whole file is checked before anything is sent. Prints the saved files,
    one a line, unless a terminal shows how far it is. Ctrl-C leaves the batch:
    what is under way is not lost. With --ledger, the same command again goes
    on from there, and pays for no request twice.
    """
    screen = Screen()
    source = StandardInput(model) if file == "-" else RequestFile(Path(file), model)
    total = _number_of_requests(source, screen)
    if total == 0:
        screen.say(f"no request in {file}: nothing was sent")
        return
    run = BatchRun(
        source=source,
        place=Place(output, ledger, repeatable=not local or not no_ledger),
        keeping=Keeping(automatic=ledger is None and not no_ledger, again=again),
        options={
            "max_in_flight": max_in_flight,
            "budget": budget,
            "allow_unpriced": allow_unpriced,
            "retry_failed": retry_failed,
            "sidecar": sidecar,
            "create_rate": create_rate,
            "poll_rate": poll_rate,
            "wait_timeout": timeout,
            "outage_timeout": outage_timeout or None,
        },
        screen=screen,
        progress=BatchProgress(total),
        printing=not (screen.for_people and screen.notes.is_terminal),
    )
    run.progress.stats = lambda: run.stats
    store = None if no_ledger else local_store(output, ledger)
    try:
        with screen.live(run.progress):
            converse(run.make, local=local, store=store)
    except KeyboardInterrupt:
        run.interrupted = True
    except (LedgerError, OSError):
        if run.begun:
            run.finish()
            run.tell_ids()
            screen.say(f"apimodels: {run.way_back('the batch was left')}")
        raise
    run.finish()
    run.tell_ids()
    for words in (*run.tally.summary(run.stats, total), *ledger_lines(run.place.ledger, run.stats)):
        screen.say(words)
    ending = run.ending()
    if ending is not None:
        raise ending


def _number_of_requests(source: RequestFile | StandardInput, screen: Screen) -> int | None:
    """Count the requests by reading all of them, so that an error in line 900 is found before anything is paid."""
    if isinstance(source, StandardInput):
        return None
    with screen.busy("checking the requests"):
        try:
            return source.count()
        except BadLineError as error:
            raise CommandFailed(str(error), exit_codes.USAGE) from error
