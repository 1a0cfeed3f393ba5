"""What others raise, in our frames: it costs no task id, and what is plainly wrong is never bought."""

import copy
import json
import pickle
import typing
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

import apimodels_async
from apimodels_async import (
    ApimodelsError,
    AsyncImagesClient,
    GenerationRequest,
    ImagesClient,
    ProtocolError,
    Task,
    TaskState,
    callbacks,
    ledger,
    pacing,
    sync,
)
from apimodels_async._secret import Secret
from apimodels_async.callbacks import CallbackReceiver, CallbackSigner
from apimodels_async.pacing import Pacing
from tests.support.virtual import Server, done, in_turn, success, virtually

# --- plug-ins


class _OddError(BaseException):
    pass


class _Broken(Pacing):
    def __init__(self, outcome: Any, method: str) -> None:
        self.outcome, self.method = outcome, method

    def next_delay(self, key: str, elapsed: float) -> float:
        return self._play() if self.method == "next_delay" else 0.1

    def observe(self, key: str, duration: float) -> None:
        if self.method == "observe":
            self._play()

    def _play(self) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def timed() -> httpx.Response:
    """A finished task that says how long it took, so that the pacing is told."""
    return success(
        taskId="task-1",
        state="completed",
        resultUrls=["https://r2.example/a.png"],
        createTime=1e12,
        completeTime=1e12 + 5,
    )


@pytest.mark.parametrize(
    "outcome", [ZeroDivisionError(), SystemExit(1), _OddError(), None, float("nan"), -1.0], ids=repr
)
@pytest.mark.parametrize("method", ["next_delay", "observe"])
@pytest.mark.parametrize("given_to", ["client", "call"])
@virtually
async def test_a_broken_pacing_costs_no_paid_task(
    anyio_backend: str, caplog: pytest.LogCaptureFixture, outcome: Any, method: str, given_to: str
) -> None:
    server = Server(post=in_turn(partial(success, taskId="task-1", state="pending")), get=in_turn(timed))
    broken = _Broken(outcome, method)
    async with server.client(pacing=broken if given_to == "client" else None) as client:
        task = await client.generate("a cat", pacing=broken if given_to == "call" else None)

    assert task.state is TaskState.COMPLETED
    failed = [record for record in caplog.records if "the pacing _Broken failed" in record.getMessage()]
    assert len(failed) == (0 if method == "observe" and not isinstance(outcome, BaseException) else 1)


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(1), _OddError()], ids=repr)
@virtually
async def test_a_listener_that_raises_is_logged_and_the_wait_goes_on(
    anyio_backend: str, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def listen(_: Task) -> None:
        raise error

    server = Server(get=in_turn(done))
    async with server.client() as client:
        task = await client.wait("task-1", on_change=listen)

    assert task.state is TaskState.COMPLETED
    assert "on_change failed at task task-1" in caplog.text


def test_what_is_no_pacing_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(TypeError, match="next_delay and observe"):
        AsyncImagesClient("sk", pacing=typing.cast("Pacing", 3))


# --- foreign errors below a paid task


@pytest.mark.parametrize(
    "error", [AttributeError("half imported"), MemoryError(), SystemExit(1), _OddError()], ids=repr
)
@virtually
async def test_a_foreign_error_during_a_wait_leaves_the_task_in_detached(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    server = Server(post=in_turn(partial(success, taskId="task-1", state="pending")))
    async with server.client() as client:

        def fail(*_: object, **__: object) -> Task:
            raise error

        task = await client.create("a cat")
        monkeypatch.setattr("apimodels_async._poll.poller.read_task", fail)
        with pytest.raises(type(error)):
            await client.generate("a cat")
        assert [each.id for each in client.detached] == ["task-1"]
        if isinstance(error, Exception):
            with pytest.raises(type(error)):
                await client.wait(task)
            assert [each.id for each in client.detached] == ["task-1", "task-1"]


@virtually
async def test_a_transport_that_raises_what_it_likes_is_a_query_without_an_answer(anyio_backend: str) -> None:
    server = Server(
        post=in_turn(partial(success, taskId="task-1", state="pending")),
        get=in_turn(httpx.InvalidURL("Invalid port: ':'"), UnicodeError("odd"), done),
    )
    async with server.client() as client:
        assert (await client.generate("a cat")).state is TaskState.COMPLETED


ODD_IDS = ["x" * 100_000, "a\nb\r\x00\x1b[2J", "half \ud800 a pair", "../../etc/passwd?task_id=1#", "é" * 500, " "]


@pytest.mark.parametrize("task_id", ODD_IDS, ids=lambda text: ascii(text)[:20])
@virtually
async def test_an_odd_task_id_is_kept_and_raises_nothing_foreign(anyio_backend: str, task_id: str) -> None:
    def answer(state: str) -> httpx.Response:
        data = {"taskId": task_id, "state": state, "resultUrls": ["https://r2.example/a.png"]}
        return httpx.Response(200, content=json.dumps({"code": 200, "data": data}).encode())

    server = Server(post=in_turn(partial(answer, "pending")), get=in_turn(partial(answer, "completed")))
    calls: list[Callable[[], Any]] = []
    async with server.client() as client:
        created = await client.create("a cat")
        assert created.id == task_id
        calls += [lambda: client.wait(created), lambda: client.generate("a cat")]
        if task_id.strip():
            calls += [lambda: client.get(task_id), lambda: client.wait(task_id)]
        for call in calls:
            try:
                assert (await call()).state is TaskState.COMPLETED
            except ApimodelsError as error:
                known = (type(error), error.task_id, len(str(error)) < 300)
                assert known == (ProtocolError, task_id, True)


@pytest.mark.parametrize("model", ["m" * 100_000, "a\nb\x00", "half \ud800 a pair"], ids=lambda text: ascii(text)[:20])
@virtually
async def test_an_odd_model_is_sent_or_refused_before_anything_is_sent(anyio_backend: str, model: str) -> None:
    server = Server(get=in_turn(done))
    async with server.client() as client:
        client._engine.model = model
        for call in (partial(client.create, "a cat"), partial(client.create, "a cat", model=model)):
            posts = len(server.posts)
            try:
                await call()
            except ValueError:
                assert len(server.posts) == posts


# --- what is plainly wrong


@pytest.mark.parametrize(
    "requests",
    ["a cat", b"a cat", bytearray(b"x"), memoryview(b"x"), {"prompt": "a cat"}, GenerationRequest("a cat"), None, 5],
    ids=lambda value: type(value).__name__,
)
@virtually
async def test_what_is_no_list_of_requests_is_refused_before_anything_is_sent(
    anyio_backend: str, requests: Any
) -> None:
    server = Server()
    async with server.client() as client:
        with pytest.raises(TypeError, match="give a list of prompts"):
            client.batch(requests)
        with pytest.raises(TypeError, match="a single one goes to generate"):
            await client.generate_many(requests)

    assert server.posts == []


@virtually
async def test_lists_generators_and_async_generators_are_requests(anyio_backend: str) -> None:
    async def later() -> typing.AsyncIterator[str]:
        yield "a cat"

    server = Server(post=in_turn(partial(success, data=[{"url": "https://r2.example/a.png"}])), get=in_turn(done))
    async with server.client() as client:
        for requests in (["a cat"], ("a cat",), (each for each in ["a cat"]), {"a cat": 1}.keys(), later()):
            client.batch(requests)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
@pytest.mark.anyio
async def test_an_outage_timeout_below_nothing_is_refused(seconds: float) -> None:
    client = AsyncImagesClient("sk", base_url="http://127.0.0.1/v1", model="m")
    with pytest.raises(ValueError, match="outage_timeout"):
        client.batch(["a cat"], outage_timeout=seconds)


# --- pickling, reprs, annotations


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy], ids=lambda way: way.__name__)
@pytest.mark.parametrize(
    "make",
    [
        lambda: Secret("sk"),
        lambda: AsyncImagesClient("sk", base_url="http://127.0.0.1/v1"),
        lambda: CallbackSigner("https://a.example/cb", {"k": "a signing secret of 32 characters"}),
        lambda: CallbackReceiver("https://a.example/cb", {"k": "a signing secret of 32 characters"}),
        lambda: sync.CallbackReceiver("https://a.example/cb", {"k": "a signing secret of 32 characters"}),
    ],
    ids=["secret", "client", "signer", "receiver", "blocking receiver"],
)
def test_what_holds_a_secret_is_neither_pickled_nor_copied(
    make: Callable[[], object], way: Callable[[Any], Any]
) -> None:
    with pytest.raises(TypeError, match="in each process"):
        way(make())


