"""The async client's behaviour tests, the very same functions, against the mirror."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.sync.awaited import AwaitedClient

CLIENT = Path(__file__).parents[1] / "client"
FILES = ("test_against_the_gateway.py", "test_what_is_sent.py")

pytestmark = pytest.mark.anyio


def load(path: Path) -> ModuleType:
    """The tests in `path`, with another class where they say `AsyncImagesClient`."""
    spec = importlib.util.spec_from_file_location(f"mirrored_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert hasattr(module, "AsyncImagesClient")
    module.AsyncImagesClient = AwaitedClient  # type: ignore[attr-defined]
    return module


def borrow(module: ModuleType) -> dict[str, Any]:
    return {
        name: member
        for name, member in vars(module).items()
        if name.startswith("test_") or type(member).__name__ == "FixtureFunctionDefinition" or _is_old_fixture(member)
    }


def _is_old_fixture(member: object) -> bool:
    return hasattr(member, "_pytestfixturefunction")  # before pytest 8.4


BORROWED = [borrow(load(CLIENT / name)) for name in FILES]
for borrowed in BORROWED:
    globals().update(borrowed)


def test_none_hides_another() -> None:
    names = [name for borrowed in BORROWED for name in borrowed]
    assert len(names) == len(set(names)) >= 40
    assert "client" in names
