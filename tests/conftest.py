"""What all tests share: both back ends, and a gateway on a real socket."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from apimodels_async.gateway import LocalGateway
from tests.support.postgres import PostgresServer, running
from tests.support.stores import bucket, s3_server
from tests.support.vendor import Vendor


def pytest_configure() -> None:
    """A shell starts what runs in its background with Ctrl-C ignored, and every child would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")  # an example may take any time: the machine may be busy

TESTS = Path(__file__).parent
ONCE = (
    *("cli", "docs", "download", "gateway", "pytest_plugin", "wire"),
    *("client/test_large_pictures.py", "client/test_photos.py", "client/test_secrets.py"),
    *("create/test_inputs.py", "create/test_sources.py", "create/test_verdict.py"),
    *("faults/test_downloads.py", "faults/test_downloads_memory.py", "faults/test_matrix.py"),
    *("http/test_hostile_answers.py", "test_catalogue.py", "test_errors.py", "test_models.py"),
    *("callbacks/test_on_a_server.py", "callbacks/test_stores.py"),
    *("ledger/test_kills.py", "ledger/test_machine.py", "ledger/test_power_cuts.py"),
)
"""What takes long and is no matter of the Python version. What of it runs on trio is not marked."""
HEAVY = (
    *("batch/test_in_virtual_time.py", "batch/test_outages.py", "batch/test_poll_rate.py"),
    *("client/test_called_back_in_virtual_time.py", "create/test_hold.py", "pacing/test_adaptive.py"),
    *("gateway/test_openapi.py", "sync/test_drift.py", "sync/test_processes.py", "test_house.py"),
)
"""What computes all the time: coverage would take two or three times as long, and finds nothing new."""
LONGEST = ("docs/test_examples.py", "batch/test_in_virtual_time.py", "batch/test_poll_rate.py")
"""What has tests of half a minute: at the end of a run, one process would work on them and the others wait."""
MARKED = {"once": ONCE, "heavy": HEAVY}


def has_mark(path: Path, mark: str) -> bool:
    return any(path == TESTS / place or TESTS / place in path.parents for place in MARKED[mark])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what is left out: that alone would take a minute."""
    without = config.option.markexpr.removeprefix("not ").split(" and not ")
    left_out = [mark for mark in without if mark in MARKED and has_mark(collection_path, mark)]
    if not left_out or collection_path.suffix != ".py":
        return None
    on_trio = "trio" not in without and "async def test_" in collection_path.read_text("utf-8")
    return True if left_out != ["once"] or not on_trio else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is run on one Python only, and leave out the fast lane on trio, where there is none. Sort by length."""

    def is_impossible(item: Any) -> bool:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        return given.get("lane") == "fast" and given.get("anyio_backend") == "trio"

    left_out = [item for item in items if is_impossible(item)]
    if left_out:
        items[:] = [item for item in items if not is_impossible(item)]
        config.hook.pytest_deselected(items=left_out)
    longest = {TESTS / place for place in LONGEST}
    items.sort(key=lambda item: item.path not in longest)
    marks = {path: [mark for mark in MARKED if has_mark(path, mark)] for path in {item.path for item in items}}
    for item in items:
        on_trio = hasattr(item, "callspec") and item.callspec.params.get("anyio_backend") == "trio"
        for mark in marks[item.path]:
            if mark != "once" or not on_trio:
                item.add_marker(mark)
        if on_trio:
            item.add_marker("trio")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Everything async runs on both."""
    backend: str = request.param
    return backend


@pytest.fixture(params=["fast", "stock"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The transport of queries and downloads: aiohttp, with the extra `fast`, or httpx's own."""
    wanted: str = request.param
    if wanted == "fast":
        pytest.importorskip("httpx_aiohttp")
    else:
        monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    return wanted


@pytest.fixture(scope="session")
def vendor_of() -> type[Vendor]:
    """The vendor in memory, to be made with what a test needs."""
    return Vendor


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A key in the environment of whoever runs the tests must neither help nor be used."""
    names = "APIMODELS_API_KEY APIMODELS_BASE_URL APIMODELS_MODEL APIMODELS_LEDGER APIMODELS_PRICES"
    for name in names.split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def gateway() -> Iterator[LocalGateway]:
    """A gateway that answers within tenths of a second, for all tests that only use it."""
    with LocalGateway(latency="0.1/0.2", balance=1000.0) as running:
        yield running


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """The settings for a server that speaks S3. There is one: fsspec keeps the clients that it makes."""
    with s3_server() as environment:
        yield environment


@pytest.fixture
def s3(s3_environment: dict[str, str]) -> Iterator[str]:
    """The URL of an empty bucket."""
    with bucket(s3_environment) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for all tests that only use it."""
    with running(settings=("fsync = off",)) as server:  # what the system has is enough where it does not crash
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> str:
    """The URL of a new, empty database."""
    return postgres_server.database()
