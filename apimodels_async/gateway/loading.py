"""The pictures of a create request: collected from body and URLs, checked, and shrunk to what a task keeps."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from attrs import frozen

from apimodels_async.gateway.create_request import CreateBody, ImageSource
from apimodels_async.gateway.fetch import fetch_local
from apimodels_async.gateway.files import FileHosting
from apimodels_async.gateway.inputs import InputPicture, decode, inspect
from apimodels_async.gateway.limits import (
    DECODE_TIME,
    FETCHES_TIME,
    MAX_KEPT_PIXELS,
    MAX_PICTURE_BYTES,
    BodyBudget,
    Reservation,
)
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.results import TaskResults
from apimodels_async.gateway.sizes import Size
from apimodels_async.gateway.workers import PictureWorkers

__all__ = ["InputLoader", "LoadedInputs"]


@frozen
class LoadedInputs:
    """The pictures that a task is painted from.

    Attributes:
        pictures: files.
        mask: the mask's file.
        size: width and height of the first picture as it was sent; ``None`` without pictures.
    """

    pictures: list[bytes]
    mask: bytes | None
    size: Size | None


class InputLoader:
    """Loads the pictures of create requests.

    Args:
        results: the pictures of tasks, which may be inputs by their URL.
        hosting: the hosted files, likewise.
        workers: decode.
        budget: the memory for fetched pictures.
    """

    def __init__(
        self, *, results: TaskResults, hosting: FileHosting, workers: PictureWorkers, budget: BodyBudget
    ) -> None:
        self._results = results
        self._hosting = hosting
        self._workers = workers
        self._budget = budget

    async def load(self, body: CreateBody, origin: str) -> LoadedInputs:
        """Load them.

        Raises:
            Refusal: one of them cannot be used; the message names its field.
        """
        if not body.sources:
            return LoadedInputs([], None, None)
        sources = body.sources if body.mask is None else (*body.sources, body.mask)
        reservations: list[Reservation] = []
        try:
            inspected = await self._inspect(await self._collect(sources, origin, reservations))
            if body.mask is not None:
                _check_mask(inspected[-1], inspected[0])
            files = await self._decode(inspected, masked=body.mask is not None)
        finally:
            for reservation in reservations:
                reservation.release()
        mask = files.pop() if body.mask is not None else None
        return LoadedInputs(files, mask, inspected[0].size)

    async def fetch(self, source: ImageSource, origin: str) -> bytes:
        """The bytes of one picture, not looked into.

        Raises:
            Refusal: it cannot be had; the message names its field.
        """
        reservations: list[Reservation] = []
        try:
            async with asyncio.timeout(FETCHES_TIME):
                return await self._bytes_of(source, origin, reservations)
        except TimeoutError:
            raise Refusal(400, f"{source.name}: the picture took more than {FETCHES_TIME:g} s to fetch") from None
        finally:
            for reservation in reservations:
                reservation.release()

    async def _collect(
        self, sources: tuple[ImageSource, ...], origin: str, reservations: list[Reservation]
    ) -> list[tuple[str, bytes]]:
        collected: list[tuple[str, bytes]] = []
        size = 0
        try:
            async with asyncio.timeout(FETCHES_TIME):
                for source in sources:
                    data = await self._bytes_of(source, origin, reservations)
                    size += len(data)
                    if size > MAX_PICTURE_BYTES:
                        limit = MAX_PICTURE_BYTES >> 20
                        raise Refusal(400, f"{source.name}: the pictures have more than {limit} MB together")
                    collected.append((source.name, data))
        except TimeoutError:
            where = sources[len(collected)].name
            raise Refusal(400, f"{where}: the pictures took more than {FETCHES_TIME:g} s to fetch") from None
        return collected

    async def _inspect(self, files: list[tuple[str, bytes]]) -> list[InputPicture]:
        """Read the heads, one after another; each has little time, so that no small picture waits long for its own."""
        stopped = self._workers.stopping.is_set
        return [
            await self._workers.run(0, partial(inspect, name, data, clock=_cpu_seconds, stopped=stopped))
            for name, data in files
        ]

    async def _bytes_of(self, source: ImageSource, origin: str, reservations: list[Reservation]) -> bytes:
        if isinstance(source.content, bytes):
            return source.content
        try:
            if source.content.startswith(f"{origin}/results/"):
                return await self._results.picture(source.content.removeprefix(f"{origin}/results/"))
            if source.content.startswith(f"{origin}/hosted/"):
                return await self._hosting.content(source.content.removeprefix(f"{origin}/hosted/"))
        except Refusal as refusal:
            raise Refusal(400, f"{source.name}: {refusal.message}") from refusal
        data, reservation = await fetch_local(source.name, source.content, self._budget)
        reservations.append(reservation)
        return data

    async def _decode(self, pictures: list[InputPicture], *, masked: bool) -> list[bytes]:
        files: list[bytes] = []
        seconds = DECODE_TIME
        each = MAX_KEPT_PIXELS // len(pictures)
        for number, picture in enumerate(pictures):
            job = partial(
                decode,
                picture,
                max_pixels=each,
                lossless=masked,
                nearest=masked and number == len(pictures) - 1,
                clock=_cpu_seconds,
                seconds=seconds,
                stopped=self._workers.stopping.is_set,
            )
            file, used = await self._workers.run(picture.pixels, partial(_timed, job, _cpu_seconds))
            seconds -= used
            files.append(file)
        return files


def _cpu_seconds() -> float:
    """The processor time of this thread: a busy machine makes nothing else of it."""
    return time.thread_time()


def _timed(job: Callable[[], bytes], clock: Callable[[], float]) -> tuple[bytes, float]:
    start = clock()
    return job(), clock() - start


def _check_mask(mask: InputPicture, picture: InputPicture) -> None:
    if mask.size != picture.size:
        sizes = [f"{width}x{height}" for width, height in (mask.size, picture.size)]
        raise Refusal(400, f"mask: it has {sizes[0]} pixels and the image {sizes[1]}: give both the same size")
