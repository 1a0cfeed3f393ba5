"""No log record holds what a terminal or a log file would obey."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import apimodels_async.gateway.results
import apimodels_async.gateway.workers  # noqa: F401  (loggers of their own)

NASTY = "x\n2026-01-01 INFO forged\x1b[31m\x9b\u202e"


@pytest.mark.parametrize(
    "name", ["apimodels_async", "apimodels_async.gateway.workers", "apimodels_async.gateway.results"]
)
@pytest.mark.parametrize("value", [NASTY, ValueError(NASTY), Path(NASTY), [NASTY], b"\n"])
def test_a_record_is_one_line_whatever_its_arguments_are(
    caplog: pytest.LogCaptureFixture, name: str, value: object
) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger(name).info("task %s, %d", value, 5, extra={"task_id": NASTY, "model": NASTY})
    (record,) = caplog.records
    assert record.getMessage().isprintable()
    assert record.getMessage().endswith(", 5")
    assert vars(record)["task_id"].isprintable()
    assert vars(record)["model"].isprintable()


def test_a_message_without_arguments_is_one_line_too(caplog: pytest.LogCaptureFixture) -> None:
    message = f"100 % of {NASTY}"
    with caplog.at_level(logging.INFO):
        logging.getLogger("apimodels_async").info(message)
    assert caplog.records[0].getMessage().startswith("100 % of x\\n2026")
    assert caplog.records[0].getMessage().isprintable()


def test_the_message_itself_stays_so_that_records_can_be_grouped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("apimodels_async").info("task %s", NASTY)
    assert caplog.records[0].msg == "task %s"


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.parametrize("name", ["apimodels_async", "apimodels_async.gateway.workers"])
@pytest.mark.parametrize("arguments", [(UnspeakableError(),), ([UnspeakableError()],), (1, 2)])
def test_an_argument_that_cannot_be_shown_ends_nothing(
    caplog: pytest.LogCaptureFixture, name: str, arguments: tuple[object, ...]
) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger(name).info("pacing: %s", *arguments)
    assert caplog.records[0].getMessage().startswith("pacing: %s (its arguments cannot be shown: ")


class Raises(logging.Handler):
    """As a handler, and as a filter."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def emit(self, record: logging.LogRecord) -> None:
        raise self.error

    def refuse(self, record: logging.LogRecord) -> bool:
        raise self.error


@contextmanager
def raising(name: str, error: BaseException, *, in_a_filter: bool = False) -> Iterator[logging.Logger]:
    """A logger of which a handler or a filter raises an error."""
    logger, handler = logging.getLogger(name), Raises(error)
    add, remove = (logger.addFilter, logger.removeFilter) if in_a_filter else (logger.addHandler, logger.removeHandler)
    what: Any = handler.refuse if in_a_filter else handler
    add(what)
    yield logger
    remove(what)


@pytest.mark.parametrize("in_a_filter", [False, True])
@pytest.mark.parametrize("name", ["apimodels_async", "apimodels_async.gateway.workers"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SystemExit(3), RuntimeError("broken")])
def test_a_handler_that_raises_ends_nothing_and_is_told(
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    name: str,
    error: BaseException,
    in_a_filter: bool,
) -> None:
    with raising(name, error, in_a_filter=in_a_filter) as logger, caplog.at_level(logging.INFO):
        logger.info("task %s", "t1")

    assert type(error).__name__ in capsys.readouterr().err


def test_ctrl_c_in_a_handler_is_ctrl_c(caplog: pytest.LogCaptureFixture) -> None:
    with (
        raising("apimodels_async", KeyboardInterrupt()) as logger,
        caplog.at_level(logging.INFO),
        pytest.raises(KeyboardInterrupt),
    ):
        logger.info("task %s", "t1")
