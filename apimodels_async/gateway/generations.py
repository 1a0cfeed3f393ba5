"""Create requests and queries."""

import base64
import json
import random
import secrets
import string
from collections.abc import AsyncIterator, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from apimodels_async.gateway.account import dollars, price_of
from apimodels_async.gateway.create_request import CreateBody, read_create_body
from apimodels_async.gateway.disconnect import Disconnect
from apimodels_async.gateway.envelope import success
from apimodels_async.gateway.latency import Latency
from apimodels_async.gateway.loading import InputLoader, LoadedInputs
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.requests import RequestBody, origin_of
from apimodels_async.gateway.results import Results
from apimodels_async.gateway.sizes import final_size
from apimodels_async.gateway.store import PaintSpec, Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.tasks import State, TaskRecord, result_urls, schedule, task_data
from apimodels_async.gateway.timeouts import Sleep
from apimodels_async.gateway.triggers import Behaviour
from apimodels_async.gateway.urls import AllowedHosts
from apimodels_async.gateway.webhook_delivery import WebhookDelivery
from apimodels_async.gateway.webhooks import first_progress
from apimodels_async.gateway.workers import Workers

__all__ = ["OPENAI_SHAPED", "SYNCHRONOUS", "Generations"]

SYNCHRONOUS = frozenset({"sparkpix-image"})
"""Models whose create request is answered only when the task has ended, with its result."""
OPENAI_SHAPED = frozenset({"gpt-image-2-all"})
"""Models that, given a `size`, are synchronous too and answer in OpenAI's shape."""

_SMALL_BODY = 32 * 1024
_LETTERS = string.ascii_lowercase + string.digits


def _new_id() -> str:
    # A link to a result needs no key, so its id must not be guessable: never from the seeded generator.
    return "cl" + "".join(secrets.choice(_LETTERS) for _ in range(23))


class Generations:
    """The endpoint ``/images/generations``.

    Args:
        store: the store.
        results: the pictures of tasks.
        loader: loads the pictures to work on.
        readers: the threads to read bodies in.
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
        loader: InputLoader,
        readers: Workers,
        delivery: WebhookDelivery,
        hosts: AllowedHosts,
        latency: Latency,
        now: Callable[[], int],
        sleep: Sleep,
        rng: random.Random,
    ) -> None:
        self._store = store
        self._results = results
        self._loader = loader
        self._readers = readers
        self._delivery = delivery
        self._hosts = hosts
        self._latency = latency
        self._now = now
        self._sleep = sleep
        self._rng = rng

    async def query(self, request: Request, _: RequestBody) -> Response:
        """Return the state of a task."""
        task_id = request.query_params.get("task_id")
        if not task_id:
            raise Refusal(400, "task_id is required")
        task = await self._store.ask(Store.task, task_id, self._now())
        if task is None:
            raise Refusal(404, "there is no task with this task_id")
        task, state = await self._results.state(task)
        return success(task_data(task, state, origin_of(request)))

    async def create(self, request: Request, body: RequestBody) -> Response:
        """Accept a task, and wait for its end if its model is synchronous."""
        # A small body takes less time to read than a thread to wake up.
        read = partial(read_create_body, body.data)
        asked = read() if len(body.data) <= _SMALL_BODY else await self._readers.run(read)
        if asked.callback is not None:
            self._hosts.check(asked.callback)
        origin = origin_of(request)
        inputs = await self._loader.load(asked, origin)
        task, notified = await self._accept(asked, inputs, origin)
        openai_shaped = task.model in OPENAI_SHAPED and asked.size is not None
        behaviours = asked.behaviours
        del asked, inputs
        body.release()
        if notified and Behaviour.EARLY in behaviours:
            await self._delivery.first_attempt(task.id)
        if Behaviour.LOST in behaviours:
            return Disconnect()
        if not openai_shaped and task.model not in SYNCHRONOUS:
            return success({"taskId": task.id, "state": State.PENDING.value, "model": task.model})
        await self._sleep(max(0, task.ended - self._now()) / 1000)
        task = await self._results.settle(task)
        if task.failure is not None:
            return success(task_data(task, State.FAILED, origin))
        if openai_shaped:
            return await self._as_openai(task, origin)
        return success(task_data(task, State.COMPLETED, origin))

    async def _accept(self, asked: CreateBody, inputs: LoadedInputs, origin: str) -> tuple[TaskRecord, bool]:
        """The task, and whether a webhook will be sent."""
        size = final_size(asked.size, asked.ratio, asked.longer, inputs.size)
        task = self._new_task(asked, edit=bool(inputs.pictures))
        seed = self._rng.getrandbits(32) if asked.seed is None else asked.seed
        price = price_of(asked.model, size, asked.n)
        progress = None if asked.callback is None else first_progress(task.ended, asked.behaviours)
        available = await self._store.ask(
            Store.accept,
            task,
            PaintSpec(prompt=asked.prompt, seed=seed, size=size, inputs=inputs.pictures, mask=inputs.mask),
            price=price,
            request=asked.request,
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

    def _new_task(self, asked: CreateBody, *, edit: bool) -> TaskRecord:
        created = self._now()
        started, ended = schedule(created, self._latency.draw(self._rng))
        return TaskRecord(
            id=_new_id(),
            model=asked.model.id,
            n=asked.n,
            output_format=asked.output_format,
            created=created,
            started=started,
            ended=ended,
            failure=asked.failure,
            edit=edit,
        )

    async def _as_openai(self, task: TaskRecord, origin: str) -> Response:
        for index in range(task.n):
            await self._results.painted(task, index)  # before the answer begins: it can fail
        return StreamingResponse(self._openai_pieces(task, origin), media_type="application/json")

    async def _openai_pieces(self, task: TaskRecord, origin: str) -> AsyncIterator[str]:
        """The pictures in OpenAI's shape, one after another: together they may be large."""
        yield f'{{"created":{task.ended // 1000},"data":['
        for index, url in enumerate(result_urls(task, origin)):
            data = await self._results.painted(task, index)
            encoded = await self._readers.run(partial(base64.b64encode, data))
            yield f'{"," if index else ""}{{"b64_json":"'
            yield encoded.decode("ascii")
            yield f'","url":{json.dumps(url)}}}'
        yield "]}"
