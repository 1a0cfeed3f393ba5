"""Pictures in a store: whole or absent, under the same names, with their sums in the ledger."""

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest

from apimodels_async import (
    AsyncImagesClient,
    ConfigurationError,
    DownloadError,
    NotSubmittedError,
    Outcome,
    Task,
    TaskState,
)
from apimodels_async._download import picture_fetch, remote
from apimodels_async._download.destination import destination, place_of, sum_of
from apimodels_async._download.folder import LocalFolder
from apimodels_async._download.remote import RemoteFolder
from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import SqliteLedger, Step
from tests.support.picture_server import KEY, PictureServer, picture, short, silent
from tests.support.pictures import PNG
from tests.support.stores import content, files_of, names_at

MODEL = "grok-image/grok-4.2-image"


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> str:
    """The URL of an empty folder in a store: one where an object appears at once, and one where it does not."""
    if request.param == "s3":
        return f"{request.getfixturevalue('s3')}/prefix"
    return f"memory://{uuid4().hex}/prefix"


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_fetch, "full_jitter", lambda *_: 0.0)


@pytest.fixture(autouse=True)
def _temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def done(*links: str) -> Task:
    return Task(id="task-1", state=TaskState.COMPLETED, result_urls=links)


async def fetch(server: PictureServer, task: Task, place: str, **options: Any) -> list[Any]:
    async with AsyncImagesClient(KEY, base_url=server.base_url, timeout=5.0) as client:
        return await client.download(task, place, **options)


# --- one picture


@pytest.mark.anyio
async def test_a_picture_is_saved_under_its_name_and_its_url_is_returned(server: PictureServer, store: str) -> None:
    link = server.play("/a", picture(PNG))

    assert await fetch(server, done(link), store) == [f"{store}/task-1-0.png"]
    assert await fetch(server, done(link), f"{store}/") == [f"{store}/task-1-0.png"]

    assert content(f"{store}/task-1-0.png") == PNG
    assert names_at(store) == ["task-1-0.png"]


@pytest.mark.anyio
async def test_what_breaks_off_leaves_nothing_in_the_store(server: PictureServer, store: str) -> None:
    link = server.play("/a", picture(PNG[:-9]))

    with pytest.raises(DownloadError, match="breaks off"):
        await fetch(server, done(link), store)
    assert names_at(store) == []


@pytest.mark.anyio
async def test_an_interrupted_picture_leaves_the_older_one_as_it_was(server: PictureServer, store: str) -> None:
    await fetch(server, done(server.play("/a", picture(PNG))), store)

    with pytest.raises(DownloadError):
        await fetch(server, done(server.play("/b", short(PNG))), store)
    assert content(f"{store}/task-1-0.png") == PNG
    assert names_at(store) == ["task-1-0.png"]


@pytest.mark.anyio
async def test_a_cancelled_download_leaves_nothing(
    server: PictureServer, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "IN_MEMORY", 10)
    link = server.play("/a", silent())
    async with AsyncImagesClient(KEY, base_url=server.base_url, timeout=5.0) as client:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(client.download, done(link), store)
                while not server.count("/a"):  # noqa: ASYNC110  (the server is in another thread)
                    await anyio.sleep(0.01)
                group.cancel_scope.cancel()
    assert names_at(store) == []
    assert [*os.scandir(tmp_path)] == []


# --- the adapter


def part_of(store: str, *pieces: bytes) -> Any:
    part = destination(store).part("task-1-0")
    part.begin()
    for piece in pieces:
        part.write(piece)
    return part


