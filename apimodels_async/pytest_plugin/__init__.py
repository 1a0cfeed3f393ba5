"""The pytest plugin: fixtures for tests of programs that use this package. It is found by pytest once installed.

Nothing but pytest is imported here: a suite that uses none of the fixtures does not pay for them.
"""

from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import apimodels_async
    from apimodels_async.pytest_plugin.recording import RecordingGateway, SentRequest

__all__ = [
    "RecordingGateway",
    "SentRequest",
    "apimodels_gateway",
    "async_images_client",
    "images_client",
    "pytest_configure",
]

_MARKER = (
    "apimodels(faults=(), query_faults=(), **options): the faults that the first create requests, and the first "
    "queries, are answered with, such as '429', '500' or 'drop' ('' for none); options of LocalGateway make a gateway "
    "for this test alone."
)


def __getattr__(name: str) -> Any:
    """Import a class when it is used first, by a test that names it in an annotation."""
    if name not in ("RecordingGateway", "SentRequest"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.recording"), name)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker ``apimodels``."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture(scope="session")
def _apimodels_shared_gateway() -> "Iterator[RecordingGateway]":  # pyright: ignore[reportUnusedFunction]
    from apimodels_async.pytest_plugin.recording import RecordingGateway  # noqa: PLC0415  (only where it is used)

    with RecordingGateway() as gateway:
        yield gateway


@pytest.fixture
def apimodels_gateway(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> "Iterator[RecordingGateway]":
    """A gateway on this machine, to which ``APIMODELS_BASE_URL`` and ``APIMODELS_API_KEY`` lead during the test.

    Its tasks take hundredths of a second. All tests share one, unless the marker ``apimodels`` has options for it. What
    it received is in its attributes, from the beginning of the test on.
    """
    from apimodels_async.pytest_plugin.recording import MODEL, RecordingGateway  # noqa: PLC0415

    marker = request.node.get_closest_marker("apimodels")
    options: dict[str, Any] = {} if marker is None else dict(marker.kwargs)
    faults, query_faults = options.pop("faults", ()), options.pop("query_faults", ())
    with ExitStack() as stack:
        if options:
            gateway = stack.enter_context(RecordingGateway(**options))
        else:
            gateway = request.getfixturevalue("_apimodels_shared_gateway")
        gateway.begin(faults, query_faults)
        monkeypatch.setenv("APIMODELS_BASE_URL", gateway.base_url)
        monkeypatch.setenv("APIMODELS_API_KEY", gateway.api_key)
        monkeypatch.setenv("APIMODELS_MODEL", MODEL)
        yield gateway


@pytest.fixture
def images_client(apimodels_gateway: "RecordingGateway") -> "Iterator[apimodels_async.ImagesClient]":
    """An `ImagesClient` of the gateway, which asks often."""
    with apimodels_gateway.sync_client() as client:
        yield client


@pytest.fixture
async def async_images_client(
    apimodels_gateway: "RecordingGateway",
) -> "AsyncIterator[apimodels_async.AsyncImagesClient]":
    """An `AsyncImagesClient` of the gateway, which asks often; for tests with the marker ``anyio``."""
    async with apimodels_gateway.client() as client:
        yield client
