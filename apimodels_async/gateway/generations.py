"""Creating a task and asking for it."""

import asyncio
import base64
import json
import random
import secrets
import string
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from apimodels_async.gateway.account import dollars, price_of
from apimodels_async.gateway.create_request import Order, Source, read_order
from apimodels_async.gateway.disconnect import NoAnswer
from apimodels_async.gateway.envelope import envelope, plain_json
from apimodels_async.gateway.fetch import fetch_here
from apimodels_async.gateway.files import Hosting
from apimodels_async.gateway.inputs import measure
from apimodels_async.gateway.latency import Latency
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.requests import origin_of
from apimodels_async.gateway.results import Gallery
from apimodels_async.gateway.sizes import Size, final_size
from apimodels_async.gateway.store import Recipe, Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.tasks import State, Task, result_urls, schedule, state_of, view
from apimodels_async.gateway.timeouts import Sleep
from apimodels_async.gateway.triggers import Oddity, failure_of, oddities_of
from apimodels_async.gateway.webhook_delivery import Deliveries
from apimodels_async.gateway.webhook_url import Hosts
from apimodels_async.gateway.webhooks import beginning

__all__ = ["OPENAI_SHAPED", "SYNCHRONOUS", "Generations"]

SYNCHRONOUS = frozenset({"sparkpix-image"})
"""Models whose create answers only when the task has ended, with its end."""
OPENAI_SHAPED = frozenset({"gpt-image-2-all"})
"""Models that, given a `size`, are synchronous too and answer in OpenAI's shape."""

_SMALL_BODY = 32 * 1024
_LETTERS = string.ascii_lowercase + string.digits


def _new_id() -> str:
    # Whoever has a result's link may see the picture, so nobody may guess it: never from the seeded generator.
    return "cl" + "".join(secrets.choice(_LETTERS) for _ in range(23))


class Generations:
    """The two calls on ``/images/generations``.

    Args:
        store: where tasks are kept.
        gallery: where pictures come from.
        hosting: where uploaded pictures are.
        deliveries: makes the calls.
        hosts: where they may go.
        latency: how long a task takes.
        now: the clock, epoch milliseconds.
        sleep: waits some seconds, for synchronous models.
        rng: draws durations and seeds.
    """

    def __init__(
        self,
        *,
        store: StoreThread,
        gallery: Gallery,
        hosting: Hosting,
        deliveries: Deliveries,
        hosts: Hosts,
        latency: Latency,
        now: Callable[[], int],
        sleep: Sleep,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._gallery = gallery
        self._hosting = hosting
        self._deliveries = deliveries
        self._hosts = hosts
        self._latency = latency
        self._now = now
        self._sleep = sleep
        self._rng = rng

    async def query(self, request: Request, _: bytes) -> Response:
        """Answer what has become of a task."""
        task_id = request.query_params.get("task_id")
        if not task_id:
            raise Refusal(400, "task_id is missing")
        task = await self._store.ask(Store.task, task_id)
        if task is None:
            raise Refusal(404, "there is no task with this task_id")
        return envelope(view(task, self._now(), origin_of(request)))

    async def create(self, request: Request, body: bytes) -> Response:
        """Accept a task, and see it to its end if its model is synchronous."""
        # A small body is read in less time than a thread needs to be asked.
        order = read_order(body) if len(body) <= _SMALL_BODY else await asyncio.to_thread(read_order, body)
        if order.callback is not None:
            self._hosts.check(order.callback)
        origin = origin_of(request)
        pictures = [await self._bytes_of(source, origin) for source in order.sources]
        mask = None if order.mask is None else await self._bytes_of(order.mask, origin)
        sizes = await asyncio.to_thread(_measure_all, order, pictures, mask) if pictures else []
        size = final_size(order.size, order.ratio, order.longer, sizes[0] if sizes else None)
        oddities = oddities_of(order.prompt)
        task, called = await self._accept(order, size, pictures, mask, origin)
        if called and Oddity.EARLY in oddities:
            await self._deliveries.attempted(task.id)
        if Oddity.LOST in oddities:
            return NoAnswer()
        openai_shaped = task.model in OPENAI_SHAPED and order.size is not None
        if not openai_shaped and task.model not in SYNCHRONOUS:
            return envelope({"taskId": task.id, "state": State.PENDING.value, "model": task.model})
        await self._sleep(max(0, task.ended - self._now()) / 1000)
        if openai_shaped and state_of(task, task.ended) is State.COMPLETED:
            return await self._as_openai(task, origin)
        return envelope(view(task, task.ended, origin))

    async def _bytes_of(self, source: Source, origin: str) -> bytes:
        if isinstance(source.content, bytes):
            return source.content
        try:
            if source.content.startswith(f"{origin}/results/"):
                return (await self._gallery.picture(source.content.removeprefix(f"{origin}/results/")))[0]
            if source.content.startswith(f"{origin}/hosted/"):
                return await self._hosting.content(source.content.removeprefix(f"{origin}/hosted/"))
        except Refusal as refusal:
            raise Refusal(400, f"{source.name}: {refusal.message}") from refusal
        return await asyncio.to_thread(fetch_here, source.name, source.content)

    async def _accept(
        self, order: Order, size: Size, pictures: list[bytes], mask: bytes | None, origin: str
    ) -> tuple[Task, bool]:
        """The task, and whether there will be a call."""
        created = self._now()
        started, ended = schedule(created, self._latency.draw(self._rng))
        task = Task(
            id=_new_id(),
            model=order.model.id,
            n=order.n,
            output_format=order.output_format,
            created=created,
            started=started,
            ended=ended,
            failure=failure_of(order.prompt),
        )
        seed = self._rng.getrandbits(32) if order.seed is None else order.seed
        recipe = Recipe(prompt=order.prompt, seed=seed, size=size, inputs=pictures, mask=mask)
        price = price_of(order.model, size, order.n)
        call = None if order.callback is None else beginning(ended, oddities_of(order.prompt))
        available = await self._store.ask(
            Store.accept,
            task,
            recipe,
            price=price,
            request=json.dumps(order.request),
            callback_url=None if order.callback is None else order.callback.url,
            call=call,
            origin=origin,
        )
        if available is not None:
            raise Refusal(
                402,
                f"insufficient credits: this costs ${dollars(price):g}, and ${dollars(available):g} is available "
                "after the tasks in flight",
            )
        if order.callback is None or call is None or call.due is None:
            return task, False
        self._deliveries.expect(task.id, call.due, order.callback.origin)
        return task, True

    async def _as_openai(self, task: Task, origin: str) -> Response:
        pictures = [await self._gallery.painted(task, index) for index in range(task.n)]
        encoded = await asyncio.to_thread(lambda: [base64.b64encode(data).decode() for data in pictures])
        data = [{"b64_json": text, "url": url} for text, url in zip(encoded, result_urls(task, origin), strict=True)]
        return plain_json({"created": task.ended // 1000, "data": data})


def _measure_all(order: Order, pictures: list[bytes], mask: bytes | None) -> list[Size]:
    if order.mask is not None and mask is not None:
        measure(order.mask.name, mask)
    return [measure(source.name, data) for source, data in zip(order.sources, pictures, strict=True)]
