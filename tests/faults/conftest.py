"""Over what the queries and downloads of these tests go: aiohttp, with the extra `fast`, or httpx's own transport."""

import sys
from typing import Any

import pytest


@pytest.fixture(params=["fast", "stock"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the extra, as it is installed for the tests, and as if it were not."""
    wanted: str = request.param
    if wanted == "fast":
        pytest.importorskip("httpx_aiohttp")
    else:
        monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    return wanted


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On trio there is but one."""

    def of_no_use(item: Any) -> bool:
        given = item.callspec.params if hasattr(item, "callspec") else {}
        return given.get("lane") == "fast" and given.get("anyio_backend") == "trio"

    left_out = [item for item in items if of_no_use(item)]
    if left_out:
        items[:] = [item for item in items if not of_no_use(item)]
        config.hook.pytest_deselected(items=left_out)
