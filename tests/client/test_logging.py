"""What the package tells: on one logger, a task's life at INFO, each look at DEBUG, and nothing on the screen."""

import logging
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apimodels_async import AsyncImagesClient, GenerationFailedError, Task
from apimodels_async._download import picture_fetch
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, answer, enveloped, picture

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("lane")]

OURS = "apimodels_async"
EXTRAS = {"task_id", "model", "attempt", "elapsed"}


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        running.create(running.accepted())
        running.query(
            enveloped({"taskId": "task-1", "state": "pending"}),
            answer(503),
            running.completed(running.play("/a", picture()), model="grok-image/grok-4.2-image"),
        )
        yield running


@pytest.fixture(scope="module")
def trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@pytest.fixture(autouse=True)
def _quick(trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: trust)
    monkeypatch.setattr(picture_fetch, "full_jitter", lambda *_: 0.0)


def client_of(server: PictureServer) -> AsyncImagesClient:
    return AsyncImagesClient(KEY, base_url=server.base_url, model="grok-4.2-image", pacing=FixedPacing(0.02))


async def live(server: PictureServer, out: Path) -> Task:
    """A task's whole life: created, looked at, completed, saved."""
    async with client_of(server) as client:
        task = await client.generate("a cat")
        await client.download(task, out)
    return task


def ours(caplog: pytest.LogCaptureFixture, *levels: int) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.name.startswith(OURS) and (not levels or each.levelno in levels)]


async def test_there_is_one_logger(server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await live(server, tmp_path)
    assert {record.name for record in ours(caplog)} == {OURS}


async def test_a_tasks_life_is_told_at_info(
    server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await live(server, tmp_path)
    life = [record.getMessage() for record in ours(caplog, logging.INFO)]
    assert life[0] == "task task-1 created"
    assert life[1].startswith("task task-1 completed")
    assert life[2] == "task task-1: pictures saved: 1"
    assert len(life) == 3
    assert not ours(caplog, logging.WARNING, logging.ERROR)


async def test_each_look_is_told_at_debug(
    server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await live(server, tmp_path)
    queries = [record.getMessage() for record in ours(caplog, logging.DEBUG)]
    assert server.queries == 3
    assert queries[0] == "task task-1 is pending"
    assert "look 2 failed" in queries[1]
    assert queries[2] == "task task-1 is completed"


async def test_the_records_of_a_life_can_be_searched_by_their_fields(
    server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await live(server, tmp_path)
    created, completed, saved = ours(caplog)
    for record in (created, completed, saved):
        fields = vars(record)
        assert fields.keys() >= EXTRAS, record.getMessage()
        assert fields["task_id"] == "task-1"
        assert "grok-4.2-image" in fields["model"]
        assert fields["attempt"] >= 1
        assert 0.0 <= fields["elapsed"] < 30.0
    assert vars(completed)["attempt"] == 3  # looks


async def test_a_failed_task_is_told_at_info_too(server: PictureServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server.query(enveloped({"taskId": "task-1", "state": "failed", "failMsg": "no"}))
    async with client_of(server) as client:
        with pytest.raises(GenerationFailedError):
            await client.generate("a cat")
    _, failed = ours(caplog)
    assert failed.getMessage().startswith("task task-1 failed")
    assert failed.levelno == logging.INFO
    assert vars(failed).keys() >= EXTRAS


async def test_a_picture_that_is_tried_again_is_told(
    server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.play("/a", answer(500), picture())
    await live(server, tmp_path)
    (again,) = [record for record in ours(caplog) if "trying again" in record.getMessage()]
    assert vars(again)["task_id"] == "task-1"
    assert vars(again)["attempt"] == 1


async def test_nothing_is_printed(server: PictureServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server.play("/a", answer(500), picture())
    await live(server, tmp_path)
    assert capfd.readouterr() == ("", "")


SETUP = """
import logging
before = [logging.getLogger().handlers[:], logging.getLogger().level]
import apimodels_async, apimodels_async._download.downloader
assert [logging.getLogger().handlers, logging.getLogger().level] == before
names = [name for name in logging.root.manager.loggerDict if name.startswith("apimodels_async")]
for name in names:
    logger = logging.getLogger(name)
    assert all(type(each) is logging.NullHandler for each in logger.handlers), logger.handlers
    assert logger.level == logging.NOTSET
    assert logger.propagate
print(names)
"""


def test_the_package_leaves_logging_as_its_user_set_it_up() -> None:
    ran = subprocess.run([sys.executable, "-c", SETUP], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "['apimodels_async']"


class FullDisk(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError(28, "No space left on device")


async def test_a_log_that_cannot_be_written_loses_no_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler, logger = FullDisk(), logging.getLogger("apimodels_async")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        with PictureServer() as server:
            server.create(server.accepted())
            server.query(server.completed(server.play("/a.png", picture())))
            async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", pacing=FixedPacing(0.01)) as client:
                task = await client.create("a")
                outcomes = await client.generate_many(["b", "c"], ledger=tmp_path / "l.db", download_to=tmp_path)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)

    assert task.id == "task-1"
    assert [(outcome.error, len(outcome.files)) for outcome in outcomes] == [(None, 1), (None, 1)]
    assert "No space left on device" in capsys.readouterr().err
