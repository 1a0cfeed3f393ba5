"""Waits and what they meet, in virtual time: pages of proxies, certificates, silence; and what they say at the end."""

import ssl
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from itertools import pairwise

import anyio
import anyio.lowlevel
import httpx
import pytest

from apimodels_async import (
    APIError,
    AsyncImagesClient,
    AuthenticationError,
    ConnectionFailedError,
    Task,
    TaskNotFoundError,
    TaskState,
    WaitTimeoutError,
)
from apimodels_async._poll.gate import LONGEST_PAUSE
from apimodels_async._poll.poller import NOT_FOUND_YET, Poller
from apimodels_async._poll.watch import TaskWatch
from apimodels_async.pacing import FixedPacing
from tests.support.virtual import Server, done, in_turn, refusal, success, virtually


def page(status: int, title: str = "default backend") -> httpx.Response:
    return httpx.Response(status, text=f"<html><title>{title}</title>")


def pending() -> httpx.Response:
    return success(taskId="task-1", state="pending")


def until(seconds: float, then: Callable[[], httpx.Response], before: Callable[[], httpx.Response]) -> Server:
    """A server whose queries are answered in one way until some time has passed, and in another one after that."""

    async def answer(_: httpx.Request) -> httpx.Response:
        return then() if server.now() >= seconds else before()

    server = Server(get=answer)
    return server


# --- only the API's own words end a wait


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 407, 413, 500, 502])
@virtually
async def test_the_page_of_a_proxy_is_ridden_over(anyio_backend: str, status: int) -> None:
    server = until(15.0, done, partial(page, status))
    async with server.client(pacing=FixedPacing(2.0)) as client:
        task = await client.wait("task-1", timeout=60.0)

    assert task.state is TaskState.COMPLETED
    assert 15.0 <= server.gets[-1] <= 17.0


@pytest.mark.parametrize(
    ("status", "kind"), [(400, APIError), (401, AuthenticationError), (402, APIError), (404, TaskNotFoundError)]
)
@virtually
async def test_the_same_in_the_apis_own_words_ends_the_wait(
    anyio_backend: str, status: int, kind: type[APIError]
) -> None:
    server = Server(get=in_turn(partial(refusal, status)))
    async with server.client() as client:
        with pytest.raises(kind) as caught:
            await client.wait("task-1")

    assert caught.value.task_id == "task-1"
    assert "task-1" in str(caught.value)
    assert len(server.gets) == 1


@virtually
async def test_a_redirect_ends_the_wait(anyio_backend: str) -> None:
    server = Server(get=in_turn(partial(page, 302)))
    async with server.client() as client:
        with pytest.raises(APIError, match="base_url"):
            await client.wait("task-1")

    assert len(server.gets) == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
@virtually
async def test_the_json_of_a_gateway_does_not_end_the_wait(anyio_backend: str, status: int) -> None:
    def gateway() -> httpx.Response:
        return httpx.Response(status, json={"message": "no Route matched with those values"})

    server = Server(get=in_turn(gateway, gateway, partial(success, state="completed", resultUrls=["https://x/1.png"])))
    async with server.client() as client:
        task = await client.wait("task-1")

    assert task.state == "completed"
    assert len(server.gets) == 3


# --- 404 and the age of a task


async def outcome_of(server: Server, age: float | None) -> Task | Exception:
    """What becomes of a task of another run that was noted `age` seconds ago."""
    async with server.client() as client:
        poller: Poller = client._engine.poller
        watched = poller.watch(Task(id="task-1", state=""), 300.0, age=age)
        try:
            while not watched.ended:
                await poller.poll(watched)
                await anyio.sleep(1.0)
        except TaskNotFoundError as error:
            return error
        return watched.task


