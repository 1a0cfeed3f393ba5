"""Queries under faults, beyond the matrix: time, the shared gate and quota, and what a wait hands back."""

import json
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apimodels_async import (
    APIError,
    ApimodelsError,
    AsyncImagesClient,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    InsufficientCreditsError,
    ProtocolError,
    ServerError,
    SubmissionUnknownError,
    Task,
    TaskNotFoundError,
    TaskState,
    WaitTimeoutError,
)
from apimodels_async._poll.gate import LONGEST_HOLD
from apimodels_async.pacing import FixedPacing
from tests.support.envelopes import envelope
from tests.support.server import FaultServer, accept, drip, read_then, reply, say, take_then
from tests.support.virtual import Server, done, in_turn, most_jitter, refusal, run, success, virtually


def pending() -> httpx.Response:
    return success(taskId="task-1", state="pending")


def state(word: str) -> Callable[[], httpx.Response]:
    return partial(success, taskId="task-1", state=word)


def linkless() -> httpx.Response:
    return success(taskId="task-1", state="completed", resultUrls=[])


async def hang(_: httpx.Request) -> httpx.Response:
    await anyio.sleep_forever()
    return pending()


async def echo(request: httpx.Request, word: str = "pending") -> httpx.Response:
    return success(taskId=request.url.params["task_id"], state=word)


# --- what all tasks of a client share


@virtually
async def test_an_outage_of_every_query_costs_a_client_a_hundred_requests_and_no_more(anyio_backend: str) -> None:
    """1,000 tasks, every poll 503: requests ≤ tasks + 100 + the polls that the pacing would have made."""
    pacing, patience, tasks = FixedPacing(10.0), 25.0, 1000
    calm = Server(get=echo)
    async with calm.client(pacing=pacing) as client:
        with pytest.raises(WaitTimeoutError):
            await client.wait(await client.create("a cat"), timeout=patience)
    paced = len(calm.gets)

    outage = Server(get=in_turn(partial(refusal, 503)))
    lost: list[str | None] = []

    async def generate() -> None:
        with pytest.raises(WaitTimeoutError) as error:
            await client.generate("a cat", timeout=patience)
        assert isinstance(error.value.__cause__, ServerError)
        lost.append(error.value.task.id)

    async with outage.client(pacing=pacing) as client, anyio.create_task_group() as group:
        for _ in range(tasks):
            group.start_soon(generate)

    assert paced == 3
    assert len(set(lost)) == tasks
    assert len(outage.posts) == tasks
    assert len(outage.posts) + len(outage.gets) <= tasks + 100 + paced * tasks


@virtually
async def test_one_429_holds_back_all_queries_of_a_client(anyio_backend: str) -> None:
    refused_at: list[float] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        if not refused_at and server.now() >= 5.0:
            refused_at.append(server.now())
            return refusal(429, Retry_After="20")
        return await echo(request)

    server = Server(get=answer)

    async def wait(number: int) -> None:
        await anyio.sleep(number / 10)
        with pytest.raises(WaitTimeoutError):
            await client.wait(f"task-{number}", timeout=60.0)

    async with server.client(pacing=FixedPacing(1.0)) as client, anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(wait, number)

    [refused] = refused_at
    before = [at for at in server.gets if at < refused]
    after = [at for at in server.gets if at > refused]
    assert len(before) >= 40
    assert min(after) >= refused + 20.0
    # They do not all come at the very moment at which the gate opens.
    first_ten = after[:10]
    assert max(first_ten) - min(first_ten) > 0.1


@virtually
async def test_a_date_in_retry_after_holds_queries_back_by_the_servers_own_clock(anyio_backend: str) -> None:
    dates = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Retry_After": "Sun, 06 Nov 1994 08:50:07 GMT"}
    server = Server(get=in_turn(partial(refusal, 429, **dates), done))
    async with server.client() as client:
        await client.wait("task-1")

    assert len(server.gets) == 2
    assert 30.0 <= server.gets[1] <= 31.0


@virtually
async def test_an_absurd_retry_after_does_not_stop_a_client_for_years(anyio_backend: str) -> None:
    server = Server(get=in_turn(partial(refusal, 429, Retry_After="999999999"), done))
    async with server.client() as client:
        await client.wait("task-1", timeout=None)

    assert len(server.gets) == 2
    assert LONGEST_HOLD <= server.gets[1] <= LONGEST_HOLD + 1.0


