"""Batches of requests. What a client takes from here is imported when it is used first: many never make a batch."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimodels_async._batch.batch import Batch
    from apimodels_async._batch.options import BatchOptions, checked_page

__all__ = ["Batch", "BatchOptions", "checked_page"]

_HOMES = {"Batch": "batch", "BatchOptions": "options", "checked_page": "options"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
