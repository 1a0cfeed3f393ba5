"""Pictures made by the workers of a Dask cluster, from a ledger in PostgreSQL.

It needs the extras ``dask`` and ``postgres``, on the workers as well.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimodels_async.dask.driver import NoWorkersError, make_pictures
    from apimodels_async.shards import ShardEnd, ShardReport

__all__ = ["NoWorkersError", "ShardEnd", "ShardReport", "make_pictures"]

_HOMES = {
    "NoWorkersError": "apimodels_async.dask.driver",
    "ShardEnd": "apimodels_async.shards",
    "ShardReport": "apimodels_async.shards",
    "make_pictures": "apimodels_async.dask.driver",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used first."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