@virtually
async def test_no_more_than_eight_queries_are_under_way_at_once(anyio_backend: str) -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.5)
        return done(request.url.params["task_id"])

    server = Server(get=slow)
    async with server.client() as client, anyio.create_task_group() as group:
        for number in range(100):
            group.start_soon(client.wait, f"task-{number}")

    assert (len(server.gets), server.busiest) == (100, 8)


@virtually
async def test_failed_looks_back_off_with_doubling_bounds_and_never_past_the_pacing(anyio_backend: str) -> None:
    server = Server(get=in_turn(partial(refusal, 503)))
    async with server.client(pacing=FixedPacing(6.0)) as client:
        client._engine.poller._uniform = most_jitter
        with pytest.raises(WaitTimeoutError):
            await client.wait("task-1", timeout=26.0)

    gaps = [later - earlier for earlier, later in zip(server.gets, server.gets[1:], strict=False)]
    assert gaps[:5] == pytest.approx([1.0, 2.0, 4.0, 6.0, 6.0])


# --- how long a wait lasts, and what it hands back


@virtually
async def test_a_wait_that_timed_out_hands_back_the_task_to_be_waited_for_again(anyio_backend: str) -> None:
    server = Server(get=in_turn(pending, pending, done))
    async with server.client(pacing=FixedPacing(3.0)) as client:
        with pytest.raises(WaitTimeoutError, match="wait for it again") as error:
            await client.wait("task-1", timeout=4.0)
        assert error.value.task.state == TaskState.PENDING
        assert error.value.task_id == "task-1"
        task = await client.wait(error.value.task)

    assert task.state == TaskState.COMPLETED
    assert len(server.gets) == 3


@virtually
async def test_without_a_bound_a_wait_goes_on_for_days(anyio_backend: str) -> None:
    async def after_three_days(_: httpx.Request) -> httpx.Response:
        return done() if server.now() > 3 * 86400 else pending()

    server = Server(get=after_three_days)
    async with server.client(pacing=FixedPacing(3600.0)) as client:
        task = await client.wait("task-1", timeout=None)

    assert task.state == TaskState.COMPLETED
    assert len(server.gets) == 74


@virtually
async def test_by_default_a_wait_ends_after_ten_minutes(anyio_backend: str) -> None:
    server = Server(get=in_turn(pending))
    async with server.client() as client:
        with pytest.raises(WaitTimeoutError):
            await client.wait("task-1")
        assert server.now() == pytest.approx(599.0, abs=1.0)


@pytest.mark.parametrize("answer", [pending, done])
@virtually
async def test_a_timeout_of_nought_takes_exactly_one_look(
    anyio_backend: str, answer: Callable[[], httpx.Response]
) -> None:
    server = Server(get=in_turn(answer))
    async with server.client() as client:
        try:
            ended: object = await client.wait("task-1", timeout=0)
        except WaitTimeoutError as error:
            ended = error
        assert isinstance(ended, Task if answer is done else WaitTimeoutError)
        assert server.now() == 0.0

    assert len(server.gets) == 1


@virtually
async def test_a_look_that_hangs_does_not_outlast_the_wait(anyio_backend: str) -> None:
    server = Server(get=hang)
    async with server.client(timeout=None) as client:
        began = anyio.current_time()
        with pytest.raises(WaitTimeoutError):
            await client.wait("task-1", timeout=5.0)
        assert anyio.current_time() - began == pytest.approx(5.0)

    assert len(server.gets) == 1


