"""The ways in which a client reaches a server: over aiohttp, over httpx, and on trio."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LANES = (("fast", "asyncio"), ("stock", "asyncio"), ("stock", "trio"))
"""Transport and back end."""


@contextmanager
def on_lane(lane: str) -> Iterator[None]:
    """Requests go over aiohttp where they may (``fast``), or over httpx (``stock``)."""
    modules: dict[str, Any] = sys.modules
    if lane == "fast":
        yield
        return
    there = modules.get("httpx_aiohttp")
    modules["httpx_aiohttp"] = None  # as if it were not installed
    try:
        yield
    finally:
        del modules["httpx_aiohttp"]
        if there is not None:
            modules["httpx_aiohttp"] = there
