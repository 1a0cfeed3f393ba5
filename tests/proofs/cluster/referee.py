"""A hostile server of the task API that keeps the books: which prompt was accepted when, under which task id."""

import json
import random
import threading
import time
import zlib
from collections import Counter
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.envelopes import envelope, wrapped
from tests.support.pictures import PNG
from tests.support.servers import Handler, http_server

PREFIX = "/api/v1"


class Referee:
    """Listens on a free port. A part of the create requests is refused with 429, and of a part the answer is lost.

    Args:
        latency: seconds that a task takes.
        refused: the share of create requests that are answered 429.
        lost: the share that is accepted, and whose answer is cut off.

    Attributes:
        base_url: for APIMODELS_BASE_URL.
        answers_lost: prompts whose answer was cut off.
    """

    def __init__(self, *, latency: float = 1.0, refused: float = 0.08, lost: float = 0.01) -> None:
        self._accepted: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._random = random.Random(7)
        self._latency, self._refused, self._lost = latency, refused, lost
        self._serving = http_server(self._handler())
        self.answers_lost: set[str] = set()
        self.base_url = ""

    def __enter__(self) -> Self:
        self.base_url = f"{self._serving.__enter__()}{PREFIX}"
        return self

    def __exit__(self, *error: Any) -> None:
        self._serving.__exit__(*error)

    def tasks(self) -> dict[str, str]:
        """The prompt of each task that was accepted, by its id."""
        with self._lock:
            return {task_id: prompt for task_id, (prompt, _) in self._accepted.items()}

    def twice(self) -> list[str]:
        """Prompts that were accepted, and so paid for, more than once."""
        return [prompt for prompt, number in Counter(self.tasks().values()).items() if number > 1]

    def busiest_second(self) -> int:
        """The most create requests that were accepted in any second."""
        with self._lock:
            times = sorted(when for _, when in self._accepted.values())
        most = first = 0
        for at, when in enumerate(times):
            while times[first] <= when - 1.0:
                first += 1
            most = max(most, at - first + 1)
        return most

    def _accept(self, prompt: str) -> tuple[str, str]:
        with self._lock:
            chance = self._random.random()
            if chance < self._refused:
                return "", "refused"
            task_id = f"t{len(self._accepted):06}-{zlib.crc32(prompt.encode()):08x}"
            self._accepted[task_id] = (prompt, time.monotonic())
            if chance < self._refused + self._lost:
                self.answers_lost.add(prompt)
                return task_id, "lost"
            return task_id, "accepted"

    def _state(self, task_id: str) -> dict[str, Any] | None:
        with self._lock:
            found = self._accepted.get(task_id)
        if found is None:
            return None
        if time.monotonic() - found[1] < self._latency:
            return {"taskId": task_id, "state": "pending"}
        now = int(time.time() * 1000)
        links = [f"{self.base_url}/pictures/{task_id}.png"]
        return {"taskId": task_id, "state": "completed", "resultUrls": links, "createTime": now, "completeTime": now}

    def _handler(self) -> type[Handler]:
        books = self

        class Api(Handler):
            def post(self) -> None:
                body = self.body()
                if len(body) < int(self.headers["Content-Length"]):  # its worker was killed
                    self.close_connection = True
                    return
                task_id, how = books._accept(json.loads(body)["prompt"])
                if how == "refused":
                    self.answer(429, json.dumps(envelope(429, "slow down")).encode(), headers={"Retry-After": "1"})
                elif how == "lost":
                    self.close_connection = True
                    self.connection.close()
                else:
                    self.answer(200, json.dumps(wrapped({"taskId": task_id, "state": "pending"})).encode())

            def get(self) -> None:
                parts = urlsplit(self.path)
                queried = parse_qs(parts.query).get("task_id")
                if parts.path.endswith(".png"):
                    self.answer(200, PNG, "image/png")
                    return
                state = books._state(queried[0]) if queried else None
                if state is None:
                    self.answer(404, json.dumps(envelope(404, "task not found")).encode())
                else:
                    self.answer(200, json.dumps(wrapped(state)).encode())

        return Api
