"""The calls on their way, in time that passes only when nothing else can happen."""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from apimodels_async.gateway.store import PaintSpec, Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.tasks import TaskRecord
from apimodels_async.gateway.urls import HttpUrl, parse_url
from apimodels_async.gateway.webhook_delivery import MAX_ATTEMPTS, MAX_PER_RECEIVER, WebhookDelivery
from apimodels_async.gateway.webhooks import DeliveryProgress
from tests.support.virtual import run

START = 1_705_123_450_000
DAY = 24 * 3600.0

Post = Callable[[HttpUrl, bytes], Awaitable[int]]


async def as_it_is(task: TaskRecord) -> TaskRecord:
    return task


class Inline(StoreThread):
    """A store without its thread, which virtual time could not wait for."""

    def __init__(self, store: Store) -> None:
        super().__init__(None, 0, lambda: 0, 0)
        self.inside = store

    async def ask(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self.inside, *args, **kwargs)


class Scene:
    """A store, and delivery on it that start at virtual time 0."""

    def __init__(self, store: Store, post: Post) -> None:
        self.thread = Inline(store)
        self.delivery = WebhookDelivery(
            store=self.thread, post=post, settle=as_it_is, now=self.now, sleep=asyncio.sleep, rng=Random(1)
        )

    def now(self) -> int:
        return START + int(asyncio.get_running_loop().time() * 1000)

    def accept(self, task_id: str, *, ends: float = 0, url: str = "http://127.0.0.1:1/hook", owed: int = 1) -> None:
        """A task that ends so many seconds after the start."""
        due = START + round(ends * 1000)
        task = TaskRecord(
            id=task_id, model="m", n=1, output_format="png", created=START, started=START, ended=due, failure=None
        )  # fmt: skip
        spec = PaintSpec(prompt="a fox", seed=1, size=(16, 16))
        progress = DeliveryProgress(due=due, owed=owed)
        self.thread.inside.accept(
            task, spec, price=0, request="{}", callback_url=url, progress=progress, origin="http://here"
        )
        self.delivery.schedule(task_id, due, parse_url("callback_url", url).origin)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "store", 10**9)) as store:
        yield store


def virtually(work: Callable[[], Awaitable[None]]) -> None:
    run("asyncio", work)


class Posts:
    """Answers from a list, the last one for ever, and remembers when it was asked."""

    def __init__(self, *answers: int | OSError) -> None:
        self.answers = list(answers)
        self.times: list[float] = []

    async def __call__(self, _: HttpUrl, __: bytes) -> int:
        self.times.append(round(asyncio.get_running_loop().time(), 2))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


def test_a_call_goes_out_when_the_task_ends_and_after_a_2xx_never_again(store: Store) -> None:
    posts = Posts(204, 500)

    async def work() -> None:
        scene = Scene(store, posts)
        async with scene.delivery:
            scene.accept("cl1", ends=15)
            await asyncio.sleep(DAY)
        async with Scene(store, posts).delivery:
            await asyncio.sleep(DAY)

    virtually(work)
    assert posts.times == [15]


@pytest.mark.parametrize("answer", [500, 404, 302, 199, 300, ConnectionRefusedError("no")])
def test_anything_but_a_2xx_is_tried_again_after_1_2_and_4_s_and_then_for_30_minutes(store: Store, answer: Any) -> None:
    posts = Posts(answer)

    async def work() -> None:
        scene = Scene(store, posts)
        async with scene.delivery:
            scene.accept("cl1", ends=2)
            await asyncio.sleep(DAY)

    virtually(work)
    assert posts.times[:4] == [2, 3, 5, 9]
    gaps = [late - early for early, late in zip(posts.times[3:], posts.times[4:], strict=False)]
    assert all(25 <= gap <= 35 for gap in gaps)
    assert len(set(gaps)) > 10
    assert 9 + 1800 - 35 < posts.times[-1] <= 9 + 1800
    assert store.db.execute("SELECT due, owed FROM calls").fetchall() == [(None, 1)]


def test_a_2xx_ends_the_background_job(store: Store) -> None:
    posts = Posts(*[500] * 7, 200)

    async def work() -> None:
        scene = Scene(store, posts)
        async with scene.delivery:
            scene.accept("cl1")
            await asyncio.sleep(DAY)

    virtually(work)
    assert len(posts.times) == 8
    assert store.db.execute("SELECT due, owed FROM calls").fetchall() == [(None, 0)]


