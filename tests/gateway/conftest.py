"""A gateway for tests: its clock stands still until it is told, and its painter is quick."""

import base64
import io
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from PIL import Image

from apimodels_async.gateway import DEFAULT_API_KEY, LocalGateway, create_app
from tests.support import pictures

START = 1_705_123_450.0


class Clock:
    """The time, which passes only when somebody says so or sleeps."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Painter:
    """Paints one colour, chosen by what makes a picture another one, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self,
        *,
        prompt: str,
        model: str,
        seed: int,
        index: int,
        size: tuple[int, int],
        output_format: str,
        images: Sequence[bytes] = (),
        mask: bytes | None = None,
    ) -> bytes:
        self.calls.append(
            {
                "prompt": prompt,
                "model": model,
                "seed": seed,
                "index": index,
                "size": size,
                "output_format": output_format,
                "images": list(images),
                "mask": mask,
            }
        )
        colour = random.Random(f"{prompt} {model} {seed} {index}").randbytes(3)
        out = io.BytesIO()
        Image.new("RGB", size, tuple(colour)).save(out, output_format)
        return out.getvalue()


class Desk:
    """A gateway without a socket, and a client of it that blocks."""

    def __init__(self, portal: BlockingPortal, clock: Clock, painter: Painter, options: dict[str, Any]) -> None:
        self.clock = clock
        self.painter = painter
        self._portal = portal
        self.app = create_app(**{"paint": painter, "clock": clock, "sleep": clock.sleep, "latency": "15/15", **options})
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://gateway.test/api/v1",
            headers={"Authorization": f"Bearer {DEFAULT_API_KEY}"},
        )

    def __enter__(self) -> "Desk":
        self._stack = ExitStack()
        self._stack.enter_context(self._portal.wrap_async_context_manager(self.app.router.lifespan_context(self.app)))
        self._stack.callback(self._portal.call, self._client.aclose)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, method: str, url: str, **request: Any) -> httpx.Response:
        """One exchange."""
        return self._portal.call(lambda: self._client.request(method, url, **request))

    def bare(self, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> httpx.Response:
        """One exchange with these headers and not the usual ones."""
        request = httpx.Request(method, f"http://gateway.test/api/v1{path}", headers=headers)
        return self._portal.call(self._client.send, request)

    def hang_up(self, path: str, start: bytes) -> list[dict[str, Any]]:
        """What is sent to a client that posts the start of a body and is gone."""
        sent: list[dict[str, Any]] = []
        received = iter([{"type": "http.request", "body": start, "more_body": True}, {"type": "http.disconnect"}])
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "scheme": "http",
            "headers": [(b"authorization", f"Bearer {DEFAULT_API_KEY}".encode())],
        }

        async def receive() -> Any:
            return next(received)

        async def send(message: Any) -> None:
            sent.append(message)

        self._portal.call(self.app, scope, receive, send)
        return sent

    def start(self, method: str, url: str, **request: Any) -> Future[httpx.Response]:
        """One exchange that goes on while others do."""
        return self._portal.start_task_soon(lambda: self._client.request(method, url, **request))

    def create(self, prompt: str = "a lighthouse", **fields: Any) -> dict[str, Any]:
        """What creating a task answers as data."""
        body = {"model": "grok-image/grok-4.2-image", "prompt": prompt, **fields}
        answer = self.ask("POST", "/images/generations", json=body)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def query(self, task_id: str) -> dict[str, Any]:
        """What a query answers as data."""
        answer = self.ask("GET", "/images/generations", params={"task_id": task_id})
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def finish(self, prompt: str = "a lighthouse", **fields: Any) -> dict[str, Any]:
        """A task that has been created and has ended."""
        task_id = self.create(prompt, **fields)["taskId"]
        self.clock.advance(15)
        return self.query(task_id)

    def ended(self, prompt: str = "a lighthouse", **fields: Any) -> list[str]:
        """The URLs of the pictures of a task that has ended and that was not asked for."""
        created = self.create(prompt, **fields)
        self.clock.advance(15)
        kind = fields.get("output_format", "png")
        return [
            f"http://gateway.test/results/{created['taskId']}-{index}.{kind}" for index in range(fields.get("n", 1))
        ]

    def picture(self, url: str) -> Image.Image:
        """The picture at a URL."""
        answer = self.ask("GET", url)
        assert answer.status_code == 200, answer.text
        return Image.open(io.BytesIO(answer.content))

    def balance(self) -> float:
        """The balance in dollars."""
        left: float = self.ask("GET", "/balance").json()["data"]["balance"]
        return left


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def painter() -> Painter:
    return Painter()


@pytest.fixture
def opened(portal: BlockingPortal, clock: Clock, painter: Painter) -> Iterator[Callable[..., Desk]]:
    """Opens a gateway with any options; all are closed in the end."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Desk(portal, clock, painter, options))


@pytest.fixture
def desk(opened: Callable[..., Desk]) -> Desk:
    return opened()


@pytest.fixture
def reopened(portal: BlockingPortal, clock: Clock, painter: Painter) -> Callable[..., Desk]:
    """Makes a gateway to be entered with ``with``, for tests that close it and open another one."""
    return lambda **options: Desk(portal, clock, painter, options)


@pytest.fixture
def gateway(painter: Painter) -> Iterator[LocalGateway]:
    """A gateway on a real socket, whose tasks end at once."""
    with LocalGateway(paint=painter, latency="0/0", balance=1e6) as gateway:
        yield gateway


@pytest.fixture
def client(gateway: LocalGateway) -> Iterator[httpx.Client]:
    """A client of the gateway on the socket."""
    headers = {"Authorization": f"Bearer {gateway.api_key}"}
    with httpx.Client(base_url=gateway.base_url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    """Draws a file: `png(width, height, format)`."""
    return lambda width=48, height=32, kind="PNG", **options: pictures.png(width, height, kind, **options)


@pytest.fixture(scope="session")
def b64(png: Callable[..., bytes]) -> Callable[..., str]:
    """The same in base64."""
    return lambda *arguments, **options: base64.b64encode(png(*arguments, **options)).decode()
