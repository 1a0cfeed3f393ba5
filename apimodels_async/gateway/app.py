"""The gateway as an ASGI application: its parts and the routes to them."""

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from apimodels_async._arguments import check_functions, number, whole
from apimodels_async._settings import load_prices
from apimodels_async.catalogue import MODELS
from apimodels_async.gateway.account import dollars
from apimodels_async.gateway.activity import RecentActivity, RequestRecord, note
from apimodels_async.gateway.cross_origin import cross_origin
from apimodels_async.gateway.envelope import json_reply, refusal, success
from apimodels_async.gateway.faults import Fault, FaultRates, fault_reply
from apimodels_async.gateway.files import FileHosting
from apimodels_async.gateway.generations import Generations
from apimodels_async.gateway.latency import DEFAULT_LATENCY, Latency
from apimodels_async.gateway.limits import LARGEST_BODY, MAX_BODY, SMALL_PICTURE, BodyBudget, Reservation
from apimodels_async.gateway.loading import InputLoader
from apimodels_async.gateway.openai_shape import EDITS, error_object, speaks_openai
from apimodels_async.gateway.openapi import DOCUMENT
from apimodels_async.gateway.options import check_random
from apimodels_async.gateway.page import Page
from apimodels_async.gateway.page_guard import is_page
from apimodels_async.gateway.received import OnRequest, look_at
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.request_log import RequestLog
from apimodels_async.gateway.requests import RequestBody, authenticate, check_host, check_hosts, check_keys, read_body
from apimodels_async.gateway.results import Paint, TaskResults
from apimodels_async.gateway.reviews import Reviews
from apimodels_async.gateway.store import Store
from apimodels_async.gateway.store_thread import StoreThread, StoreUnavailableError
from apimodels_async.gateway.tasks import DAY, RETENTION
from apimodels_async.gateway.urls import AllowedHosts
from apimodels_async.gateway.webhook_delivery import WebhookDelivery
from apimodels_async.gateway.webhook_post import WebhookClient
from apimodels_async.gateway.workers import PictureWorkers, Workers

__all__ = ["DEFAULT_API_KEY", "create_app"]

DEFAULT_API_KEY = "sk_localdevelopment"
"""The key that the gateway accepts unless others are given."""

PREFIXES = ("/api/v1", "/v1")
"""Where the API is served; the second is the vendor's alias."""

_LONGEST_KEPT = 36500

_Endpoint = Callable[[Request, RequestBody], Awaitable[Response]]


