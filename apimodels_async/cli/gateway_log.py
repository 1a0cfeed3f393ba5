"""One line on stderr for each request to the local gateway."""

import contextlib
import queue
import threading
from datetime import datetime
from typing import TYPE_CHECKING

from apimodels_async.cli.failures import one_line
from apimodels_async.cli.screen import Screen

if TYPE_CHECKING:
    from apimodels_async.gateway.activity import RequestRecord

__all__ = ["RequestPrinter", "line_of"]

_BACKLOG = 1000
"""Lines that wait for a terminal that is stopped or slow; further ones are dropped, and how many is said."""

_CLOSE_TIME = 1.0
"""Seconds in which the last lines may be printed."""


class RequestPrinter:
    """Prints requests in a thread of its own: a terminal that is stopped must not stop the gateway."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._lines: queue.Queue[str | None] = queue.Queue(_BACKLOG)
        self._dropped = 0
        # A daemon: a terminal that is stopped must not keep the process alive either.
        self._thread = threading.Thread(target=self._run, name="apimodels-gateway-log", daemon=True)
        self._thread.start()

    def __call__(self, record: "RequestRecord") -> None:
        """Print a request; returns at once."""
        try:
            if self._dropped:
                self._lines.put_nowait(f"({self._dropped} requests are not shown: the terminal was too slow)")
                self._dropped = 0
            self._lines.put_nowait(line_of(record))
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Print what is still waiting, for a second at most."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(_CLOSE_TIME)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            self._screen.say(line)


def line_of(record: "RequestRecord") -> str:
    """The line of a request: when, what, the status, how long it took, and the task or the reason of the refusal."""
    at = datetime.fromtimestamp(record.at / 1000).astimezone()
    status = "closed" if record.status is None else str(record.status)
    about = record.reason or record.task_id or ""
    return one_line(f"{at:%H:%M:%S} {record.method} {record.path} {status} {record.seconds * 1000:.0f} ms {about}")
