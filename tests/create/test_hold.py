"""Create requests of a batch while the server takes none, in virtual time: they wait together and nothing is lost."""

import logging
import ssl
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import anyio
import httpx
import pytest

from apimodels_async import (
    APIError,
    ApimodelsError,
    AsyncImagesClient,
    ConnectionFailedError,
    GenerationRequest,
    InsufficientCreditsError,
    NotSubmittedError,
    RateLimitError,
    SubmissionUnknownError,
    Task,
)
from apimodels_async._create.hold import Hold
from tests.support.virtual import Server, accepted, refusal, success, virtually

Fault = Callable[[], httpx.Response]


def refused() -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def page(status: int) -> httpx.Response:
    return httpx.Response(status, text="<html><title>default backend</title>")


class Vendor:
    """Takes create requests, but for the times in which it does not.

    Attributes:
        taken: when each was accepted, in seconds since the first request.
    """

    def __init__(self, *outages: tuple[float, float, Fault], per_second: float | None = None) -> None:
        self.outages = outages
        self.per_second = per_second
        self.taken: list[float] = []
        self.server = Server(post=self._post, get=self._get)

    def _fault(self) -> Fault | None:
        now = self.server.now()
        return next((fault for begin, end, fault in self.outages if begin <= now < end), None)

    async def _get(self, _: httpx.Request) -> httpx.Response:
        fault = self._fault()
        return success(balance=1.0) if fault is None else fault()

    async def _post(self, request: httpx.Request) -> httpx.Response:
        now, fault = self.server.now(), self._fault()
        if fault is not None:
            return fault()
        if self.per_second is not None and sum(each > now - 1.0 for each in self.taken) >= self.per_second:
            return refusal(429)
        self.taken.append(now)
        await anyio.sleep(0.05)
        return await accepted(request)


