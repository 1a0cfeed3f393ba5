"""Who is believed, who is refused, and what is done about it: the receiver as an ASGI app, on both back ends."""

import asyncio
import functools
import itertools
import json
import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import anyio
import pytest

from apimodels_async import Task, TaskState
from apimodels_async.callbacks import (
    Callback,
    CallbackReceiver,
    CallbackSigner,
    MemoryCallbackStore,
    asgi,
    new_intent_id,
)
from tests.callbacks.conftest import PUBLIC_URL, SECRETS, Heard, ask, body_of, post

pytestmark = pytest.mark.anyio

Store = MemoryCallbackStore


class Untouched:
    """A body that nobody may read."""

    def __aiter__(self) -> "Untouched":
        return self

    async def __anext__(self) -> bytes:
        pytest.fail("the body was read")


# --- method and token, before anything is read


async def test_a_callback_to_an_issued_url_is_accepted_and_told(receiver: CallbackReceiver) -> None:
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)

    assert await post(receiver, url, body_of("task-1")) == 200
    assert heard == ["task-1"]


def forged(url: str) -> dict[str, tuple[str, str]]:
    *_, key, intent, token = url.split("/")
    other = CallbackSigner(PUBLIC_URL, {"k1": b"another key, of 16 bytes"})
    return {
        "another token": ("POST", f"/callbacks/{key}/{intent}/{'A' * 43}"),
        "a token cut short": ("POST", f"/callbacks/{key}/{intent}/{token[:-1]}"),
        "a padded token": ("POST", f"/callbacks/{key}/{intent}/{token}="),
        "no token": ("POST", f"/callbacks/{key}/{intent}/"),
        "another intent": ("POST", f"/callbacks/{key}/{new_intent_id()}/{token}"),
        "a shouted intent": ("POST", f"/callbacks/{key}/{intent.upper()}/{token}"),
        "another key": ("POST", other.url(intent)),
        "a key that is not there": ("POST", f"/callbacks/k2/{intent}/{token}"),
        "letters that are none": ("POST", f"/callbacks/{key}/{intent}/\udcff{token[1:]}"),
        "another place": ("POST", f"/elsewhere/{key}/{intent}/{token}"),
        "a place below": ("POST", f"{url}/more"),
        "a slash more": ("POST", f"{url}/"),
        "the plain URL": ("POST", PUBLIC_URL),
        "nothing": ("POST", "/"),
        **{method: (method, url) for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post")},
    }


NAMES = list(forged(CallbackSigner(PUBLIC_URL, SECRETS).url(new_intent_id())))


@pytest.mark.parametrize("name", NAMES)
async def test_whatever_is_not_authentic_gets_the_same_404_and_is_not_read(name: str) -> None:
    store = Store()
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, store=store)
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)
    usual = await ask(receiver, "/callbacks/x/y/z", Untouched())
    method, path = forged(url)[name]

    assert await ask(receiver, path, Untouched(), method=method) == usual
    assert usual is not None
    assert usual.status == 404
    assert (heard, len(store)) == ([], 0)


@pytest.mark.parametrize(
    ("path", "root_path"),
    [("/callbacks", ""), ("/callbacks", "/callbacks"), ("", "/callbacks"), ("", ""), ("/api/callbacks", "/api")],
    ids=["alone", "mounted", "mounted, an old Starlette", "behind a proxy that strips", "below a root path"],
)
async def test_it_is_found_wherever_it_is_mounted(receiver: CallbackReceiver, path: str, root_path: str) -> None:
    _, url = receiver.issue()

    assert await post(receiver, path + url.removeprefix(PUBLIC_URL), body_of(), root_path=root_path) == 200


async def test_every_key_verifies_and_the_last_one_signs() -> None:
    old = CallbackReceiver(PUBLIC_URL, SECRETS)
    both = CallbackReceiver(PUBLIC_URL, {**SECRETS, "k2": "fedcba9876543210"})
    new = CallbackReceiver(PUBLIC_URL, {"k2": "fedcba9876543210"})
    _, from_old = old.issue()
    _, from_both = both.issue()

    assert "/k2/" in from_both
    assert [await post(each, from_old, body_of()) for each in (both, new)] == [200, 404]
    assert [await post(each, from_both, body_of()) for each in (new, old)] == [200, 404]


# --- size and time


async def test_a_body_of_the_greatest_size_is_read_and_one_byte_more_is_not(receiver: CallbackReceiver) -> None:
    body = body_of().ljust(asgi.MOST_BYTES)
    _, url = receiver.issue()

    assert await post(receiver, url, body + b" ") == 413
    assert await post(receiver, url, body) == 200


