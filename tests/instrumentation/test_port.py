"""The port: what instruments are told, on both back ends, and that none of them can harm a call."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from apimodels_async import AsyncImagesClient, BatchEvent, GenerationFailedError, GenerationRequest, Task, TaskState
from apimodels_async.gateway import LocalGateway, ReceivedRequest
from apimodels_async.instrumentation import (
    Details,
    DownloadDetails,
    Instrument,
    LedgerWriteDetails,
    PollDetails,
    RequestDetails,
    RetryDetails,
    TaskDetails,
    add_instrument,
    get_instruments,
    port,
    remove_instrument,
)
from apimodels_async.pacing import FixedPacing
from tests.support.pictures import PNG as SMALL_PICTURE
from tests.support.pictures import noise

pytestmark = pytest.mark.anyio

SMALL = "64x64"
BOAT, CRATE = GenerationRequest("A boat", size=SMALL), GenerationRequest("A crate of contraband", size=SMALL)


class Recorder(Instrument):
    """Keeps what it is told; each operation is known by a number."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Details, int | None]] = []
        self.parents: dict[int, int | None] = {}
        self.sent: dict[str, str] = {}

    def begin(self, details: Details, within: int | None) -> int:
        number = len(self.parents)
        self.parents[number] = within
        self.told.append(("begin", details, number))
        return number

    def note(self, details: Details, within: int | None) -> None:
        self.told.append(("note", details, within))

    def end(self, details: Details, begun: int) -> None:
        self.told.append(("end", details, begun))

    def headers(self, details: Details, begun: int) -> Mapping[str, str]:
        return self.sent

    def of(self, how: str, kind: type[Any]) -> list[Any]:
        return [details for each, details, _ in self.told if each == how and isinstance(details, kind)]

    def numbers(self, kind: type[Any]) -> list[int | None]:
        return [number for each, details, number in self.told if each == "begin" and isinstance(details, kind)]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    add_instrument(made)
    yield made
    remove_instrument(made)


def client_of(gateway: LocalGateway, **options: Any) -> AsyncImagesClient:
    return AsyncImagesClient(
        gateway.api_key,
        base_url=gateway.base_url,
        model="grok-image/grok-4.2-image",
        pacing=FixedPacing(0.05),
        **options,
    )


async def test_a_call_is_told_with_everything_that_happens_in_it(
    gateway: LocalGateway, recorder: Recorder, tmp_path: Path
) -> None:
    async with client_of(gateway) as client:
        task = await client.generate(BOAT)
        [path] = await client.download(task, tmp_path)

    [done] = recorder.of("end", TaskDetails)
    assert (done.operation, done.model, done.change) == ("generate", "grok-image/grok-4.2-image", "completed")
    assert done.task == task
    assert done.cost == pytest.approx(0.03)
    assert done.queries == len(recorder.of("end", PollDetails)) >= 1
    assert done.lag is not None
    assert done.lag >= 0.0
    assert done.seconds > 0.0
    changes = [each.change for each in recorder.of("note", TaskDetails)]
    assert (changes[0], changes[-1]) == ("submitted", "completed")
    assert set(changes[1:-1]) <= {"state"}
    create, *queries = [each for each in recorder.of("end", RequestDetails) if each.purpose != "picture"]
    assert (create.purpose, create.method, create.status) == ("create", "POST", 200)
    assert create.url == f"{gateway.base_url}/images/generations"
    assert {each.purpose for each in queries} == {"query"}
    [saved] = recorder.of("end", DownloadDetails)
    assert (saved.task_id, saved.picture, saved.size, saved.attempts) == (task.id, 0, path.stat().st_size, 1)
    [number] = recorder.numbers(TaskDetails)
    assert {recorder.parents[each or 0] for each in recorder.numbers(PollDetails)} == {number}
    assert recorder.parents[recorder.numbers(RequestDetails)[0] or 0] == number


