"""The pictures: painted when they are first asked for, and kept."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from starlette.requests import Request
from starlette.responses import Response

from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.store import Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.tasks import RETENTION, State, TaskRecord, state_of

__all__ = ["MAX_PAINTERS", "Paint", "Results"]

MAX_PAINTERS = 2
"""The most pictures that are painted at the same time."""


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
        """The picture as a file in `output_format`."""
        ...


class Results:
    """The results of tasks.

    Args:
        store: where they are kept.
        paint: paints them.
        now: the clock, epoch milliseconds.
    """

    def __init__(self, store: StoreThread, paint: Paint, now: Callable[[], int]) -> None:
        self._store = store
        self._paint = paint
        self._now = now
        self._painters: ThreadPoolExecutor | None = None
        self._painting: dict[tuple[str, int], asyncio.Task[bytes]] = {}

    async def __aenter__(self) -> Self:
        """Open the gallery."""
        self._painters = ThreadPoolExecutor(MAX_PAINTERS, "apimodels-gateway-painter")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop what nobody will see any more."""
        unfinished = list(self._painting.values())
        for painting in unfinished:
            painting.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if self._painters is not None:
            self._painters.shutdown(cancel_futures=True)

    async def picture(self, name: str) -> tuple[bytes, str]:
        """The picture with this file name, ``TASKID-INDEX.FORMAT``, and its content type.

        Raises:
            Refusal: there is none, not yet or not any more.
        """
        task_id, _, rest = name.partition("-")
        task = await self._store.ask(Store.task, task_id)
        if task is not None and state_of(task, self._now()) is State.COMPLETED:
            for index in range(task.n):
                if rest == f"{index}.{task.output_format}":
                    if self._now() >= task.ended + RETENTION:
                        raise Refusal(404, "the picture has been deleted: results are kept for 7 days")
                    return await self.painted(task, index), f"image/{task.output_format}"
        raise Refusal(404, "there is no such picture")

    async def get(self, request: Request) -> Response:
        """Serve a picture. Needs no key, like the vendor's links."""
        data, content_type = await self.picture(request.path_params["name"])
        return Response(data, media_type=content_type)

    async def painted(self, task: TaskRecord, index: int) -> bytes:
        """Picture `index` of a task, painted now if it never was."""
        kept = await self._store.ask(Store.result, task.id, index)
        if kept is not None:
            return kept
        key = (task.id, index)
        painting = self._painting.get(key)
        if painting is None:
            painting = asyncio.create_task(self._make(task, index))
            self._painting[key] = painting
            painting.add_done_callback(lambda done: self._take_down(key, done))
        # Whoever asked first may hang up; the others still want it.
        return await asyncio.shield(painting)

    def _take_down(self, key: tuple[str, int], done: "asyncio.Task[bytes]") -> None:
        del self._painting[key]
        if not done.cancelled():
            done.exception()  # all who waited may have hung up: asyncio would complain that nobody looked

    async def _make(self, task: TaskRecord, index: int) -> bytes:
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

        data = await asyncio.get_running_loop().run_in_executor(self._painters, paint)
        await self._store.ask(Store.save_result, task.id, index, data)
        return data
