"""Waiting for the vendor's call in place of asking, on trio's virtual clock."""

import contextlib
import json
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.abc
import httpx
import pytest
import trio
import trio.testing

from apimodels_async import AsyncImagesClient, GenerationRequest, SubmissionUnknownError, WaitTimeoutError
from apimodels_async.ledger import SqliteLedger, Step


class Switchboard:
    """A callback source that a test calls by hand."""

    def __init__(self) -> None:
        self.numbers = count()
        self.followed: dict[str, Callable[[str], object]] = {}
        self.kept: dict[str, str] = {}
        self.unfollowed = 0

    def issue(self) -> tuple[str, str]:
        intent = f"intent-{next(self.numbers)}"
        return intent, f"https://here.example/k/{intent}/token"

    def subscribe(self, intent_id: str, told: Callable[[str], object]) -> None:
        self.followed[intent_id] = told
        if intent_id in self.kept:
            told(self.kept[intent_id])

    def unsubscribe(self, intent_id: str) -> None:
        del self.followed[intent_id]
        self.unfollowed += 1

    def call(self, intent: str, task_id: str) -> None:
        self.kept.setdefault(intent, task_id)
        if intent in self.followed:
            self.followed[intent](task_id)


class World:
    """A vendor that calls, a switchboard, and a client between them.

    Attributes:
        delay: seconds from a task's end to the call; ``None`` for no call.
        lies: what the call says in place of the task id.
    """

    def __init__(self, vendor: Any, delay: float | None = 0.0, lies: str | None = None) -> None:
        self.vendor = vendor
        self.delay = delay
        self.lies = lies
        self.board = Switchboard()
        self.ordered: dict[str, str] = {}
        self.seen: list[float] = []

    async def _after_create(self, group: anyio.abc.TaskGroup, request: httpx.Request) -> httpx.Response:
        before = set(self.vendor.created)
        try:
            return await self.vendor.answer(request)  # type: ignore[no-any-return]
        finally:
            body = json.loads(request.content or "{}")
            for task_id in set(self.vendor.created) - before:
                url = body.get("callback_url", "")
                if self.vendor.prompts[task_id] == body.get("prompt") and url.startswith("https://here.example/"):
                    self.ordered[task_id] = url.split("/")[-2]
                    group.start_soon(self._call, task_id)

    async def _call(self, task_id: str) -> None:
        if self.delay is not None:
            _, done = self.vendor.created[task_id]
            await anyio.sleep(max(0.0, done - anyio.current_time() + self.delay))
            self.board.call(self.ordered[task_id], self.lies or task_id)

    def since(self, what: Literal["created", "done"]) -> float:
        """Seconds since the first task was created, or was done."""
        created, done = self.vendor.created["cl000000"]
        then: float = created if what == "created" else done
        return anyio.current_time() - then

    def run(
        self, work: Callable[[AsyncImagesClient], Awaitable[Any]], *, patience: float = 0.0, **arguments: Any
    ) -> Any:
        """Run `work`. The clock jumps when nobody had anything to do for `patience` real seconds: threads need some."""

        async def main() -> Any:
            async with anyio.create_task_group() as group:
                transport = httpx.MockTransport(partial(self._after_create, group))
                async with AsyncImagesClient(
                    "sk_test",
                    base_url="https://api.example/v1",
                    model="m",
                    http_client=httpx.AsyncClient(transport=transport),
                    callbacks=self.board,
                    **arguments,
                ) as client:
                    result = await work(client)
                group.cancel_scope.cancel()
                return result

        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=patience))


@pytest.fixture
def world_of(vendor_of: Any) -> Callable[..., World]:
    def make(*, delay: float | None = 0.0, lies: str | None = None, **vendor: Any) -> World:
        return World(vendor_of(**vendor), delay, lies)

    return make


def test_a_task_is_asked_about_once_when_the_vendor_has_called(world_of: Any) -> None:
    world = world_of(duration=lambda _random, _prompt: 25.0)

    async def work(client: AsyncImagesClient) -> Any:
        task = await client.generate("x")
        assert task.state == "completed"
        return world.since("done")

    late = world.run(work)
    assert world.vendor.gets == 1
    assert late < 0.2
    assert world.board.followed == {}


def test_a_hundred_tasks_of_a_batch_are_asked_about_once_each(world_of: Any) -> None:
    world = world_of(duration=lambda random, _prompt: random.uniform(1, 25))

    async def work(client: AsyncImagesClient) -> None:
        async with client.batch([str(number) for number in range(100)]) as batch:
            assert all([outcome.ok async for outcome in batch])

    world.run(work)
    assert world.vendor.gets == 100
    assert world.board.unfollowed == 100