async def test_every_beginning_has_an_end(gateway: LocalGateway, recorder: Recorder, tmp_path: Path) -> None:
    async with client_of(gateway) as client:
        await client.generate_many([BOAT, CRATE], download_to=tmp_path / "out", ledger=tmp_path / "ledger")

    ended = [number for how, _, number in recorder.told if how == "end"]
    assert sorted(ended, key=str) == sorted(recorder.parents, key=str)


async def test_items_of_a_batch_are_operations_of_their_own(
    gateway: LocalGateway, recorder: Recorder, tmp_path: Path
) -> None:
    async with client_of(gateway) as client:
        outcomes = await client.generate_many(
            [BOAT, CRATE],
            download_to=tmp_path / "out",
            ledger=tmp_path / "ledger",
        )

    boat, crate = sorted(recorder.of("end", TaskDetails), key=lambda each: each.item)
    assert (boat.change, boat.error, boat.task) == ("downloaded", None, outcomes[0].task)
    assert (crate.change, crate.error) == ("failed", outcomes[1].error)
    items = dict(zip(recorder.numbers(TaskDetails), (0, 1), strict=True))
    assert {recorder.parents[each or 0] for each in recorder.numbers(PollDetails)} == set(items)
    assert [recorder.parents[each or 0] for each in recorder.numbers(DownloadDetails)] == [min(items, key=str)]
    written = [each.steps for each in recorder.of("end", LedgerWriteDetails)]
    assert written.count(("sending",)) == written.count(("created",)) == 2
    posted = [step for each in recorder.of("note", LedgerWriteDetails) for step in each.steps]
    assert {"intent", "done", "failed", "saved"} <= set(posted)


async def test_a_listener_of_a_batch_hears_what_instruments_are_told(
    gateway: LocalGateway, recorder: Recorder, tmp_path: Path
) -> None:
    events: list[BatchEvent] = []
    async with client_of(gateway) as client:
        await client.generate_many([BOAT, CRATE], download_to=tmp_path, on_event=events.append)

    told = recorder.of("note", TaskDetails)
    assert [(each.kind, each.index, each.task, each.error) for each in events] == [
        (each.change, each.item, each.task, each.error) for each in told
    ]


async def test_a_listener_alone_observes_nothing_but_the_items(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Details] = []
    begin = port.begin

    def noted(details: Details, **more: Any) -> port.Operation | None:
        made.append(details)
        return begin(details, **more)

    monkeypatch.setattr(port, "begin", noted)
    events: list[BatchEvent] = []
    async with client_of(gateway) as client:
        await client.generate_many([BOAT], on_event=events.append)

    assert [type(each) for each in made] == [TaskDetails]
    assert [each.kind for each in events][-1] == "completed"