def create_app(
    *,
    store: str | os.PathLike[str] | None = None,
    api_keys: Collection[str] = (DEFAULT_API_KEY,),
    latency: Latency | str = DEFAULT_LATENCY,
    balance: float = 10.0,
    errors_in_envelope: bool = False,
    paint: Paint | None = None,
    callback_hosts: Collection[str] = (),
    allowed_hosts: Collection[str] = (),
    keep: float = RETENTION / DAY,
    any_model: bool = False,
    faults: str = "",
    on_request: OnRequest | None = None,
    cors: Collection[str] = (),
    on_answer: Callable[[RequestRecord], object] | None = None,
    max_body: int | None = None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    rng: random.Random | None = None,
) -> Starlette:
    """The gateway as an ASGI application. Its store is opened when its lifespan begins.

    Args:
        store: the file that keeps tasks and pictures over restarts; ``None`` for a temporary one. One gateway at
            a time can use it.
        api_keys: the keys it accepts.
        latency: seconds that a task takes, as a `Latency` or as text, ``"MEDIAN/P90"``.
        balance: US dollars paid into the account; every completed task in the store reduces it.
        errors_in_envelope: answer every refusal of the API with HTTP 200 and its code only in the envelope, as the
            vendor does at times.
        paint: paints the pictures; ``None`` for the gateway's own painter. If it raises an exception, the task fails
            and is not billed, so a task is not completed before all its pictures are painted.
        callback_hosts: the hosts that a ``callback_url`` may have besides this machine: host names, addresses, and
            networks as ``"10.0.0.0/8"``. A name is allowed for its public addresses; for others, allow their network
            as well.
        allowed_hosts: the names that this gateway is reached by besides localhost and addresses; requests for other
            hosts are answered 421.
        keep: days that pictures are kept after the end of their task, and hosted files after their upload.
        any_model: accept models that the catalogue does not list.
        faults: how often requests fail, as ``"429:0.05,500:0.02"``: the share of requests to the API that are answered
            429, 500 or 413, get no answer for 100 s (``524``) or a closed connection (``drop``); and the share of tasks
            whose states have other words (``state``).
        on_request: called with each request to the API, and may return the name of a fault to answer it with.
        cors: the origins whose web pages may use the gateway, as ``"http://localhost:5173"``; ``"*"`` for all.
        on_answer: called with the record of each request when it has been answered; it must return at once.
        max_body: bytes that the body of a request to the API may have. Larger ones are answered 413 as by the host in
            front of the vendor's default address, which takes 4,500,000. ``None`` for 50 MiB, answered 400.
        clock: the time, epoch seconds.
        sleep: waits some seconds; used by synchronous models and webhooks.
        rng: draws durations and missing seeds, and spreads the retries of webhooks.

    Raises:
        TypeError, ValueError: a bad latency, key, host, origin, rate, size or number of days, or no function.
        ConfigurationError: the file of prices that ``APIMODELS_PRICES`` names cannot be read.
    """
    check_functions(paint=paint, on_request=on_request, on_answer=on_answer, clock=clock, sleep=sleep)
    check_random(rng)
    balance, keep = number("balance", balance), number("keep", keep)
    max_body = None if max_body is None else whole("max_body", max_body, least=1)
    eager = paint is not None
    if paint is None:
        from apimodels_async.gateway import painter  # noqa: PLC0415  (not needed with a painter given)

        paint = painter.paint
    if max_body is not None and max_body > LARGEST_BODY:
        raise ValueError(f"max_body {max_body!r}: give bytes, {LARGEST_BODY} at most")
    if not 0 < keep < _LONGEST_KEPT:
        raise ValueError(f"keep {keep!r}: give days, more than 0")
    kept = round(keep * DAY)

    def now() -> int:
        return int(clock() * 1000)

    budget = BodyBudget()
    readers = Workers(2, "apimodels-gateway-reader")
    workers = PictureWorkers(SMALL_PICTURE)
    store_thread = StoreThread(None if store is None else Path(store), round(balance * 1e6), now, kept)
    results = TaskResults(store=store_thread, paint=paint, workers=workers, now=now, keep=kept, eager=eager)
    hosting = FileHosting(store=store_thread, readers=readers, budget=budget, now=now, keep=kept, max_body=max_body)
    hosts = AllowedHosts.parse(callback_hosts)
    webhook_client = WebhookClient(hosts, sleep)
    rng = rng or random.Random()  # noqa: S311  (draws durations, no secrets)
    activity = RecentActivity(on_answer)
    delivery = WebhookDelivery(
        store=store_thread, post=webhook_client.post, settle=results.settle, now=now, sleep=sleep, rng=rng,
        activity=activity,
    )  # fmt: skip
    rates = FaultRates.parse(faults)
    loader = InputLoader(results=results, hosting=hosting, workers=workers, budget=budget)
    reviews = Reviews(loader=loader, readers=readers, now=now)
    generations = Generations(
        store=store_thread,
        results=results,
        loader=loader,
        readers=readers,
        delivery=delivery,
        hosts=hosts,
        latency=Latency.of(latency),
        faults=rates,
        any_model=any_model,
        prices=load_prices(),
        now=now,
        sleep=sleep,
        rng=rng,
    )
    keys, own_hosts = check_keys(api_keys), check_hosts(allowed_hosts)

    def fault_of(request: Request, body: RequestBody) -> Fault | None:
        wanted = None if on_request is None else look_at(request, body.data, on_request)
        return wanted or rates.draw(rng)

    guard = _Guard(keys, own_hosts, budget, fault_of, sleep, max_body)
    page = Page(
        store=store_thread, results=results, readers=readers, activity=activity, budget=budget, now=now,
        hosts=own_hosts, keys=keys, default_key=DEFAULT_API_KEY, api=PREFIXES[0],
    )  # fmt: skip
    handlers = _ErrorHandlers(refusals_status=200 if errors_in_envelope else None)

    async def balance_left(_: Request, __: RequestBody) -> Response:
        return success({"balance": dollars(await store_thread.ask(Store.balance, now()))})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with store_thread, readers, workers, results, webhook_client, delivery:
            yield

    app = Starlette(
        routes=[
            *guard.routes("/images/generations", {"GET": generations.query, "POST": generations.create}),
            *guard.routes("/video/generations", {"GET": generations.query}),
            *guard.routes("/audio/generations", {"GET": generations.query}),
            *guard.routes("/images/generations-sync", {"POST": generations.create_synchronously}),
            *guard.routes("/images/edit", {"POST": generations.create_synchronously}),
            *guard.routes(EDITS, {"POST": generations.edit}),
            *guard.routes("/chat/completions", {"POST": reviews.answer}),
            *guard.routes("/models", {"GET": _models}),
            *guard.routes("/balance", {"GET": balance_left}),
            *guard.routes("/files", {"POST": hosting.upload}),
            guard.open_route("/results/{name}", results.get),
            guard.open_route("/hosted/{id}", hosting.get),
            guard.open_route("/uploads/{id}", hosting.put, "PUT"),
            guard.open_route("/openapi.json", _openapi),
            *page.routes(),
        ],
        exception_handlers={
            Refusal: handlers.on_refusal,
            HTTPException: handlers.on_refusal,
            ClientDisconnect: handlers.on_disconnect,
            StoreUnavailableError: handlers.on_store_trouble,
            Exception: handlers.on_fault,
        },
        lifespan=lifespan,
        middleware=[Middleware(RequestLog, activity=activity, now=now, is_page=is_page), *cross_origin(cors)],
    )
    app.router.redirect_slashes = False
    app.state.store = store_thread
    return app


