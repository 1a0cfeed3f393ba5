"""``apimodels batch``: from a file of requests to a folder of pictures."""

from pathlib import Path
from typing import Annotated, Any

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.columns import Columns, columns_of
from apimodels_async.cli.batch.ending import Place, ledger_lines
from apimodels_async.cli.batch.estimating import Plans, confirm, show_estimate
from apimodels_async.cli.batch.keeping import WORDS, Again, Keeping, local_store
from apimodels_async.cli.batch.progress import BatchProgress
from apimodels_async.cli.batch.request_files import RequestFile, StandardInput
from apimodels_async.cli.batch.request_lines import BadLineError
from apimodels_async.cli.batch.run import BatchRun
from apimodels_async.cli.failures import CommandFailed, is_empty, one_line
from apimodels_async.cli.naming import UNKNOWN_DIGITS, checked_batch_name, digits_of
from apimodels_async.cli.options import (
    DEFAULT_MODEL,
    REQUEST,
    SAVING,
    AsJson,
    Extra,
    Folder,
    Model,
    ServerChoice,
    Timeout,
    maybe_local,
    takes,
)  # fmt: skip
from apimodels_async.cli.output import folder_of
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse
from apimodels_async.cli.stderr import current
from apimodels_async.cli.values import json_object, number, one_of, whole
from apimodels_async.errors import LedgerError

__all__ = ["batch"]

BY_LINE = "{line}-{id}"
MONEY = "Money"
AGAIN = "Going on"
PACE = "Pace"


