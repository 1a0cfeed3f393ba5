"""A server that is called back: it remembers what came and answers as it is told."""

import json
import queue
import time
from collections.abc import Callable
from typing import Any, Self

from attrs import frozen

from tests.support.servers import Handler, http_server


@frozen
class Received:
    """One call as it came."""

    at_ms: float
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict[str, Any]:
        """The ``data`` of the body."""
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data


Answer = Callable[[Handler], None]


def status(code: int, **headers: str) -> Answer:
    """Answers with this status and no body."""

    def answer(handler: Handler) -> None:
        handler.answer(code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


class Receiver:
    """Answers from `answers` what was put there, then as `otherwise` says."""

    def __init__(self) -> None:
        self.calls: queue.Queue[Received] = queue.Queue()
        self.answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.otherwise = status(204)
        receiver = self

        class Called(Handler):
            def post(self) -> None:
                body = self.body()
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    answer = receiver.answers.get_nowait()
                except queue.Empty:
                    answer = receiver.otherwise
                receiver.calls.put(Received(time.time() * 1000, self.command, self.path, headers, body))
                answer(self)

        self._serving = http_server(Called)
        self.url = ""

    def __enter__(self) -> Self:
        self.url = f"{self._serving.__enter__()}/hook"
        return self

    def __exit__(self, *error: Any) -> None:
        self._serving.__exit__(*error)

    def next(self) -> Received:
        """The next call, waited for."""
        return self.calls.get(timeout=60)