def test_the_pause_begins_when_the_attempt_has_failed(store: Store) -> None:
    posts = Posts(TimeoutError("hangs"))

    async def hang(to: HttpUrl, body: bytes) -> int:
        with suppress(TimeoutError):
            return await posts(to, body)
        await asyncio.sleep(10)
        raise TimeoutError

    async def work() -> None:
        scene = Scene(store, hang)
        async with scene.delivery:
            scene.accept("cl1")
            await asyncio.sleep(60)

    virtually(work)
    assert posts.times[:4] == [0, 11, 23, 37]


def test_a_second_call_follows_the_first_and_no_third(store: Store) -> None:
    posts = Posts(200)

    async def work() -> None:
        scene = Scene(store, posts)
        async with scene.delivery:
            scene.accept("cl1", owed=2)
            await asyncio.sleep(DAY)

    virtually(work)
    assert posts.times == [0, 0]


def test_a_restart_goes_on_where_it_was(store: Store) -> None:
    before, behind = Posts(500), Posts(500)

    async def work() -> None:
        scene = Scene(store, before)
        async with scene.delivery:
            scene.accept("cl1", ends=1)
            scene.accept("cl2", ends=5000)
            await asyncio.sleep(3)
        async with Scene(store, behind).delivery:
            await asyncio.sleep(DAY)

    virtually(work)
    assert before.times == [1, 2]
    assert behind.times[:2] == [4, 8]
    assert [time for time in behind.times if time >= 5000][:4] == [5000, 5001, 5003, 5007]


def test_what_fell_due_while_the_gateway_was_off_is_made_up_for_at_once(store: Store) -> None:
    posts = Posts(200)

    async def work() -> None:
        scene = Scene(store, posts)
        scene.accept("cl1", ends=5)
        await asyncio.sleep(DAY)
        async with Scene(store, posts).delivery:
            await asyncio.sleep(1)

    virtually(work)
    assert posts.times == [DAY]


def test_a_call_that_is_due_sooner_goes_first_whenever_it_was_announced(store: Store) -> None:
    called: list[str] = []

    async def post(to: HttpUrl, _: bytes) -> int:
        called.append(f"{to.target} {asyncio.get_running_loop().time():.2f}")
        return 200

    async def work() -> None:
        scene = Scene(store, post)
        async with scene.delivery:
            scene.accept("cl1", ends=100, url="http://127.0.0.1/late")
            await asyncio.sleep(0.5)
            scene.accept("cl2", ends=0.75, url="http://127.0.0.1/soon")
            await asyncio.sleep(0.5)
            scene.accept("cl3", ends=0.1, url="http://127.0.0.1/past")
            await asyncio.sleep(200)

    virtually(work)
    assert called == ["/soon 0.75", "/past 1.00", "/late 100.00"]


def test_a_clock_that_jumps_is_noticed_within_a_second(store: Store) -> None:
    posts = Posts(200)

    async def work() -> None:
        scene = Scene(store, posts)
        jumped = 0
        scene.delivery._now = lambda: scene.now() + jumped
        async with scene.delivery:
            scene.accept("cl1", ends=3600)
            await asyncio.sleep(5)
            jumped = 3_600_000
            await asyncio.sleep(5)

    virtually(work)
    assert len(posts.times) == 1
    assert 5 <= posts.times[0] <= 6


def test_ten_thousand_that_are_due_at_once_are_a_few_at_a_time(store: Store) -> None:
    busy, most, called = Counter[str](), Counter[str](), Counter[str]()

    async def post(to: HttpUrl, _: bytes) -> int:
        for key in (to.netloc, "all"):
            busy[key] += 1
            most[key] = max(most[key], busy[key])
        tasks.append(len(asyncio.all_tasks()))
        await asyncio.sleep(0.01)
        busy.subtract((to.netloc, "all"))
        called[to.target] += 1
        return 200

    tasks: list[int] = []

    async def work() -> None:
        scene = Scene(store, post)
        async with scene.delivery:
            store.db.execute("PRAGMA synchronous = OFF")
            for number in range(10_000):
                scene.accept(f"cl{number}", ends=1, url=f"http://127.0.0.1:{number % 7 + 1}/{number}")
            assert len(asyncio.all_tasks()) < 5
            await asyncio.sleep(20)

    virtually(work)
    assert called == {f"/{number}": 1 for number in range(10_000)}
    assert most["all"] == MAX_ATTEMPTS
    assert max(most[f"127.0.0.1:{port}"] for port in range(1, 8)) <= MAX_PER_RECEIVER
    assert max(tasks) < MAX_ATTEMPTS + 10


