"""Batches against a vendor in memory, on trio's virtual clock: hours pass in a moment."""

import itertools
import statistics
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import anyio
import httpx
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from apimodels_async import (
    AsyncImagesClient,
    AuthenticationError,
    ConnectionFailedError,
    GenerationFailedError,
    GenerationRequest,
    InsufficientCreditsError,
    NotSubmittedError,
    Outcome,
    SubmissionUnknownError,
    Task,
    TaskState,
    WaitTimeoutError,
)
from apimodels_async._batch.scheduler import Scheduler
from apimodels_async._limits import Rate
from apimodels_async._poll.watch import TaskWatch
from apimodels_async.pacing import AdaptivePacing, FixedPacing


def in_virtual_time(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run `work` on trio; whenever everybody sleeps, the clock jumps."""
    return trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0))


def client_of(vendor: Any, **arguments: Any) -> AsyncImagesClient:
    return AsyncImagesClient(
        "sk_test",
        base_url="https://api.example/v1",
        model=arguments.pop("model", "m"),
        http_client=httpx.AsyncClient(transport=vendor.transport),
        **arguments,
    )


async def outcomes_of(vendor: Any, requests: Any, *, client: Any = None, **options: Any) -> list[Outcome]:
    async with client or client_of(vendor, wait_timeout=None) as used:
        async with used.batch(requests, **options) as batch:
            outcomes = [outcome async for outcome in batch]
            assert batch.stats.in_flight == 0
            assert batch.stats.read == len(outcomes)
        return outcomes


def test_300_tasks_of_half_an_hour_need_no_half_hours(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda random, _prompt: random.uniform(1500, 2100))
    client = client_of(vendor, wait_timeout=None, pacing=FixedPacing(300.0))
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, map(str, range(300)), client=client, max_in_flight=300))
    assert sorted(outcome.index for outcome in outcomes) == list(range(300))
    assert all(outcome.ok for outcome in outcomes)
    assert vendor.posts == 300
    assert vendor.gets <= 7 * 300


def test_outcomes_come_as_tasks_complete(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda _random, prompt: {"a": 300.0, "b": 100.0, "c": 200.0}[prompt])
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, ["a", "b", "c"], max_in_flight=3))
    assert [outcome.index for outcome in outcomes] == [1, 2, 0]


def test_the_batches_of_a_client_begin_with_few_creates_and_never_have_many_under_way(vendor_of: Any) -> None:
    vendor, under_way, most = vendor_of(), 0, dict[float, int]()

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal under_way
        if request.method == "POST":
            under_way += 1
            moment = anyio.current_time() - began
            most[moment] = max(under_way, most.get(moment, 0))
            await anyio.sleep(1.0)
            under_way -= 1
        return cast("httpx.Response", await vendor.answer(request))

    began = 0.0
    slow = SimpleNamespace(transport=httpx.MockTransport(answer))

    async def work() -> None:
        nonlocal began
        began = anyio.current_time()
        async with client_of(slow, wait_timeout=None) as client, anyio.create_task_group() as group:
            for name in "ab":
                requests = [f"{name}{number}" for number in range(60)]
                group.start_soon(partial(_drain, client, requests, max_in_flight=60))

    in_virtual_time(work)
    assert vendor.posts == 120
    assert max(under_way for moment, under_way in most.items() if moment < 0.5) == 4
    assert max(most.values()) == 32


async def _drain(client: AsyncImagesClient, requests: list[str], **options: Any) -> None:
    async with client.batch(requests, **options) as batch:
        assert all([outcome.ok async for outcome in batch])


def test_generate_many_gives_them_in_input_order(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda random, _prompt: random.uniform(1, 100))

    async def work() -> list[Outcome]:
        async with client_of(vendor) as client:
            return await client.generate_many([f"p{number}" for number in range(50)])

    outcomes = in_virtual_time(work)
    assert [outcome.request.prompt for outcome in outcomes] == [f"p{number}" for number in range(50)]


def test_no_more_paid_tasks_are_alive_than_allowed(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda random, _prompt: random.uniform(5, 50))
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, map(str, range(200)), max_in_flight=7))
    assert len(outcomes) == 200
    assert 1 < vendor.alive_most <= 7


def test_requests_are_read_only_as_outcomes_are_taken(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda _random, _prompt: 1.0)
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"p{read}"

    async def work() -> None:
        async with client_of(vendor) as client, client.batch(endless(), max_in_flight=5) as batch:
            await anyio.sleep(1000)
            assert read <= 5 + 64
            taken = 0
            async for _ in batch:
                taken += 1
                assert read <= taken + 5 + 64
                if taken == 300:
                    break

    in_virtual_time(work)


def test_an_async_iterable_is_read_as_it_comes(vendor_of: Any) -> None:
    async def slowly() -> Any:
        for number in range(5):
            await anyio.sleep(100)
            yield GenerationRequest(f"p{number}", n=2)

    outcomes = in_virtual_time(lambda: outcomes_of(vendor_of(), slowly()))
    assert [outcome.request.prompt for outcome in outcomes] == ["p0", "p1", "p2", "p3", "p4"]


def test_a_request_that_is_none_has_its_outcome_and_harms_nobody(vendor_of: Any) -> None:
    outcomes = in_virtual_time(lambda: outcomes_of(vendor_of(), ["good", "", 5, "fine"]))
    by_index = {outcome.index: outcome for outcome in outcomes}
    assert [by_index[index].ok for index in range(4)] == [True, False, False, True]
    assert isinstance(by_index[1].error, ValueError)
    assert isinstance(by_index[2].error, TypeError)


def test_a_raising_input_ends_the_batch_after_the_tasks_in_flight(vendor_of: Any) -> None:
    seen: list[Outcome] = []

    def breaks() -> Iterator[str]:
        yield "a"
        yield "b"
        raise LookupError("the file is gone")

    async def work() -> None:
        async with client_of(vendor_of()) as client, client.batch(breaks()) as batch:
            seen.extend([await anext(batch), await anext(batch)])
            with pytest.raises(LookupError, match="the file is gone"):
                await anext(batch)

    in_virtual_time(work)
    assert [outcome.ok for outcome in seen] == [True, True]


def test_without_credits_nothing_more_is_sent_and_what_is_under_way_is_finished(vendor_of: Any) -> None:
    vendor = vendor_of()
    vendor.fault = lambda _random, method: "402" if method == "POST" and vendor.posts >= 10 else ""
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, map(str, range(50)), create_rate=1.0, max_in_flight=20))
    assert len(outcomes) == 50
    assert sum(outcome.ok for outcome in outcomes) == 10
    refused = [outcome for outcome in outcomes if isinstance(outcome.error, InsufficientCreditsError)]
    unsent = [outcome for outcome in outcomes if isinstance(outcome.error, NotSubmittedError)]
    assert len(refused) + len(unsent) == 40
    assert len(refused) == vendor.posts - 10
    assert all(isinstance(outcome.error.__cause__, InsufficientCreditsError) for outcome in unsent if outcome.error)


def test_a_revoked_key_ends_the_waits_too_and_every_task_id_is_told(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda _random, _prompt: 500.0)
    vendor.fault = lambda _random, method: "401" if method == "GET" and anyio.current_time() > 100 else ""
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, map(str, range(30)), max_in_flight=20))
    stranded = [outcome for outcome in outcomes if isinstance(outcome.error, AuthenticationError)]
    assert {outcome.error.task_id for outcome in stranded if isinstance(outcome.error, AuthenticationError)} == set(
        vendor.created
    )
    assert len(stranded) == 20
    assert sum(isinstance(outcome.error, NotSubmittedError) for outcome in outcomes) == 10


def test_a_budget_stops_before_it_would_be_exceeded(vendor_of: Any) -> None:
    vendor = vendor_of()
    requests = [GenerationRequest("p", model="grok-image/grok-4.2-image", n=2) for _ in range(20)]
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, requests, budget=0.31, max_in_flight=3))
    assert vendor.posts == 5
    assert sum(outcome.ok for outcome in outcomes) == 5
    assert sum(isinstance(outcome.error, NotSubmittedError) for outcome in outcomes) == 15


def test_a_failed_task_gives_its_part_of_the_budget_back(vendor_of: Any) -> None:
    vendor = vendor_of(fail=lambda prompt: {"failMsg": "no"} if prompt == "bad" else None)
    requests = [
        GenerationRequest("bad" if number < 3 else "good", model="grok-image/grok-4.2-image") for number in range(8)
    ]
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, requests, budget=0.15, max_in_flight=1))
    assert sum(outcome.ok for outcome in outcomes) == 5
    assert vendor.posts == 8


def test_a_budget_refuses_a_model_without_a_price(vendor_of: Any) -> None:
    vendor = vendor_of()
    (outcome,) = in_virtual_time(lambda: outcomes_of(vendor, ["p"], budget=1.0))
    assert isinstance(outcome.error, NotSubmittedError)
    assert "no price is known for 'm'" in str(outcome.error)
    assert vendor.posts == 0


def test_a_failed_task_is_retried_only_when_that_was_asked_for_and_is_worth_it(vendor_of: Any) -> None:
    failures: dict[str, dict[str, Any]] = {
        "busy": {"failCode": "UPSTREAM_BUSY", "failMsg": "busy"},
        "told": {"failMsg": "odd", "retryable": True},
        "no": {"failCode": "UPSTREAM_BUSY", "failMsg": "no", "retryable": False},
        "policy": {"failMsg": "Content policy violation"},
    }

    for retries, expected in ((0, 5), (2, 9)):
        vendor = vendor_of(fail=failures.get)
        outcomes = in_virtual_time(
            partial(outcomes_of, vendor, ["fine", "busy", "told", "no", "policy"], retry_failed=retries)
        )
        assert vendor.posts == expected
        errors = {outcome.request.prompt: outcome.error for outcome in outcomes}
        assert errors.pop("fine") is None
        assert all(isinstance(error, GenerationFailedError) and error.task_id for error in errors.values())


def test_a_task_that_takes_too_long_is_handed_back_and_the_others_go_on(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda _random, prompt: 10_000.0 if prompt == "b" else 30.0)
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, ["a", "b", "c"], wait_timeout=120))
    by_index = {outcome.index: outcome for outcome in outcomes}
    assert by_index[0].ok
    assert by_index[2].ok
    late = by_index[1].error
    assert isinstance(late, WaitTimeoutError)
    assert vendor.prompts[str(late.task.id)] == "b"


def test_the_creation_rate_is_kept(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda _random, _prompt: 1.0)
    outcomes = in_virtual_time(lambda: outcomes_of(vendor, map(str, range(40)), create_rate=2.0))
    assert all(outcome.ok for outcome in outcomes)
    times = sorted(created for created, _ in vendor.created.values())
    assert min(later - sooner for sooner, later in itertools.pairwise(times)) > 0.499


def test_the_poll_rate_is_kept(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda _random, _prompt: 20.0)
    client = client_of(vendor, wait_timeout=None, pacing=FixedPacing(1.0))
    outcomes = in_virtual_time(
        lambda: outcomes_of(vendor, map(str, range(100)), client=client, poll_rate=5.0, max_in_flight=100)
    )
    assert all(outcome.ok for outcome in outcomes)
    span = vendor.get_times[-1] - vendor.get_times[0]
    assert len(vendor.get_times) <= span * 5.0 + 2


def test_leaving_early_detaches_within_a_second_and_keeps_every_task_id(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda random, _prompt: random.uniform(1, 600))

    async def work() -> None:
        async with client_of(vendor) as client:
            async with client.batch(map(str, range(100)), max_in_flight=50) as batch:
                taken = [await anext(batch) for _ in range(3)]
                left = anyio.current_time()
            assert anyio.current_time() - left < 1.0
            assert [outcome async for outcome in batch] == []  # and does not wait for what will not come
            await anyio.sleep(1)  # creates whose answers were under way
            kept = {task.id for task in batch.detached}
            assert kept | {outcome.task.id for outcome in taken if outcome.task} == set(vendor.created)
            again = await client.wait(batch.detached[0], timeout=None)
            assert again.state is TaskState.COMPLETED

    in_virtual_time(work)


@pytest.mark.parametrize("listener", ["raises", "slow", "plain"])
def test_no_listener_harms_the_batch(vendor_of: Any, listener: str) -> None:
    vendor = vendor_of(
        duration=lambda _random, _prompt: 20.0, fail=lambda prompt: {"failMsg": "no"} if prompt == "3" else None
    )
    heard: list[str] = []

    async def listen(event: Any) -> None:
        if listener == "raises":
            raise RuntimeError("listener")
        if listener == "slow":
            await anyio.sleep_forever()
        heard.append(event.kind)

    async def work() -> list[Outcome]:
        begun = anyio.current_time()
        outcomes = await outcomes_of(vendor, map(str, range(10)), on_event=listen)
        assert anyio.current_time() - begun < 120
        return outcomes

    assert sum(outcome.ok for outcome in in_virtual_time(work)) == 9
    if listener == "plain":
        assert heard.count("submitted") == 10
        assert heard.count("completed") == 9
        assert heard.count("failed") == 1


def test_statistics_add_up(vendor_of: Any) -> None:
    vendor = vendor_of(fail=lambda prompt: {"failMsg": "no"} if prompt == "3" else None)

    async def work() -> Any:
        async with client_of(vendor, model="grok-image/grok-4.2-image") as client:
            batch = client.batch(map(str, range(10)))
            assert batch.stats == type(batch.stats)()
            async with batch:
                async for _ in batch:
                    pass
            return batch.stats

    stats = in_virtual_time(work)
    assert (stats.read, stats.submitted, stats.completed, stats.failed) == (10, 10, 9, 1)
    assert stats.polls == vendor.gets
    assert stats.spent == pytest.approx(0.27)


FAULTS = ["", "", "", "503", "429", "refused", "lost", "html"]


@given(
    seed=st.integers(0, 2**32),
    requests=st.integers(1, 60),
    max_in_flight=st.integers(1, 30),
    leave_after=st.one_of(st.none(), st.integers(0, 20)),
)
@settings(max_examples=20)
def test_under_random_faults_nothing_is_paid_twice_and_no_task_id_is_lost(
    vendor_of: Any, seed: int, requests: int, max_in_flight: int, leave_after: int | None
) -> None:
    vendor = vendor_of(
        seed=seed,
        duration=lambda random, _prompt: random.lognormvariate(4, 0.6),
        fault=lambda random, _method: random.choice(FAULTS),
    )

    async def work() -> None:
        outcomes: list[Outcome] = []
        async with client_of(vendor, wait_timeout=None) as client:
            async with client.batch((f"p{at}" for at in range(requests)), max_in_flight=max_in_flight) as batch:
                async for outcome in batch:
                    outcomes.append(outcome)
                    if len(outcomes) == leave_after:
                        break
            await anyio.sleep(10)
            known = {task.id for task in batch.detached}
        known |= {outcome.task.id for outcome in outcomes if outcome.task is not None}
        unknown = [outcome for outcome in outcomes if isinstance(outcome.error, SubmissionUnknownError)]
        made: dict[str, int] = {}
        for prompt in vendor.prompts.values():
            made[prompt] = made.get(prompt, 0) + 1
        assert max(made.values(), default=0) <= 1
        if leave_after is None or len(outcomes) < leave_after:
            assert sorted(outcome.index for outcome in outcomes) == list(range(requests))
            lost = set(vendor.created) - known
            assert {vendor.prompts[task_id] for task_id in lost} == {outcome.request.prompt for outcome in unknown}
        assert vendor.alive_most <= max_in_flight + len(unknown)  # one that is unknown may be alive

    in_virtual_time(work)


@pytest.mark.parametrize("times", [(0.3, 0.6), (1.0, 2.0), (5.0, 15.0), (20.0, 30.0)])
def test_a_burst_of_a_model_nobody_knows_costs_less_than_asking_every_three_seconds(
    vendor_of: Any, times: tuple[float, float]
) -> None:
    """A few find out how quick it is, and tasks that wait already are planned anew by what they found."""

    def cost(**pacing: Any) -> float:
        """Of a task: seconds until its end was seen, and 0.1 for each question."""
        vendor = vendor_of(duration=lambda random, _prompt: random.uniform(*times), latency=0.01)
        lags: list[float] = []

        async def work() -> None:
            client = client_of(vendor, wait_timeout=None, **pacing)
            async with client, client.batch(map(str, range(100)), max_in_flight=100) as batch:
                async for outcome in batch:
                    assert outcome.task is not None
                    lags.append(anyio.current_time() - vendor.created[outcome.task.id][1])

        in_virtual_time(work)
        queries: int = vendor.gets
        return statistics.mean(lags) + 0.1 * queries / 100

    assert cost() < cost(pacing=FixedPacing(3.0))


@pytest.mark.parametrize("ours", [True, False])
def test_of_many_the_few_look_early_but_what_an_earlier_run_created_is_asked_about_at_once(ours: bool) -> None:
    async def work() -> list[float]:
        poller: Any = SimpleNamespace(at_once=8)
        scheduler: Scheduler[int] = Scheduler(poller, AdaptivePacing(), Rate(), cast("Any", None))
        now = anyio.current_time()
        watches = [
            TaskWatch(Task(id=str(number), state="", model="m"), now=now, born=now if ours else None, timeout=None)
            for number in range(50)
        ]
        for number, watched in enumerate(watches):
            scheduler.add(number, watched)
        return [watched.due - now for watched in watches]

    assert in_virtual_time(work) == pytest.approx([0.5] * 32 + [8.0] * 18 if ours else [0.0] * 50)


def test_of_many_slow_tasks_of_an_unknown_model_few_are_queried_before_the_first_has_ended(vendor_of: Any) -> None:
    vendor = vendor_of(duration=lambda random, _prompt: random.uniform(120.0, 150.0), latency=0.01)
    lags: list[float] = []

    async def work() -> None:
        client = client_of(vendor, wait_timeout=None)
        async with client, client.batch([str(n) for n in range(400)], max_in_flight=400) as batch:
            async for outcome in batch:
                assert outcome.task is not None
                lags.append(anyio.current_time() - vendor.created[outcome.task.id][1])

    in_virtual_time(work)
    first_end = min(done for _, done in vendor.created.values())
    in_vain = sum(at < first_end for at in vendor.get_times)
    assert in_vain < 7 * 400  # 5.9 for each task in twelve runs; 9.5 where the probes do not take turns
    assert len(lags) == 400
    assert statistics.mean(lags) < 2.0  # 0.7 to 0.9 in twelve runs: what the first end shows is acted on at once


def test_a_query_that_is_due_waits_on_where_more_is_known_than_when_it_was_planned() -> None:
    pacing = AdaptivePacing()
    watched = TaskWatch(Task(id="t1", state="pending", model="m"), now=0.0, born=0.0, timeout=None)
    watched.probe = False
    watched.begin(pacing, 0.0)
    planned = watched.due
    for _ in range(200):
        pacing.next_delay("m", 0.0)
        pacing.observe("m", 10.0 * planned)

    assert watched.defer(pacing, planned)
    assert 5.0 * planned < watched.due < 11.0 * planned
    assert not watched.defer(pacing, watched.due)


@pytest.mark.parametrize("reason", ["probe", "foreign", "failed", "last"])
def test_a_query_that_something_else_than_the_pacing_has_planned_does_not_wait_on(reason: str) -> None:
    pacing = AdaptivePacing()
    task, born = Task(id="t1", state="pending", model="m"), None if reason == "foreign" else 0.0
    watched = TaskWatch(task, now=0.0, born=born, timeout=0.5 if reason == "last" else None)
    watched.probe = reason == "probe"
    watched.begin(pacing, 0.0)
    for _ in range(200):
        pacing.next_delay("m", 0.0)
        pacing.observe("m", 1_000.0)
    if reason == "failed":
        watched.note_failure(ConnectionFailedError("refused"))

    assert not watched.defer(pacing, watched.due)


class _Told:
    """A learning pacing that is told when to query: `plans` in turn, and soon once `enough` have ended."""

    def __init__(self, plans: list[float], enough: int) -> None:
        self._plans = plans
        self._missing = enough

    def next_delay(self, key: str, elapsed: float) -> float:
        return self._plans.pop(0)

    def observe(self, key: str, duration: float) -> None:
        self._missing -= 1

    def revised(self, key: str, looked_at: float) -> float:
        return looked_at + 0.1 if self._missing <= 0 else 1_000.0

    def urgency(self, key: str, looked_at: float, elapsed: float) -> float:
        return elapsed - looked_at

    def typical(self, key: str) -> float | None:
        return None

    def longest(self, key: str) -> float:
        return 1_000.0


@pytest.mark.parametrize("plans", [[1.0, 1_000.0], [1.0, 1.5, 1_000.0]])
def test_what_an_end_shows_is_acted_on_at_once_or_a_second_after_the_last_time(
    plans: list[float], vendor_of: Any
) -> None:
    vendor = vendor_of(duration=lambda _random, _prompt: 0.5, latency=0.01)
    requests = [str(number) for number in range(len(plans))]

    async def work() -> float:
        began = anyio.current_time()
        client = client_of(vendor, wait_timeout=None, pacing=_Told(plans, enough=len(requests) - 1))
        outcomes = await outcomes_of(vendor, requests, client=client, max_in_flight=3)
        assert all(outcome.ok for outcome in outcomes)
        return anyio.current_time() - began

    assert in_virtual_time(work) < 3.0


def scheduler_of(number: int) -> tuple[Scheduler[int], list[TaskWatch], list[TaskWatch]]:
    """A scheduler of so many new tasks, their watches, and those of which the pacing is asked for the next query."""
    planned: list[TaskWatch] = []

    def plan(watched: TaskWatch, _pacing: object) -> None:
        planned.append(watched)
        watched.postpone(anyio.current_time() + 1_000.0)

    gate = SimpleNamespace(pause=lambda _now: 0.0)
    poller: Any = SimpleNamespace(at_once=8, plan=plan, gate=gate)
    scheduler: Scheduler[int] = Scheduler(poller, AdaptivePacing(), Rate(), cast("Any", None))
    now = anyio.current_time()
    watches = [
        TaskWatch(Task(id=str(at), state="", model="m"), now=now, born=now, timeout=None) for at in range(number)
    ]
    for at, watched in enumerate(watches):
        scheduler.add(at, watched)
    return scheduler, watches, planned


def test_probes_take_turns_and_one_that_asks_before_its_plan_keeps_that() -> None:
    async def work() -> None:
        scheduler, watches, planned = scheduler_of(50)
        await anyio.sleep(18.0)
        now = anyio.current_time()
        watches[1].planned = now + 5.0
        for watched in watches[:3]:
            scheduler._plan_again(watched)

        turn = (0.2 * 18.0 / 50) ** 0.5
        assert [watched.due - now for watched in watches[:3]] == pytest.approx([turn, 2 * turn, 3 * turn])
        assert planned == [watches[0], watches[2]]
        assert watches[1].planned == now + 5.0

    in_virtual_time(work)


def test_when_eight_have_ended_each_probe_is_asked_about_once_more() -> None:
    async def work() -> None:
        scheduler, watches, _ = scheduler_of(50)
        for watched in watches[:8]:
            watched.ticket = None
        for watched in watches[8:]:
            watched.postpone(anyio.current_time() + 100.0)
        await anyio.sleep(20.0)
        now = anyio.current_time()
        for watched in watches[:7]:
            scheduler._note_end(watched)
        assert {watched.due for watched in watches[8:]} == {now + 80.0}

        scheduler._note_end(watches[7])
        assert {watched.due for watched in watches[8:32]} == {now}
        assert {watched.due for watched in watches[32:]} == {now + 80.0}

    in_virtual_time(work)


def test_of_a_crowd_that_is_due_those_are_queried_first_that_were_not_seen_for_longest() -> None:
    async def work() -> None:
        scheduler, watches, _ = scheduler_of(100)
        await anyio.sleep(60.0)
        now = anyio.current_time()
        for at, watched in enumerate(watches):
            watched.probe = True  # so that none waits on
            if at % 2:
                watched.note_query(now - 20.0)
        scheduler._collect_due(now)

        first = [scheduler._next_to_query(now)[0] for _ in range(50)]
        assert sorted(first) == list(range(0, 100, 2))

    in_virtual_time(work)


@pytest.mark.parametrize(("lost", "waits_on"), [(0.05, True), (0.2, False)])
def test_a_query_that_is_too_early_is_made_where_a_tenth_of_a_second_is_lost(lost: float, waits_on: bool) -> None:
    pacing = _Told([lost], enough=1)
    watched = TaskWatch(Task(id="t1", state="pending", model="m"), now=0.0, born=0.0, timeout=None)
    watched.probe = False
    watched.begin(pacing, 0.0)

    assert pacing.urgency("m", 0.0, watched.due) == lost
    assert watched.defer(pacing, watched.due) is waits_on