async def test_without_an_instrument_nothing_is_made(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def made(*_: object, **__: object) -> None:
        raise AssertionError("something was made for no instrument")

    for name in ("begin", "note", "headers", "Operation"):
        monkeypatch.setattr(port, name, made)
    async with client_of(gateway) as client:
        task = await client.generate(BOAT)
        await client.download(task, tmp_path)
        [outcome] = await client.generate_many([BOAT], ledger=tmp_path / "ledger")

    assert port.active is None
    assert outcome.ok


class Broken(Instrument):
    """Raises everywhere; `how` is what."""

    def __init__(self, how: type[BaseException]) -> None:
        self.how = how

    def begin(self, details: Details, within: Any) -> Any:
        raise self.how("begin")

    def note(self, details: Details, within: Any) -> None:
        raise self.how("note")

    def end(self, details: Details, begun: Any) -> None:
        raise self.how("end")

    def headers(self, details: Details, begun: Any) -> Mapping[str, str]:
        raise self.how("headers")


@pytest.mark.parametrize("how", [ValueError, SystemExit, GeneratorExit, anyio.BrokenResourceError])
async def test_an_instrument_that_raises_harms_nothing(
    gateway: LocalGateway,
    recorder: Recorder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    how: type[BaseException],
) -> None:
    broken = Broken(how)
    add_instrument(broken)
    try:
        async with client_of(gateway) as client:
            outcomes = await client.generate_many(
                [BOAT, CRATE], download_to=tmp_path / "out", ledger=tmp_path / "ledger"
            )
    finally:
        remove_instrument(broken)

    assert outcomes[0].ok
    assert isinstance(outcomes[1].error, GenerationFailedError)
    assert len(recorder.of("end", TaskDetails)) == 2
    failures = [each for each in caplog.records if "an instrument failed" in each.getMessage()]
    assert {each.levelno for each in failures} == {logging.ERROR}
    assert {each.getMessage().rpartition(".")[2] for each in failures} == {"begin", "note", "end", "headers"}


@pytest.fixture
def seen() -> list[ReceivedRequest]:
    return []


@pytest.fixture
def recording(seen: list[ReceivedRequest]) -> Iterator[LocalGateway]:
    with LocalGateway(latency="0.05/0.1", on_request=seen.append) as running:
        yield running


async def test_headers_of_an_instrument_are_sent_to_the_api(
    recording: LocalGateway, seen: list[ReceivedRequest], recorder: Recorder, lane: str
) -> None:
    recorder.sent = {"traceparent": "00-1-2-01", "User-Agent": "mine"}
    async with client_of(recording) as client:
        await client.generate(BOAT)
        await client.balance()

    assert {each.headers["traceparent"] for each in seen} == {"00-1-2-01"}
    assert {"POST", "GET"} == {each.method for each in seen}
    assert all(each.headers["user-agent"].startswith("apimodels-async/") for each in seen), lane


async def test_headers_of_an_instrument_go_to_no_storage_and_no_host_of_pictures(
    recorder: Recorder, tmp_path: Path
) -> None:
    """Uploads are observed as well, small ones in a form and large ones that are announced."""
    recorder.sent = {"traceparent": "00-1-2-01"}
    traced: dict[str, bool] = {}
    api = "https://api.example/v1"
    hosted = {"uploadUrl": "https://storage.example/put?token=secret", "publicUrl": "https://storage.example/p.png"}

    def answer(request: httpx.Request) -> httpx.Response:
        traced[f"{request.method} {request.url.host}{request.url.path}"] = "traceparent" in request.headers
        match request.url.host, request.method:
            case "api.example", "POST":
                return httpx.Response(200, json={"code": 200, "data": hosted})
            case "storage.example", "PUT":
                return httpx.Response(200)
            case _:
                return httpx.Response(200, stream=httpx.ByteStream(SMALL_PICTURE))

    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=("https://pictures.example/a.png",))
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as own,
        AsyncImagesClient("sk_test", base_url=api, http_client=own) as client,
    ):
        assert await client.upload(SMALL_PICTURE) == hosted["publicUrl"]
        assert await client.upload(noise("large", 1100, 1000)) == hosted["publicUrl"]  # 3.3 MB
        await client.download(task, tmp_path)

    assert traced == {
        "POST api.example/v1/files": True,
        "PUT storage.example/put": False,
        "GET pictures.example/a.png": False,
    }
    assert [(each.purpose, each.method, each.url) for each in recorder.of("end", RequestDetails)] == [
        ("upload", "POST", f"{api}/files"),
        ("upload", "POST", f"{api}/files"),
        ("storage", "PUT", "https://storage.example"),
        ("picture", "GET", "https://pictures.example"),
    ]


