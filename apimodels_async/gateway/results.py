"""The pictures of tasks: painted when they are first needed, and stored."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from apimodels_async._logs import escaped_logger
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.store import Store
from apimodels_async.gateway.store_thread import StoreThread, StoreUnavailableError
from apimodels_async.gateway.tasks import DAY, State, TaskRecord, state_of
from apimodels_async.gateway.triggers import Failure
from apimodels_async.gateway.workers import PictureWorkers

__all__ = ["PIECE", "Paint", "PaintRefusedError", "TaskResults"]

PIECE = 256 << 10
"""Bytes of a picture that are read from the store at a time."""
_PATIENCE = 10.0
"""Seconds that a query waits for pictures that are being painted."""
_REFUSED = Failure("GENERATION_FAILED", "The painter could not paint this picture", retryable=False)
_INPUT_SHARE = 4096 * 4096
"""Pixels that an input is taken to have, to judge how large a job is."""

_K = TypeVar("_K")
_T = TypeVar("_T")

_logger = escaped_logger(__name__)


class Paint(Protocol):
    """Paints one picture, the same one for the same arguments. Called in a thread."""

    def __call__(
        self,
        *,
        prompt: str,
        model: str,
        seed: int,
        index: int,
        size: tuple[int, int],
        output_format: str,
        images: Sequence[bytes] = (),
        mask: bytes | None = None,
    ) -> bytes:
        """The picture as a file in `output_format`. Any exception makes the task fail."""
        ...


class PaintRefusedError(Exception):
    """The painter raised an exception, and the task has failed."""


class TaskResults:
    """The results of tasks.

    Args:
        store: where they are kept.
        paint: paints them.
        workers: the threads to paint in.
        now: the clock, epoch milliseconds.
        keep: milliseconds that they are kept.
        eager: whether `paint` may refuse, so that a task is not completed before all its pictures are painted.
    """

    def __init__(
        self,
        *,
        store: StoreThread,
        paint: Paint,
        workers: PictureWorkers,
        now: Callable[[], int],
        keep: int,
        eager: bool,
    ) -> None:
        self._store = store
        self._paint = paint
        self._workers = workers
        self._now = now
        self._keep = keep
        self._eager = eager
        self._painting: dict[tuple[str, int], asyncio.Task[bytes]] = {}
        self._settling: dict[str, asyncio.Task[TaskRecord]] = {}

    async def __aenter__(self) -> Self:
        """Get ready to paint."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop waiting for what is being painted."""
        unfinished: list[asyncio.Task[Any]] = [*self._painting.values(), *self._settling.values()]
        for painting in unfinished:
            painting.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def settle(self, task: TaskRecord) -> TaskRecord:
        """Return the task with its result: paint what may be refused, and wait for it. The task has ended."""
        if not self._eager or task.failure is not None or self._expired(task):
            return task
        settling = self._settling.get(task.id)
        if settling is None:
            settling = asyncio.create_task(self._settle(task))
            self._settling[task.id] = settling
            settling.add_done_callback(lambda done: self._forget(self._settling, task.id, done))
        return await asyncio.shield(settling)

    async def state(self, task: TaskRecord) -> tuple[TaskRecord, State]:
        """Return the task and its state now. While its pictures take long to paint, it is still processing."""
        state = state_of(task, self._now())
        if state is State.COMPLETED:
            try:
                async with asyncio.timeout(_PATIENCE):
                    task = await self.settle(task)
            except TimeoutError:
                return task, State.PROCESSING
            state = state_of(task, self._now())
        return task, state

    async def _settle(self, task: TaskRecord) -> TaskRecord:
        if await self._store.ask(Store.painted, task.id) == task.n:
            return task
        for index in range(task.n):
            try:
                await self._painted(task, index)
            except PaintRefusedError:
                return evolve(task, failure=_REFUSED)
        return task

    async def picture(self, name: str) -> bytes:
        """The picture with this file name, ``TASKID-INDEX.FORMAT``.

        Raises:
            Refusal: there is none, not yet or not any more.
        """
        task, index = await self._find(name)
        return await self.painted(task, index)

    async def painted(self, task: TaskRecord, index: int) -> bytes:
        """Picture `index` of a task, painted now if it has not been.

        Raises:
            Refusal: the painter refuses it.
        """
        try:
            length = await self._store.ask(Store.result_length, task.id, index)
            if length is not None:
                return await self._store.ask(Store.result_piece, task.id, index, 0, length)
            return await self._painted(task, index)
        except PaintRefusedError:
            raise Refusal(404, "there is no such picture: its task has failed") from None

    async def get(self, request: Request) -> Response:
        """Serve a picture. Needs no key, like the vendor's links."""
        task, index = await self._find(request.path_params["name"])
        content_type = f"image/{task.output_format}"
        length = await self._store.ask(Store.result_length, task.id, index)
        if length is None or length <= PIECE:
            return Response(await self.painted(task, index), media_type=content_type)
        headers = {"Content-Length": str(length)}
        return StreamingResponse(self._pieces(task.id, index, length), headers=headers, media_type=content_type)

    async def _pieces(self, task_id: str, index: int, length: int) -> AsyncIterator[bytes]:
        for start in range(0, length, PIECE):
            yield await self._store.ask(Store.result_piece, task_id, index, start, PIECE)

    async def _find(self, name: str) -> tuple[TaskRecord, int]:
        task_id, _, rest = name.partition("-")
        task = await self._store.ask(Store.task, task_id, self._now())
        if task is not None and state_of(task, self._now()) is State.COMPLETED:
            for index in range(task.n):
                if rest == f"{index}.{task.output_format}":
                    if self._expired(task):
                        days = f"{self._keep / DAY:g} days"
                        raise Refusal(404, f"the picture has been deleted: results are kept for {days}")
                    return task, index
        raise Refusal(404, "there is no such picture")

    def _expired(self, task: TaskRecord) -> bool:
        return self._now() >= task.ended + self._keep

    async def _painted(self, task: TaskRecord, index: int) -> bytes:
        key = (task.id, index)
        painting = self._painting.get(key)
        if painting is None:
            painting = asyncio.create_task(self._make(task, index))
            self._painting[key] = painting
            painting.add_done_callback(lambda done: self._forget(self._painting, key, done))
        # The client that asked first may disconnect; the others still wait.
        return await asyncio.shield(painting)

    @staticmethod
    def _forget(running: "dict[_K, asyncio.Task[_T]]", key: _K, done: "asyncio.Task[_T]") -> None:
        del running[key]
        if not done.cancelled():
            done.exception()  # if all who waited have disconnected, asyncio would report an exception never retrieved

    async def _make(self, task: TaskRecord, index: int) -> bytes:
        length = await self._store.ask(Store.result_length, task.id, index)
        if length is not None:
            return await self._store.ask(Store.result_piece, task.id, index, 0, length)
        spec = await self._store.ask(Store.spec, task.id)

        def paint() -> bytes:
            return self._paint(
                prompt=spec.prompt,
                model=task.model,
                seed=spec.seed,
                index=index,
                size=spec.size,
                output_format=task.output_format,
                images=spec.inputs,
                mask=spec.mask,
            )

        pixels = spec.size[0] * spec.size[1] + sum(min(len(data) * 8, _INPUT_SHARE) for data in spec.inputs)
        try:
            data = await self._workers.run(pixels, paint)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if self._workers.stopping.is_set():
                raise
            _logger.warning("task %s: the painter could not paint picture %d", task.id, index, exc_info=error)
            await self._store.ask(Store.fail, task.id, _REFUSED)
            raise PaintRefusedError from error
        with suppress(StoreUnavailableError):  # it is painted again when it is next needed
            await self._store.ask(Store.save_result, task.id, index, data)
        return data
