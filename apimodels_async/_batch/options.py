"""What a batch was asked for, and one request of it."""

import os
from collections.abc import AsyncIterable, Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from apimodels_async._arguments import ArgumentError
from apimodels_async._download.destination import Place, is_url
from apimodels_async._download.names import Naming
from apimodels_async.models import BatchEvent, GenerationRequest, Task

if TYPE_CHECKING:
    from apimodels_async._create.prepare import PreparedRequest
    from apimodels_async._create.quick_slots import Slot
    from apimodels_async.instrumentation.port import Operation

Requests: TypeAlias = Iterable[GenerationRequest | str] | AsyncIterable[GenerationRequest | str]


class BatchOptions(NamedTuple):
    """What a batch was asked for; see ``AsyncImagesClient.batch``."""

    max_in_flight: int
    download_to: Place | None
    budget: float | None
    retry_failed: int
    create_rate: float | None
    poll_rate: float | None
    wait_timeout: float | None
    on_event: Callable[[BatchEvent], object] | None
    sidecar: bool
    outage_timeout: float | None = 300.0
    page: Path | bool | None = None
    allow_unpriced: bool = False
    naming: Naming | None = None


def checked_page(page: str | os.PathLike[str] | bool | None, directory: Place | None) -> Path | bool | None:
    """The page that a batch is asked for.

    Raises:
        ArgumentError: no HTML file, or no folder for one.
    """
    if page and is_url(directory):
        raise ArgumentError("page", "it shows the pictures of a folder, and these go into a store")
    if isinstance(page, bool) or page is None:
        if page and directory is None:
            raise ArgumentError("page", "True needs download_to: give that, or the path of an HTML file")
        return page
    path = Path(page)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError("page", "give the path of an HTML file, such as out/index.html", value=repr(str(path)))
    return path


class Phase(Enum):
    """What an item holds one of the `max_in_flight` slots for."""

    READ = "nothing yet, or nothing more"
    IN_FLIGHT = "it is being created, or its task runs"
    SAVING = "its task has completed, and its pictures are not saved yet"


class Item:
    """One request on its way to its outcome.

    Attributes:
        age: seconds since an earlier run noted its task, where one did.
        cost: US dollars set aside for it.
        key: of its entry in the ledger, if there is one.
        name: of its pictures, as an earlier run chose it.
        found: whether an earlier run may have saved pictures of it.
        files: what was saved.
        operation: its life as instruments and the listener see it, if there are any.
        phase: what it holds a slot for.
        prepared: until it is sent.
        retries: tasks of it that failed and were submitted again.
        saved_bytes: of `files`, as far as they were saved now.
        slot: of its create request, until that has been answered.
        state: as instruments and the listener were last notified.
        weight: bytes of the body of its create request, while that is at hand.
    """

    __slots__ = (
        "age",
        "cost",
        "files",
        "found",
        "index",
        "key",
        "name",
        "operation",
        "phase",
        "prepared",
        "request",
        "retries",
        "saved_bytes",
        "slot",
        "state",
        "task",
        "weight",
    )

    def __init__(self, index: int, request: GenerationRequest) -> None:
        self.index = index
        self.request = request
        self.task: Task | None = None
        self.state: str = ""
        self.retries = 0
        self.age: float | None = None
        self.cost = 0.0
        self.key = ""
        self.operation: Operation | None = None
        self.name: str | None = None
        self.found = False
        self.phase = Phase.READ
        self.files: tuple[Path, ...] = ()
        self.saved_bytes = 0
        self.prepared: PreparedRequest | None = None
        self.slot: Slot | None = None
        self.weight = 0
