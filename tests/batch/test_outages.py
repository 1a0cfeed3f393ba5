"""An outage makes a batch wait, not empty itself: in virtual time, on both back ends."""

import io
from collections import Counter
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import httpx
import pytest

from apimodels_async import (
    AsyncImagesClient,
    BatchStats,
    ConnectionFailedError,
    GenerationRequest,
    InsufficientCreditsError,
    NotSubmittedError,
    Outcome,
    RateLimitError,
    SubmissionUnknownError,
)
from apimodels_async._poll.gate import LONGEST_PAUSE
from apimodels_async.pacing import FixedPacing
from tests.batch.test_in_virtual_time import client_of
from tests.support.envelopes import envelope
from tests.support.pictures import PNG
from tests.support.vendor import Vendor
from tests.support.virtual import virtually

PRICED = "grok-image/grok-4.2-image"
"""US$ 0.03 each."""

UNDER_WAY = 64
"""Create requests that may be under way when an outage begins: max_in_flight."""


@attrs.define(eq=False, slots=False)
class Front(Vendor):
    """The vendor behind something that is in trouble now and then.

    Attributes:
        trouble: what is wrong with a request with this method at this second since the first, "" if nothing is.
        log: method and second of each request that got through to the front.
        posts_at_once: create requests under way, at most.
    """

    trouble: Callable[[str, float], str] = lambda _method, _now: ""
    log: list[tuple[str, float]] = attrs.Factory(list)
    refused: int = 0
    began: float | None = None
    busy: int = 0
    posts_at_once: int = 0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        now = anyio.current_time()
        self.began = now if self.began is None else self.began
        at = now - self.began
        trouble = self.trouble(request.method, at)
        self.log.append((request.method, at))
        is_post = request.method == "POST"
        self.busy += is_post
        self.posts_at_once = max(self.posts_at_once, self.busy)
        try:
            if trouble:
                await anyio.sleep(self.latency)
                self.refused += 1
                return self.fail_with(trouble, request)
            if request.url.path.endswith("/balance"):
                return httpx.Response(200, json=envelope(balance=1.0))
            return await super().answer(request)
        finally:
            self.busy -= is_post

    def fail_with(self, trouble: str, request: httpx.Request) -> httpx.Response:
        if trouble == "refused":
            raise httpx.ConnectError("Connection refused", request=request)
        if trouble == "lost":
            raise httpx.ReadError("reset", request=request)
        if trouble == "429":
            return httpx.Response(429, json={"code": 429, "msg": "slow down"})
        if trouble.startswith("gateway "):
            words = {"message": "no Route matched with those values"}
            return httpx.Response(int(trouble.removeprefix("gateway ")), json=words)
        status = int(trouble.removeprefix("page "))
        return httpx.Response(status, html=f"<html><title>{status} by a proxy</title>")

    @property
    def twice(self) -> int:
        """Requests that were accepted more than once."""
        return sum(times > 1 for times in Counter(self.prompts.values()).values())


def from_to(began: float, ended: float, trouble: str, *methods: str) -> Callable[[str, float], str]:
    """In trouble between two seconds."""
    return lambda method, now: trouble if began <= now < ended and (not methods or method in methods) else ""


def quick(random: Any, _prompt: str) -> float:
    return float(random.uniform(0.5, 4.0))


def client_at(front: Front, **arguments: Any) -> AsyncImagesClient:
    return client_of(front, wait_timeout=None, pacing=FixedPacing(1.0), model=PRICED, **arguments)


async def run(front: Front, number: int = 200, **options: Any) -> tuple[list[Outcome], BatchStats]:
    """A batch of so many, and its figures at the end."""
    async with client_at(front) as client, client.batch([f"q{each}" for each in range(number)], **options) as batch:
        outcomes = [outcome async for outcome in batch]
        stats = batch.stats
    assert len(outcomes) == number
    assert front.twice == 0
    assert (stats.in_flight, stats.saving, stats.waiting) == (0, 0, 0)
    paid = [outcome for outcome in outcomes if outcome.task or isinstance(outcome.error, SubmissionUnknownError)]
    assert stats.spent == pytest.approx(0.03 * len(paid))
    return outcomes, stats


def errors(outcomes: list[Outcome]) -> Counter[str]:
    return Counter(type(outcome.error).__name__ for outcome in outcomes if not outcome.ok)


