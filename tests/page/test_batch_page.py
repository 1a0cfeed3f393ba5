"""The page of a batch, written beside it: always whole, complete in the end, and never a reason to wait or to fail."""

import logging
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from apimodels_async import AsyncImagesClient, GenerationRequest, ImagesClient
from apimodels_async._page import page_file, writer
from apimodels_async.errors import ConfigurationError
from apimodels_async.gateway import LocalGateway
from tests.page.test_page_file import rows_of

MODEL = "grok-image/grok-4.2-image"


def client_of(gateway: LocalGateway) -> AsyncImagesClient:
    return AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL)


def request(prompt: str, **fields: Any) -> GenerationRequest:
    return GenerationRequest(prompt, size="64x64", **fields)


@pytest.mark.anyio
async def test_the_page_has_every_outcome(gateway: LocalGateway, tmp_path: Path) -> None:
    requests = [request("a kite", seed=3), request("contraband"), request("a fox", n=2)]
    async with client_of(gateway) as client:
        outcomes = await client.generate_many(requests, download_to=tmp_path, page=True)

    rows = sorted(rows_of(tmp_path / "index.html"), key=lambda row: row["number"])
    assert [row["state"] for row in rows] == ["completed", "failed", "completed"]
    assert [row.get("files") for row in rows] == [
        [f"./{path.name}" for path in outcome.files] or None for outcome in outcomes
    ]
    assert [len(row.get("thumbnails", [])) for row in rows] == [1, 0, 2]
    assert (rows[0]["seed"], rows[0]["cost"], rows[1]["cost"], rows[2]["cost"]) == ("3", 0.03, 0, 0.06)
    assert "CONTENT_MODERATION" in rows[1]["error"]
    assert '"state":"done"' in (tmp_path / "index.html").read_text("utf-8")


@pytest.mark.anyio
async def test_the_page_may_be_elsewhere_and_needs_no_pictures(gateway: LocalGateway, tmp_path: Path) -> None:
    async with client_of(gateway) as client:
        await client.generate_many([request("a kite")], page=tmp_path / "new" / "report.html")

    [row] = rows_of(tmp_path / "new" / "report.html")
    assert (row["prompt"], row["state"]) == ("a kite", "completed")


@pytest.mark.anyio
async def test_there_is_a_page_while_the_batch_runs(
    gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(writer, "PAUSE_FOR_WORK", 0.0)
    page = tmp_path / "index.html"
    async with client_of(gateway) as client:
        batch = client.batch([request("a kite")], download_to=tmp_path, page=True)
        async with batch:
            async for _ in batch:
                with anyio.fail_after(60):
                    while not (page.exists() and rows_of(page)):  # noqa: ASYNC110  (there is no event for a file)
                        await anyio.sleep(0.01)
                assert '"state":"running"' in page.read_text("utf-8")
    assert '"state":"done"' in page.read_text("utf-8")


@pytest.mark.anyio
async def test_a_batch_that_is_left_leaves_a_page_of_what_was_known(gateway: LocalGateway, tmp_path: Path) -> None:
    async with client_of(gateway) as client:
        with pytest.raises(KeyError, match="enough"):  # noqa: PT012  (the block of the batch raises)
            async with client.batch([request("a"), request("b")], download_to=tmp_path, page=True) as batch:
                async for _ in batch:
                    raise KeyError("enough")
    page = tmp_path / "index.html"
    assert '"state":"left"' in page.read_text("utf-8")
    assert len(rows_of(page)) >= 1


@pytest.mark.anyio
async def test_a_cancelled_batch_leaves_a_page(gateway: LocalGateway, tmp_path: Path) -> None:
    async with client_of(gateway) as client:
        with anyio.CancelScope() as scope:
            async with client.batch([request("a"), request("b")], download_to=tmp_path, page=True) as batch:
                async for _ in batch:
                    scope.cancel()
                    await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert len(rows_of(tmp_path / "index.html")) >= 1


@pytest.mark.anyio
async def test_a_page_that_cannot_be_written_ends_no_batch_and_is_logged_once(
    gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_file.PageFile, "publish", fail)
    monkeypatch.setattr(writer, "SHORTEST_PAUSE", 0.0)
    with caplog.at_level(logging.WARNING, "apimodels_async"):
        async with client_of(gateway) as client:
            outcomes = await client.generate_many(
                [request(f"p{at}") for at in range(4)], download_to=tmp_path, page=True
            )

    assert all(outcome.ok for outcome in outcomes)
    said = [record.getMessage() for record in caplog.records if "page" in record.getMessage()]
    assert len(said) == 1
    assert "No space left on device" in said[0]


@pytest.mark.anyio
async def test_a_slow_disk_does_not_hold_up_the_batch(
    gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    go_on = threading.Event()

    def publish(*_: object) -> None:
        assert go_on.wait(60)

    monkeypatch.setattr(page_file.PageFile, "publish", publish)
    taken = 0
    requests = [request(f"p{at}") for at in range(3)]
    async with client_of(gateway) as client, client.batch(requests, download_to=tmp_path, page=True) as batch:
        async for _ in batch:
            taken += 1
            assert not go_on.is_set()
        go_on.set()
    assert taken == 3


@pytest.mark.anyio
async def test_a_foreign_file_in_its_place_is_refused_before_anything_is_sent(tmp_path: Path, gateway: Any) -> None:
    (tmp_path / "index.html").write_text("mine")
    async with client_of(gateway) as client:
        before = await client.balance()
        with pytest.raises(ConfigurationError, match="not the page of a batch"):
            await client.generate_many([request("a")], download_to=tmp_path, page=True)
        assert await client.balance() == before
    assert (tmp_path / "index.html").read_text() == "mine"


@pytest.mark.anyio
async def test_without_pillow_it_says_which_extra_to_install(
    tmp_path: Path, gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    async with client_of(gateway) as client:
        with pytest.raises(ConfigurationError, match=r"apimodels-async\[page\]"):
            await client.generate_many([request("a")], download_to=tmp_path, page=True)


def test_what_is_no_html_file_is_an_argument_error(gateway: LocalGateway) -> None:
    with ImagesClient(gateway.api_key, base_url=gateway.base_url) as client:
        with pytest.raises(ValueError, match=r"page='prompts.csv': give the path of an HTML file"):
            client.generate_many(["a"], page="prompts.csv")
        with pytest.raises(ValueError, match="page: True needs download_to"):
            client.generate_many(["a"], page=True)


def test_the_blocking_client_writes_the_same_page(gateway: LocalGateway, tmp_path: Path) -> None:
    with ImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL) as client:
        client.generate_many([request("a kite")], download_to=tmp_path, page=True)
    assert [row["state"] for row in rows_of(tmp_path / "index.html")] == ["completed"]