def test_a_long_picture_goes_through_a_temporary_file_that_is_removed(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "IN_MEMORY", 10)
    part = part_of(store, b"12345", b"67890", b"abcde", b"fgh")
    [kept] = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600  # what is read from there is sent

    assert part.finish("long.png") == f"{store}/long.png"

    assert content(f"{store}/long.png") == b"1234567890abcdefgh"
    assert (part.size, part.sha256) == (18, hashlib.sha256(b"1234567890abcdefgh").hexdigest())
    assert sum_of(f"{store}/long.png") == part.sha256
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [10, 1000])
def test_a_new_name_is_the_first_that_is_free_and_nothing_is_replaced(
    store: str, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(remote, "IN_MEMORY", limit)
    names = ["cat.png", "cat-2.png", "cat-3.png"]

    saved = [part_of(store, data, b" a cat").finish_new(names) for data in (b"the first", b"the second")]

    assert saved == [f"{store}/cat.png", f"{store}/cat-2.png"]
    assert [content(url) for url in saved] == [b"the first a cat", b"the second a cat"]
    with pytest.raises(FileExistsError):
        part_of(store, b"a third").finish_new(names[:2])
    assert names_at(store) == ["cat-2.png", "cat.png"]


def test_what_an_earlier_run_stored_under_the_name_is_not_stored_twice(store: str) -> None:
    names = ["cat.png", "cat-2.png"]
    for data in (b"a cat", b"another"):
        part_of(store, data).finish_new(names)

    assert part_of(store, b"a cat").finish_new(names, again=True) == f"{store}/cat.png"
    assert part_of(store, b"another").finish_new(names, again=True) == f"{store}/cat-2.png"
    assert names_at(store) == ["cat-2.png", "cat.png"]


def test_s3_itself_refuses_a_name_that_another_process_took_after_the_look(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = import_module("fsspec.core").url_to_fs(s3)[0]
    part_of(s3, b"a cat").finish("cat.png")
    with monkeypatch.context() as patched:
        patched.setattr(type(files), "exists", lambda *_, **__: False)

        assert part_of(s3, b"another").finish_new(["cat.png", "cat-2.png"]) == f"{s3}/cat-2.png"
    assert content(f"{s3}/cat.png") == b"a cat"


def test_a_store_that_does_not_know_the_condition_is_looked_at_instead(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(import_module("fsspec.core").url_to_fs(s3)[0])
    write = kind._pipe_file

    async def older(self: Any, path: str, data: bytes, *, mode: str = "overwrite", **about: Any) -> None:
        if mode == "create":
            raise OSError(errno.ENOSYS, "A header you provided implies functionality that is not implemented")
        await write(self, path, data, **about)

    monkeypatch.setattr(kind, "_pipe_file", older)
    for data in (b"a cat", b"another"):
        part_of(s3, data).finish_new(["cat.png", "cat-2.png"])
    assert names_at(s3) == ["cat-2.png", "cat.png"]


def test_a_name_is_taken_by_any_picture_or_note_under_it(store: str) -> None:
    part_of(store, b"a cat").finish("cat.webp")
    part_of(store, b"{}").finish("fox.json")
    part_of(store, b"a cat").finish("cattle.png")
    place = destination(store)

    assert [place.has(stem, [".png", ".webp", ".json"]) for stem in ("cat", "fox", "cattle", "ca")] == [
        True,
        True,
        True,
        False,
    ]
    assert not place.has("cat", [".png"])


@pytest.mark.parametrize("limit", [10, 1000])
def test_what_is_discarded_is_in_no_store_and_in_no_file(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(remote, "IN_MEMORY", limit)
    part = part_of(store, b"1234567890", b"abc")

    part.discard()

    assert names_at(store) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [10, 1000])
def test_where_objects_grow_slowly_only_a_whole_one_gets_the_name(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr(remote, "IN_MEMORY", limit)
    store = f"memory://{uuid4().hex}"
    part_of(store, b"the older").finish("a.png")
    memory = type(files_of(store))
    seen: list[list[str]] = []

    def fail(files: Any, path: str, _: Any, **__: Any) -> None:
        with files.open(path, "wb") as file:
            file.write(b"half")
        seen.append(names_at(store))
        raise OSError(errno.EIO, "the line broke")

    with monkeypatch.context() as patched:
        patched.setattr(memory, "pipe_file", fail)
        patched.setattr(memory, "put_file", lambda files, _, path: fail(files, path, b""))
        with pytest.raises(OSError, match="the line broke"):
            part_of(store, b"1234567890", b"abc").finish("a.png")

    [[whole, half]] = seen
    assert (whole, half.startswith("a.png."), half.endswith(".part")) == ("a.png", True, True)
    assert names_at(store) == ["a.png"]
    assert content(f"{store}/a.png") == b"the older"


def test_an_object_in_s3_says_what_it_is(s3: str) -> None:
    part_of(s3, PNG).finish("a.png")
    part_of(s3, b"{}").finish("a.json")
    part_of(s3, b"?").finish("a.bin")

    types = [files_of(s3).info(f"{s3}/{name}")["ContentType"] for name in ("a.png", "a.json", "a.bin")]
    assert types[:2] == ["image/png", "application/json"]
    assert types[2] == "binary/octet-stream"


def test_a_store_is_tested_and_left_as_it_was(store: str) -> None:
    assert destination(store).prepare() == store
    assert names_at(store) == []


def test_the_root_of_a_bucket_is_a_place_too(s3: str) -> None:
    assert destination(place_of(f"{s3}/", "download_to")).prepare() == s3
    assert part_of(s3, PNG).finish("a.png") == f"{s3}/a.png"


def test_a_bucket_is_never_made(s3: str) -> None:
    with pytest.raises(DownloadError, match=r"s3://no-such-bucket-\w+/x.*does not exist"):
        destination(f"s3://no-such-bucket-{uuid4().hex}/x").prepare()
    assert [f"s3://{name}" for name in files_of(s3).ls("")].count(s3) == 1
    assert not any("no-such-bucket" in name for name in files_of(s3).ls("", refresh=True))


def test_a_store_that_lets_nothing_be_removed_can_be_used(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(files_of(s3), "rm_file", refuse)

    assert destination(s3).prepare() == s3
    assert names_at(s3) == [remote.TEST_NAME]


@pytest.mark.parametrize(
    ("raised", "number"),
    [
        (PermissionError("Access Denied"), errno.EACCES),
        (FileNotFoundError("The specified bucket does not exist"), errno.ENODEV),
        (OSError(errno.EBUSY, "slow down"), errno.EBUSY),
        (TimeoutError("the request took too long"), errno.EBUSY),
        (RuntimeError("no credentials"), errno.EHOSTDOWN),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_errors_of_a_store_say_whether_the_next_picture_may_fare_better(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, number: int
) -> None:
    store = f"memory://{uuid4().hex}"

    def fail(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(type(files_of(store)), "pipe_file", fail)

    with pytest.raises(OSError, match=str(raised.args[-1])) as caught:
        part_of(store, b"x").finish("a.png")
    assert caught.value.errno == number


# --- which URLs


def test_a_path_is_a_folder_and_a_file_url_is_one_too(tmp_path: Path) -> None:
    for given in (tmp_path, str(tmp_path), f"file://{tmp_path}", tmp_path.as_uri()):
        place = place_of(given, "download_to")
        assert place == tmp_path
        assert isinstance(destination(place), LocalFolder)
    assert isinstance(destination("s3://bucket"), RemoteFolder)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "https://example.com/out",
            r"download_to=https://example.com/out: nothing can be saved under an http",
        ),
        ("s3://bucket/*/x", "wildcard"),
        ("sftp://me:secret@host/out", "password must not be in the URL"),
        ("://x", "give a folder, or the URL of a store"),
        ("filecache::s3://bucket/x", "give a folder, or the URL of a store"),
        (Path("s3://bucket/x"), "a Path cannot hold a URL"),
    ],
)
def test_a_url_that_names_no_folder_is_an_error_that_says_what_would(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        place_of(given, "download_to")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("missing", ["fsspec.core", "s3fs"])
def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    import_module("fsspec").get_filesystem_class("file")
    monkeypatch.setitem(sys.modules, missing, None)
    if missing == "s3fs":
        registry = import_module("fsspec.registry")
        monkeypatch.setattr(registry, "_registry", {k: v for k, v in registry._registry.items() if k != "s3"})
        monkeypatch.setattr(registry, "registry", registry._registry)

    with pytest.raises(ConfigurationError, match=r"s3://bucket/x.*apimodels-async\[storage\]"):
        RemoteFolder("s3://bucket/x").prepare()


def test_a_protocol_that_no_library_knows_is_an_error_before_anything_is_paid_for() -> None:
    with pytest.raises(DownloadError, match="postgresql"):
        destination("postgresql://db/pictures").prepare()


# --- batches


async def outcomes_of(gateway: LocalGateway, prompts: list[str], **options: Any) -> tuple[list[Outcome], float]:
    async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL) as client:
        before = await client.balance()
        outcomes = await client.generate_many(prompts, **options)
        return outcomes, before - await client.balance()


@pytest.fixture
def prompts() -> list[str]:
    return [f"{uuid4().hex} {number}" for number in range(4)]


@pytest.mark.anyio
async def test_a_batch_saves_into_a_store_and_its_ledger_knows_the_sums(
    gateway: LocalGateway, store: str, tmp_path: Path, prompts: list[str]
) -> None:
    outcomes, paid = await outcomes_of(gateway, prompts, download_to=store, ledger=tmp_path / "l.db", sidecar=True)

    assert all(outcome.ok for outcome in outcomes)
    assert paid > 0
    urls = [str(url) for outcome in outcomes for url in outcome.files]
    assert names_at(store) == sorted(
        [url.rpartition("/")[2] for url in urls] + [f"{o.task.id}.json" for o in outcomes if o.task]
    )
    with SqliteLedger(tmp_path / "l.db") as ledger:
        entries = list(ledger.entries())
    assert {entry.step for entry in entries} == {Step.SAVED}
    sums = {file.path: file.sha256 for entry in entries for file in entry.files}
    assert sums == {url: hashlib.sha256(content(url)).hexdigest() for url in urls}


@pytest.mark.anyio
async def test_a_later_run_pays_nothing_and_saves_again_what_is_missing_or_torn(
    gateway: LocalGateway, store: str, tmp_path: Path, prompts: list[str]
) -> None:
    first, _ = await outcomes_of(gateway, prompts, download_to=store, ledger=tmp_path / "l.db")
    urls = [str(outcome.files[0]) for outcome in first]
    pictures = [content(url) for url in urls]
    files_of(store).rm_file(urls[0])
    files_of(store).pipe_file(urls[1], pictures[1][:-5])

    again, paid = await outcomes_of(gateway, prompts, download_to=store, ledger=tmp_path / "l.db")

    assert paid == pytest.approx(0.0)
    assert [str(outcome.files[0]) for outcome in again] == urls
    assert [content(url) for url in urls] == pictures


@pytest.mark.anyio
async def test_pictures_in_a_store_have_the_names_that_were_given_and_keep_them(
    store: str, prompts: list[str], tmp_path: Path
) -> None:
    with LocalGateway(latency="0/0") as gateway:
        given = {"download_to": store, "name": "cat", "ledger": tmp_path / "l.db", "sidecar": True}
        first, _ = await outcomes_of(gateway, prompts[:3], **given)
        assert sorted(str(each.files[0]) for each in first) == [f"{store}/cat{end}.png" for end in ("-2", "-3", "")]
        lost = next(each for each in first if str(each.files[0]) == f"{store}/cat-2.png")
        files_of(store).rm_file(f"{store}/cat-2.png")

        again, _ = await outcomes_of(gateway, prompts[:3], **given)

    assert {each.index: each.files for each in again} == {each.index: each.files for each in first}
    assert again[lost.index].files == lost.files
    assert names_at(store) == sorted(f"cat{end}.{kind}" for end in ("", "-2", "-3") for kind in ("png", "json"))


@pytest.mark.anyio
async def test_a_store_that_cannot_be_written_ends_a_batch_before_anything_is_paid_for(
    gateway: LocalGateway, s3: str, prompts: list[str]
) -> None:
    with pytest.raises(DownloadError, match="does not exist"):
        await outcomes_of(gateway, prompts, download_to=f"{s3}-and-more/x")


@pytest.mark.anyio
async def test_a_bucket_that_vanishes_ends_the_sending_and_loses_no_task(
    gateway: LocalGateway, s3: str, prompts: list[str]
) -> None:
    async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL) as client:
        batch = client.batch([f"{prompts[0]} {number}" for number in range(40)], download_to=s3, max_in_flight=2)
        async with batch:
            await anyio.to_thread.run_sync(files_of(s3).rmdir, s3.removeprefix("s3://"))
            outcomes = [outcome async for outcome in batch]

    sent = [outcome for outcome in outcomes if outcome.task is not None]
    assert 0 < len(sent) < 10
    assert all(isinstance(outcome.error, DownloadError) and outcome.error.task_id for outcome in sent)
    others = [outcome.error for outcome in outcomes if outcome.task is None]
    assert all(isinstance(error, NotSubmittedError) for error in others)
    assert f"the output folder {s3} cannot be written" in str(others[0])
