"""Changes of ledger entries, for tests."""

from collections.abc import Mapping
from typing import Any

from apimodels_async.ledger import Step
from apimodels_async.ledger.port import Change

ANY_STEP = frozenset(Step)


def begun(key: str, digest: str = "d" * 64, model: str = "m", request: Mapping[str, Any] | None = None) -> Change:
    """A new entry."""
    return Change(key, Step.INTENT, digest, model, {"prompt": key} if request is None else request)


def put(key: str, step: Step) -> list[Change]:
    """An entry at a step, whatever leads there."""
    return [begun(key), Change(key, step, before=ANY_STEP)]
