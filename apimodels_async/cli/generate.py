"""``apimodels generate``: from a prompt to pictures on the disk. ``apimodels create``: only the request."""

from functools import partial

from attrs import evolve

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed
from apimodels_async.cli.naming import OF_A_REQUEST, checked_file, checked_name
from apimodels_async.cli.options import AsJson, Folder, Name, Output, ServerChoice, Timeout, maybe_local, remote, takes
from apimodels_async.cli.output import Target, folder_of, target_of
from apimodels_async.cli.picture_request import asked
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse
from apimodels_async.cli.task_run import TaskRun
from apimodels_async.models import GenerationRequest, OutputFormat

__all__ = ["create", "generate"]

_FORMATS: dict[str, OutputFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
"""What a suffix asks for. PNG is what comes unasked, and not every model takes the parameter."""


@takes(request=asked, server=maybe_local)
def generate(
    *,
    request: GenerationRequest,
    server: ServerChoice,
    output: Output = "",
    name: Name = None,
    timeout: Timeout = 600.0,
    as_json: AsJson = False,
) -> None:
    """Make pictures from PROMPT, and save them.

    Prints the saved files, one a line. No file is replaced: -2, -3 and so on are added to a name that is taken.
    """
    target = target_of(output)
    request = _fitting(request, target, name)
    name = checked_file(target) or checked_name(name, OF_A_REQUEST)
    run = TaskRun(target=target, server=server, timeout=timeout, name=name)
    screen = Screen()
    with run.explained(), screen.busy("starting") as run.activity:
        converse(partial(run.generate, request=request), server)
    run.report(screen, as_json=as_json)


def _fitting(request: GenerationRequest, target: Target, name: str | None) -> GenerationRequest:
    """The request for a file: of the format that its suffix says, unless another was asked for."""
    if target.file is None:
        return request
    if name is not None:
        raise CommandFailed(f"give either --output {target.given} or --name", exit_codes.USAGE)
    if (request.n or 1) > 1:
        raise CommandFailed(
            f"--output {target.given} is the file of one picture, and -n asks for {request.n}: give a folder",
            exit_codes.USAGE,
        )
    wanted = _FORMATS.get("." + target.file.lower().rpartition(".")[2])
    return request if request.output_format or wanted is None else evolve(request, output_format=wanted)


@takes(request=asked, server=remote)
def create(*, request: GenerationRequest, server: ServerChoice, output: Folder = "", as_json: AsJson = False) -> None:
    """Submit PROMPT, and print the id of its task without waiting for it.

    `apimodels wait ID` saves the pictures. The id is noted in the output folder as well: `apimodels wait --from FOLDER`
    waits for all that are noted there and still open.

    A model that answers with the picture itself has no task to wait for: the picture is saved, and its path printed.
    """
    screen = Screen()
    run = TaskRun(target=folder_of(output, "the id is noted in a folder"), server=server, timeout=0)
    with run.explained(), screen.busy("submitting") as run.activity:
        converse(partial(run.create, request=request), server)
    if run.task is None or run.task.id is None or as_json:
        run.report(screen, as_json=as_json)
    else:
        run.print_id(screen)