@virtually
async def test_the_clock_on_the_wall_does_not_matter(anyio_backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def turn_back(_: httpx.Request) -> httpx.Response:
        monkeypatch.setattr(time, "time", lambda: -1e6)
        return pending()

    server = Server(get=turn_back)
    async with server.client(pacing=FixedPacing(1.0)) as client:
        with pytest.raises(WaitTimeoutError):
            await client.wait("task-1", timeout=10.0)
        assert server.now() == pytest.approx(9.0)


@virtually
async def test_a_client_that_is_closed_ends_the_waits_that_are_asleep(anyio_backend: str) -> None:
    with FaultServer(get=[say(reply(200, envelope(taskId="t", state="pending")))]) as server:
        ended: list[Exception] = []

        async def wait() -> None:
            try:
                await client.wait("t", pacing=FixedPacing(5.0), timeout=None)
            except ConfigurationError as error:
                ended.append(error)

        client = AsyncImagesClient("k", base_url=server.base_url, model="m")
        # The wait is asleep when the client is closed: it has not even made its connections yet.
        client._engine.poller.gate.opens = anyio.current_time() + 60.0
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.sleep(1.0)
            await client.aclose()
            closed = anyio.current_time()

    assert len(ended) == 1
    assert anyio.current_time() - closed < 0.1
    assert "closed" in str(ended[0])
    assert server.counts.connections == 0


# --- states and links


@virtually
async def test_an_unknown_state_is_waited_for_and_logged_once(
    anyio_backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    odd, busy = state("dreaming"), state("processing")
    server = Server(get=in_turn(odd, odd, busy, odd, state("musing"), odd, done))
    async with server.client() as client:
        with caplog.at_level(logging.WARNING, "apimodels_async"):
            task = await client.wait("task-1")

    assert task.state == TaskState.COMPLETED
    assert len(server.gets) == 7
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "task task-1 is in the unknown state 'dreaming'",
        "task task-1 is in the unknown state 'musing'",
    ]


@virtually
async def test_completed_without_links_is_asked_three_more_times(anyio_backend: str) -> None:
    server = Server(get=in_turn(pending, linkless))
    async with server.client() as client:
        with pytest.raises(ProtocolError, match="no resultUrls") as error:
            await client.wait("task-1")

    assert error.value.task_id == "task-1"
    assert json.loads(error.value.body) == {"taskId": "task-1", "state": "completed", "resultUrls": []}
    assert len(server.gets) == 1 + 1 + 3


@virtually
async def test_links_that_come_late_are_taken(anyio_backend: str) -> None:
    server = Server(get=in_turn(linkless, linkless, linkless, done))
    async with server.client() as client:
        task = await client.wait("task-1")

    assert task.result_urls == ("https://r2.example/a.png",)


@virtually
async def test_a_create_that_was_completed_without_links_is_asked_three_times(anyio_backend: str) -> None:
    server = Server(post=in_turn(linkless), get=in_turn(linkless))
    async with server.client() as client:
        with pytest.raises(ProtocolError, match="no resultUrls"):
            await client.generate("a cat")

    assert (len(server.posts), len(server.gets)) == (1, 3)


@virtually
async def test_an_outage_while_links_are_awaited_is_no_reason_to_ask_more_often(anyio_backend: str) -> None:
    server = Server(get=in_turn(linkless, partial(refusal, 503)))
    async with server.client(pacing=FixedPacing(100.0)) as client:
        with pytest.raises(WaitTimeoutError):
            await client.wait("task-1", timeout=2000.0)

    assert len(server.gets) <= 1 + 100 + 2000 / 100


# --- 404


@virtually
async def test_a_404_about_a_task_of_our_own_is_put_up_with_for_a_minute(anyio_backend: str) -> None:
    server = Server(get=in_turn(partial(refusal, 404)))
    async with server.client(pacing=FixedPacing(5.0)) as client:
        task = await client.create("a cat")
        with pytest.raises(TaskNotFoundError) as error:
            await client.wait(task)

    assert error.value.task_id == task.id
    assert 55.0 < server.gets[-2] <= 60.0 < server.gets[-1] <= 65.0


@virtually
async def test_a_task_that_appears_within_the_minute_is_found(anyio_backend: str) -> None:
    async def lagging(request: httpx.Request) -> httpx.Response:
        return refusal(404) if server.now() < 50.0 else done(request.url.params["task_id"])

    server = Server(get=lagging)
    async with server.client() as client:
        assert (await client.generate("a cat")).state == TaskState.COMPLETED


@virtually
async def test_a_404_about_a_task_of_our_own_is_put_up_with_by_its_id_too(anyio_backend: str) -> None:
    server = Server(post=in_turn(pending), get=in_turn(partial(refusal, 404), done))
    async with server.client() as client:
        await client.create("a cat")
        assert (await client.wait("task-1")).state == TaskState.COMPLETED


@virtually
async def test_a_404_about_a_foreign_id_is_raised_at_once(anyio_backend: str) -> None:
    server = Server(get=in_turn(partial(refusal, 404)))
    async with server.client() as client:
        await client.create("a cat")
        with pytest.raises(TaskNotFoundError) as error:
            await client.wait("another")
        assert server.now() == 0.0

    assert error.value.task_id == "another"
    assert len(server.gets) == 1


# --- what no waiting mends


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationError), (402, InsufficientCreditsError), (301, APIError), (308, APIError)]
)
@virtually
async def test_a_refusal_ends_a_wait_and_the_task_can_be_waited_for_again(
    anyio_backend: str, status: int, kind: type[APIError]
) -> None:
    server = Server(get=in_turn(partial(refusal, status), done))
    async with server.client() as client:
        with pytest.raises(kind) as error:
            await client.wait("task-1")
        assert error.value.task_id == "task-1"
        task = await client.wait(error.value.task_id or "")

    assert task.state == TaskState.COMPLETED
    assert len(server.gets) == 2


