"""One item never ends a batch: whatever raises, on asyncio and trio, becomes that item's outcome or is logged."""

import contextlib
import errno
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from apimodels_async import (
    AsyncImagesClient,
    ConfigurationError,
    DownloadError,
    GenerationRequest,
    NotSubmittedError,
    Outcome,
    SubmissionUnknownError,
    Task,
)
from apimodels_async._batch import saver
from apimodels_async._batch.batch import Batch
from apimodels_async._batch.options import Item
from apimodels_async._create.engine import Engine
from apimodels_async._poll.poller import Poller
from apimodels_async.pacing import FixedPacing
from tests.ledger.machine import PICTURE, Life, Vendor

pytestmark = pytest.mark.anyio

MODEL = "grok-image/grok-4.2-image"
"""One with a price: US$ 0.03 each."""


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    """Other tests may have silenced the log."""
    caplog.set_level(logging.INFO, logger="apimodels_async")


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
async def client(vendor: Vendor) -> AsyncIterator[AsyncImagesClient]:
    http = httpx.AsyncClient(transport=vendor.transport(Life(None)))
    pacing = FixedPacing(0.001)
    async with AsyncImagesClient(
        "sk_test", base_url="https://api.example/v1", model=MODEL, http_client=http, pacing=pacing
    ) as made:
        yield made


async def run(client: AsyncImagesClient, requests: Any, **options: Any) -> tuple[list[Outcome], Any]:
    """The outcomes by index, and the batch's figures at its end."""
    with anyio.fail_after(20):
        async with client.batch(requests, **options) as batch:
            outcomes = [outcome async for outcome in batch]
    assert batch.detached == []
    assert (batch.stats.in_flight, batch.stats.saving) == (0, 0)
    return sorted(outcomes, key=lambda each: each.index), batch.stats


# --- file systems


async def test_a_picture_that_vanishes_after_its_download_costs_nobody_anything(
    client: AsyncImagesClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes and sums are those of the download: there is no second look at the file."""

    def vanishing(request: Any, task: Any, files: Any, common: str | None) -> None:
        for file in files:
            file.unlink()

    monkeypatch.setattr(saver, "write_sidecar", vanishing)
    outcomes, stats = await run(client, ["a", "b"], download_to=tmp_path, sidecar=True, ledger=tmp_path / "run.db")

    assert all(outcome.ok for outcome in outcomes)
    assert stats.bytes == 2 * len(PICTURE)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("odd"),
        MemoryError(),
        AttributeError("a broken extra"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, ""),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_saving_raises_is_a_download_error_of_that_item_with_its_task_id(
    client: AsyncImagesClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(request: GenerationRequest, *_: Any) -> None:
        if request.prompt == "b":
            raise error

    monkeypatch.setattr(saver, "write_sidecar", fail)
    outcomes, stats = await run(client, ["a", "b", "c"], download_to=tmp_path, sidecar=True)

    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    failure = outcomes[1].error
    assert isinstance(failure, DownloadError)
    assert failure.task_id == "b-0"
    assert failure.__cause__ is error
    assert outcomes[1].task is not None
    assert stats.spent == pytest.approx(0.09)


async def test_a_model_that_is_no_unicode_is_written_into_the_sidecar_all_the_same(
    vendor: Vendor, tmp_path: Path
) -> None:
    answer = vendor._create

    def odd(request: httpx.Request, life: Life) -> httpx.Response:
        response = answer(request, life)
        data = response.json()
        data["data"]["model"] = "half a \ud800"
        return httpx.Response(200, content=json.dumps(data).encode())

    vendor._create = odd  # type: ignore[method-assign]
    http = httpx.AsyncClient(transport=vendor.transport(Life(None)))
    async with AsyncImagesClient(
        "sk_test", base_url="https://api.example/v1", model="m", http_client=http, pacing=FixedPacing(0.001)
    ) as client:
        outcomes, _ = await run(client, ["a"], download_to=tmp_path, sidecar=True)

    assert outcomes[0].error is None
    assert (tmp_path / "a-0.json").exists()


# --- what the user gives


class OddPicture:
    """A picture object that fails where nobody expects it."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def read(self) -> bytes:
        raise self._error

    def __repr__(self) -> str:
        raise self._error


@pytest.mark.parametrize("error", [AssertionError(), SyntaxError(), EOFError("cut"), KeyError("x")], ids=repr)
async def test_whatever_a_picture_object_raises_is_the_outcome_of_its_item(
    client: AsyncImagesClient, vendor: Vendor, error: Exception
) -> None:
    requests = ["a", GenerationRequest("b", image=OddPicture(error)), "c"]  # type: ignore[arg-type]
    outcomes, stats = await run(client, requests)

    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert vendor.posts.total() == 2
    assert stats.spent == pytest.approx(0.06)


async def test_a_request_whose_size_cannot_be_told_is_one_outcome(
    client: AsyncImagesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    weigh = Engine.weigh

    async def fail(self: Engine, request: GenerationRequest) -> int:
        if request.prompt == "b":
            raise LookupError("no size")
        return await weigh(self, request)

    monkeypatch.setattr(Engine, "weigh", fail)
    outcomes, stats = await run(client, [*"abc", *"bbbbbbbbbb"] * 10, max_in_flight=4)

    assert sum(outcome.ok for outcome in outcomes) == 20
    assert all(isinstance(outcome.error, LookupError) for outcome in outcomes if not outcome.ok)
    assert stats.spent == pytest.approx(0.6)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), ValueError("x")], ids=repr)
