"""The names of a batch's pictures: from templates and functions, kept over runs, never twice."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import GenerationRequest, Task
from apimodels_async._arguments import ArgumentError, ArgumentTypeError
from apimodels_async._batch.saver import Saver
from apimodels_async._download.downloader import Downloader, SavedPicture
from apimodels_async.ledger import SqliteLedger, Step
from tests.batch.test_in_virtual_time import client_of
from tests.ledger.machine import World

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A `World` silences the log."""
    logger = logging.getLogger("apimodels_async")
    level = logger.level
    yield
    logger.setLevel(level)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def saving(tmp_path: Path, **options: Any) -> Any:
    async def work(client: Any, ledger: SqliteLedger) -> Any:
        return await client.generate_many(
            ["a kite", "a kite", "a fox"], ledger=ledger, download_to=tmp_path / "out", **options
        )

    return work


@BACKENDS
def test_a_template_names_the_pictures_and_the_ledger_keeps_the_names(tmp_path: Path, backend: str) -> None:
    world = World(tmp_path)
    work = saving(tmp_path, name="{prompt}", sidecar=True)

    first = world.in_a_process(backend, None, work)
    again = world.in_a_process(backend, None, work)

    expected = ["a_fox.json", "a_fox.png", "a_kite-2.json", "a_kite-2.png", "a_kite.json", "a_kite.png"]
    assert names(tmp_path / "out") == expected
    assert sorted(str(entry.name) for entry in world.entries().values()) == ["a_fox", "a_kite", "a_kite-2"]
    assert [outcome.files for outcome in first] == [outcome.files for outcome in again]
    assert world.vendor.posts.total() == 3


@BACKENDS
def test_a_function_is_called_with_the_index_and_the_request(tmp_path: Path, backend: str) -> None:
    work = saving(tmp_path, name=lambda index, request: f"{index}-{{line}}-{request.prompt[2:]}")

    outcomes = World(tmp_path).in_a_process(backend, None, work)

    assert [outcome.files[0].name for outcome in outcomes] == ["0-0001-kite.png", "1-0002-kite.png", "2-0003-fox.png"]


@BACKENDS
def test_a_run_that_was_cut_off_before_it_noted_a_picture_finds_it_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    world = World(tmp_path)
    work = saving(tmp_path, name="cat")
    with monkeypatch.context() as patched:
        patched.setattr("apimodels_async.ledger.run.LedgerRun.saved", lambda *_: None)
        world.in_a_process(backend, None, work)
    assert {entry.step for entry in world.entries().values()} == {Step.DONE}
    before = names(tmp_path / "out")

    outcomes = world.in_a_process(backend, None, work)

    assert names(tmp_path / "out") == before == ["cat-2.png", "cat-3.png", "cat.png"]
    assert {entry.step for entry in world.entries().values()} == {Step.SAVED}
    assert all(outcome.ok for outcome in outcomes)


@BACKENDS
def test_a_picture_that_was_changed_since_is_kept_and_the_new_one_has_another_name(
    tmp_path: Path, backend: str
) -> None:
    world = World(tmp_path)
    work = saving(tmp_path, name="{line}")
    world.in_a_process(backend, None, work)
    (tmp_path / "out" / "0003.png").write_bytes(b"retouched")

    outcomes = world.in_a_process(backend, None, work)

    assert outcomes[2].files == (tmp_path / "out" / "0003-2.png",)
    assert (tmp_path / "out" / "0003.png").read_bytes() == b"retouched"


def test_a_name_needs_a_folder_a_ledger_for_its_key_and_to_be_one(vendor_of: Any) -> None:
    client = client_of(vendor_of())
    for name, folder, words in (
        ("cat", None, "name: give download_to as well"),
        ("{key}", "out", "name: give a ledger, whose keys"),
        ("a/b", "out", "name='a/b': give the name of a file"),
    ):
        with pytest.raises(ArgumentError) as caught:
            client.batch(["a"], name=name, download_to=folder)
        assert str(caught.value).startswith(words)
    with pytest.raises(ArgumentTypeError, match="name=int"):
        client.batch(["a"], name=3, download_to="out")  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_names_are_free_again_when_a_picture_could_not_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apimodels_async._batch.options import BatchOptions, Item
    from apimodels_async._download.names import Naming
    from apimodels_async.errors import DownloadError

    given: list[Any] = []

    async def download(_: Downloader, task: Task, directory: Path, limits: Any, name: Any) -> list[SavedPicture]:
        given.append(str(name.name))
        raise DownloadError("no")

    monkeypatch.setattr(Downloader, "download", download)
    options = BatchOptions(1, tmp_path, None, 0, None, None, None, None, sidecar=False, naming=Naming("cat"))
    saver = Saver(Downloader(None, None), tmp_path, options, None)  # type: ignore[arg-type]
    task = Task(id="t", state="completed", result_urls=("https://a/b.png",))

    for index in range(2):
        with pytest.raises(DownloadError):
            await saver.save(Item(index, GenerationRequest("a")), task)

    assert given == ["cat", "cat"]
