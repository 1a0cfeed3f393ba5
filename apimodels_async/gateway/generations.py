"""Create requests and queries."""

import base64
import json
import random
import secrets
import string
from collections.abc import AsyncIterator, Callable
from functools import partial

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from apimodels_async.catalogue import PriceTable
from apimodels_async.gateway.account import dollars, price_of
from apimodels_async.gateway.activity import note
from apimodels_async.gateway.create_request import LINKS, OPENAI_SHAPED, CreateBody, create_body, read_create_body
from apimodels_async.gateway.disconnect import Disconnect
from apimodels_async.gateway.envelope import json_reply, success
from apimodels_async.gateway.faults import Fault, FaultRates, fault_reply
from apimodels_async.gateway.latency import Latency
from apimodels_async.gateway.loading import InputLoader, LoadedInputs
from apimodels_async.gateway.multipart import boundary_of
from apimodels_async.gateway.openai_shape import error_object, form_fields, speaks_openai, task_error
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.requests import RequestBody, origin_of
from apimodels_async.gateway.results import TaskResults
from apimodels_async.gateway.sizes import check_answered, final_size
from apimodels_async.gateway.store import PaintSpec, Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.tasks import State, TaskRecord, result_urls, schedule, task_data
from apimodels_async.gateway.timeouts import Sleep
from apimodels_async.gateway.triggers import Behaviour, Failure
from apimodels_async.gateway.urls import AllowedHosts
from apimodels_async.gateway.webhook_delivery import WebhookDelivery
from apimodels_async.gateway.webhooks import first_progress
from apimodels_async.gateway.workers import Workers

__all__ = ["SYNCHRONOUS", "Generations"]

SYNCHRONOUS = frozenset({"gpt-image-2-lite", "sparkpix-image", "sparkpix-image-edit"})
"""Models whose create request is answered only when the task has ended, with its result."""

_LETTERS = string.ascii_lowercase + string.digits


def _new_id() -> str:
    # A link to a result needs no key, so its id must not be guessable: never from the seeded generator.
    return "cl" + "".join(secrets.choice(_LETTERS) for _ in range(23))


