"""What a batch was asked for, and one request of it."""

from collections.abc import AsyncIterable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import anyio

from apimodels_async.models import BatchEvent, GenerationRequest, Task

if TYPE_CHECKING:
    from apimodels_async._create.prepare import PreparedRequest

Requests: TypeAlias = Iterable[GenerationRequest | str] | AsyncIterable[GenerationRequest | str]


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
    outage_timeout: float | None = 300.0


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