def test_a_call_before_the_creates_answer_is_not_lost(world_of: Any) -> None:
    world = world_of(duration=lambda _random, _prompt: 0.001, latency=0.5)

    async def called_early(client: AsyncImagesClient) -> None:
        answer = world.vendor.answer

        async def slow(request: httpx.Request) -> httpx.Response:
            response: httpx.Response = await answer(request)
            if request.method == "POST":
                world.board.call(world.board.numbers and "intent-0", "cl000000")
                await anyio.sleep(2.0)
            return response

        world.vendor.answer = slow
        await client.generate("x")

    world.run(called_early)
    assert world.vendor.gets == 1


def test_when_nobody_calls_the_first_look_comes_after_half_a_minute(world_of: Any) -> None:
    world = world_of(delay=None, duration=lambda _random, _prompt: 40.0)
    world.run(lambda client: client.generate("x"))
    first, second = world.vendor.get_times
    created = world.vendor.created["cl000000"][0]
    assert first - created == pytest.approx(30.0, abs=0.2)
    assert second - created == pytest.approx(45.0, abs=0.4)


def test_when_nobody_calls_about_a_known_model_the_first_look_comes_after_thrice_its_time(world_of: Any) -> None:
    world = world_of(delay=None, duration=lambda _random, _prompt: 10.0)

    async def work(client: AsyncImagesClient) -> Any:
        for _ in range(12):
            client._engine.pacing.observe("m", 10.0)
        await client.generate("x")
        first: float = world.vendor.get_times[0] - world.vendor.created["cl000000"][0]
        return first

    assert 30.0 < world.run(work) < 40.0
    assert world.vendor.gets == 1


def test_a_call_that_names_another_task_only_wakes(world_of: Any) -> None:
    world = world_of(lies="cl999999", duration=lambda _random, _prompt: 20.0)
    task = world.run(lambda client: client.generate("x"))
    assert task.id == "cl000000"
    assert world.vendor.gets == 1


def test_calls_repeated_by_somebody_cost_few_queries(world_of: Any) -> None:
    world = world_of(delay=None, duration=lambda _random, _prompt: 29.0)

    async def work(client: AsyncImagesClient) -> None:
        task = await client.create("x")
        async with anyio.create_task_group() as group:
            group.start_soon(client.wait, task)
            for number in range(1000):
                world.board.call("intent-0", f"forged-{number}")
                await anyio.sleep(0.01)

    world.run(work)
    assert world.vendor.gets <= 20


def test_a_replica_that_lags_behind_the_call_is_asked_again_soon(world_of: Any) -> None:
    world = world_of(delay=-0.6, duration=lambda _random, _prompt: 20.0)

    async def work(client: AsyncImagesClient) -> Any:
        await client.generate("x")
        return world.since("done")

    assert world.run(work) < 1.0
    assert world.vendor.gets <= 4


def test_a_callback_url_of_ones_own_is_left_alone(world_of: Any) -> None:
    world = world_of(duration=lambda _random, _prompt: 20.0)
    world.run(lambda client: client.generate("x", callback_url="https://mine.example/hook"))
    assert world.ordered == {}
    assert world.board.followed == {}
    assert world.vendor.gets > 1


# --- lost answers


def test_a_create_whose_answer_is_lost_is_found_by_its_call(world_of: Any) -> None:
    world = world_of(fault=lambda _random, method: "lost" * (method == "POST"), duration=lambda _random, _prompt: 20.0)
    task = world.run(lambda client: client.generate("x"))
    assert (task.id, task.state) == ("cl000000", "completed")
    assert (world.vendor.posts, world.vendor.gets) == (1, 1)
    assert world.board.followed == {}


def test_without_a_call_it_is_unknown_after_the_models_longest_and_a_minute(world_of: Any) -> None:
    world = world_of(delay=None, fault=lambda _random, method: "lost" * (method == "POST"))

    async def work(client: AsyncImagesClient) -> Any:
        with pytest.raises(SubmissionUnknownError):
            await client.create("x")
        return world.since("created")

    assert 150.0 < world.run(work) < 260.0
    assert world.vendor.posts == 1
    assert world.board.followed == {}


def test_generate_does_not_wait_for_it_beyond_its_own_time(world_of: Any) -> None:
    world = world_of(delay=None, fault=lambda _random, method: "lost" * (method == "POST"))

    async def work(client: AsyncImagesClient) -> Any:
        with pytest.raises(SubmissionUnknownError):
            await client.generate("x", timeout=20.0)
        return world.since("created")

    assert 19.0 < world.run(work) < 22.0