async def _models(_: Request, __: RequestBody) -> Response:
    return json_reply({"data": [{"id": model.id, "prices": dict(model.prices)} for model in MODELS]})


async def _openapi(_: Request) -> Response:
    return json_reply(DOCUMENT)


@frozen
class _Guard:
    """Checks host and API key of every request.

    Attributes:
        keys: the API keys.
        hosts: the allowed host names.
        budget: the memory for bodies.
        fault: decides about the fault of a request.
        sleep: waits some seconds.
        max_body: bytes that a body may have; ``None`` for the default, which is answered otherwise.
    """

    keys: tuple[bytes, ...]
    hosts: frozenset[str]
    budget: BodyBudget
    fault: Callable[[Request, RequestBody], Fault | None]
    sleep: Callable[[float], Awaitable[object]]
    max_body: int | None

    def routes(self, path: str, endpoints: Mapping[str, _Endpoint]) -> list[Route]:
        """The routes to an endpoint of the API, below every prefix."""

        async def answer(request: Request) -> Response:
            check_host(request, self.hosts)
            # A refusal is sent after the body was received: a client that is still sending would not read it.
            body = (
                await read_body(request, self.budget, self.max_body or MAX_BODY)
                if request.method == "POST"
                else _no_body()
            )
            try:
                authenticate(request, self.keys)
                if body is None and self.max_body is not None:
                    return await fault_reply(Fault.TOO_LARGE, self.sleep)
                if body is None:
                    raise Refusal(400, f"the body has more than {MAX_BODY >> 20} MB")
                if (fault := self.fault(request, body)) is not None:
                    body.release()
                    return await fault_reply(fault, self.sleep)
                return await endpoints["GET" if request.method == "HEAD" else request.method](request, body)
            finally:
                if body is not None:
                    body.release()

        return [Route(prefix + path, answer, methods=list(endpoints)) for prefix in PREFIXES]

    def open_route(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
        """The route to an endpoint that needs no API key."""

        async def answer(request: Request) -> Response:
            check_host(request, self.hosts)
            return await endpoint(request)

        return Route(path, answer, methods=[method])


def _no_body() -> RequestBody:
    return RequestBody(b"", Reservation())


@frozen
class _ErrorHandlers:
    """Turns an exception into an envelope.

    Attributes:
        refusals_status: the HTTP status of the API's refusals; ``None`` for the envelope's own code.
    """

    refusals_status: int | None

    def _answer(self, request: Request, code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
        note(request.scope, reason=message)
        of_the_api = request.scope["path"].startswith(tuple(f"{prefix}/" for prefix in PREFIXES))
        error = None
        if of_the_api and speaks_openai(request.scope["path"], request.headers):
            error = error_object(code, message)
        status = self.refusals_status if of_the_api and error is None else None
        return refusal(code, message, status=status, headers=headers, error=error)

    async def on_refusal(self, request: Request, error: Exception) -> Response:
        match error:
            case Refusal():
                return self._answer(request, error.code, error.message, error.headers)
            case HTTPException():
                return self._answer(request, error.status_code, error.detail, error.headers)
            case _:
                raise error

    async def on_disconnect(self, request: Request, _: Exception) -> Response:
        return self._answer(request, 400, "the body is incomplete")  # the client is gone

    async def on_store_trouble(self, request: Request, error: Exception) -> Response:
        return self._answer(request, 500, f"the gateway's store cannot be used: {error}")

    async def on_fault(self, request: Request, _: Exception) -> Response:
        return self._answer(
            request, 500, "internal error of the gateway"
        )  # Starlette raises the error again, for the log