async def test_a_callback_whose_param_repeats_all_that_the_default_address_takes_is_read_by_default(
    receiver: CallbackReceiver,
) -> None:
    param = json.dumps({"prompt": "a", "image": "A" * 4_500_000})

    assert await post(receiver, receiver.issue()[1], body_of(param=param)) == 200


@pytest.mark.parametrize("most", [2000, 20 << 20])
async def test_the_size_of_a_body_is_an_argument(most: int) -> None:
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, max_bytes=most)
    body = body_of().ljust(most)
    _, url = receiver.issue()

    assert await post(receiver, url, body + b" ") == 413
    assert await post(receiver, url, body) == 200
    with pytest.raises(ValueError, match="max_bytes=0: give 1 or more"):
        CallbackReceiver(PUBLIC_URL, SECRETS, max_bytes=0)


async def test_a_body_without_end_is_cut_off(receiver: CallbackReceiver) -> None:
    endless = (b" " * (1 << 16) for _ in itertools.count())

    response = await ask(receiver, receiver.issue()[1], endless)

    assert response is not None
    assert (response.status, response.headers["connection"]) == (413, "close")


async def test_a_slow_body_gets_408(receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await anyio.sleep_forever()

    response = await ask(receiver, receiver.issue()[1], slow())

    assert response is not None
    assert (response.status, response.headers["connection"]) == (408, "close")


async def test_nobody_is_answered_who_has_left(receiver: CallbackReceiver) -> None:
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)

    assert await ask(receiver, url, [body_of()[:-10]], leaves=True) is None
    assert heard == []


# --- duplicates, and what cannot be read


async def test_a_duplicate_gets_200_whatever_is_in_it_and_nothing_happens() -> None:
    seen: list[str] = []
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=lambda callback: seen.append(callback.task_id))
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)

    bodies = [body_of("task-1"), body_of("task-1"), b"broken", body_of("task-of-a-forger")]
    assert [await post(receiver, url, body) for body in bodies] == [200] * 4
    assert (heard, seen) == (["task-1"], ["task-1"])


@pytest.mark.parametrize(
    "body",
    [b"", b"broken", b"[]", b"{}", b'{"data": {}}', b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"NaN", b"1e999"],
    ids=lambda body: repr(body[:12]),
)
async def test_what_cannot_be_read_gets_400_and_leaves_nothing_behind(body: bytes) -> None:
    store = Store()
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, store=store)
    _, url = receiver.issue()

    assert await post(receiver, url, body) == 400
    assert len(store) == 0
    assert await post(receiver, url, body_of()) == 200


async def test_a_callback_before_the_creates_answer_is_kept(receiver: CallbackReceiver) -> None:
    intent, url = receiver.issue()
    heard = Heard()

    assert await post(receiver, url, body_of("task-1")) == 200
    receiver.subscribe(intent, heard)
    assert heard == ["task-1"]


async def test_who_has_stopped_following_is_told_nothing(receiver: CallbackReceiver) -> None:
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)
    receiver.unsubscribe(intent)
    receiver.unsubscribe("never followed")

    assert await post(receiver, url, body_of("task-1")) == 200
    assert heard == []


async def test_a_reusable_url_serves_each_task_once() -> None:
    seen: list[str] = []
    receiver = CallbackReceiver(
        PUBLIC_URL, SECRETS, reusable=True, on_callback=lambda callback: seen.append(callback.task_id)
    )
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)

    for name in ("a", "b", "a", "c", "b"):
        assert await post(receiver, url, body_of(name)) == 200
    assert seen == heard == ["a", "b", "c"]


# --- stores in trouble


class Busy(Store):
    def add(self, *_: Any) -> Any:
        raise TimeoutError("locked")


async def test_a_busy_store_asks_for_another_try() -> None:
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, store=Busy())
    response = await ask(receiver, receiver.issue()[1], [body_of()])

    assert response is not None
    assert (response.status, response.headers["retry-after"]) == (503, "1")


async def test_a_full_store_asks_for_another_try_and_takes_more_when_the_tries_are_over() -> None:
    now = 0.0
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, store=Store(max_size=2, clock=lambda: now))
    urls = [receiver.issue()[1] for _ in range(3)]

    assert [await post(receiver, url, body_of()) for url in urls] == [200, 200, 503]
    assert await post(receiver, urls[0], body_of()) == 200
    now = 3600.0
    assert await post(receiver, urls[2], body_of()) == 200


# --- the user's function