def test_an_id_that_the_server_does_not_know_is_not_believed(world_of: Any) -> None:
    world = world_of(
        lies="forged", fault=lambda _random, method: "lost" * (method == "POST"), duration=lambda _random, _prompt: 5.0
    )
    query = world.vendor._query

    def known_only(task_id: str) -> httpx.Response:
        if task_id not in world.vendor.created:
            return httpx.Response(404, json={"code": 404, "msg": "no such task"})
        answer: httpx.Response = query(task_id)
        return answer

    world.vendor._query = known_only

    async def work(client: AsyncImagesClient) -> None:
        with pytest.raises(SubmissionUnknownError):
            await client.generate("x")

    world.run(work)
    assert world.vendor.posts == 1


def test_a_batch_that_loses_a_fifth_of_its_answers_pays_once_for_each_and_gets_all(world_of: Any) -> None:
    world = world_of(
        fault=lambda random, method: "lost" if method == "POST" and random.random() < 0.2 else "",
        duration=lambda random, _prompt: random.uniform(5, 60),
    )

    async def work(client: AsyncImagesClient) -> None:
        async with client.batch([str(number) for number in range(500)]) as batch:
            assert all([outcome.ok async for outcome in batch])

    world.run(work)
    assert world.vendor.posts == len(world.vendor.created) == 500
    assert world.vendor.gets <= 2 * 500


def test_a_later_run_finds_it_by_the_call_that_came_meanwhile(world_of: Any, tmp_path: Path) -> None:
    world = world_of(delay=3.0, fault=lambda _random, method: "lost" * (method == "POST"))
    requests = [GenerationRequest("x"), GenerationRequest("y")]

    async def first(client: AsyncImagesClient) -> None:
        with contextlib.suppress(WaitTimeoutError):
            outcomes = await client.generate_many(requests, ledger=tmp_path / "run.db", wait_timeout=10.0)
            assert [type(outcome.error) for outcome in outcomes] == [SubmissionUnknownError] * 2

    async def second(client: AsyncImagesClient) -> None:
        outcomes = await client.generate_many(requests, ledger=tmp_path / "run.db")
        assert all(outcome.ok for outcome in outcomes)
        assert {outcome.task.id for outcome in outcomes if outcome.task} == {"cl000000", "cl000001"}

    world.run(first, patience=0.1)
    for task_id, intent in world.ordered.items():
        world.board.call(intent, task_id)  # while nobody was there
    world.vendor.created = dict.fromkeys(world.vendor.created, (0.0, 0.0))
    world.run(second, patience=0.1)

    assert world.vendor.posts == 2
    with SqliteLedger(tmp_path / "run.db") as ledger:
        assert set(ledger.steps().values()) == {Step.DONE}


def test_a_create_with_a_key_finds_its_task_in_a_later_call(world_of: Any, tmp_path: Path) -> None:
    world = world_of(delay=None, fault=lambda _random, method: "lost" * (method == "POST"))

    async def first(client: AsyncImagesClient) -> None:
        with pytest.raises(SubmissionUnknownError):
            await client.create("x", ledger=tmp_path / "run.db", key="mine")

    world.run(first, patience=0.1)
    world.board.call(world.ordered["cl000000"], "cl000000")
    world.vendor.created["cl000000"] = (0.0, 0.0)

    async def second(client: AsyncImagesClient) -> Any:
        return await client.create("x", ledger=tmp_path / "run.db", key="mine")

    assert world.run(second, patience=0.1).id == "cl000000"
    assert world.vendor.posts == 1


def test_what_is_no_receiver_is_refused() -> None:
    with pytest.raises(TypeError, match="callbacks=str"):
        AsyncImagesClient("sk_test", callbacks="https://here.example")  # type: ignore[arg-type]


def test_a_receiver_that_fails_costs_a_later_run_one_outcome_and_not_the_batch(world_of: Any, tmp_path: Path) -> None:
    world = world_of(delay=None, fault=lambda _random, method: "lost" * (method == "POST"))
    path = tmp_path / "run.db"

    async def first(client: AsyncImagesClient) -> None:
        await client.generate_many(["x"], ledger=path, wait_timeout=1.0)

    def broken(_intent_id: str, _told: Callable[[str], object]) -> None:
        raise RuntimeError("no receiver")

    async def second(client: AsyncImagesClient) -> None:
        world.board.subscribe = broken
        [outcome] = await client.generate_many(["x"], ledger=path)
        assert isinstance(outcome.error, SubmissionUnknownError)

    world.run(first, patience=0.1)
    world.run(second, patience=0.1)
    assert world.vendor.posts == 1
