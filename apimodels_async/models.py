"""The values the SDK takes and gives: requests, tasks and outcomes. Frozen, and free of any I/O."""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, StrEnum
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from attrs import field, fields, frozen

from apimodels_async import _validators as valid
from apimodels_async._arguments import ArgumentError
from apimodels_async._json_values import error_value, json_value, picture_value
from apimodels_async._reprs import brief, origin_of, safe_repr, shorten_links

__all__ = [
    "UNSET",
    "BatchEvent",
    "BatchStats",
    "GenerationRequest",
    "ImageInput",
    "Outcome",
    "OutputFormat",
    "Picture",
    "Quality",
    "SupportsAsyncRead",
    "SupportsOpen",
    "SupportsReadBytes",
    "SupportsSave",
    "Task",
    "TaskState",
    "Unset",
]

_T = TypeVar("_T")


class Unset(Enum):
    """Stands for an argument that was left out, where ``None`` already means something."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""What an argument is that was left out."""


class TaskState(StrEnum):
    """The states the vendor documents. A state outside this list is kept as the plain string it came as."""

    PENDING = "pending"
    """Queued, waiting to start."""
    PROCESSING = "processing"
    """The picture is being made."""
    COMPLETED = "completed"
    """Done: the pictures' links are there. Terminal."""
    FAILED = "failed"
    """The generation failed and is not billed. Terminal."""


_PICTURES: tuple[str, ...] = ("image", "images", "mask")
_TERMINAL_STATES = frozenset({TaskState.COMPLETED, TaskState.FAILED})


@runtime_checkable
class SupportsSave(Protocol):
    """Anything with Pillow's ``Image.save(file, format)``, so that Pillow itself is not a dependency."""

    def save(self, fp: IO[bytes], format: str) -> object:  # noqa: A002  (Pillow's own name)
        """Write the picture to `fp` in `format` ("PNG")."""


@runtime_checkable
class SupportsAsyncRead(Protocol):
    """A binary file whose ``read`` is awaited: ``UploadFile`` of FastAPI and Starlette, files of aiofiles and anyio."""

    async def read(self, size: int = -1, /) -> bytes:
        """Read up to `size` bytes, or all."""
        ...


@runtime_checkable
class SupportsReadBytes(Protocol):
    """A file that is no `os.PathLike`: ``zipfile.Path``, a resource of `importlib.resources`."""

    def read_bytes(self) -> bytes:
        """Read the whole file."""
        ...


@runtime_checkable
class SupportsOpen(Protocol):
    """A file that is opened first: ``OpenFile`` of fsspec, and paths of other file systems."""

    def open(self) -> Any:
        """Open it; with the mode ``"rb"`` if it takes one."""


ImageInput: TypeAlias = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | IO[bytes]
    | SupportsAsyncRead
    | SupportsReadBytes
    | SupportsOpen
    | SupportsSave
)
"""A picture: an ``http(s)`` URL, a ``data:`` URI, a path, bytes, a binary file (also one that is awaited), or a Pillow
image."""

Quality: TypeAlias = Literal["low", "medium", "high", "auto", "max", "standard", "hd"] | str
"""How much care a picture gets, where the model lets it be chosen. A few models have words of their own."""
OutputFormat: TypeAlias = Literal["png", "jpeg", "webp"]
"""The file format of the pictures that come back."""