async def test_a_function_that_fails_is_called_again() -> None:
    tries: list[Callback] = []

    async def handler(callback: Callback) -> None:
        tries.append(callback)
        if len(tries) < 3:
            raise RuntimeError("no database")

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=handler)
    _, url = receiver.issue()

    assert [await post(receiver, url, body_of("task-1")) for _ in range(4)] == [503, 503, 200, 200]
    assert [each.task_id for each in tries] == ["task-1"] * 3


async def test_a_task_that_came_first_stays_the_intents_while_its_function_fails() -> None:
    tries: list[str] = []

    def handler(callback: Callback) -> None:
        tries.append(callback.task_id)
        if len(tries) < 2:
            raise RuntimeError("no database")

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=handler)
    intent, url = receiver.issue()
    heard = Heard()
    receiver.subscribe(intent, heard)

    names = ["right", "wrong", "right"]
    assert [await post(receiver, url, body_of(name)) for name in names] == [503, 200, 200]
    assert tries == ["right", "right"]
    assert heard == ["right"]


@pytest.mark.parametrize("plain", [False, True], ids=["async", "in a thread"])
async def test_a_function_that_takes_too_long_is_given_up(plain: bool) -> None:
    import threading

    let_go, ended = threading.Event(), threading.Event()

    async def slow(_: Callback) -> None:
        await anyio.sleep_forever()

    def blocking(_: Callback) -> None:
        assert let_go.wait(60)
        ended.set()

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=blocking if plain else slow, handler_timeout=0.05)
    assert await post(receiver, receiver.issue()[1], body_of()) == 503
    assert not ended.is_set()
    let_go.set()
    assert not plain or await anyio.to_thread.run_sync(ended.wait, 60)


async def test_a_plain_function_that_gives_an_awaitable_has_it_awaited() -> None:
    seen: list[str] = []

    async def note(callback: Callback) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(callback.task_id)

    def asynchronous(work: Any, callback: Callback) -> Any:
        return work(callback)

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=functools.partial(asynchronous, note))
    assert await post(receiver, receiver.issue()[1], body_of("a")) == 200
    assert seen == ["a"]


async def test_a_duplicate_that_comes_while_the_function_runs_waits_for_the_same_answer() -> None:
    calls = 0
    begun = anyio.Event()
    may_end = anyio.Event()

    async def handler(_: Callback) -> None:
        nonlocal calls
        calls += 1
        begun.set()
        await may_end.wait()

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=handler)
    _, url = receiver.issue()
    got: list[int] = []

    async def once() -> None:
        got.append(await post(receiver, url, body_of()))

    async with anyio.create_task_group() as group:
        group.start_soon(once)
        await begun.wait()
        group.start_soon(once)
        await anyio.wait_all_tasks_blocked()
        may_end.set()
    assert (calls, got) == (1, [200, 200])


async def test_what_follows_may_fail_and_the_callback_is_accepted_all_the_same(
    receiver: CallbackReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    intent, url = receiver.issue()

    def fails(_: str) -> None:
        raise RuntimeError("gone")

    receiver.subscribe(intent, fails)
    assert await post(receiver, url, body_of("task-1")) == 200
    assert "task-1" in caplog.text


# --- confirmed by a query


def done(task_id: str) -> Task:
    return Task(id=task_id, state=TaskState.COMPLETED, result_urls=("https://r2.example/true.png",))


async def test_with_confirm_the_function_gets_what_the_server_said() -> None:
    seen: list[Callback] = []

    async def confirm(task_id: str) -> Task:
        return done(task_id)

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=seen.append, confirm=confirm)
    lie = body_of("a", state="failed", failMsg="no", resultJson=None)

    assert await post(receiver, receiver.issue()[1], lie) == 200
    [callback] = seen
    assert callback.confirmed
    assert callback.state == TaskState.COMPLETED
    assert callback.fail_msg is None
    assert callback.task.result_urls == ("https://r2.example/true.png",)


@pytest.mark.parametrize("answer", [Task(id="a", state=TaskState.PROCESSING), RuntimeError("404")], ids=repr)
async def test_what_the_server_does_not_confirm_is_not_believed(answer: Any) -> None:
    seen: list[Callback] = []
    store = Store()

    async def confirm(_: str) -> Task:
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=seen.append, confirm=confirm, plain=True, store=store)

    assert await post(receiver, receiver.issue()[1], body_of("a")) == 503
    assert len(store) == 1
    assert await post(receiver, PUBLIC_URL, body_of("b")) == 503
    assert len(store) == 1
    assert seen == []


