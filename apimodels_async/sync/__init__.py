"""The blocking mirror of the async client, for programs that do not await."""

from apimodels_async.sync._batch import Batch
from apimodels_async.sync._client import ImagesClient

__all__ = ["Batch", "ImagesClient"]
