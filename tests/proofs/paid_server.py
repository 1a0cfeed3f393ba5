"""A server of the task API that keeps the books: which prompt was accepted when, and under which task id."""

import json
import threading
import time
import zlib
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.envelopes import envelope, wrapped
from tests.support.pictures import noise
from tests.support.servers import Handler, http_server

PREFIX = "/api/v1"


class Accepted(NamedTuple):
    """One task; `when` is of the monotonic clock."""

    task_id: str
    prompt: str
    when: float


def picture(prompt: str) -> bytes:
    """A PNG of 100,000 bytes or so, another one for each prompt, so that it takes more than one write."""
    return noise(prompt, 256, 128)


class PaidServer:
    """Listens on a free port of 127.0.0.1. Every second create request is answered with its finished picture.

    Attributes:
        base_url: for APIMODELS_BASE_URL.
    """

    def __init__(self) -> None:
        self._accepted: list[Accepted] = []
        self._lock = threading.Lock()
        self._serving = http_server(self._handler())
        self.base_url = ""

    def __enter__(self) -> Self:
        self.base_url = f"{self._serving.__enter__()}{PREFIX}"
        return self

    def __exit__(self, *error: Any) -> None:
        self._serving.__exit__(*error)

    def accepted(self, prefix: str) -> list[Accepted]:
        """What was accepted for prompts that begin with `prefix`, in order."""
        with self._lock:
            return [each for each in self._accepted if each.prompt.startswith(prefix)]

    def _accept(self, prompt: str) -> tuple[str, bool]:
        with self._lock:
            number = len(self._accepted)
            task_id = f"task{number:06}-{zlib.crc32(prompt.encode()):08x}"
            self._accepted.append(Accepted(task_id, prompt, time.monotonic()))
            return task_id, number % 2 == 1

    def _prompt(self, task_id: str) -> str | None:
        with self._lock:
            return next((each.prompt for each in self._accepted if each.task_id == task_id), None)

    def _completed(self, task_id: str) -> dict[str, Any]:
        now = int(time.time() * 1000)
        links = [f"{self.base_url}/pictures/{task_id}.png"]
        return {"taskId": task_id, "state": "completed", "resultUrls": links, "createTime": now, "completeTime": now}

    def _handler(self) -> type[Handler]:
        books = self

        class Api(Handler):
            def post(self) -> None:
                body = json.loads(self.body())
                task_id, at_once = books._accept(body["prompt"])
                self._data(books._completed(task_id) if at_once else {"taskId": task_id, "state": "pending"})

            def get(self) -> None:
                parts = urlsplit(self.path)
                queried = parse_qs(parts.query).get("task_id")
                task_id = queried[0] if queried else parts.path.rpartition("/")[2].removesuffix(".png")
                prompt = books._prompt(task_id)
                if prompt is None:
                    self.answer(404, json.dumps(envelope(404, "task not found")).encode())
                elif queried:
                    self._data(books._completed(task_id))
                else:
                    self.answer(200, picture(prompt), "image/png")

            def _data(self, data: dict[str, Any]) -> None:
                self.answer(200, json.dumps(wrapped(data)).encode())

        return Api
