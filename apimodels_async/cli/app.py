"""The assembled commands, and the one place where an error becomes a message and an exit code."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, cast

import typer
from rich.table import Table
from typer.core import TyperGroup

from apimodels_async._version import __version__
from apimodels_async.cli import account, exit_codes, gateway, generate, ledger, listen, tasks, trigger
from apimodels_async.cli.batch import command as batch
from apimodels_async.cli.failures import CommandFailed, one_line
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.signals import like_ctrl_c
from apimodels_async.errors import ApimodelsError

__all__ = ["app", "run"]

_HELP = "\n\n".join([
    "Pictures from prompts, by the image API of apimodels.app or by a gateway on this machine.",
    "The key comes from APIMODELS_API_KEY or from ~/.apimodels/credentials, never from the command line, where a "
    "process list would show it to everybody. APIMODELS_BASE_URL names another server, APIMODELS_MODEL another model.",
    'Without a key, try: apimodels generate "A cute cat wearing a space helmet" --local',
])  # fmt: skip


class _Commands(TyperGroup):
    """The commands, whose help ends in the table of exit codes. typer's own epilog knows no tables."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        table = Table(title="Exit codes", title_justify="left", title_style="", show_header=False, box=None)
        table.add_column(justify="right", style="bold")
        for row in exit_codes.TABLE:
            table.add_row(str(row.code), row.meaning)
        Screen().out.print(table)


app: typer.Typer = typer.Typer(
    cls=_Commands,
    help=_HELP,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    generate.generate,
    batch.batch,
    tasks.status,
    tasks.wait,
    account.models,
    account.balance,
    gateway.gateway,
    listen.listen,
    trigger.trigger,
):
    app.command()(_command)
app.add_typer(ledger.commands, name="ledger")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"apimodels {__version__}")
        raise typer.Exit


@app.callback()
def _root(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


_UsageError = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""click's UsageError, which is a part of typer itself in some versions of it."""


class _Loud(logging.Handler):
    """Shows SDK errors for which no caller is left, such as a create request that was cut off by Ctrl-C."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(record.getMessage())


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit code. No traceback for anything that a user can cause."""
    log, loud = logging.getLogger("apimodels_async"), _Loud(logging.ERROR)
    log.addHandler(loud)
    if os.name == "posix" and (reconfigure := getattr(sys.stdout, "reconfigure", None)) is not None:
        reconfigure(errors="surrogateescape")  # file names are bytes
    try:
        # `timeout`, service managers and closed terminals send other signals; no task id must be lost over them.
        with like_ctrl_c():
            code = app(list(arguments) or ["--help"], prog_name="apimodels", standalone_mode=False)
            _flush_stdout()
    except (Exception, KeyboardInterrupt) as error:
        ending = _ending(error)
        if ending is None:
            raise
        _say(ending.message)
        return ending.code
    finally:
        log.removeHandler(loud)
    # Ctrl-C before a command has begun comes back as a number.
    return code if isinstance(code, int) else exit_codes.OK


def _ending(error: BaseException) -> CommandFailed | None:
    """Return the message and the exit code for an error; ``None`` if it is a bug."""
    match error:
        case CommandFailed():
            return error
        case ApimodelsError():
            return CommandFailed(str(error), exit_codes.code_of(error))
        case KeyboardInterrupt() | typer.Abort():
            return CommandFailed("interrupted", exit_codes.INTERRUPTED)
        case OSError():  # a full disk, a reader of stdout that went away
            _drop_stdout()
            return CommandFailed(error.strerror or str(error), exit_codes.UNEXPECTED)
        case _ if isinstance(error, _UsageError):
            return CommandFailed(_usage(error), exit_codes.USAGE)
        case _:
            return None


def _usage(error: Any) -> str:
    where = error.ctx.command_path if error.ctx is not None else "apimodels"
    return f"{error.format_message().rstrip('.')} (see {where} --help)"


def _say(message: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed
        typer.echo(f"apimodels: {one_line(message)}", err=True)


def _flush_stdout() -> None:
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison]  (closed by the shell: >&-)
        sys.stdout.flush()


def _drop_stdout() -> None:
    """If stdout can no longer be written, prevent Python's last flush from failing as well."""
    try:
        _flush_stdout()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