@virtually
async def test_one_query_is_one_request_whatever_comes(anyio_backend: str) -> None:
    server = Server(get=in_turn(partial(refusal, 503), httpx.ReadError("lost"), partial(httpx.Response, 200)))
    async with server.client() as client:
        for kind in (ServerError, ConnectionFailedError, ProtocolError):
            with pytest.raises(kind) as error:
                await client.get("task-1")
            assert error.value.task_id == "task-1"

    assert len(server.gets) == 3


_bodies = st.binary(max_size=20) | st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.sampled_from(["t", "completed", "failed"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["code", "data", "taskId", "state", "resultUrls", "url"]), inner, max_size=4)
    ),
    max_leaves=10,
).map(lambda value: json.dumps(value).encode())


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.sampled_from([200, 200, 200, 202, 204, 302, 400, 403, 404, 418, 429, 500]), body=_bodies)
def test_no_answer_at_all_makes_a_wait_end_without_its_task_id(anyio_backend: str, status: int, body: bytes) -> None:
    server = Server(get=in_turn(partial(httpx.Response, status, content=body)))

    async def wait() -> Task | ApimodelsError:
        async with server.client(pacing=FixedPacing(2.0)) as client:
            try:
                return await client.wait("t", timeout=5.0)
            except ApimodelsError as error:
                return error

    ended = run(anyio_backend, wait)

    assert (ended.id if isinstance(ended, Task) else ended.task_id) == "t"


# --- on real sockets


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Async generator 'http(x|core):ResourceWarning")
@pytest.mark.parametrize(
    "play",
    [
        read_then(None, drip(reply(200, body=b" " * 100_000), piece=1, pause=0.02)),
        read_then(None, lambda visit: visit.wait_until_left()),
    ],
    ids=["drips for ever", "never answers"],
)
@pytest.mark.usefixtures("lane")
async def test_a_wait_leaves_a_server_that_keeps_it_hanging(play: Any) -> None:
    with FaultServer(post=[accept()], get=[play]) as server:
        async with AsyncImagesClient("k", base_url=server.base_url, model="m") as client:
            with anyio.fail_after(10.0), pytest.raises(WaitTimeoutError) as error:
                await client.generate("a cat", timeout=0.4, pacing=FixedPacing(0.05))
            await _until_left(server, 1)

    assert error.value.task_id == "task-1"
    assert server.counts.gets == 1


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:Async generator 'http(x|core):ResourceWarning")
@pytest.mark.usefixtures("lane")
async def test_an_answer_that_drips_for_ever_is_given_up_although_each_step_is_in_time() -> None:
    play = read_then(None, drip(reply(200, body=b" " * 100_000), piece=1, pause=0.02))
    with FaultServer(
        post=[take_then(drip(reply(200, body=b" " * 100_000), piece=1, pause=0.02))], get=[play]
    ) as server:
        async with AsyncImagesClient("k", base_url=server.base_url, model="m", timeout=0.1) as client:
            with anyio.fail_after(10.0):
                with pytest.raises(ConnectionFailedError, match=r"no whole answer within 0\.4 s"):
                    await client.get("task-1")
                with pytest.raises(SubmissionUnknownError, match=r"no whole answer within 0\.4 s"):
                    await client.create("a cat")
            await _until_left(server, 2)

    assert (server.counts.posts, server.counts.gets) == (1, 1)


async def _until_left(server: FaultServer, connections: int) -> None:
    for _ in range(connections):
        await anyio.to_thread.run_sync(partial(server.left.acquire, timeout=10.0))


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
async def test_a_wait_outlives_a_server_that_restarts() -> None:
    down = say(reply(503, envelope(503, "starting")), close=True)
    done_now = say(reply(200, envelope(taskId="task-1", state="completed", resultUrls=["https://r2.example/a"])))
    with FaultServer(post=[accept()], get=[down, done_now], listening=False) as server:
        async with AsyncImagesClient("k", base_url=server.base_url, model="m") as client:

            def up_again(low: float, high: float) -> float:
                server.listen()
                return low

            client._engine.poller._uniform = up_again
            task = await client.wait("task-1", timeout=20.0)

    assert task.state == TaskState.COMPLETED
    assert server.counts.gets == 2
