"""What all tests share: both back ends, and a gateway on a real socket."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from apimodels_async.gateway import LocalGateway


def pytest_configure() -> None:
    """A shell starts what runs in its background with Ctrl-C ignored, and every child would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


TESTS = Path(__file__).parent
ONCE = (
    *("cli", "docs", "gateway"),
    *("callbacks/test_on_a_server.py", "callbacks/test_stores.py"),
    *("ledger/test_kills.py", "ledger/test_power_cuts.py"),
    "rules/test_pacing_adaptive.py",
)
"""What takes long and is no matter of the Python version."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is run on one Python only."""
    once = [TESTS / place for place in ONCE]
    for item in items:
        if any(item.path == place or place in item.path.parents for place in once):
            item.add_marker("once")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Everything async runs on both."""
    backend: str = request.param
    return backend


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A key in the environment of whoever runs the tests must neither help nor be used."""
    for name in ("APIMODELS_API_KEY", "APIMODELS_BASE_URL", "APIMODELS_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def gateway() -> Iterator[LocalGateway]:
    """A gateway that answers within tenths of a second, for all tests that only use it."""
    with LocalGateway(latency="0.1/0.2", balance=1000.0) as running:
        yield running