async def test_the_plain_url_serves_each_task_once_and_asks_about_it_once() -> None:
    seen: list[str] = []
    asked: list[str] = []
    begun = anyio.Event()

    async def confirm(task_id: str) -> Task:
        asked.append(task_id)
        await begun.wait()
        return done(task_id)

    receiver = CallbackReceiver(
        PUBLIC_URL, SECRETS, on_callback=lambda callback: seen.append(callback.task_id), confirm=confirm, plain=True
    )
    got: list[int] = []

    async def once() -> None:
        got.append(await post(receiver, PUBLIC_URL, body_of("a")))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(once)
        await anyio.wait_all_tasks_blocked()
        begun.set()
    assert await post(receiver, PUBLIC_URL, body_of("a")) == 200
    assert (got, asked, seen) == ([200] * 20, ["a"], ["a"])


async def test_a_flood_at_the_plain_url_asks_no_more_often_than_it_may() -> None:
    asked: list[str] = []

    async def confirm(task_id: str) -> Task:
        asked.append(task_id)
        raise RuntimeError("404")

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, confirm=confirm, confirm_rate=2.0, plain=True)
    got: list[int] = []

    async def once(name: str) -> None:
        got.append(await post(receiver, PUBLIC_URL, body_of(name)))

    began = anyio.current_time()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for number in range(300):
                group.start_soon(once, f"forged-{number}")
    assert got == [503] * 300
    assert 1 <= len(asked) <= 2 + 2.0 * (anyio.current_time() - began)


async def test_the_plain_url_answers_nothing_but_posts() -> None:
    async def confirm(task_id: str) -> Task:
        return done(task_id)

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, confirm=confirm, plain=True)

    assert await post(receiver, PUBLIC_URL, body_of(), method="GET") == 404
    assert await post(receiver, PUBLIC_URL + "/else", body_of()) == 404


def test_a_plain_url_without_confirm_is_refused() -> None:
    with pytest.raises(ValueError, match="confirm="):
        CallbackReceiver(PUBLIC_URL, SECRETS, plain=True)


@pytest.mark.parametrize("wrong", [{"queue_size": 0}, {"handler_timeout": -1}, {"confirm_rate": float("nan")}], ids=str)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CallbackReceiver(PUBLIC_URL, SECRETS, **wrong)


# --- iteration


async def test_what_came_before_the_iteration_is_there(receiver: CallbackReceiver) -> None:
    for name in ("a", "b"):
        assert await post(receiver, receiver.issue()[1], body_of(name)) == 200
    await receiver.aclose()

    assert [callback.task_id async for callback in receiver] == ["a", "b"]


async def test_an_iteration_waits_for_what_comes(receiver: CallbackReceiver) -> None:
    seen: list[str] = []

    async def iterate() -> None:
        async for callback in receiver:
            seen.append(callback.task_id)  # noqa: PERF401  (as they come)

    async with anyio.create_task_group() as group:
        group.start_soon(iterate)
        for name in ("a", "b"):
            await anyio.wait_all_tasks_blocked()
            assert await post(receiver, receiver.issue()[1], body_of(name)) == 200
        await anyio.wait_all_tasks_blocked()
        assert seen == ["a", "b"]
        await receiver.aclose()


async def test_when_nobody_takes_them_more_callbacks_have_to_wait() -> None:
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, queue_size=2)
    iteration = aiter(receiver)
    urls = [receiver.issue()[1] for _ in range(3)]

    assert [await post(receiver, url, body_of(str(at))) for at, url in enumerate(urls)] == [200, 200, 503]
    assert (await anext(iteration)).task_id == "0"
    assert await post(receiver, urls[2], body_of("2")) == 200
    assert [(await anext(iteration)).task_id for _ in range(2)] == ["1", "2"]


async def test_as_long_as_nobody_has_begun_to_iterate_the_oldest_give_way() -> None:
    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, queue_size=2)
    for name in "abcd":
        assert await post(receiver, receiver.issue()[1], body_of(name)) == 200
    await receiver.aclose()

    assert [callback.task_id async for callback in receiver] == ["c", "d"]


async def test_large_callbacks_that_nobody_takes_do_not_pile_up(receiver: CallbackReceiver) -> None:
    for _ in range(12):
        assert await post(receiver, receiver.issue()[1], body_of(param="x" * 1_000_000)) == 200
    await receiver.aclose()

    assert len([callback async for callback in receiver]) <= 9


async def test_one_of_two_that_iterate_may_leave(receiver: CallbackReceiver) -> None:
    seen: list[str] = []

    async def iterate() -> None:
        async for callback in receiver:
            seen.append(callback.task_id)  # noqa: PERF401  (as they come)

    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            group.start_soon(iterate)
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
            await anext(aiter(receiver))
        assert await post(receiver, receiver.issue()[1], body_of("a")) == 200
        await receiver.aclose()
    assert seen == ["a"]


