"""How long the steps of an exchange may take."""

from functools import cached_property
from typing import TypeAlias

import httpx

Timeout: TypeAlias = httpx.Timeout

DEFAULT_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""For one exchange, seconds. The answers to creates and queries have read timeouts of their own."""
CREATE_READ = 300.0
"""Seconds: some models answer a create request only when the picture is done."""
QUERY_READ = 10.0
"""Seconds: a query that is answered later than that went into a dead connection, and is worth another."""


class Timeouts:
    """Those of one client.

    Args:
        given: by the caller: for everything. `DEFAULT_TIMEOUT` itself stands for none.
    """

    def __init__(self, given: float | httpx.Timeout | None) -> None:
        self._given = given

    @cached_property
    def other(self) -> httpx.Timeout:
        """For uploads and downloads."""
        return self._given if isinstance(self._given, httpx.Timeout) else httpx.Timeout(self._given)

    @cached_property
    def create(self) -> httpx.Timeout:
        """For creates."""
        return self.other if self._given is not DEFAULT_TIMEOUT else httpx.Timeout(30.0, connect=10.0, read=CREATE_READ)

    @cached_property
    def query(self) -> httpx.Timeout:
        """For queries."""
        return self.other if self._given is not DEFAULT_TIMEOUT else httpx.Timeout(30.0, connect=10.0, read=QUERY_READ)

    @cached_property
    def whole_query(self) -> float | None:
        """For a whole query, seconds."""
        return whole(self.query)


_LARGE, _SLOWEST = 4 << 20, 32 << 10
"""Bytes of a body that needs no more time than others, and bytes a second of the slowest line."""


def for_size(size: int) -> float:
    """Seconds that a body of `size` bytes may take besides, over a slow line."""
    return max(0, size - _LARGE) / _SLOWEST


def whole(timeout: httpx.Timeout) -> float | None:
    """Seconds for a whole exchange: httpx bounds each step, and an answer that drips takes any number of steps."""
    steps = (timeout.connect, timeout.read, timeout.write, timeout.pool)
    return None if None in steps else sum(step for step in steps if step is not None)
