"""The words of a batch: what it takes, what it was asked for, what it uses of its client, and one request of it."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import anyio

from apimodels_async._create.journal import Journal
from apimodels_async._create.prepare import PreparedRequest
from apimodels_async._limits import Rate
from apimodels_async._poll.poller import Poller
from apimodels_async.ledger.entries import Entry
from apimodels_async.models import BatchEvent, GenerationRequest, Task
from apimodels_async.pacing import Pacing

Requests: TypeAlias = Iterable[GenerationRequest | str] | AsyncIterable[GenerationRequest | str]


class Tools(NamedTuple):
    """What a batch uses of its client."""

    weigh: Callable[[GenerationRequest], Awaitable[int]]
    prepare: Callable[[GenerationRequest], Awaitable[PreparedRequest]]
    send: Callable[[PreparedRequest, Callable[[Task], object], Journal | None], Awaitable[Task]]
    model_of: Callable[[GenerationRequest], str]
    poller: Poller
    pacing: Pacing
    create_rate: Rate
    download: Callable[[Task, Path], Awaitable[list[Path]]]
    recover_by_callback: Callable[[Entry], Awaitable[Task | None]]


class Options(NamedTuple):
    """What a batch was asked for; see ``AsyncImagesClient.batch``."""

    max_in_flight: int
    download_to: Path | None
    budget: float | None
    retry_failed: int
    create_rate: float | None
    poll_rate: float | None
    wait_timeout: float | None
    on_event: Callable[[BatchEvent], object] | None
    sidecar: bool


class Item:
    """One request on its way to its outcome.

    Attributes:
        cost: US dollars set aside for it.
        key: of its entry in the ledger, if there is one.
        prepared: until it is sent.
        state: as last told to the listener.
        weight: bytes of the body of its create, while that is at hand.
    """

    __slots__ = ("cost", "index", "key", "prepared", "request", "retries", "state", "task", "weight")

    def __init__(self, index: int, request: GenerationRequest) -> None:
        self.index = index
        self.request = request
        self.task: Task | None = None
        self.state: str = ""
        self.retries = 0
        self.cost = 0.0
        self.key = ""
        self.prepared: PreparedRequest | None = None
        self.weight = 0


class Slot:
    """A place among the quick creates, given back once: when the create ends, or when it proves not to be quick."""

    def __init__(self, places: anyio.Semaphore) -> None:
        self._places = places
        self._given = False

    async def give_up_after(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        self.give_up()

    def give_up(self) -> None:
        if not self._given:
            self._given = True
            self._places.release()
