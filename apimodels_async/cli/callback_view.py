"""Output of callbacks: a short line each for a terminal, one line of JSON each for programs."""

from datetime import datetime
from typing import Any

from rich.text import Text

from apimodels_async.callbacks import Callback
from apimodels_async.cli.failures import one_line
from apimodels_async.cli.screen import Screen, task_view
from apimodels_async.models import TaskState

__all__ = ["callback_view", "show"]

_STYLES = {TaskState.COMPLETED: "green", TaskState.FAILED: "red"}
_INDENT = " " * 10


def show(screen: Screen, callback: Callback, *, forwarded: int | None) -> None:
    """Print a callback.

    Args:
        screen: where to print.
        callback: the callback.
        forwarded: the status returned by the app that it was forwarded to.
    """
    if screen.for_people:
        for line in _words(callback, forwarded):
            screen.out.print(line, soft_wrap=True)
    else:
        screen.json({**callback_view(callback), **({} if forwarded is None else {"forwarded": forwarded})})


def callback_view(callback: Callback) -> dict[str, Any]:
    """A callback as JSON's own types: that of its task, and what else it says."""
    view = callback.to_dict() | {"result_urls": task_view(callback.task)["result_urls"]}
    return {name: value for name, value in view.items() if name not in ("raw", "confirmed")}


def _words(callback: Callback, forwarded: int | None) -> list[Text]:
    head = Text.assemble(
        (f"{datetime.now().astimezone():%H:%M:%S}  ", "dim"),
        (f"{one_line(callback.state) or 'no state':<9}", _STYLES.get(callback.state, "yellow")),  # type: ignore[call-overload]
        f"  {one_line(callback.task_id)}",
    )
    about = [callback.model, None if callback.cost_time is None else f"{callback.cost_time:.1f} s"]
    head.append("".join(f"  {one_line(each)}" for each in about if each), style="dim")
    reasons = [one_line(each) for each in (callback.fail_code, callback.fail_msg) if each]
    lines = [head]
    if reasons:
        lines.append(Text(_INDENT + ": ".join(reasons)))
    lines += [Text(_INDENT + one_line(url)) for url in task_view(callback.task)["result_urls"]]
    if forwarded is not None:
        lines.append(Text(f"{_INDENT}passed on: HTTP {forwarded}", style="dim"))
    return lines
