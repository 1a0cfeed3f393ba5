"""``apimodels batch``: from a file of requests to a folder of pictures."""

import itertools
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
from apimodels_async.cli.batch.shared_batch import SharedBatch
from apimodels_async.cli.batch.shared_command import make_shared
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
from apimodels_async.ledger.opening import database_url

__all__ = ["batch"]

BY_LINE = "{line}-{id}"
MONEY = "Money"
AGAIN = "Going on"
PACE = "Pace"


@takes(server=maybe_local)
def batch(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="Requests: .jsonl, .csv, .tsv, .txt, or - for stdin. Not needed for a database that was loaded.",
        ),
    ] = None,
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
    page: Annotated[
        bool,
        typer.Option(
            "--page", rich_help_panel=SAVING,
            help="An index.html beside the pictures that shows them all, while it runs too.",
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
    allow_unpriced: Annotated[
        bool,
        typer.Option(
            "--allow-unpriced", rich_help_panel=MONEY,
            help="With --budget, also send what has no known price; it counts as 0.",
        ),
    ] = False,
    retry_failed: Annotated[
        int,
        typer.Option(
            metavar="N", parser=whole(0), rich_help_panel=MONEY,
            help="Submit a failed task again, where the server says it is worth it.",
        ),
    ] = 0,
    ledger: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL", envvar="APIMODELS_LEDGER", show_default="in the output folder", rich_help_panel=AGAIN,
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
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="URL", rich_help_panel=PACE,
            help="Let the workers of this Dask scheduler make them: tcp://HOST:8786.",
        ),
    ] = None,
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

    With --ledger postgresql://… the same command may run on several hosts at once: each takes a part, and all together
    pay for no request twice.
    """
    screen = Screen()
    url = None if ledger is None or no_ledger else database_url(ledger)
    place = None if ledger is None or url is not None else _file(ledger)
    columns = columns_of(prompt, name)
    name = checked_batch_name(name, columns.of_names)
    if no_ledger and columns.name is not None and "key" in columns.name.fields:
        raise CommandFailed("--name: {key} is that of the ledger, which --no-ledger leaves out", exit_codes.USAGE)
    target = folder_of(output, "a batch makes many pictures")
    if file is None and url is None:
        raise CommandFailed("give FILE, or --ledger postgresql://… with one that was loaded", exit_codes.USAGE)
    if scheduler is not None and url is None:
        raise CommandFailed("--scheduler needs --ledger postgresql://…, which the workers share", exit_codes.USAGE)
    if confirm_above is not None and file == "-" and not dry_run:
        raise CommandFailed("--confirm-above needs a FILE: stdin is not known beforehand", exit_codes.USAGE)
    source = None if file is None else _source(file, model, columns, json_object("--extra", extra))
    total = None if source is None else _number_of_requests(source, screen)
    if total == 0:
        raise is_empty(f"FILE {file}", "give a request a line")
    _tell_unused(columns, screen, as_json=as_json)
    repeated = None if again is None else Again(again)
    printing = not as_json and not (screen.for_people and screen.notes.is_terminal)
    options: dict[str, Any] = {
        "max_in_flight": max_in_flight,
        "retry_failed": retry_failed,
        "sidecar": sidecar,
        "poll_rate": poll_rate,
        "wait_timeout": timeout,
        "outage_timeout": outage_timeout or None,
    }
    if url is not None:
        others = [dry_run, confirm_above is not None, allow_unpriced, page]
        unusable = itertools.compress(["--dry-run", "--confirm-above", "--allow-unpriced", "--page"], others)
        shared = SharedBatch(url=url, target=target, options=options, screen=screen, printing=printing, as_json=as_json)
        make_shared(
            shared, source, model, name=None if name == BY_LINE else name, unusable=next(unusable, None),
            budget=budget, create_rate=create_rate, again=repeated, scheduler=scheduler, server=server,
        )  # fmt: skip
        return
    if source is None:
        return
    keeping = Keeping(automatic=place is None and not no_ledger, again=repeated)
    store = None if no_ledger else local_store(target.folder, place)
    if dry_run or confirm_above is not None:
        plans = Plans(source, target, place, keeping, retry_failed=retry_failed > 0)
        with screen.busy("looking at what is new"):
            found = plans.estimate(server, store)
        if dry_run:
            show_estimate(found, str(file), screen, budget=budget, as_json=as_json)
            return
        confirm(found, confirm_above or 0.0, screen)
    options |= {"budget": budget, "allow_unpriced": allow_unpriced, "page": page, "create_rate": create_rate}
    digits = digits_of(source.last_line) if isinstance(source, RequestFile) else UNKNOWN_DIGITS
    run = BatchRun(
        source=source,
        place=Place(target, place, repeatable=not server.local or not no_ledger, server=server),
        keeping=keeping,
        options=options,
        screen=screen,
        progress=BatchProgress(total),
        printing=printing,
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
        if run.options["page"]:
            screen.say(f"  to look at: {run.place.target.folder / 'index.html'}")
    if ending is not None:
        raise ending
    if as_json:
        screen.json(run.view())


def _file(ledger: str) -> Path:
    path = Path(ledger)
    if path.is_dir():
        raise CommandFailed(f"--ledger {ledger}: is a directory", exit_codes.USAGE)
    return path


def _source(file: str, model: str, columns: Columns, fields: dict[str, Any]) -> RequestFile | StandardInput:
    return StandardInput(model, columns, fields) if file == "-" else RequestFile(Path(file), model, columns, fields)


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