@pytest.mark.parametrize("methods", [(), ("POST",)], ids=["all", "creates"])
@pytest.mark.parametrize("seconds", [1.0, 3.0, 30.0])
@virtually
async def test_refused_connections_cost_no_request_anything(
    anyio_backend: str, seconds: float, methods: tuple[str, ...]
) -> None:
    front = Front(duration=quick, trouble=from_to(3.0, 3.0 + seconds, "refused", *methods))

    outcomes, _ = await run(front)

    assert errors(outcomes) == {}
    assert front.refused > 0
    assert max(at for _, at in front.log) < 30.0 + seconds + 10.0


@virtually
async def test_while_the_server_is_away_queries_are_held_back_together(anyio_backend: str) -> None:
    front = Front(duration=lambda random, _prompt: random.uniform(5.0, 60.0), trouble=from_to(4.0, 64.0, "refused"))

    outcomes, _ = await run(front, 64, max_in_flight=64)

    assert errors(outcomes) == {}
    held = [at for method, at in front.log if method == "GET" and 6.0 <= at < 64.0]
    assert 12 <= len(held) <= 40  # one probe at a time, each followed by a pause of up to 4 s
    assert max(at for _, at in front.log) < 64.0 + LONGEST_PAUSE + 2.0


@virtually
async def test_a_batch_ends_its_waits_in_time_although_queries_are_held_back(anyio_backend: str) -> None:
    front = Front(duration=lambda _random, _prompt: 20.0, trouble=from_to(4.0, 500.0, "refused"))
    async with client_of(front, wait_timeout=30.0, pacing=FixedPacing(1.0), model=PRICED) as client:
        outcomes = await client.generate_many(map_of(40), max_in_flight=40)

    assert errors(outcomes) == {"WaitTimeoutError": 40}
    assert all("Connection refused" in str(outcome.error) for outcome in outcomes)
    assert max(at for _, at in front.log) < 33.0


@virtually
async def test_ten_restarts_cost_no_request_anything(anyio_backend: str) -> None:
    front = Front(duration=quick, trouble=lambda _method, now: "refused" if now % 3.0 > 2.2 and now < 30.0 else "")

    outcomes, _ = await run(front)

    assert errors(outcomes) == {}


@attrs.define(eq=False, slots=False)
class Killed(Front):
    """A server that is killed ten times, each time when three create requests are under way, and is away for 0.8 s."""

    kills: int = 0
    back: float = 0.0
    fell: float = -1.0

    async def answer(self, request: httpx.Request) -> httpx.Response:
        now = anyio.current_time()
        self.began = now if self.began is None else self.began
        if now < self.back:
            raise httpx.ConnectError("Connection refused", request=request)
        if self.kills < 10 and self.busy >= 3 and now - self.began > 4.0 + 2.0 * self.kills:
            self.kills += 1
            self.back, self.fell = now + 0.8, now
        try:
            return await super().answer(request)
        finally:
            if now <= self.fell:
                raise httpx.ReadError("reset", request=request)


@virtually
async def test_a_server_that_is_killed_whenever_it_is_back_takes_a_few_with_it_each_time(anyio_backend: str) -> None:
    front = Killed(duration=lambda random, _prompt: random.uniform(1.9, 2.1))

    outcomes, stats = await run(front, 500)

    assert front.kills >= 8  # as long as there is work
    assert set(errors(outcomes)) == {"SubmissionUnknownError"}
    assert stats.unknown <= UNDER_WAY + 9 * 16


@pytest.mark.parametrize("trouble", ["page 503", "page 502", "lost"])
@virtually
async def test_only_what_was_under_way_is_unknown_when_a_proxy_answers_503(anyio_backend: str, trouble: str) -> None:
    front = Front(duration=quick, trouble=from_to(3.0, 8.0, trouble, "POST"))

    outcomes, stats = await run(front)

    assert set(errors(outcomes)) <= {"SubmissionUnknownError"}
    assert 0 < stats.unknown <= UNDER_WAY
    assert sum(outcome.ok for outcome in outcomes) == 200 - stats.unknown


@pytest.mark.parametrize("trouble", ["page 503", "page 302", "page 200"])
@virtually
async def test_after_unknown_outcomes_a_free_query_comes_before_the_next_create_request(
    anyio_backend: str, trouble: str
) -> None:
    front = Front(duration=lambda _random, _prompt: 3600.0, trouble=from_to(0.0, 40.0, trouble))
    async with client_at(front) as client:
        with anyio.move_on_after(60.0):
            async with client.batch(map_of(100), max_in_flight=8) as batch:
                async for _ in batch:
                    pass

    during = [method for method, at in front.log if 1.0 < at < 40.0]
    assert during.count("POST") == 0
    assert during.count("GET") > 3
    after = [method for method, at in front.log if at >= 40.0]
    assert after[0] == "GET"
    assert "POST" in after


