"""Shards of a ledger in PostgreSQL: what an engine such as Dask or Ray runs, and what several plain runs share."""

from typing import TYPE_CHECKING

from apimodels_async import _lazy

if TYPE_CHECKING:
    from apimodels_async.shards.process import run_shard
    from apimodels_async.shards.report import ShardEnd, ShardReport

__all__ = ["ShardEnd", "ShardReport", "run_shard"]

__getattr__: _lazy.Find = _lazy.names(__name__, {"ShardEnd": "report", "ShardReport": "report", "run_shard": "process"})
