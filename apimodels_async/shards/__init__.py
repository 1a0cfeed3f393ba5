"""Shards of a ledger in PostgreSQL: what an engine such as Dask or Ray runs, and what several plain runs share."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apimodels_async.shards.process import run_shard
    from apimodels_async.shards.report import ShardEnd, ShardReport

__all__ = ["ShardEnd", "ShardReport", "run_shard"]

_HOMES = {"ShardEnd": "report", "ShardReport": "report", "run_shard": "process"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is used first: PostgreSQL's library is an extra."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
