"""``apimodels wait``: tasks that were submitted before."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, is_empty
from apimodels_async.cli.naming import checked_file, checked_name
from apimodels_async.cli.open_tasks import OpenTask, OpenTasks
from apimodels_async.cli.options import AsJson, Name, Output, ServerChoice, Timeout, remote, takes
from apimodels_async.cli.output import Target, folder_of, target_of
from apimodels_async.cli.resuming import wait_command, wait_from
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse, server_of
from apimodels_async.cli.task_run import TaskRun
from apimodels_async.cli.wait_run import WaitRun
from apimodels_async.client import AsyncImagesClient

__all__ = ["wait"]


@takes(server=remote)
def wait(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The id of a task; several are waited for at once.")
    ] = None,
    *,
    server: ServerChoice,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE|FOLDER",
            help="All open tasks of a results.jsonl, or of an output folder of `batch`, `create` or `generate`.",
        ),
    ] = None,
    output: Output = "",
    name: Name = None,
    timeout: Timeout = 600.0,
    as_json: AsJson = False,
) -> None:
    """Wait for tasks, and save their pictures.

    Takes up what was interrupted; nothing is sent or paid for again. Prints the saved files, one a line.

    With --from, the pictures go to the folder of FILE, or to FOLDER, unless --output says otherwise. The ends of the
    tasks are written there as well, so that the same command again waits only for what is still open.
    """
    if ids and from_ is not None:
        raise CommandFailed("give either IDs or --from", exit_codes.USAGE)
    if from_ is not None:
        _wait_from(from_, server, output, name, timeout, as_json=as_json)
        return
    if not ids:
        raise CommandFailed("give the ID of a task, or --from (see apimodels wait --help)", exit_codes.USAGE)
    if not all(task_id.strip() for task_id in ids):
        raise is_empty("ID", "give the id of a task")
    if len(ids) == 1:
        _wait_for_one(ids[0], server, output, name, timeout, as_json=as_json)
        return
    target = folder_of(output, "several tasks have several pictures")

    def way_back(left: Sequence[OpenTask]) -> str:
        return wait_command([task.id for task in left], output, server)

    screen = Screen()
    run = WaitRun(
        tasks=[OpenTask(task_id) for task_id in dict.fromkeys(ids)],
        target=target,
        name=checked_name(name),
        timeout=timeout,
        way_back=way_back,
        screen=screen,
        as_json=as_json,
    )
    with run.explained(), screen.live(run.activity):
        converse(run.make, server)
    run.report()


def _wait_for_one(
    task_id: str, server: ServerChoice, output: str, name: str | None, timeout: float, *, as_json: bool
) -> None:
    target = target_of(output)
    if target.file is not None and name is not None:
        raise CommandFailed(f"give either --output {output} or --name", exit_codes.USAGE)
    name = checked_file(target) or checked_name(name)
    screen = Screen()
    run = TaskRun(target=target, server=server, timeout=timeout, name=name)
    with run.explained(), screen.busy("asking") as run.activity:
        converse(partial(run.fetch, task_id=task_id), server)
    run.report(screen, as_json=as_json)


def _wait_from(
    source: Path, server: ServerChoice, output: str, name: str | None, timeout: float, *, as_json: bool
) -> None:
    opened = OpenTasks.at(source)
    target = Target("", opened.folder, opened.folder)
    if output:
        target = folder_of(output, "several tasks have several pictures")
    screen = Screen()

    def way_back(_: Sequence[OpenTask]) -> str:
        return wait_from(source, output, server)

    run = WaitRun(
        tasks=[],
        target=target,
        name=checked_name(name, ("line", "prompt")),
        timeout=timeout,
        way_back=way_back,
        screen=screen,
        as_json=as_json,
        opened=opened,
    )

    async def make(client: AsyncImagesClient) -> None:
        opened.read(server_of(client), target)
        run.tasks = list(opened.tasks.values())
        if opened.elsewhere and not as_json:
            screen.say(f"{opened.elsewhere} noted for other servers: left out")
        await run.make(client)

    with run.explained(), screen.live(run.activity):
        converse(make, server)
    run.report()
