"""Pictures in open files, including files whose methods are coroutines.

Both kinds share one generator. It yields what a method of the file returned and receives the value: a thread sends it
back unchanged, the event loop awaits it first.
"""

import inspect
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import anyio
from attrs import evolve

from apimodels_async._arguments import ArgumentError, ArgumentTypeError, BadArgument
from apimodels_async._create.format_check import check_head
from apimodels_async._wire.picture_formats import HEAD
from apimodels_async.models import GenerationRequest, ImageInput

RESTORED_WITHIN = 1.0
"""Maximum seconds for restoring the position of a file whose reading was cancelled."""


@contextmanager
def foreign_errors(argument: str, what: str) -> Generator[None]:
    """Turn any error of a caller's object into an error that names the argument.

    Raises:
        ValueError: names `argument`; its message begins with `what`.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, BadArgument):
            raise
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise ArgumentError(argument, f"{what} ({reason})") from error


class _Reading:
    """Reads one picture from a file and then restores its position, so that the next request can read it too.

    A file at its end was just written or already read, so it is read from its beginning.
    """

    def __init__(self, file: Any, argument: str) -> None:
        self.file = file
        self.argument = argument
        self.start: int | None = None

    def steps(self) -> Generator[Any, Any, bytes]:
        self.start = begin = yield from self._position()
        head = yield from self._first_bytes()
        if not head and begin:
            begin = 0
            yield self.file.seek(0)
            head = yield from self._first_bytes()
        if self.start is None:
            if not head:
                raise ArgumentError(self.argument, "has no bytes left: it is empty, or has been read before")
            check_head(head, self.argument)
            return head + (yield from self._rest())
        try:
            check_head(head, self.argument)
        except ArgumentError:
            yield self.file.seek(self.start)
            raise
        yield self.file.seek(begin)  # read in one piece: joining would hold a large picture twice
        data = yield from self._rest()
        yield self.file.seek(self.start)
        return data

    def _rest(self) -> Generator[Any, Any, bytes]:
        """Read to the end. Some files, such as those over a network, give less than that at once."""
        pieces = [self._bytes((yield self.file.read()))]
        while pieces[-1]:
            pieces.append(self._bytes((yield self.file.read())))
        return pieces[0] if len(pieces) < 3 else b"".join(pieces)  # most come in one piece, which is not copied

    def _position(self) -> Generator[Any, Any, int | None]:
        """Return the position of the file, or ``None`` if it is not seekable."""
        tell = getattr(self.file, "tell", None) or getattr(getattr(self.file, "file", None), "tell", None)
        if tell is None or not hasattr(self.file, "seek"):
            return None
        seekable = getattr(self.file, "seekable", None)
        if seekable is not None and not (yield seekable()):
            return None
        position: int = yield tell()
        return position

    def _first_bytes(self) -> Generator[Any, Any, bytes]:
        head = b""
        while len(head) < HEAD:
            piece = self._bytes((yield self.file.read(HEAD - len(head))))
            if not piece:
                break
            head += piece
        return head

    def _bytes(self, piece: object) -> bytes:
        if isinstance(piece, bytes):
            return piece
        if inspect.iscoroutine(piece):
            piece.close()
            raise ArgumentTypeError(self.argument, "is a file that has to be awaited: give what its read() returns")
        raise ArgumentTypeError(self.argument, f"the file gives {type(piece).__name__}; open it in binary mode")


class _Data(NamedTuple):
    """The bytes that were read; returned after the last step."""

    data: bytes


def _next(steps: Generator[Any, Any, bytes], value: object) -> Any:
    """Send the value of the last step, and return the next step or the data."""
    try:
        return steps.send(value)
    except StopIteration as end:
        return _Data(end.value)


class _InUse:
    """Locks for the files being read, so that two requests never read one file at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[int, tuple[Any, int]] = {}

    @contextmanager
    def lock(self, file: object, kind: Any) -> Generator[Any]:
        """Return the lock of a file. It exists as long as it is held or awaited."""
        with self._guard:
            lock, users = self._locks.get(id(file)) or (kind(), 0)
            self._locks[id(file)] = lock, users + 1
        try:
            yield lock
        finally:
            with self._guard:
                _, users = self._locks.pop(id(file))
                if users > 1:
                    self._locks[id(file)] = lock, users - 1


_IN_USE = _InUse()


@contextmanager
def alone(thing: object) -> Generator[None]:
    """Use a caller's object in one thread at a time."""
    with _IN_USE.lock(thing, threading.Lock) as lock, lock:
        yield


def read_file(file: Any, argument: str) -> bytes:
    """Read a picture from an open file and restore its position. Blocking.

    Raises:
        TypeError: a text file.
        ValueError: the first bytes are not those of a picture, or the file cannot be read.
    """
    with foreign_errors(argument, "the file cannot be read"), alone(file):
        steps = _Reading(file, argument).steps()
        step: Any = None
        while not isinstance(step, _Data):
            step = _next(steps, step)
        return step.data


def is_awaited(image: object) -> bool:
    """Whether a picture is an open file whose `read` is a coroutine function."""
    return inspect.iscoroutinefunction(getattr(image, "read", None))


async def read_awaited(image: ImageInput, argument: str) -> ImageInput:
    """Return the bytes of a file whose methods are coroutines. Everything else is returned unchanged.

    Raises:
        TypeError, ValueError: as `read_file`.
    """
    if not is_awaited(image):
        return image
    with foreign_errors(argument, "the file cannot be read"), _IN_USE.lock(image, anyio.Lock) as lock:
        async with lock:
            return await _read_awaited(_Reading(image, argument))


async def _read_awaited(reading: _Reading) -> bytes:
    steps = reading.steps()
    step: Any = None
    try:
        while not isinstance(step, _Data):
            step = _next(steps, await step if inspect.isawaitable(step) else step)
    except BaseException as error:
        if reading.start is not None and not isinstance(error, BadArgument):
            with anyio.move_on_after(RESTORED_WITHIN, shield=True), suppress(Exception):
                await reading.file.seek(reading.start)
        raise
    return step.data


async def read_awaited_pictures(request: GenerationRequest) -> GenerationRequest:
    """Return the request with the files whose methods are coroutines replaced by their bytes.

    Raises:
        TypeError, ValueError: as `read_file`.
    """
    found: dict[str, Any] = {}
    for argument in ("image", "mask"):
        image = getattr(request, argument)
        if is_awaited(image):
            found[argument] = await read_awaited(image, argument)
    if any(map(is_awaited, request.images or ())):
        found["images"] = [await read_awaited(image, f"images[{at}]") for at, image in enumerate(request.images or ())]
    return evolve(request, **found) if found else request