@pytest.mark.parametrize(
    ("age", "found"),
    [(0.0, True), (NOT_FOUND_YET - 20.0, True), (-50.0, True), (NOT_FOUND_YET + 1.0, False), (None, False)],
)
@virtually
async def test_a_404_soon_after_another_run_created_the_task_may_pass(
    anyio_backend: str, age: float | None, found: bool
) -> None:
    outcome = await outcome_of(until(10.0, done, partial(refusal, 404)), age)

    assert isinstance(outcome, Task if found else TaskNotFoundError)


@virtually
async def test_a_404_that_stays_ends_the_wait_when_the_task_is_old_enough(anyio_backend: str) -> None:
    server = Server(get=in_turn(partial(refusal, 404)))
    outcome = await outcome_of(server, NOT_FOUND_YET - 20.0)

    assert isinstance(outcome, TaskNotFoundError)
    assert server.gets[-1] == pytest.approx(21.0, abs=1.5)


# --- certificates


@virtually
async def test_a_certificate_that_is_refused_ends_the_wait_at_once(anyio_backend: str) -> None:
    async def expired(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("") from ssl.SSLCertVerificationError("certificate has expired")

    server = Server(get=expired)
    async with server.client() as client:
        with pytest.raises(ConnectionFailedError, match="task task-1: the query got no answer") as caught:
            await client.wait("task-1")
        assert server.now() == 0.0

    assert (caught.value.task_id, caught.value.certificate) == ("task-1", True)


# --- what a wait says when its time is up


def watch(timeout: float) -> TaskWatch:
    return TaskWatch(Task(id="t1", state="pending"), now=0.0, born=0.0, timeout=timeout)


def test_a_task_that_was_seen_running_is_still_running() -> None:
    watched = watch(8.0)
    watched.note_query(7.0)
    watched.record_result(Task(id="t1", state="processing"), 7.1)

    assert str(watched.timed_out(8.0)) == (
        "task t1 is still processing after 8 s; it goes on and is not lost: wait for it again"
    )


def test_a_task_that_was_never_seen_is_not_said_to_be_running() -> None:
    watched = watch(8.0)
    for now in (1.0, 3.0, 7.0):
        watched.note_query(now)
        watched.note_failure(ConnectionFailedError("certificate has expired"))

    error = watched.timed_out(8.0)
    assert str(error) == (
        "task t1 is in an unknown state: within 8 s none of 3 queries was answered, and the last one failed "
        "(certificate has expired); it is not lost: wait for it again"
    )
    assert isinstance(error.__cause__, ConnectionFailedError)


def test_a_task_that_was_asked_about_once_in_vain() -> None:
    watched = watch(1.0)
    watched.note_query(0.9)
    watched.note_failure(ConnectionFailedError("refused"))

    assert "within 1 s the only query failed (refused)" in str(watched.timed_out(1.0))


def test_a_task_that_was_seen_and_then_not_any_more() -> None:
    watched = watch(60.0)
    watched.note_query(10.0)
    watched.record_result(Task(id="t1", state="pending"), 10.0)
    watched.note_query(59.0)
    watched.note_failure(ConnectionFailedError("refused"))

    assert str(watched.timed_out(60.0)) == (
        "task t1 was pending when it was last seen, 50 s before the end of the 60 s; the last query failed (refused); "
        "it is not lost: wait for it again"
    )


@virtually
async def test_a_wait_without_a_single_answer_says_what_it_met(anyio_backend: str) -> None:
    async def refused(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("all connection attempts failed")

    server = Server(get=refused)
    async with server.client() as client:
        with pytest.raises(
            WaitTimeoutError, match=r"none of \d+ queries was answered.*all connection attempts failed"
        ) as caught:
            await client.wait("task-1", timeout=20.0)

    assert caught.value.task.id == "task-1"
    assert "still" not in str(caught.value)


# --- the server is away


def away(between: tuple[float, float], error: Callable[[], Exception]) -> Server:
    """A server that is away for some time, before which no task has ended."""

    async def answer(_: httpx.Request) -> httpx.Response:
        now = server.now()
        if between[0] <= now < between[1]:
            raise error()
        return done() if now >= between[1] else pending()

    server = Server(get=answer)
    return server


def refused_connection() -> Exception:
    return httpx.ConnectError("all connection attempts failed")


async def wait_for_many(server: Server, count: int, timeout: float = 300.0) -> list[Task | Exception]:
    outcomes: list[Task | Exception] = []

    async def wait(client: AsyncImagesClient) -> None:
        try:
            outcomes.append(await client.wait("task-1", timeout=timeout))
        except WaitTimeoutError as error:
            outcomes.append(error)

    async with server.client(pacing=FixedPacing(1.0)) as client, anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(wait, client)
    return outcomes


@virtually
async def test_while_the_server_is_away_one_query_at_a_time_finds_out_for_all(anyio_backend: str) -> None:
    server = away((10.0, 70.0), refused_connection)
    outcomes = await wait_for_many(server, 100)

    assert [getattr(outcome, "state", None) for outcome in outcomes] == [TaskState.COMPLETED] * 100
    held = [now for now in server.gets if 12.0 <= now < 70.0]
    assert 12 <= len(held) <= 40
    assert min(later - earlier for earlier, later in pairwise(held)) >= 0.25
    assert 70.0 <= server.gets[-1] <= 70.0 + LONGEST_PAUSE + 1.0


@virtually
async def test_a_wait_ends_in_time_although_its_queries_are_held_back(anyio_backend: str) -> None:
    server = away((10.0, 500.0), refused_connection)
    outcomes = await wait_for_many(server, 20, timeout=60.0)

    assert [type(outcome) for outcome in outcomes] == [WaitTimeoutError] * 20
    assert all("all connection attempts failed" in str(outcome) for outcome in outcomes)
    assert 58.0 <= server.now() <= 61.0


@virtually
async def test_a_probe_that_is_cancelled_does_not_hold_up_the_others(anyio_backend: str) -> None:
    """The first probe hangs; its wait is cancelled, and the next probe, at once, is answered."""
    waiting: ContextVar[anyio.CancelScope] = ContextVar("waiting")
    hung: list[float] = []
    ended: list[float] = []

    async def answer(_: httpx.Request) -> httpx.Response:
        if server.now() < 10.0:
            raise refused_connection()
        if not hung:
            hung.append(server.now())
            waiting.get().cancel()
            await anyio.sleep_forever()
        return done()

    async def wait(client: AsyncImagesClient) -> None:
        with anyio.CancelScope() as scope:
            waiting.set(scope)
            await client.wait("task-1", timeout=300.0)
            ended.append(server.now())

    server = Server(get=answer)
    async with server.client(pacing=FixedPacing(1.0), timeout=None) as client, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(wait, client)

    assert len(ended) == 4
    assert ended[0] == pytest.approx(hung[0], abs=0.01)


@virtually
async def test_connections_that_break_hold_nothing_back(anyio_backend: str) -> None:
    server = away((10.0, 20.0), lambda: httpx.ReadError("reset"))
    await wait_for_many(server, 8)

    assert len([now for now in server.gets if 12.0 <= now < 20.0]) >= 8


# --- a blocked loop


@virtually
async def test_a_query_that_was_cut_off_while_the_loop_was_blocked_is_repeated(anyio_backend: str) -> None:
    """The clock has jumped far beyond the end of the wait while the first query was under way."""
    answers: list[Callable[[], Awaitable[httpx.Response]]] = []

    async def hang() -> httpx.Response:
        with anyio.CancelScope(shield=True):  # cut off, and later than the bound
            await anyio.sleep(100.0)
        await anyio.lowlevel.checkpoint()
        return done()

    async def at_once() -> httpx.Response:
        return done()

    answers += [hang, at_once]

    async def answer(_: httpx.Request) -> httpx.Response:
        return await answers.pop(0)()

    server = Server(get=answer)
    async with server.client(timeout=None) as client:
        task = await client.wait("task-1", timeout=10.0)

    assert task.state is TaskState.COMPLETED
    assert answers == []
