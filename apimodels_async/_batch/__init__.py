"""Batches of requests. What a client takes from here is imported when it is used first: many never make a batch."""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async._batch.batch import Batch
    from apimodels_async._batch.options import BatchOptions, checked_page

__all__ = ["Batch", "BatchOptions", "checked_page"]

__getattr__: _lazy.Find = _lazy.names(
    __name__, {"Batch": "batch", "BatchOptions": "options", "checked_page": "options"}
)
