"""Access logs show no token."""

import logging
from typing import Any

import pytest

from apimodels_async.callbacks import CallbackReceiver, HideCallbackTokens


@pytest.fixture
def token(receiver: CallbackReceiver) -> tuple[str, str]:
    _, url = receiver.issue()
    return url.removeprefix("https://example.com"), url.rpartition("/")[2]


def written(caplog: pytest.LogCaptureFixture, message: Any, *arguments: Any) -> logging.LogRecord:
    logger = logging.getLogger("some.access")
    hide = HideCallbackTokens()
    logger.addFilter(hide)
    try:
        with caplog.at_level(logging.INFO):
            logger.info(message, *arguments)
    finally:
        logger.removeFilter(hide)
    return caplog.records[-1]


def test_uvicorns_line_keeps_its_five_parts(caplog: pytest.LogCaptureFixture, token: tuple[str, str]) -> None:
    path, secret = token
    record = written(caplog, '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "POST", path, "1.1", 200)

    assert secret not in record.getMessage()
    assert secret not in repr(vars(record))
    assert isinstance(record.args, tuple)
    assert len(record.args) == 5
    from uvicorn.logging import AccessFormatter

    line = AccessFormatter('%(client_addr)s "%(request_line)s" %(status_code)s', use_colors=False).format(record)
    assert secret not in line
    assert "POST /callbacks/k1/" in line


class Atoms(dict[str, Any]):
    """gunicorn makes up what is asked for."""

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if name in self else "-"


def test_gunicorns_line(caplog: pytest.LogCaptureFixture, token: tuple[str, str]) -> None:
    path, secret = token
    record = written(caplog, '%(h)s "%(r)s" %(s)s %({x}i)s 100%%', Atoms(h="1", r=f"POST {path} HTTP/1.1", s=200))

    assert secret not in record.getMessage()
    assert record.getMessage().endswith('HTTP/1.1" 200 - 100%')


def test_a_line_that_is_one_text_or_no_text(caplog: pytest.LogCaptureFixture, token: tuple[str, str]) -> None:
    path, secret = token

    assert secret not in written(caplog, f"POST {path} 100%").getMessage()
    assert written(caplog, ValueError("x")).getMessage() == "x"
