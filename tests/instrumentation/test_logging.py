"""The records of the logging instrument: each has the name of its event, and nothing of a prompt."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from apimodels_async import AsyncImagesClient, GenerationRequest
from apimodels_async.gateway import LocalGateway
from apimodels_async.instrumentation import RequestDetails, RetryDetails, get_instruments
from apimodels_async.instrumentation import logging as events
from apimodels_async.pacing import FixedPacing

pytestmark = pytest.mark.anyio


@pytest.fixture
def instrument() -> Iterator[events.LoggingInstrument]:
    yield events.instrument()
    events.uninstrument()


async def test_every_record_has_the_name_of_its_event(
    gateway: LocalGateway, instrument: events.LoggingInstrument, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, logger="apimodels_async.events")
    async with AsyncImagesClient(
        gateway.api_key, base_url=gateway.base_url, model="grok-4.2-image", pacing=FixedPacing(0.05)
    ) as client:
        await client.generate_many(
            [GenerationRequest(prompt, size="64x64") for prompt in ("A secret boat", "Secret contraband")],
            download_to=tmp_path / "out",
            ledger=tmp_path / "ledger",
        )

    records = [each for each in caplog.records if each.name == "apimodels_async.events"]
    names = [vars(each)["event"] for each in records]
    assert set(names) - {"task.state"} == {
        *("task.submitted", "task.completed", "task.failed", "task.downloaded"),
        *("request", "poll", "download", "ledger.write"),
    }
    assert all(each.getMessage().startswith(vars(each)["event"]) for each in records)
    assert not [each for each in records if "ecret" in each.getMessage() or "ecret" in str(vars(each))]
    [completed] = [vars(each) for each in records if vars(each)["event"] == "task.completed"]
    assert completed["state"] == "completed"
    assert completed["cost"] == pytest.approx(0.03)
    assert completed["item"] == 0
    [failed] = [vars(each) for each in records if vars(each)["event"] == "task.failed"]
    assert failed["error"] == "ContentPolicyError"
    assert {each.levelno for each in records if vars(each)["event"].startswith("task.")} == {logging.INFO}
    assert {each.levelno for each in records if vars(each)["event"] == "request"} == {logging.DEBUG}


def test_words_of_a_server_cannot_write_into_a_terminal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    instrument = events.LoggingInstrument(logging.getLogger("mine"))
    instrument.end(RequestDetails("query", "GET", "https://api.example", 200, "id\x1b[2J\nevent=forged"), None)

    [record] = caplog.records
    assert record.getMessage().isprintable()
    assert vars(record)["request_id"] == "id\\x1b[2J\\nevent=forged"


def test_a_retry_is_logged_with_the_type_of_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    events.LoggingInstrument().note(RetryDetails("create", 1, 0.5, ValueError("a secret prompt")), None)

    [record] = caplog.records
    assert record.getMessage() == "retry what=create number=1 pause=0.5 error=ValueError"


def test_nothing_is_formatted_for_a_level_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_fields_of", lambda _: pytest.fail("formatted"))
    logger = logging.getLogger("quiet")
    logger.setLevel(logging.WARNING)
    events.LoggingInstrument(logger).note(RetryDetails("create", 1, 0.5, ValueError("x")), None)


def test_uninstrument_removes_what_instrument_added() -> None:
    made = events.instrument()
    assert get_instruments() == (made,)
    events.uninstrument()
    assert get_instruments() == ()