class Outcomes:
    """What came of each request of a batch."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.errors: list[ApimodelsError] = []

    def of(self, kind: type[ApimodelsError]) -> list[ApimodelsError]:
        return [error for error in self.errors if isinstance(error, kind)]


async def send_many(client: AsyncImagesClient, hold: Hold, number: int, at_once: int = 32) -> Outcomes:
    """Send create requests as a batch does, so many at a time."""
    outcomes = Outcomes()
    slots = anyio.Semaphore(at_once)

    async def send(prompt: str) -> None:
        try:
            prepared = await client._engine.prepare(GenerationRequest(prompt))
            outcomes.tasks.append(await client._engine.send(prepared, hold=hold))
        except ApimodelsError as error:
            outcomes.errors.append(error)
        finally:
            slots.release()

    async with anyio.create_task_group() as group:
        for index in range(number):
            await slots.acquire()
            group.start_soon(send, f"prompt {index}")
    return outcomes


@pytest.mark.parametrize("seconds", [1.0, 3.0, 30.0])
@pytest.mark.parametrize(
    "fault",
    [refused, partial(refusal, 429), partial(page, 404), partial(page, 401)],
    ids=["refused", "429", "a page with 404", "a page with 401"],
)
@virtually
async def test_an_outage_costs_no_request(anyio_backend: str, seconds: float, fault: Fault) -> None:
    vendor = Vendor((0.1, 0.1 + seconds, fault))
    async with vendor.server.client() as client:
        outcomes = await send_many(client, client._engine.hold(300.0), 300)
        ended = vendor.server.now()

    assert len(outcomes.tasks) == 300
    assert outcomes.errors == []
    assert ended < 2.0 * seconds + 10.0


@virtually
async def test_a_server_that_is_away_meets_one_probe_at_a_time(anyio_backend: str) -> None:
    vendor = Vendor((0.1, 60.0, refused))
    async with vendor.server.client() as client:
        await send_many(client, client._engine.hold(300.0), 100)

    probes = [at for at in vendor.server.posts if 0.5 < at < 60.0]
    assert len(probes) <= 20
    assert all(later - earlier >= 0.25 for earlier, later in pairwise(probes))


@virtually
async def test_a_rate_limit_without_retry_after_costs_no_request(anyio_backend: str) -> None:
    vendor = Vendor(per_second=20)
    async with vendor.server.client() as client:
        outcomes = await send_many(client, client._engine.hold(300.0), 200, at_once=64)

    assert len(outcomes.tasks) == 200


@virtually
async def test_a_rate_limit_that_says_when_is_waited_for(anyio_backend: str) -> None:
    vendor = Vendor((0.0, 20.0, partial(refusal, 429, Retry_After="20")))
    async with vendor.server.client() as client:
        outcomes = await send_many(client, client._engine.hold(300.0), 50)

    assert len(outcomes.tasks) == 50
    assert [at for at in vendor.server.posts if 0.0 < at < 20.0] == []


@virtually
async def test_unknown_outcomes_stop_the_sending_and_a_free_query_comes_first(anyio_backend: str) -> None:
    vendor = Vendor((0.1, 5.1, partial(page, 503)))
    async with vendor.server.client() as client:
        outcomes = await send_many(client, client._engine.hold(300.0), 300)

    assert len(outcomes.of(SubmissionUnknownError)) == len(outcomes.errors) <= 32  # those that were under way
    assert len(outcomes.tasks) == 300 - len(outcomes.errors)
    during = [at for at in vendor.server.posts if 0.5 < at < 5.1]
    assert during == []  # only free queries found out that it was still away
    assert [at for at in vendor.server.gets if 0.5 < at < 5.1]


@virtually
async def test_after_the_outage_timeout_the_rest_ends_as_not_submitted_with_the_cause(anyio_backend: str) -> None:
    vendor = Vendor((0.1, 1e9, refused))
    async with vendor.server.client() as client:
        hold = client._engine.hold(40.0)
        outcomes = await send_many(client, hold, 100)
        ended = vendor.server.now()

    assert len(outcomes.tasks) + len(outcomes.of(NotSubmittedError)) == 100
    assert ended == pytest.approx(40.1, abs=1.0)
    error = outcomes.of(NotSubmittedError)[0]
    assert isinstance(error.__cause__, ConnectionFailedError)
    assert "has taken no create request for 40 s" in str(error)
    assert "connection refused" in str(error)


@virtually
async def test_the_next_batch_of_the_client_has_its_own_outage_timeout(anyio_backend: str) -> None:
    vendor = Vendor((0.0, 100.0, refused))
    async with vendor.server.client() as client:
        first = await send_many(client, client._engine.hold(40.0), 5)
        second = await send_many(client, client._engine.hold(70.0), 5)

    assert len(first.of(NotSubmittedError)) == 5
    assert len(second.tasks) == 5


@virtually
async def test_without_a_limit_it_waits_for_as_long_as_it_takes(anyio_backend: str) -> None:
    vendor = Vendor((0.0, 2_000.0, refused))  # beyond the default limit
    async with vendor.server.client() as client:
        outcomes = await send_many(client, client._engine.hold(None), 5)

    assert len(outcomes.tasks) == 5


@pytest.mark.parametrize("limit", [0.0, 0.1])
@virtually
async def test_a_limit_of_next_to_nothing_ends_at_the_first_refusal(anyio_backend: str, limit: float) -> None:
    vendor = Vendor((0.0, 1e9, refused))
    async with vendor.server.client() as client:
        outcomes = await send_many(client, client._engine.hold(limit), 5)

    assert len(outcomes.of(NotSubmittedError)) == 5


@virtually
async def test_a_batch_that_is_stopped_sends_nothing_of_what_it_holds_back(anyio_backend: str) -> None:
    vendor = Vendor((0.0, 1e9, refused))
    no_credits = InsufficientCreditsError("no credits", status=402)
    async with vendor.server.client() as client:
        hold = client._engine.hold(300.0)

        async def stop() -> None:
            await anyio.sleep(10.0)
            assert hold.waiting == 19  # and one probe, or the wait for it
            assert 5.0 < hold.outage(anyio.current_time()) <= 10.0
            assert isinstance(hold.cause, ConnectionFailedError)
            hold.stop("no credits are left", no_credits)

        outcomes = Outcomes()
        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            outcomes = await send_many(client, hold, 19)
        assert hold.waiting == 0

    assert {str(error) for error in outcomes.errors} == {"not sent: no credits are left"}
    assert {error.__cause__ for error in outcomes.errors} == {no_credits}


@pytest.mark.parametrize("status", [400, 403, 407, 413])
@virtually
async def test_a_page_that_refuses_one_request_refuses_that_one_alone(anyio_backend: str, status: int) -> None:
    vendor = Vendor((0.0, 1e9, partial(page, status)))
    async with vendor.server.client() as client:
        outcomes = await send_many(client, client._engine.hold(300.0), 3, at_once=1)

    assert [error.status for error in outcomes.of(APIError) if isinstance(error, APIError)] == [status] * 3


@pytest.mark.parametrize(("status", "kind"), [(401, APIError), (404, APIError), (402, APIError), (429, RateLimitError)])
@virtually
async def test_a_single_call_is_told_at_once_what_a_page_says(
    anyio_backend: str, status: int, kind: type[ApimodelsError]
) -> None:
    vendor = Vendor((0.0, 1e9, partial(page, status)))
    async with vendor.server.client(max_retries=0) as client:
        with pytest.raises(kind):
            await client.create("a cat")

    assert len(vendor.server.posts) == 1


@virtually
async def test_a_request_that_is_held_back_and_left_by_its_caller_is_not_sent(anyio_backend: str) -> None:
    vendor = Vendor((0.0, 60.0, refused))
    async with vendor.server.client() as client:
        hold = client._engine.hold(None)
        with anyio.move_on_after(30.0):
            await send_many(client, hold, 10)
        await anyio.sleep(60.0)
        assert hold.waiting == 0

    assert vendor.taken == []
    assert client.detached == []


@virtually
async def test_the_log_says_once_that_all_hold_back_and_once_that_it_goes_on(
    anyio_backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    vendor = Vendor((0.1, 30.0, refused))
    async with vendor.server.client() as client:
        await send_many(client, client._engine.hold(300.0), 100)

    told = [record.getMessage() for record in caplog.records if "create requests" in record.getMessage()]
    assert [words.partition(" (")[0] for words in told[:1]] == ["the server takes no create requests"]
    assert len(told) == 2
    assert told[1].startswith("the server takes create requests again, after ")


@virtually
async def test_one_expired_certificate_ends_the_batch_at_once(anyio_backend: str) -> None:
    def expired() -> httpx.Response:
        raise httpx.ConnectError("") from ssl.SSLCertVerificationError("certificate has expired")

    vendor = Vendor((0.0, 1e9, expired))
    async with vendor.server.client() as client:
        outcomes = await send_many(client, client._engine.hold(300.0), 50)
        assert vendor.server.now() == 0.0
        with pytest.raises(ConnectionFailedError) as single:
            await client.create("a cat")

    assert len(outcomes.of(NotSubmittedError)) == 50
    assert single.value.certificate


@pytest.mark.parametrize("fault", [refused, partial(page, 503)], ids=["refused", "503"])
@virtually
async def test_closing_the_client_ends_what_is_held_back(anyio_backend: str, fault: Fault) -> None:
    vendor = Vendor((0.0, 1e9, fault))
    client = vendor.server.client()
    async with anyio.create_task_group() as group:

        async def close() -> None:
            await anyio.sleep(10.0)
            await client.aclose()

        group.start_soon(close)
        outcomes = await send_many(client, client._engine.hold(None), 40)
    ended = vendor.server.now()

    assert outcomes.tasks == []
    assert len(outcomes.errors) == 40
    assert ended < 20.0
