"""The command to type next, for tasks that the server goes on with."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from apimodels_async.cli.options import ServerChoice

__all__ = ["wait_command", "wait_from"]


def wait_command(task_ids: Sequence[str], output: str, server: ServerChoice) -> str:
    """The command that waits for tasks.

    Args:
        task_ids: which.
        output: what was typed as ``--output``.
        server: where they are.
    """
    return _command([*task_ids], output, server)


def wait_from(source: Path, output: str, server: ServerChoice) -> str:
    """The command that waits for all tasks of a file that are open."""
    return _command(["--from", str(source)], output, server)


def _command(rest: list[str], output: str, server: ServerChoice) -> str:
    place = [] if output in {"", "."} else ["-o", output]
    where = [] if server.base_url is None else ["--base-url", server.base_url]
    return shlex.join(["apimodels", "wait", *rest, *place, *where])