async def test_a_listener_in_a_thread_that_raises_anything_is_logged(
    client: AsyncImagesClient, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def listen(_: Any) -> None:
        raise error

    outcomes, _ = await run(client, ["a", "b", "c"], on_event=listen)

    assert all(outcome.ok for outcome in outcomes)
    assert "the batch's listener failed" in caplog.text


async def test_an_async_listener_that_calls_sys_exit_is_logged(
    client: AsyncImagesClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def listen(_: Any) -> None:
        sys.exit(3)

    outcomes, _ = await run(client, ["a", "b", "c"], on_event=listen)

    assert all(outcome.ok for outcome in outcomes)
    assert "the batch's listener failed" in caplog.text


class OddPacing:
    """A pacing that fails in one of its methods, or returns what is no number."""

    def __init__(self, fails: str, how: Any) -> None:
        self._fails = fails
        self._how = how

    def next_delay(self, key: str, elapsed: float) -> Any:
        return self._do("next_delay", 0.001)

    def observe(self, key: str, duration: float) -> Any:
        return self._do("observe", None)

    def _do(self, method: str, otherwise: Any) -> Any:
        if method != self._fails:
            return otherwise
        if isinstance(self._how, BaseException):
            raise self._how
        return self._how


@pytest.mark.parametrize("how", [ZeroDivisionError(), SystemExit(3), None, float("nan"), -1.0, "soon"], ids=repr)
@pytest.mark.parametrize("method", ["next_delay", "observe"])
async def test_a_pacing_that_fails_is_logged_and_the_batch_goes_on(vendor: Vendor, method: str, how: Any) -> None:
    http = httpx.AsyncClient(transport=vendor.transport(Life(None)))
    async with AsyncImagesClient(
        "sk_test", base_url="https://api.example/v1", model=MODEL, http_client=http, pacing=OddPacing(method, how)
    ) as made:
        outcomes, _ = await run(made, ["a", "b", "c"])

    assert all(outcome.ok for outcome in outcomes)


@pytest.mark.parametrize("plain", [True, False], ids=["iterable", "async iterable"])
async def test_requests_that_call_sys_exit_end_the_reading_and_nothing_else(
    client: AsyncImagesClient, plain: bool
) -> None:
    def requests() -> Iterator[str]:
        yield "a"
        sys.exit(3)

    async def awaited() -> AsyncIterator[str]:
        for each in requests():
            yield each

    seen: list[Outcome] = []

    async def consume() -> None:
        async with client.batch(requests() if plain else awaited()) as batch:
            async for outcome in batch:
                seen.append(outcome)  # noqa: PERF401  (what came before the error counts)

    with pytest.raises(SystemExit):
        await consume()
    assert [outcome.ok for outcome in seen] == [True]


async def test_hooks_of_a_callers_client_see_no_context_variable_of_another_query(vendor: Vendor) -> None:
    place: ContextVar[str] = ContextVar("place", default="nowhere")
    seen = list[str]()

    async def look(request: httpx.Request) -> None:
        if request.method == "GET":
            seen.append(place.get())
            place.set(str(request.url))

    http = httpx.AsyncClient(transport=vendor.transport(Life(None)), event_hooks={"request": [look]})
    async with AsyncImagesClient("sk_test", base_url="https://api.example/v1", model=MODEL, http_client=http) as made:
        await run(made, ["a", "b", "c"], max_in_flight=1)
    assert seen == ["nowhere"] * 3


class Slow:
    """A picture that is read when it is let."""

    def __init__(self) -> None:
        self.begun, self.let = anyio.Event(), anyio.Event()
        self.rest = [PICTURE]

    async def read(self, size: int = -1) -> bytes:
        self.begun.set()
        await self.let.wait()
        return self.rest.pop() if self.rest else b""


async def test_a_client_closed_while_a_picture_is_read_sends_nothing_and_says_so(
    client: AsyncImagesClient, vendor: Vendor
) -> None:
    picture: Any = Slow()
    with anyio.fail_after(20):
        async with client.batch([GenerationRequest("a", image=picture)]) as batch:
            await picture.begun.wait()
            await client.aclose()
            picture.let.set()
            outcomes = [outcome async for outcome in batch]
    assert [type(outcome.error) for outcome in outcomes] == [ConfigurationError]
    assert vendor.posts == {}


async def test_nothing_is_begun_for_a_batch_that_was_left_and_what_was_reserved_is_free(
    client: AsyncImagesClient,
) -> None:
    """A task of the batch that was woken before goes on to its next wait."""

    async def work() -> None:
        pytest.fail("begun")

    async with client.batch(["a"]) as batch:
        pass
    assert batch._pipeline is not None
    creator, item = batch._pipeline._creator, Item(1, GenerationRequest("b"))
    await creator.reserve(item)
    assert item.slot is not None
    async with anyio.create_task_group() as group:
        creator.start(item, work, group)
        assert item.slot is None
    await client.aclose()


class Stop(BaseException):
    """What nothing may hold up; unlike `SystemExit`, asyncio does not end its loop for it."""


class Stopping:
    """A picture that raises it."""

    def read(self, size: int = -1) -> bytes:
        raise Stop


async def test_a_picture_that_raises_what_is_no_exception_ends_the_batch_and_loses_no_task(
    client: AsyncImagesClient, vendor: Vendor
) -> None:
    picture: Any = Stopping()
    known, batches = list[Task | None](), list[Batch]()

    async def make() -> None:
        async with client.batch(["a", GenerationRequest("b", image=picture), "c"]) as batch:
            batches.append(batch)
            async for outcome in batch:
                known.append(outcome.task)

    with anyio.fail_after(20), pytest.raises(Stop):
        await make()
    await client.aclose()
    known += batches[0].detached
    assert {task.id for task in known if task is not None} == {each[0] for each in vendor.accepted.values()}
    assert "b" not in vendor.posts


async def test_a_keyboard_interrupt_of_a_generator_in_a_thread_is_told_as_an_error(client: AsyncImagesClient) -> None:
    def requests() -> Iterator[str]:
        yield "a"
        raise KeyboardInterrupt

    with pytest.raises(RuntimeError, match="KeyboardInterrupt, raised by the requests"):
        await client.generate_many(requests())
    assert [task.id for task in client.detached] == ["a-0"]


# --- below


async def test_an_unexpected_error_of_a_create_request_is_unknown_and_counts_as_billed(
    client: AsyncImagesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = client._engine.submitter.submit

    async def fail(*arguments: Any, **options: Any) -> Any:
        task = await submit(*arguments, **options)
        if task.id == "b-0":
            raise AttributeError("a half-imported module")
        return task

    monkeypatch.setattr(client._engine.submitter, "submit", fail)
    outcomes, stats = await run(client, ["a", "b", "c"])

    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1].error, SubmissionUnknownError)
    assert isinstance(outcomes[1].error.__cause__, AttributeError)
    assert stats.spent == pytest.approx(0.09)
    assert stats.unknown == 1


async def test_an_unexpected_error_of_a_query_is_the_outcome_of_one_task_with_its_id(
    client: AsyncImagesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = Poller.query

    async def fail(self: Poller, task_id: str, model: str | None = None) -> Any:
        if task_id == "b-0":
            raise ImportError("no socksio")
        return await query(self, task_id, model)

    monkeypatch.setattr(Poller, "query", fail)
    outcomes, stats = await run(client, ["a", "b", "c"])

    assert [outcome.ok for outcome in outcomes] == [True, False, True]
    assert outcomes[1].task is not None
    assert outcomes[1].task.id == "b-0"
    assert stats.spent == pytest.approx(0.09)


async def test_a_scheduler_that_fails_ends_what_it_watched_and_goes_on(
    client: AsyncImagesClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pause = client._engine.poller.rate.pause
    faults = [OverflowError("odd")]

    def fail(now: float) -> float:
        if faults:
            raise faults.pop()
        return pause(now)

    monkeypatch.setattr(client._engine.poller.rate, "pause", fail)
    outcomes, _ = await run(client, ["a", "b", "c", "d"], max_in_flight=2)

    assert {type(outcome.error) for outcome in outcomes} == {OverflowError, type(None)}
    assert all(outcome.task is not None for outcome in outcomes)
    assert "the watch over" in caplog.text


# --- a disk that takes nothing any more


STOPPING = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "ENOTDIR", "EACCES"]


@pytest.mark.parametrize("name", STOPPING)
async def test_a_disk_that_takes_nothing_stops_the_sending_and_what_is_paid_is_waited_for(
    client: AsyncImagesClient, vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fsync = os.fsync
    synced = 0

    def fail(handle: int) -> None:
        nonlocal synced
        synced += 1
        if synced > 3:  # the folder's test, and one or two pictures
            raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", fail)
    requests = [f"p{number}" for number in range(20)]
    outcomes, stats = await run(client, requests, download_to=tmp_path / "out", max_in_flight=2)

    paid = [outcome for outcome in outcomes if outcome.task is not None]
    unsent = [outcome for outcome in outcomes if isinstance(outcome.error, NotSubmittedError)]
    assert len(paid) == vendor.posts.total() <= 4
    assert len(paid) + len(unsent) == 20
    assert 1 <= sum(outcome.ok for outcome in paid) <= 2
    assert all(outcome.error.task_id for outcome in paid if isinstance(outcome.error, DownloadError))
    for outcome in unsent:
        assert "cannot be written" in str(outcome.error)
        assert isinstance(outcome.error, NotSubmittedError)
        assert isinstance(outcome.error.__cause__, DownloadError)
    assert stats.spent == pytest.approx(0.03 * len(paid))


async def test_a_folder_that_becomes_a_file_stops_the_sending(
    client: AsyncImagesClient, vendor: Vendor, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    async with client.batch([f"p{number}" for number in range(20)], download_to=out, max_in_flight=1) as batch:
        first = await anext(batch)
        assert first.ok
        await anyio.to_thread.run_sync(_become_a_file, out)
        outcomes = [outcome async for outcome in batch]

    assert vendor.posts.total() <= 4
    assert sum(isinstance(outcome.error, NotSubmittedError) for outcome in outcomes) == 20 - vendor.posts.total()


def _become_a_file(path: Path) -> None:
    """Put a file where the folder is. A picture that is being saved may make the folder again in between."""
    for attempt in range(100):
        path.rename(path.with_name(f"moved-{attempt}"))
        with contextlib.suppress(FileExistsError):
            path.open("x").close()
            return
    raise AssertionError("the folder was always there first")


async def test_a_picture_whose_place_is_taken_by_a_folder_stops_nothing(
    client: AsyncImagesClient, tmp_path: Path
) -> None:
    (tmp_path / "p1-0-0.png").mkdir()
    outcomes, _ = await run(client, [f"p{number}" for number in range(5)], download_to=tmp_path, max_in_flight=1)

    assert [outcome.ok for outcome in outcomes] == [True, False, True, True, True]


@pytest.mark.parametrize("place", ["file", "under a file", "dangling", "nul"])
async def test_a_folder_that_cannot_be_used_raises_before_anything_is_sent(
    client: AsyncImagesClient, vendor: Vendor, tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "x")
    folder = {
        "file": tmp_path / "file",
        "under a file": tmp_path / "file" / "out",
        "dangling": tmp_path / "dangling",
        "nul": tmp_path / "a\0b",
    }[place]

    with pytest.raises(DownloadError, match=r"the output folder .* cannot be used"):
        await client.generate_many(["a", "b"], download_to=folder)
    with pytest.raises(DownloadError):
        async with client.batch(["a"], download_to=folder, ledger=tmp_path / "run.db"):
            pass
    assert vendor.posts.total() == 0


async def test_a_leading_tilde_of_a_folder_is_the_home_directory(
    client: AsyncImagesClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (outcome,) = await client.generate_many(["a"], download_to="~/pictures")
    assert outcome.task is not None
    paths = await client.download(outcome.task, "~/others")

    assert outcome.files[0].parent == tmp_path / "pictures"
    assert paths[0].parent == tmp_path / "others"
    assert not (tmp_path / "~").exists()
