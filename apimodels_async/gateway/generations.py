"""Create requests and queries."""

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
from apimodels_async.gateway.create_request import CreateBody, ImageSource, read_create_body
from apimodels_async.gateway.disconnect import Disconnect
from apimodels_async.gateway.envelope import json_reply, success
from apimodels_async.gateway.fetch import fetch_local
from apimodels_async.gateway.files import FileHosting
from apimodels_async.gateway.inputs import measure
from apimodels_async.gateway.latency import Latency
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.requests import origin_of
from apimodels_async.gateway.results import Results
from apimodels_async.gateway.sizes import Size, final_size
from apimodels_async.gateway.store import PaintSpec, Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.tasks import State, TaskRecord, result_urls, schedule, state_of, task_data
from apimodels_async.gateway.timeouts import Sleep
from apimodels_async.gateway.triggers import Behaviour, behaviours_of, failure_of
from apimodels_async.gateway.urls import AllowedHosts
from apimodels_async.gateway.webhook_delivery import WebhookDelivery
from apimodels_async.gateway.webhooks import first_progress

__all__ = ["OPENAI_SHAPED", "SYNCHRONOUS", "Generations"]

SYNCHRONOUS = frozenset({"sparkpix-image"})
"""Models whose create answers only when the task has ended, with its end."""
OPENAI_SHAPED = frozenset({"gpt-image-2-all"})
"""Models that, given a `size`, are synchronous too and answer in OpenAI's shape."""

_SMALL_BODY = 32 * 1024
_LETTERS = string.ascii_lowercase + string.digits


def _new_id() -> str:
    # A link to a result needs no key, so its id must not be guessable: never from the seeded generator.
    return "cl" + "".join(secrets.choice(_LETTERS) for _ in range(23))


class Generations:
    """The two calls on ``/images/generations``.

    Args:
        store: the store.
        results: the pictures of tasks.
        hosting: the hosted files.
        delivery: delivers the webhooks.
        hosts: the hosts that webhooks may be sent to.
        latency: how long a task takes.
        now: the clock, epoch milliseconds.
        sleep: waits some seconds, for synchronous models.
        rng: draws durations and seeds.
    """

    def __init__(
        self,
        *,
        store: StoreThread,
        results: Results,
        hosting: FileHosting,
        delivery: WebhookDelivery,
        hosts: AllowedHosts,
        latency: Latency,
        now: Callable[[], int],
        sleep: Sleep,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._results = results
        self._hosting = hosting
        self._delivery = delivery
        self._hosts = hosts
        self._latency = latency
        self._now = now
        self._sleep = sleep
        self._rng = rng

    async def query(self, request: Request, _: bytes) -> Response:
        """Return the state of a task."""
        task_id = request.query_params.get("task_id")
        if not task_id:
            raise Refusal(400, "task_id is missing")
        task = await self._store.ask(Store.task, task_id)
        if task is None:
            raise Refusal(404, "there is no task with this task_id")
        return success(task_data(task, self._now(), origin_of(request)))

    async def create(self, request: Request, body: bytes) -> Response:
        """Accept a task, and wait for its end if its model is synchronous."""
        # A small body takes less time to read than a thread to start.
        asked = read_create_body(body) if len(body) <= _SMALL_BODY else await asyncio.to_thread(read_create_body, body)
        if asked.callback is not None:
            self._hosts.check(asked.callback)
        origin = origin_of(request)
        pictures = [await self._bytes_of(source, origin) for source in asked.sources]
        mask = None if asked.mask is None else await self._bytes_of(asked.mask, origin)
        sizes = await asyncio.to_thread(_measure_all, asked, pictures, mask) if pictures else []
        size = final_size(asked.size, asked.ratio, asked.longer, sizes[0] if sizes else None)
        behaviours = behaviours_of(asked.prompt)
        task, notified = await self._accept(asked, size, pictures, mask, origin)
        if notified and Behaviour.EARLY in behaviours:
            await self._delivery.first_attempt(task.id)
        if Behaviour.LOST in behaviours:
            return Disconnect()
        openai_shaped = task.model in OPENAI_SHAPED and asked.size is not None
        if not openai_shaped and task.model not in SYNCHRONOUS:
            return success({"taskId": task.id, "state": State.PENDING.value, "model": task.model})
        await self._sleep(max(0, task.ended - self._now()) / 1000)
        if openai_shaped and state_of(task, task.ended) is State.COMPLETED:
            return await self._as_openai(task, origin)
        return success(task_data(task, task.ended, origin))

    async def _bytes_of(self, source: ImageSource, origin: str) -> bytes:
        if isinstance(source.content, bytes):
            return source.content
        try:
            if source.content.startswith(f"{origin}/results/"):
                return (await self._results.picture(source.content.removeprefix(f"{origin}/results/")))[0]
            if source.content.startswith(f"{origin}/hosted/"):
                return await self._hosting.content(source.content.removeprefix(f"{origin}/hosted/"))
        except Refusal as refusal:
            raise Refusal(400, f"{source.name}: {refusal.message}") from refusal
        return await asyncio.to_thread(fetch_local, source.name, source.content)

    async def _accept(
        self, asked: CreateBody, size: Size, pictures: list[bytes], mask: bytes | None, origin: str
    ) -> tuple[TaskRecord, bool]:
        """The task, and whether a webhook will be sent."""
        created = self._now()
        started, ended = schedule(created, self._latency.draw(self._rng))
        task = TaskRecord(
            id=_new_id(),
            model=asked.model.id,
            n=asked.n,
            output_format=asked.output_format,
            created=created,
            started=started,
            ended=ended,
            failure=failure_of(asked.prompt),
        )
        seed = self._rng.getrandbits(32) if asked.seed is None else asked.seed
        spec = PaintSpec(prompt=asked.prompt, seed=seed, size=size, inputs=pictures, mask=mask)
        price = price_of(asked.model, size, asked.n)
        progress = None if asked.callback is None else first_progress(ended, behaviours_of(asked.prompt))
        available = await self._store.ask(
            Store.accept,
            task,
            spec,
            price=price,
            request=json.dumps(asked.request),
            callback_url=None if asked.callback is None else asked.callback.url,
            progress=progress,
            origin=origin,
        )
        if available is not None:
            raise Refusal(
                402,
                f"insufficient credits: this costs ${dollars(price):g}, and ${dollars(available):g} is available "
                "after the tasks in flight",
            )
        if asked.callback is None or progress is None or progress.due is None:
            return task, False
        self._delivery.schedule(task.id, progress.due, asked.callback.origin)
        return task, True

    async def _as_openai(self, task: TaskRecord, origin: str) -> Response:
        pictures = [await self._results.painted(task, index) for index in range(task.n)]
        encoded = await asyncio.to_thread(lambda: [base64.b64encode(data).decode() for data in pictures])
        data = [{"b64_json": text, "url": url} for text, url in zip(encoded, result_urls(task, origin), strict=True)]
        return json_reply({"created": task.ended // 1000, "data": data})


def _measure_all(asked: CreateBody, pictures: list[bytes], mask: bytes | None) -> list[Size]:
    if asked.mask is not None and mask is not None:
        measure(asked.mask.name, mask)
    return [measure(source.name, data) for source, data in zip(asked.sources, pictures, strict=True)]
