"""Time that passes only when nothing else can happen, on both back ends; and a server that is a function."""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import httpx
import trio
import trio.testing

from apimodels_async import AsyncImagesClient
from tests.support.envelopes import envelope

T = TypeVar("T")
RawResponse = Callable[[httpx.Request], Awaitable[httpx.Response]]


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[valid-type, misc, unused-ignore]
    """Instead of waiting for a timer, moves the clock to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.now += timeout
        return ready


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(backend: str, work: Callable[[], Awaitable[T]]) -> T:
    """Run `work` on a clock of its own, which begins at 0 on asyncio and anywhere on trio."""
    if backend == "trio":
        result: T = trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0))
        return result

    async def main() -> T:
        return await work()

    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        return runner.run(main())


def virtually(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Let an async test run on the virtual clock of the back end that its `anyio_backend` names."""

    @functools.wraps(test)
    def on_virtual_clock(anyio_backend: str, **fixtures: Any) -> None:
        run(anyio_backend, functools.partial(test, anyio_backend=anyio_backend, **fixtures))

    return on_virtual_clock


class Server:
    """Answers by calling a function, with no socket and no thread, and notes when it was asked.

    Attributes:
        posts, gets: when each was asked, in seconds since the first request.
        bodies: what was posted.
        busiest: how many GETs were under way at once, at most.
    """

    def __init__(self, post: RawResponse | None = None, get: RawResponse | None = None) -> None:
        self._answers = {"POST": post, "GET": get}
        self._began: float | None = None
        self._busy = 0
        self.posts: list[float] = []
        self.gets: list[float] = []
        self.bodies: list[bytes] = []
        self.busiest = 0
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._serve))

    def now(self) -> float:
        """Seconds since the first request."""
        now = anyio.current_time()
        if self._began is None:
            self._began = now
        return now - self._began

    async def _serve(self, request: httpx.Request) -> httpx.Response:
        (self.posts if request.method == "POST" else self.gets).append(self.now())
        self._busy += 1
        self.busiest = max(self.busiest, self._busy)
        try:
            answer = self._answers[request.method] or accepted
            return await answer(request)
        finally:
            self._busy -= 1

    def client(self, **options: Any) -> AsyncImagesClient:
        """A client of this server's."""
        return AsyncImagesClient(
            "sk_test", base_url="http://127.0.0.1/api/v1", model="m", http_client=self.http, **options
        )


_ids = iter(range(1, 1 << 30))


async def accepted(_: httpx.Request) -> httpx.Response:
    """A create request is accepted, under a new id."""
    return success(taskId=f"task-{next(_ids)}", state="pending")


def success(**data: Any) -> httpx.Response:
    """The contract's answer."""
    return httpx.Response(200, json=envelope(**data))


def refusal(status: int, **headers: str) -> httpx.Response:
    """The contract's refusal."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=envelope(status, "no"), headers=names)


def in_turn(*answers: Callable[[], httpx.Response] | Exception) -> RawResponse:
    """Each answer once, the last again and again. An exception is raised."""
    left = list(answers)

    async def answer(_: httpx.Request) -> httpx.Response:
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, Exception):
            raise now
        return now()

    return answer


def done(task_id: str = "task-1") -> httpx.Response:
    """A finished task."""
    return success(taskId=task_id, state="completed", resultUrls=["https://r2.example/a.png"])


def no_jitter(low: float, high: float) -> float:
    """The shortest backoff there is."""
    return low


def most_jitter(low: float, high: float) -> float:
    """The longest backoff there is."""
    return high
