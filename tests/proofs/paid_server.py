"""A server of the task API that keeps the books: which prompt was accepted when, and under which task id."""

import json
import random
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

PREFIX = "/api/v1"


class Accepted(NamedTuple):
    """One task; `when` is of the monotonic clock."""

    task_id: str
    prompt: str
    when: float


def picture(prompt: str) -> bytes:
    """A PNG of 100,000 bytes or so, another one for each prompt, so that it takes more than one write."""
    width, height = 256, 128
    noise = random.Random(prompt).randbytes(3 * width * height)
    rows = b"".join(b"\x00" + noise[3 * width * row : 3 * width * (row + 1)] for row in range(height))
    chunks = (
        (b"IHDR", width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])),
        (b"IDAT", zlib.compress(rows, 0)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big") for kind, data in chunks
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is what is being tried; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class PaidServer:
    """Listens on a free port of 127.0.0.1, in threads. Every second create is answered with its finished picture."""

    def __init__(self) -> None:
        self._accepted: list[Accepted] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def base_url(self) -> str:
        """For APIMODELS_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{PREFIX}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        books = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                task_id, at_once = books._accept(body["prompt"])
                self._data(books._completed(task_id) if at_once else {"taskId": task_id, "state": "pending"})

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                queried = parse_qs(parts.query).get("task_id")
                task_id = queried[0] if queried else parts.path.rpartition("/")[2].removesuffix(".png")
                prompt = books._prompt(task_id)
                if prompt is None:
                    self._send(404, b'{"code": 404, "msg": "task not found"}', "application/json")
                elif queried:
                    self._data(books._completed(task_id))
                else:
                    self._send(200, picture(prompt), "image/png")

            def _data(self, data: dict[str, Any]) -> None:
                envelope = json.dumps({"code": 200, "msg": "success", "data": data})
                self._send(200, envelope.encode(), "application/json")

            def _send(self, status: int, body: bytes, media_type: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (named by the base class)
                pass

        return Handler