async def test_a_receiver_that_was_closed_asks_for_another_try(receiver: CallbackReceiver) -> None:
    async with receiver:
        pass
    assert await post(receiver, receiver.issue()[1], body_of()) == 503


# --- as an ASGI app


async def test_it_lives_as_long_as_its_server(receiver: CallbackReceiver) -> None:
    coming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await receiver({"type": "lifespan"}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [callback async for callback in receiver] == []


async def test_what_is_no_kind_of_request_is_an_error(receiver: CallbackReceiver) -> None:
    with pytest.raises(ValueError, match="mqtt"):
        await receiver({"type": "mqtt"}, None, None)


async def test_a_websocket_is_refused(receiver: CallbackReceiver) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await receiver({"type": "websocket", "path": "/"}, receive, send)
    assert sent == ["websocket.close"]


# --- secrets


async def test_no_token_is_in_a_log_or_in_the_traceback_of_a_function_that_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from tests.client.test_secrets import lines_with, locals_of_ours, logs

    caplog.set_level(logging.DEBUG)

    def handler(_: Callback) -> None:
        raise RuntimeError("no database")

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=handler)
    _, url = receiver.issue()
    token = url.rpartition("/")[2]

    assert await post(receiver, url, body_of()) == 503
    assert await post(receiver, url, b"broken") == 400
    assert lines_with(token, logs(caplog)) == []
    [failed] = [record for record in caplog.records if record.exc_info]
    assert failed.exc_info is not None
    assert failed.exc_info[1] is not None
    assert lines_with(token, locals_of_ours(failed.exc_info[1])) == []


async def test_no_token_is_in_the_traceback_of_a_server_that_has_gone_away(receiver: CallbackReceiver) -> None:
    from tests.client.test_secrets import lines_with, locals_of_ours

    _, url = receiver.issue()

    async def receive() -> Any:
        return {"type": "http.request", "body": body_of(), "more_body": False}

    async def send(_: Any) -> None:
        raise OSError("gone")

    scope = {"type": "http", "method": "POST", "path": url.removeprefix("https://example.com")}
    with pytest.raises(OSError, match="gone") as caught:
        await receiver(scope, receive, send)
    assert lines_with(url.rpartition("/")[2], locals_of_ours(caught.value)) == []


def test_no_key_is_in_a_repr_or_in_the_traceback_of_a_receiver_that_cannot_be_made() -> None:
    from tests.client.test_secrets import lines_with, locals_of_ours, words

    key = "canary-key-Zk3v9QpXw2"
    receiver = CallbackReceiver(PUBLIC_URL, {"k1": key})
    assert key not in repr(receiver) + repr(vars(receiver)) + repr(vars(receiver.signer))
    wrong: list[dict[str, Any]] = [
        {"public_url": "example.com"},
        {"secrets": {"k1": key, "k/2": key}},
        {"secrets": {"k1": key, "k2": "short"}},
        {"secrets": {"k1": key, "k2": 7}},
        {"signing_key": "k2"},
        {"queue_size": 0},
        {"plain": True},
    ]
    for each in wrong:
        with pytest.raises((ValueError, TypeError)) as caught:
            CallbackReceiver(**{"public_url": PUBLIC_URL, "secrets": {"k1": key}, **each})
        assert key not in words(caught.value)
        assert lines_with(key, locals_of_ours(caught.value)) == []


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), SystemExit(3), BaseExceptionGroup("g", [asyncio.CancelledError()])]
)
@pytest.mark.parametrize("awaited", [False, True])
async def test_a_handler_that_raises_what_ends_tasks_is_called_again(error: BaseException, awaited: bool) -> None:
    def plain(_: object) -> None:
        raise error

    async def async_one(_: object) -> None:
        raise error

    receiver = CallbackReceiver(PUBLIC_URL, SECRETS, on_callback=async_one if awaited else plain)
    _, url = receiver.issue()

    assert await post(receiver, url, body_of()) == 503


async def test_whatever_is_a_number_bounds_a_handler() -> None:
    heard: list[str] = []
    receiver = CallbackReceiver(
        PUBLIC_URL,
        SECRETS,
        on_callback=lambda callback: heard.append(callback.task_id),
        handler_timeout=Decimal(8),  # type: ignore[arg-type]
    )
    _, url = receiver.issue()

    assert await post(receiver, url, body_of()) == 200
    assert len(heard) == 1
