"""The assembled commands, and the one place where an error becomes a message and an exit code."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Annotated, Any, cast

import typer

from apimodels_async._version import __version__
from apimodels_async.cli import (
    account,
    completion,
    exit_codes,
    gateway,
    generate,
    ledger,
    ledger_common,
    listen,
    login,
    opening,
    stdout,
    tasks,
    trigger,
    upload,
    wait,
)
from apimodels_async.cli.batch import command as batch
from apimodels_async.cli.failures import CommandFailed, words_of
from apimodels_async.cli.help import Command, Commands
from apimodels_async.cli.mcp import command as mcp
from apimodels_async.cli.signals import like_ctrl_c
from apimodels_async.cli.stderr import Stderr
from apimodels_async.cli.values import BadValue
from apimodels_async.errors import ApimodelsError

__all__ = ["app", "run"]

_HELP = """Pictures from prompts, by the image API of apimodels.app or by a gateway on this machine.

The key comes from APIMODELS_API_KEY or from ~/.apimodels/credentials, where `apimodels login` writes it; never from the
command line, which every user of the machine can read.

Without a key, try:

  apimodels generate "A cute cat wearing a space helmet" --local"""

app: typer.Typer = typer.Typer(
    cls=Commands,
    help=_HELP,
    add_completion=False,  # `apimodels completion` prints it
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    generate.generate,
    batch.batch,
    generate.create,
    wait.wait,
    tasks.status,
    opening.open_,
    upload.upload,
    account.models,
    account.balance,
    login.login,
    gateway.gateway,
    listen.listen,
    trigger.trigger,
    mcp.mcp,
    completion.completion,
):
    app.command(_command.__name__.rstrip("_"), cls=Command)(_command)
ledger_common.add_to(ledger.commands)
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


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit code. No traceback for anything that a user can cause."""
    as_json = "--json" in takewhile(lambda each: each != "--", arguments)
    stdout.take_every_name()
    with Stderr(as_json=as_json).listening() as stderr:
        try:
            # `timeout`, service managers and closed terminals send other signals; no task id must be lost over them.
            with like_ctrl_c():
                code = app(list(arguments) or ["--help"], prog_name="apimodels", standalone_mode=False)
                stdout.flush()
        except (Exception, KeyboardInterrupt) as error:
            ending = _ending(error)
            if ending is None:
                raise
            stderr.fail(ending)
            return ending.code
    # Ctrl-C before a command has begun comes back as a number.
    return code if isinstance(code, int) else exit_codes.OK


def _ending(error: BaseException) -> CommandFailed | None:
    """Return the message and the exit code for an error; ``None`` if it is a bug."""
    match error:
        case CommandFailed():
            if isinstance(error.__cause__, OSError):
                stdout.drop()
            return error
        case ApimodelsError():
            return CommandFailed(words_of(error), exit_codes.code_of(error), cause=error)
        case KeyboardInterrupt() | typer.Abort():
            return CommandFailed("interrupted", exit_codes.INTERRUPTED)
        case OSError():  # a full disk, a reader of stdout that went away
            stdout.drop()
            return CommandFailed(error.strerror or str(error), exit_codes.UNEXPECTED)
        case _ if isinstance(error, _UsageError):
            return CommandFailed(_usage(error), exit_codes.USAGE)
        case _:
            return None


def _usage(error: Any) -> str:
    where = error.ctx.command_path if error.ctx is not None else "apimodels"
    message = error.message if isinstance(error, BadValue) else error.format_message()
    if isinstance(error, BadValue) and error.param is not None:
        name = error.param.metavar if error.param.param_type_name == "argument" else max(error.param.opts, key=len)
        message = f"{name} {message}"
    return f"{message.rstrip('.')} (see {where} --help)"
