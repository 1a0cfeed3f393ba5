"""The blocking mirror of the async client, for programs that do not await."""

from typing import TYPE_CHECKING, Any

from apimodels_async.sync.batch import Batch
from apimodels_async.sync.client import ImagesClient

if TYPE_CHECKING:
    from apimodels_async.sync.receiver import CallbackReceiver

__all__ = ["Batch", "CallbackReceiver", "ImagesClient"]


def __getattr__(name: str) -> Any:
    """Load the receiver on first use: most programs do not need it."""
    if name == "CallbackReceiver":
        from apimodels_async.sync.receiver import CallbackReceiver  # noqa: PLC0415

        return CallbackReceiver
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