@pytest.mark.parametrize("odd", [{"bad": "two\r\nlines"}, {"Content-Length": "7"}, {"transfer-encoding": "chunked"}])
async def test_headers_that_would_break_a_request_are_left_out(
    recording: LocalGateway,
    seen: list[ReceivedRequest],
    recorder: Recorder,
    caplog: pytest.LogCaptureFixture,
    odd: dict[str, str],
) -> None:
    recorder.sent = odd
    async with client_of(recording) as client:
        await client.generate(BOAT)

    assert all(each.headers.keys().isdisjoint({"bad", "transfer-encoding"}) for each in seen)
    assert all(each.headers.get("content-length", "0") != "7" for each in seen)
    assert any("an instrument failed" in each.getMessage() for each in caplog.records)


async def test_a_retry_is_told_with_its_reason(recorder: Recorder, tmp_path: Path) -> None:
    faults = {"POST": ["429"], "GET": ["500"]}

    def fault(request: ReceivedRequest) -> str | None:
        queue = faults.get(request.method, [])
        return queue.pop() if queue else None

    with LocalGateway(latency="0.05/0.1", on_request=fault) as gateway:
        async with client_of(gateway) as client:
            task = await client.generate(BOAT)

    create, query = recorder.of("note", RetryDetails)
    assert (create.what, create.number, type(create.error).__name__) == ("create", 1, "RateLimitError")
    assert create.pause >= 1.0
    assert (query.what, query.number, query.task_id) == ("query", 1, task.id)
    [ended] = recorder.of("end", TaskDetails)
    assert ended.change == "completed"


async def test_a_batch_that_holds_back_tells_its_retries(recorder: Recorder) -> None:
    faults = ["429"]
    with LocalGateway(
        latency="0.05/0.1", on_request=lambda request: faults.pop() if request.method == "POST" and faults else None
    ) as gateway:
        async with client_of(gateway) as client:
            [outcome] = await client.generate_many([BOAT])

    assert outcome.ok
    [held] = recorder.of("note", RetryDetails)
    assert (held.what, held.number, held.pause) == ("create", 1, None)


async def test_a_batch_that_is_left_ends_its_items(gateway: LocalGateway, recorder: Recorder) -> None:
    submitted = anyio.Event()

    async def hear(event: BatchEvent) -> None:
        submitted.set()

    with LocalGateway(latency="60/60") as slow:
        async with client_of(slow) as client, client.batch([BOAT], on_event=hear):
            await submitted.wait()

    [left] = recorder.of("end", TaskDetails)
    assert left.change == "submitted"


async def test_a_cancelled_call_ends_its_operations(recorder: Recorder) -> None:
    with LocalGateway(latency="60/60") as slow:
        async with client_of(slow) as client:
            with anyio.move_on_after(0.5) as scope:
                await client.generate(BOAT)

    assert scope.cancelled_caught
    [ended] = recorder.of("end", TaskDetails)
    assert isinstance(ended.error, BaseException)
    assert not isinstance(ended.error, Exception) or type(ended.error).__name__ == "Cancelled"


async def test_create_and_wait_are_told_apart(gateway: LocalGateway, recorder: Recorder, tmp_path: Path) -> None:
    async with client_of(gateway) as client:
        task = await client.create(BOAT, ledger=tmp_path / "ledger", key="boat")
        await client.wait(Task(id=task.id, state=""))

    create, wait = recorder.of("end", TaskDetails)
    assert (create.operation, create.change) == ("create", "submitted")
    assert (wait.operation, wait.change, wait.request) == ("wait", "completed", None)


def test_an_instrument_is_added_once_and_removed() -> None:
    one = Recorder()
    add_instrument(one)
    add_instrument(one)
    assert get_instruments() == (one,)
    remove_instrument(one)
    remove_instrument(one)
    assert get_instruments() == ()
    assert port.active is None


def test_what_is_no_instrument_is_refused() -> None:
    with pytest.raises(TypeError, match=r"instrument.*has no begin\(\)"):
        add_instrument(object())  # type: ignore[arg-type]


def test_details_are_frozen() -> None:
    details = RequestDetails("query", "GET", "https://api.example")
    with pytest.raises(AttributeError):
        details.url = "https://other.example"  # type: ignore[misc]