@frozen(kw_only=True)
class Task:
    """What the server last said about one generation task.

    Attributes:
        id: the task id; ``None`` only for a picture that came straight back in OpenAI's shape.
        state: a `TaskState`, or the server's own word where it is not one of the documented four.
        result_urls: links to the pictures, deleted by the vendor after 7 days. A picture that came inside the
            answer is a ``data:`` URI here.
        model: the model id, where the server or the request names it.
        create_time: when the server accepted the task (aware, UTC).
        complete_time: when the task ended (aware, UTC).
        fail_code: the server's code for a failure, such as ``CONTENT_MODERATION``.
        fail_msg: the server's words for a failure.
        retryable: whether the server says that a failed task is worth another try, where it says so.
        raw: the ``data`` object as it came, unknown fields and all. Not part of equality.
    """

    id: str | None
    state: TaskState | str
    result_urls: tuple[str, ...] = field(default=(), repr=shorten_links)
    model: str | None = None
    create_time: datetime | None = None
    complete_time: datetime | None = None
    fail_code: str | None = None
    fail_msg: str | None = None
    retryable: bool | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)

    __repr__ = safe_repr

    @property
    def is_terminal(self) -> bool:
        """Whether the task has ended: completed or failed. An unknown state has not."""
        return self.state in _TERMINAL_STATES

    def to_dict(self) -> dict[str, Any]:
        """All ten fields by name, as values that ``json.dumps`` takes: times in ISO 8601, `result_urls` as a list."""
        return {each.name: json_value(getattr(self, each.name)) for each in fields(Task)}


@frozen
class GenerationRequest:
    """One request for pictures: a prompt and the parameters of ``create``, checked when it is made.

    Attributes:
        prompt: what to paint.
        model: the model id, ``provider/name`` or short; ``None`` takes the client's.
        size: pixels, ``"WIDTHxHEIGHT"``; some models take ``"2K"``, ``"4K"`` or ``"auto"``.
        n: number of pictures, at least 1. The server's default is one.
        image: one picture to edit.
        images: several pictures to edit or to fuse.
        mask: which part of `image` to replace; a local picture of the same pixel size.
        callback_url: where the server POSTs once when the task has ended.
        aspect_ratio: ``"16:9"``; some models take ``"auto"``, ``"match_input_image"`` or ``"custom"``.
        resolution: ``"1K"``, ``"2K"`` or ``"4K"``, any case; some models take others, as ``"512"``.
        quality: ``"low"``, ``"medium"``, ``"high"`` or ``"auto"``; some models take others, as ``"max"``.
        output_format: ``"png"``, ``"jpeg"`` or ``"webp"``.
        seed: a whole number; the same seed asks for the same picture.
        extra_body: request fields this SDK does not know, merged over the others.

    Raises:
        TypeError: an argument of the wrong kind.
        ValueError: an argument the server could not accept; the message says what would be right.
    """

    prompt: str = field(validator=valid.text)
    model: str | None = field(default=None, kw_only=True, validator=valid.text)
    size: str | None = field(default=None, kw_only=True, validator=valid.size)
    n: int | None = field(default=None, kw_only=True, validator=valid.whole_number(1))
    image: ImageInput | None = field(default=None, kw_only=True, validator=valid.picture, repr=brief)
    images: Sequence[ImageInput] | None = field(
        default=None, kw_only=True, converter=valid.as_tuple, validator=valid.pictures, repr=brief
    )
    mask: ImageInput | None = field(default=None, kw_only=True, validator=valid.picture, repr=brief)
    callback_url: str | None = field(default=None, kw_only=True, validator=valid.callback_url, repr=origin_of)
    aspect_ratio: str | None = field(default=None, kw_only=True, validator=valid.aspect_ratio)
    resolution: str | None = field(default=None, kw_only=True, validator=valid.resolution)
    quality: Quality | None = field(default=None, kw_only=True, validator=valid.quality)
    output_format: OutputFormat | None = field(
        default=None, kw_only=True, validator=valid.one_of("png", "jpeg", "webp")
    )
    seed: int | None = field(default=None, kw_only=True, validator=valid.whole_number(None))
    extra_body: Mapping[str, Any] | None = field(default=None, kw_only=True, validator=valid.json_mapping)

    __repr__ = safe_repr

    def to_dict(self) -> dict[str, Any]:
        """The fields that are given, by name, as values that ``json.dumps`` takes.

        Of a picture, its URL or its path; of one that is here, what it is. A callback URL without its path, which may
        hold a token.
        """
        given = {each.name: getattr(self, each.name) for each in fields(GenerationRequest)}
        shown = {name: picture_value(given[name]) for name in _PICTURES if given[name] is not None}
        view = given | shown | {"callback_url": self.callback_url and origin_of(self.callback_url)[1:-1]}
        return {name: json_value(value) for name, value in view.items() if value is not None}

    def __attrs_post_init__(self) -> None:
        """Check what concerns several arguments at once."""
        if self.image is not None and self.images is not None:
            raise ArgumentError("image and images", "give one of the two")
        if self.mask is not None:
            if self.image is None and self.images is None:
                raise ArgumentError("mask", "give the image it belongs to as well")
            if isinstance(self.mask, str) and re.fullmatch(valid.URL, self.mask):
                raise ArgumentError("mask", "is a URL, which the server does not take: give the mask's path or bytes")