@takes(server=maybe_local)
def batch(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Requests: .jsonl, .csv, .tsv, .txt, or - for stdin.")],
    *,
    server: ServerChoice,
    model: Model = DEFAULT_MODEL,
    prompt: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", rich_help_panel=REQUEST,
            help='A prompt made of the columns of FILE, as "Studio photo of {product}, {colour}".',
        ),
    ] = None,
    extra: Extra = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Send nothing: say how many requests are new, and what they would cost."),
    ] = False,
    as_json: AsJson = False,
    output: Folder = "",
    name: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            rich_help_panel=SAVING,
            help='What the files are called, as "{line}-{prompt}": {line} {id} {index} {key} {model}, or any column. '
            "No file is replaced: -2, -3 are added.",
        ),
    ] = BY_LINE,
    sidecar: Annotated[
        bool,
        typer.Option(
            "--sidecar", rich_help_panel=SAVING,
            help="A .json beside each task's pictures: prompt, parameters, task id.",
        ),
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="US$", parser=number(0, above=True), rich_help_panel=MONEY,
            help="Send nothing that would exceed it, by the known prices.",
        ),
    ] = None,
    confirm_above: Annotated[
        float | None,
        typer.Option(
            metavar="US$", parser=number(0), rich_help_panel=MONEY,
            help="Ask before anything is sent, if it would cost more.",
        ),
    ] = None,
    retry_failed: Annotated[
        int,
        typer.Option(
            metavar="N", parser=whole(0), rich_help_panel=MONEY,
            help="Submit a failed task again, where the server says it is worth it.",
        ),
    ] = 0,
    ledger: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, show_default="in the output folder", rich_help_panel=AGAIN,
            help="Write each step down before it is taken: the same command again goes on where this one ended.",
        ),
    ] = None,
    no_ledger: Annotated[
        bool,
        typer.Option(
            "--no-ledger", rich_help_panel=AGAIN,
            help="Write nothing down: the same command again buys everything again.",
        ),
    ] = False,
    again: Annotated[
        str | None,
        typer.Option(
            metavar="all|failed", parser=one_of(*WORDS), rich_help_panel=AGAIN,
            help="Make again what an earlier run made: all of it, or what failed.",
        ),
    ] = None,
    max_in_flight: Annotated[
        int,
        typer.Option(
            metavar="N", parser=whole(1), rich_help_panel=PACE, help="Maximum number of paid tasks at once."
        ),
    ] = 64,
    create_rate: Annotated[
        float | None,
        typer.Option(
            metavar="N", parser=number(0, above=True), rich_help_panel=PACE,
            help="Maximum number of requests for pictures a second.",
        ),
    ] = None,
    poll_rate: Annotated[
        float | None,
        typer.Option(
            metavar="N", parser=number(0, above=True), rich_help_panel=PACE,
            help="Maximum number of questions about tasks a second.",
        ),
    ] = None,
    outage_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", parser=number(0), rich_help_panel=PACE,
            help="How long a server that takes nothing is waited for; 0 for no limit.",
        ),
    ] = 300.0,
    timeout: Timeout = 600.0,
) -> None:  # fmt: skip
    """Make the pictures of all requests in FILE, and save them with results.jsonl.

    FILE holds a request a line:

    - .txt: a prompt; # begins a comment
    - .csv, .tsv: a table, whose first line names the fields: prompt, model, size, n, seed, image, mask, …
    - .jsonl: an object with these fields
    - -: stdin, with prompts or objects

    With --prompt or --name, other columns may be used as well. Paths of pictures start from the folder of FILE.

    The whole file is checked before anything is sent. On a terminal, you see how far it is; in a pipe, stdout has the
    saved files, one a line. Ctrl-C leaves the batch, and what is under way is not lost: the same command again goes on
    from there, and pays for no request twice.
    """
    screen = Screen()
    columns = columns_of(prompt, name)
    name = checked_batch_name(name, columns.of_names)
    if no_ledger and columns.name is not None and "key" in columns.name.fields:
        raise CommandFailed("--name: {key} is that of the ledger, which --no-ledger leaves out", exit_codes.USAGE)
    folder = folder_of(output, "a batch makes many pictures")
    if confirm_above is not None and file == "-" and not dry_run:
        raise CommandFailed("--confirm-above needs a FILE: stdin is not known beforehand", exit_codes.USAGE)
    fields = json_object("--extra", extra)
    source = StandardInput(model, columns, fields) if file == "-" else RequestFile(Path(file), model, columns, fields)
    total = _number_of_requests(source, screen)
    if total == 0:
        raise is_empty(f"FILE {file}", "give a request a line")
    keeping = Keeping(automatic=ledger is None and not no_ledger, again=None if again is None else Again(again))
    store = None if no_ledger else local_store(folder, ledger)
    _tell_unused(columns, screen, as_json=as_json)
    if dry_run or confirm_above is not None:
        plans = Plans(source, folder, ledger, keeping, retry_failed=retry_failed > 0)
        with screen.busy("looking at what is new"):
            found = plans.estimate(server, store)
        if dry_run:
            show_estimate(found, file, screen, budget=budget, as_json=as_json)
            return
        confirm(found, confirm_above or 0.0, screen)
    digits = digits_of(source.last_line) if isinstance(source, RequestFile) else UNKNOWN_DIGITS
    options: dict[str, Any] = {
        "max_in_flight": max_in_flight,
        "budget": budget,
        "retry_failed": retry_failed,
        "sidecar": sidecar,
        "create_rate": create_rate,
        "poll_rate": poll_rate,
        "wait_timeout": timeout,
        "outage_timeout": outage_timeout or None,
    }
    run = BatchRun(
        source=source,
        place=Place(folder, ledger, repeatable=not server.local or not no_ledger, output=output, server=server),
        keeping=keeping,
        options=options,
        screen=screen,
        progress=BatchProgress(total),
        printing=not as_json and not (screen.for_people and screen.notes.is_terminal),
        name=name,
        digits=digits,
    )
    run.progress.stats = lambda: run.stats
    _make(run, server, store, total, as_json=as_json)


def _make(run: BatchRun, server: ServerChoice, store: Path | None, total: int | None, *, as_json: bool) -> None:
    screen = run.screen
    try:
        with screen.live(run.progress):
            converse(run.make, server, store=store)
    except KeyboardInterrupt:
        run.interrupted = True
    except (LedgerError, OSError):
        if run.begun:
            run.finish()
            run.tell_ids()
            current().warn(run.way_back("the batch was left"))
        raise
    run.finish()
    run.tell_ids()
    ending = run.ending()
    if not as_json:
        for words in (*run.tally.summary(run.stats, total), *ledger_lines(run.place.ledger, run.stats)):
            screen.say(words)
    if ending is not None:
        raise ending
    if as_json:
        screen.json(run.view())


def _number_of_requests(source: RequestFile | StandardInput, screen: Screen) -> int | None:
    """Count the requests by reading all of them, so that an error in line 900 is found before anything is paid."""
    if isinstance(source, StandardInput):
        return None
    with screen.busy("checking the requests"):
        try:
            return source.count()
        except BadLineError as error:
            raise CommandFailed(str(error), exit_codes.USAGE) from error


def _tell_unused(columns: Columns, screen: Screen, *, as_json: bool) -> None:
    if columns.unused and not as_json:
        names = ", ".join(one_line(each) for each in columns.unused)
        screen.say(f"columns that nothing uses: {names}")