async def map_of(number: int) -> Any:
    """Requests that are read in the loop."""
    for each in range(number):
        yield f"q{each}"


@virtually
async def test_a_rate_limit_without_retry_after_costs_time_only(anyio_backend: str) -> None:
    tokens, filled = 40.0, 0.0

    def limited(method: str, now: float) -> str:
        nonlocal tokens, filled
        if method != "POST":
            return ""
        tokens, filled = min(40.0, tokens + 40.0 * (now - filled)), now
        if tokens < 1.0:
            return "429"
        tokens -= 1.0
        return ""

    front = Front(duration=quick, trouble=limited)
    outcomes, _ = await run(front, 200, max_in_flight=200)

    assert errors(outcomes) == {}
    assert front.refused > 0


@virtually
async def test_a_dead_server_gets_one_probe_at_a_time_and_the_rest_ends_as_not_submitted(anyio_backend: str) -> None:
    front = Front(trouble=lambda _method, _now: "refused")
    began = anyio.current_time()

    outcomes, stats = await run(front, 150, outage_timeout=60.0)

    assert errors(outcomes) == {"NotSubmittedError": 150}
    assert 59.0 < anyio.current_time() - began < 75.0
    for outcome in outcomes:
        assert isinstance(outcome.error, NotSubmittedError)
        assert isinstance(outcome.error.__cause__, ConnectionFailedError)
        assert str(outcome.error).startswith(f"request {outcome.index} was not sent: the server has taken no create")
    assert stats.failed == 150
    later = [at for _, at in front.log if at > 1.0]
    assert 5 <= len(later) <= 60
    assert sum(at <= 1.0 for _, at in front.log) <= UNDER_WAY + 4


@pytest.mark.parametrize("trouble", ["429", "page 404", "page 401", "page 402", "page 429"])
@virtually
async def test_any_trouble_that_never_ends_stops_the_batch_in_time(anyio_backend: str, trouble: str) -> None:
    front = Front(trouble=lambda _method, _now: trouble)

    outcomes, _ = await run(front, 100, outage_timeout=30.0)

    assert errors(outcomes) == {"NotSubmittedError": 100}


@pytest.mark.parametrize(
    "trouble", ["page 404", "page 401", "page 402", "page 429", "gateway 404", "gateway 401", "gateway 402"]
)
@virtually
async def test_pages_of_a_proxy_make_the_batch_wait(anyio_backend: str, trouble: str) -> None:
    front = Front(duration=quick, trouble=from_to(3.0, 18.0, trouble))

    outcomes, _ = await run(front)

    assert errors(outcomes) == {}


@pytest.mark.parametrize("trouble", ["page 400", "page 403", "page 407", "page 413", "gateway 403"])
@virtually
async def test_pages_that_refuse_one_request_refuse_that_one_alone(anyio_backend: str, trouble: str) -> None:
    number = 0

    def every_tenth(method: str, _now: float) -> str:
        nonlocal number
        number += method == "POST"
        return trouble if method == "POST" and number % 10 == 0 else ""

    front = Front(duration=quick, trouble=every_tenth)
    outcomes, _ = await run(front, 100)

    assert sum(outcome.ok for outcome in outcomes) == 90
    assert not set(errors(outcomes)) & {"NotSubmittedError", "SubmissionUnknownError"}


@virtually
async def test_without_a_limit_an_outage_of_twice_the_default_limit_is_waited_for(anyio_backend: str) -> None:
    front = Front(duration=quick, trouble=from_to(3.0, 603.0, "refused"))

    outcomes, _ = await run(front, 50, outage_timeout=None, max_in_flight=8)

    assert errors(outcomes) == {}


@virtually
async def test_the_limit_is_for_one_outage_and_not_for_all_of_them(anyio_backend: str) -> None:
    front = Front(duration=quick, trouble=lambda _method, now: "refused" if now % 20.0 > 10.0 and now < 200.0 else "")

    outcomes, _ = await run(front, 1000, outage_timeout=40.0)

    assert errors(outcomes) == {}