@frozen(kw_only=True)
class Picture:
    """A finished picture as `fetch` returns it.

    Attributes:
        data: the file.
        media_type: of the file, by its first bytes: ``image/png``, …
        url: the link it came from.
    """

    data: bytes = field(repr=brief)
    media_type: str
    url: str = field(repr=brief)
    __repr__ = safe_repr


@frozen(kw_only=True)
class Outcome:
    """What became of one request of a batch.

    Attributes:
        index: the request's position in the input, from 0.
        request: the request.
        task: the last known task, if the server ever accepted one.
        error: what went wrong, if anything did.
        files: where the pictures were saved.
    """

    index: int
    request: GenerationRequest
    task: Task | None = None
    error: Exception | None = None
    files: tuple[Path, ...] = ()

    __repr__ = safe_repr

    @property
    def ok(self) -> bool:
        """Whether the pictures are there and nothing went wrong."""
        return self.error is None and self.task is not None and self.task.state == TaskState.COMPLETED

    def to_dict(self) -> dict[str, Any]:
        """`ok` and the five fields by name, as values that ``json.dumps`` takes.

        Request and task as by their own `to_dict`; the error as its ``class``, ``message`` and ``task_id``.
        """
        return {
            "index": self.index,
            "ok": self.ok,
            "request": self.request.to_dict(),
            "task": None if self.task is None else self.task.to_dict(),
            "error": error_value(self.error),
            "files": [str(path) for path in self.files],
        }


class BatchStats(NamedTuple):
    """How far a batch is. Counts are of requests, unless it says otherwise.

    Attributes:
        read: taken from the input so far.
        submitted: accepted by the server.
        in_flight: being created, or accepted and not yet ended.
        saving: completed, and their pictures not saved yet. They count against `max_in_flight` as well.
        completed: tasks that completed.
        failed: ended with an error: refused, failed, timed out, never sent, not saved.
        unknown: of those, how many may or may not have been accepted.
        polls: queries made.
        bytes: of pictures saved.
        spent: US dollars, estimated by the catalogue's prices: completed tasks, those that are unknown, and those
            that go on although no call waits for them any more.
        matched: with a ledger, how many requests an earlier run had begun.
        waiting: create requests that are held back because the server takes none. They count as `in_flight` too.
        outage: seconds for which the server has taken no create request of the batch; 0 while it takes them.
        unpriced: sent without a known price, and so not in `spent`.
        uploaded: bytes of large pictures sent.
    """

    read: int = 0
    submitted: int = 0
    in_flight: int = 0
    completed: int = 0
    failed: int = 0
    unknown: int = 0
    polls: int = 0
    bytes: int = 0
    spent: float = 0.0
    matched: int = 0
    saving: int = 0
    waiting: int = 0
    outage: float = 0.0
    unpriced: int = 0
    uploaded: int = 0


@frozen
class BatchEvent:
    """Something that happened in a batch.

    Attributes:
        kind: ``uploading`` (a large picture is on its way), ``submitted`` (the server took it), ``state`` (it changed),
            ``completed``, ``failed`` (with an error of any kind), ``downloaded``.
        index: the request's position in the input, from 0.
        task: as it is now, where there is one.
        error: with ``failed``.
        sent: with ``uploading``, bytes so far of the picture, or of the request with it.
        size: with ``uploading``, all of these bytes.
    """

    kind: Literal["uploading", "submitted", "state", "completed", "failed", "downloaded"]
    index: int
    task: Task | None
    error: Exception | None = None
    sent: int = 0
    size: int = 0

    __repr__ = safe_repr