def test_a_blocking_client_is_neither_pickled_nor_copied() -> None:
    with ImagesClient("sk", base_url="http://127.0.0.1/v1") as client:
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="in each process"):
                way(client)


class _Unshowable:
    def read(self) -> bytes:
        return b""

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")


@pytest.mark.parametrize(
    "kind",
    [GenerationRequest, Task, apimodels_async.Outcome, apimodels_async.BatchEvent, AsyncImagesClient, ImagesClient,
     CallbackReceiver, CallbackSigner, sync.CallbackReceiver, pacing.FixedPacing, pacing.BackoffPacing,
     pacing.AdaptivePacing, Secret, ledger.SqliteLedger, callbacks.Callback],
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)  # fmt: skip
def test_the_repr_of_something_half_made_raises_nothing(kind: Any) -> None:
    assert kind.__name__ in repr(object.__new__(kind))


def test_the_repr_of_a_request_survives_the_repr_of_its_picture() -> None:
    picture: Any = _Unshowable()

    assert "image=<_Unshowable: its repr raises RuntimeError>" in repr(GenerationRequest("a cat", image=picture))


def public_callables() -> list[Any]:
    found: list[Any] = []
    for module in (apimodels_async, callbacks, ledger, pacing, sync, apimodels_async.models, apimodels_async.errors):
        for name in module.__all__:
            member = getattr(module, name)
            found.append(member)
            if isinstance(member, type):
                found += [each for key, each in vars(member).items() if key[0] != "_" or key == "__init__"]
    return [
        each for each in found if callable(each) and not isinstance(each, type) and hasattr(each, "__annotations__")
    ]


def test_the_annotations_of_everything_public_can_be_resolved() -> None:
    callables = public_callables()
    wrong = []
    for each in callables:
        try:
            typing.get_type_hints(each)
        except NameError as error:
            wrong.append((each.__qualname__, error))

    assert len(callables) > 80
    assert wrong == []
    assert typing.get_type_hints(AsyncImagesClient.batch)["return"].__name__ == "Batch"