@virtually
async def test_the_figures_tell_how_many_wait_and_for_how_long(anyio_backend: str) -> None:
    front = Front(duration=quick, trouble=from_to(3.0, 33.0, "refused", "POST"))
    seen: list[tuple[float, BatchStats]] = []
    async with client_at(front) as client, client.batch([f"q{each}" for each in range(500)]) as batch:

        async def watch() -> None:
            while True:
                seen.append((front.log[-1][1] if front.log else 0.0, batch.stats))
                await anyio.sleep(0.5)

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            async for _ in batch:
                pass
            group.cancel_scope.cancel()
        stats = batch.stats

    outages = [figures.outage for _, figures in seen]
    assert 25.0 < max(outages) < 40.0
    assert outages[0] == stats.outage == 0.0
    assert max(figures.waiting for _, figures in seen) > 50
    assert all(figures.waiting <= figures.in_flight <= 64 for _, figures in seen)
    assert all(not figures.waiting for _, figures in seen if not figures.outage and figures.completed > 450)


@virtually
async def test_figures_can_be_read_in_any_thread(anyio_backend: str) -> None:
    front = Front(duration=quick)
    read: list[BatchStats] = []
    async with client_at(front) as client, client.batch(["a"]) as batch:
        await anyio.to_thread.run_sync(lambda: read.append(batch.stats))
        async for _ in batch:
            pass
    assert read[0].outage == 0.0


@virtually
async def test_refused_credits_end_what_is_held_back_at_once(anyio_backend: str) -> None:
    """A request is under way when the outage begins; its answer says that nothing more can be paid for."""
    front = Front(duration=quick)
    posts = 0

    def trouble(method: str, now: float) -> str:
        nonlocal posts
        posts += method == "POST"
        return "refused" if method == "POST" and posts > 1 and now < 1000.0 else ""

    front.trouble = trouble
    create = front._create

    def broke(request: httpx.Request, fault: str) -> httpx.Response:
        return create(request, "402")

    front._create = broke  # type: ignore[method-assign]
    front.latency = 5.0
    began = anyio.current_time()
    outcomes, _ = await run(front, 50, max_in_flight=10)

    assert anyio.current_time() - began < 60.0
    assert sum(isinstance(outcome.error, InsufficientCreditsError) for outcome in outcomes) == 1
    unsent = [outcome.error for outcome in outcomes if isinstance(outcome.error, NotSubmittedError)]
    assert len(unsent) == 49
    assert all(isinstance(error.__cause__, InsufficientCreditsError) for error in unsent)


@virtually
async def test_leaving_in_an_outage_ends_at_once_and_nothing_is_sent_later(anyio_backend: str) -> None:
    front = Front(duration=quick, trouble=from_to(0.0, 1000.0, "refused"))
    async with client_at(front) as client:
        async with client.batch([f"q{each}" for each in range(100)]) as batch:
            await anyio.sleep(30.0)
            left = anyio.current_time()
        assert anyio.current_time() - left < 1.0
        sent = len(front.log)
        await anyio.sleep(2000.0)
        assert len(front.log) <= sent + 1
    assert batch.detached == []
    assert front.created == {}


@virtually
async def test_two_batches_of_a_client_hold_back_together(anyio_backend: str) -> None:
    front = Front(duration=quick, trouble=from_to(3.0, 33.0, "refused"))
    outcomes: list[Outcome] = []
    async with client_at(front) as client:

        async def one(name: str) -> None:
            outcomes.extend(await client.generate_many([f"{name}{each}" for each in range(200)]))

        async with anyio.create_task_group() as group:
            group.start_soon(one, "a")
            group.start_soon(one, "b")

    assert errors(outcomes) == {}
    assert front.twice == 0
    assert sum(method == "POST" and 6.0 < at < 33.0 for method, at in front.log) < 30


@virtually
async def test_a_file_that_can_be_read_once_is_sent_whole_when_the_server_is_back(anyio_backend: str) -> None:
    front = Front(duration=quick, trouble=from_to(0.0, 5.0, "refused"))
    async with client_at(front) as client:
        outcomes = await client.generate_many([GenerationRequest("q", image=io.BytesIO(PNG))])

    assert errors(outcomes) == {}


@virtually
async def test_a_single_call_still_gives_up_by_itself(anyio_backend: str) -> None:
    front = Front(trouble=lambda _method, _now: "429")
    async with client_at(front) as client:
        with pytest.raises(RateLimitError):
            await client.create("a")
    assert len(front.log) <= 5
