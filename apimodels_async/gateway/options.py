"""The options of the gateway, for functions that pass them on, and what they must be."""

import os
import random
from collections.abc import Awaitable, Callable, Collection
from typing import TypedDict

from apimodels_async._arguments import ArgumentTypeError
from apimodels_async.gateway.activity import RequestRecord
from apimodels_async.gateway.latency import Latency
from apimodels_async.gateway.received import OnRequest
from apimodels_async.gateway.results import Paint

__all__ = ["Options"]


class Options(TypedDict, total=False):
    """The keyword arguments of `create_app`, for functions that pass them on."""

    store: str | os.PathLike[str] | None
    api_keys: Collection[str]
    latency: Latency | str
    balance: float
    errors_in_envelope: bool
    paint: Paint | None
    callback_hosts: Collection[str]
    allowed_hosts: Collection[str]
    keep: float
    any_model: bool
    faults: str
    on_request: OnRequest | None
    cors: Collection[str]
    on_answer: Callable[[RequestRecord], object] | None
    max_body: int | None
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    rng: random.Random | None


def check_random(rng: object) -> None:
    """Refuse what draws no numbers.

    Raises:
        ArgumentTypeError: naming the option.
    """
    if rng is not None and not callable(getattr(rng, "getrandbits", None)):
        raise ArgumentTypeError("rng", f"is a {type(rng).__name__}: give a random.Random")