def test_receivers_that_hang_hold_nobody_else_up(store: Store) -> None:
    quick: list[float] = []

    async def post(to: HttpUrl, _: bytes) -> int:
        if to.port < 4:
            await asyncio.sleep(10)
            raise TimeoutError
        await asyncio.sleep(0.01)
        quick.append(asyncio.get_running_loop().time())
        return 200

    async def work() -> None:
        scene = Scene(store, post)
        async with scene.delivery:
            for number in range(300):
                scene.accept(f"cl{number}", url=f"http://127.0.0.1:{number % 3 + 1}/")
            for number in range(100):
                scene.accept(f"clq{number}", ends=1, url="http://127.0.0.1:4/")
            await asyncio.sleep(9)

    virtually(work)
    assert len(quick) == 100
    assert max(quick) < 1.2


def test_the_end_breaks_off_what_is_on_the_wire_and_makes_it_again(store: Store) -> None:
    broken: list[str] = []

    async def hang(_: HttpUrl, __: bytes) -> int:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            broken.append("off")
            raise
        return 200

    posts = Posts(200)

    async def work() -> None:
        scene = Scene(store, hang)
        async with scene.delivery:
            scene.accept("cl1")
            await asyncio.sleep(1)
        assert broken == ["off"]
        assert asyncio.get_running_loop().time() == 1
        async with Scene(store, posts).delivery:
            await asyncio.sleep(DAY)

    virtually(work)
    assert posts.times == [1]


def test_the_end_waits_until_a_2xx_that_came_is_noted(store: Store) -> None:
    posts = Posts(200)

    async def work() -> None:
        async with AsyncExitStack() as stack:
            scene = Scene(store, posts)
            ask = scene.thread.ask
            noting = asyncio.Event()

            async def slow(method: Any, *args: Any, **kwargs: Any) -> Any:
                if method.__name__ == "save_progress":
                    noting.set()
                    await asyncio.sleep(1)
                return await ask(method, *args, **kwargs)

            scene.thread.ask = slow  # type: ignore[method-assign]
            await stack.enter_async_context(scene.delivery)
            scene.accept("cl1")
            await noting.wait()
        async with Scene(store, posts).delivery:
            await asyncio.sleep(DAY)

    virtually(work)
    assert posts.times == [0]


def test_a_first_attempt_can_be_waited_for_whether_it_succeeds_or_not(store: Store) -> None:
    async def work() -> None:
        for number, answer in enumerate([200, 500]):
            scene = Scene(store, Posts(answer))
            async with scene.delivery:
                begun = asyncio.get_running_loop().time()
                scene.accept(f"cl{number}", ends=begun + 5)
                await scene.delivery.first_attempt(f"cl{number}")
                assert asyncio.get_running_loop().time() - begun == pytest.approx(5, abs=0.01)

    virtually(work)


def test_a_store_that_fails_is_told_and_the_other_calls_go_on(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    posts = Posts(200)

    async def work() -> None:
        scene = Scene(store, posts)
        ask = scene.thread.ask
        broken = [True]

        async def fails_once(method: Any, *args: Any, **kwargs: Any) -> Any:
            if method.__name__ == "save_progress" and broken.pop():
                broken.append(False)
                raise sqlite3.OperationalError("disk full")
            return await ask(method, *args, **kwargs)

        scene.thread.ask = fails_once  # type: ignore[method-assign]
        async with scene.delivery:
            scene.accept("cl1")
            scene.accept("cl2", ends=1)
            scene.accept("cl3", ends=2)
            await asyncio.sleep(DAY)

    virtually(work)
    assert posts.times == [0, 1, 2]
    assert "left for the gateway's next start" in caplog.text
    assert "disk full" in caplog.text


def test_the_log_tells_what_fails_and_holds_no_url(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        scene = Scene(store, Posts(ConnectionRefusedError("nobody there")))
        async with scene.delivery:
            scene.accept("cl1", url="http://127.0.0.1:1/SECRET")
            await asyncio.sleep(DAY)

    with caplog.at_level(logging.DEBUG):
        virtually(work)
    mine = [record for record in caplog.records if record.name.startswith("apimodels_async.gateway")]
    warnings = [record.getMessage() for record in mine if record.levelno == logging.WARNING]
    assert [message.count("http://127.0.0.1:1 ") for message in warnings] == [1, 1]
    assert "in the background" in warnings[0]
    assert "given up" in warnings[1]
    assert "nobody there" in warnings[0]
    assert "SECRET" not in caplog.text
