"""Pictures made by the workers of a Dask cluster, from a ledger in PostgreSQL.

It needs the extras ``dask`` and ``postgres``, on the workers as well.
"""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async.dask.driver import NoWorkersError, make_pictures
    from apimodels_async.shards import ShardEnd, ShardReport

__all__ = ["NoWorkersError", "ShardEnd", "ShardReport", "make_pictures"]

__getattr__: _lazy.Find = _lazy.names(
    __name__,
    {
        "NoWorkersError": "driver",
        "ShardEnd": ".shards",
        "ShardReport": ".shards",
        "make_pictures": "driver",
    },
)