class Generations:
    """The endpoints that create tasks and return their state.

    Args:
        store: the store.
        results: the pictures of tasks.
        loader: loads the pictures to work on.
        readers: the threads to read bodies in.
        delivery: delivers the webhooks.
        hosts: the hosts that webhooks may be sent to.
        latency: how long a task takes.
        faults: how often what goes wrong.
        any_model: whether models are accepted that the catalogue does not list.
        prices: what pictures cost.
        now: the clock, epoch milliseconds.
        sleep: waits some seconds, for synchronous models.
        rng: draws durations and seeds.
    """

    def __init__(
        self,
        *,
        store: StoreThread,
        results: TaskResults,
        loader: InputLoader,
        readers: Workers,
        delivery: WebhookDelivery,
        hosts: AllowedHosts,
        latency: Latency,
        faults: FaultRates,
        any_model: bool,
        prices: PriceTable,
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
        self._faults = faults
        self._any_model = any_model
        self._prices = prices
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
        asked = await self._read(partial(read_create_body, body.data, any_model=self._any_model), body)
        if speaks_openai(request.url.path, request.headers) and asked.model.id in OPENAI_SHAPED:
            asked = evolve(asked, openai_shaped=True)
        return await self._create(request, body, asked, synchronous=asked.model.id in SYNCHRONOUS)

    async def create_synchronously(self, request: Request, body: RequestBody) -> Response:
        """Accept a task of any model, and wait for its end."""
        asked = await self._read(partial(read_create_body, body.data, any_model=self._any_model), body)
        return await self._create(request, body, asked, synchronous=True)

    async def edit(self, request: Request, body: RequestBody) -> Response:
        """Accept an edit in OpenAI's shape: a form with the pictures in it, or JSON."""
        boundary = boundary_of(request)
        if boundary is None:
            read = partial(read_create_body, body.data, any_model=self._any_model)
        else:
            read = partial(_read_form, body.data, boundary, any_model=self._any_model)
        asked = evolve(await self._read(read, body), openai_shaped=True)
        del read  # it holds the body
        return await self._create(request, body, asked, synchronous=True)

    async def _read(self, read: Callable[[], CreateBody], body: RequestBody) -> CreateBody:
        asked = await self._readers.read(body.data, read)
        body.forget()
        if asked.callback is not None:
            self._hosts.check(asked.callback)
        return asked

    async def _create(self, request: Request, body: RequestBody, asked: CreateBody, *, synchronous: bool) -> Response:
        if asked.fault is not None and asked.fault not in {Fault.STATE, Fault.SILENCE}:
            return await fault_reply(asked.fault, self._sleep)
        origin = origin_of(request)
        inputs = await self._loader.load(asked, origin)
        task, notified = await self._accept(asked, inputs, origin)
        behaviours, fault = asked.behaviours, asked.fault
        openai_shaped, response_format = asked.openai_shaped, asked.response_format
        del asked, inputs
        body.release()
        note(request.scope, task_id=task.id)
        if notified and Behaviour.EARLY in behaviours:
            await self._delivery.first_attempt(task.id)
        if fault is Fault.SILENCE:
            return await fault_reply(fault, self._sleep)
        if Behaviour.LOST in behaviours:
            return Disconnect()
        if openai_shaped or synchronous:
            return await self._ended(request, task, response_format, openai_shaped=openai_shaped)
        return success({"taskId": task.id, "state": State.PENDING.value, "model": task.model})

    async def _ended(
        self, request: Request, task: TaskRecord, response_format: str | None, *, openai_shaped: bool
    ) -> Response:
        """Wait for the task's end, and answer with it."""
        origin = origin_of(request)
        await self._sleep(max(0, task.ended - self._now()) / 1000)
        task = await self._results.settle(task)
        if task.failure is not None:
            data = task_data(task, State.FAILED, origin)
            if openai_shaped:
                return _as_openai_error(task.failure, data)
            return success(data)
        if openai_shaped:
            return await self._as_openai(task, origin, response_format)
        return success(task_data(task, State.COMPLETED, origin))

    async def _accept(self, asked: CreateBody, inputs: LoadedInputs, origin: str) -> tuple[TaskRecord, bool]:
        """The task, and whether a webhook will be sent."""
        size = final_size(asked.size, asked.ratio, asked.longer, inputs.size)
        if asked.openai_shaped and asked.response_format != LINKS:
            check_answered(asked.n, size)
        task = self._new_task(asked, edit=bool(inputs.pictures))
        seed = self._rng.getrandbits(32) if asked.seed is None else asked.seed
        price = price_of(
            asked.model, size, asked.n, quality=asked.quality, edit=bool(inputs.pictures), prices=self._prices
        )
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
            dialect=asked.fault is Fault.STATE or self._faults.draw_state(self._rng),
        )

    async def _as_openai(self, task: TaskRecord, origin: str, response_format: str | None) -> Response:
        if response_format != LINKS:
            for index in range(task.n):
                await self._results.painted(task, index)  # before the answer begins: it can fail
        pieces = self._openai_pieces(task, origin, response_format)
        return StreamingResponse(pieces, media_type="application/json")

    async def _openai_pieces(self, task: TaskRecord, origin: str, response_format: str | None) -> AsyncIterator[str]:
        """The pictures in OpenAI's shape, one after another: together they may be large."""
        yield f'{{"created":{task.ended // 1000},"data":['
        for index, url in enumerate(result_urls(task, origin)):
            yield "," if index else ""
            if response_format == LINKS:
                yield json.dumps({"url": url})
                continue
            data = await self._results.painted(task, index)
            encoded = await self._readers.run(partial(base64.b64encode, data))
            yield '{"b64_json":"'
            yield encoded.decode("ascii")
            yield '"}' if response_format else f'","url":{json.dumps(url)}}}'
        yield "]}"


def _read_form(body: bytes, boundary: bytes, *, any_model: bool) -> CreateBody:
    return create_body(form_fields(body, boundary), any_model=any_model)


def _as_openai_error(failure: Failure, data: dict[str, object]) -> Response:
    status, code = task_error(failure.code)
    error = error_object(status, failure.message, error_code=code)
    return json_reply({"error": error, "code": status, "msg": failure.message, "data": data}, status)
