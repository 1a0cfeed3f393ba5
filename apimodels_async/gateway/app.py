"""The gateway as an ASGI application: its parts put together, and the routes to them."""

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from apimodels_async.catalogue import MODELS
from apimodels_async.gateway.account import dollars
from apimodels_async.gateway.answers import envelope, plain_json, refused
from apimodels_async.gateway.deliveries import Deliveries
from apimodels_async.gateway.destinations import Hosts
from apimodels_async.gateway.fetching import LARGEST_BODY
from apimodels_async.gateway.files import Hosting
from apimodels_async.gateway.gallery import Gallery, Paint
from apimodels_async.gateway.generations import Generations
from apimodels_async.gateway.latency import DEFAULT_LATENCY, Latency
from apimodels_async.gateway.openapi import DOCUMENT
from apimodels_async.gateway.posting import Poster
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.requests import authenticate, body_of, check_keys
from apimodels_async.gateway.store import Store
from apimodels_async.gateway.store_thread import StoreThread

__all__ = ["DEFAULT_API_KEY", "Options", "create_app"]

DEFAULT_API_KEY = "sk_localdevelopment"
"""The key that the gateway takes unless it is told others."""

PREFIXES = ("/api/v1", "/v1")
"""Where the API is served; the second is the vendor's alias."""

_Endpoint = Callable[[Request, bytes], Awaitable[Response]]


class Options(TypedDict, total=False):
    """The keywords of `create_app`, for those who pass them on."""

    store: str | os.PathLike[str] | None
    api_keys: Collection[str]
    latency: Latency | str
    balance: float
    errors_in_envelope: bool
    paint: Paint | None
    callback_hosts: Collection[str]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]
    rng: random.Random | None


def create_app(
    *,
    store: str | os.PathLike[str] | None = None,
    api_keys: Collection[str] = (DEFAULT_API_KEY,),
    latency: Latency | str = DEFAULT_LATENCY,
    balance: float = 10.0,
    errors_in_envelope: bool = False,
    paint: Paint | None = None,
    callback_hosts: Collection[str] = (),
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    rng: random.Random | None = None,
) -> Starlette:
    """The gateway as an ASGI application. Its store is opened when its lifespan begins.

    Args:
        store: the file that keeps tasks and pictures over restarts; ``None`` for a temporary one. One gateway at
            a time can use it.
        api_keys: the keys it takes.
        latency: seconds that a task takes, as a `Latency` or as text, ``"MEDIAN/P90"``.
        balance: US dollars that were paid into the account; every completed task in the store draws them down.
        errors_in_envelope: answer every refusal of the API with HTTP 200 and its code only in the envelope, as the
            vendor does at times.
        paint: paints the pictures; ``None`` for the gateway's own painter.
        callback_hosts: where a ``callback_url`` may lead besides this machine: host names, addresses, and networks as
            ``"10.0.0.0/8"``. A name is good for its public addresses; for others their network must be given too.
        clock: the time, epoch seconds.
        sleep: waits some seconds; synchronous models need it, and callbacks.
        rng: draws durations and the seeds of those who give none, and spreads the repeats of callbacks.

    Raises:
        ValueError: a bad latency, key or host.
    """
    if paint is None:
        from apimodels_async.gateway import painter  # noqa: PLC0415  (another painter needs none of it)

        paint = painter.paint

    def now() -> int:
        return int(clock() * 1000)

    memory = StoreThread(None if store is None else Path(store), round(balance * 1e6))
    gallery = Gallery(memory, paint, now)
    hosting = Hosting(memory, now)
    hosts = Hosts.parse(callback_hosts)
    poster = Poster(hosts, sleep)
    rng = rng or random.Random()  # noqa: S311  (draws durations, no secrets)
    deliveries = Deliveries(store=memory, post=poster.post, now=now, sleep=sleep, rng=rng)
    generations = Generations(
        store=memory,
        gallery=gallery,
        hosting=hosting,
        deliveries=deliveries,
        hosts=hosts,
        latency=Latency.parse(latency) if isinstance(latency, str) else latency,
        now=now,
        sleep=sleep,
        rng=rng,
    )
    guard = _Guard(check_keys(api_keys))
    refusing = _Refusing(refusals_status=200 if errors_in_envelope else None)

    async def balance_left(_: Request, __: bytes) -> Response:
        return envelope({"balance": dollars(await memory.ask(Store.balance, now()))})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with memory, gallery, poster, deliveries:
            yield

    app = Starlette(
        routes=[
            *guard.routes("/images/generations", {"GET": generations.query, "POST": generations.create}),
            *guard.routes("/models", {"GET": _models}),
            *guard.routes("/balance", {"GET": balance_left}),
            *guard.routes("/files", {"POST": hosting.upload}),
            Route("/results/{name}", gallery.get),
            Route("/hosted/{id}", hosting.get),
            Route("/uploads/{id}", hosting.put, methods=["PUT"]),
            Route("/openapi.json", _openapi),
        ],
        exception_handlers={
            Refusal: refusing.on_refusal,
            HTTPException: refusing.on_refusal,
            ClientDisconnect: refusing.on_hang_up,
            Exception: refusing.on_fault,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


async def _models(_: Request, __: bytes) -> Response:
    return plain_json({"data": [{"id": model.id, "prices": dict(model.prices)} for model in MODELS]})


async def _openapi(_: Request) -> Response:
    return plain_json(DOCUMENT)


@frozen
class _Guard:
    """Lets those through who have a key.

    Attributes:
        keys: the keys.
    """

    keys: tuple[bytes, ...]

    def routes(self, path: str, endpoints: Mapping[str, _Endpoint]) -> list[Route]:
        """The routes to an API call, below every prefix."""

        async def answer(request: Request) -> Response:
            # A refusal waits until the body is in: a client that is still sending would not read it.
            body = await body_of(request) if request.method == "POST" else b""
            authenticate(request, self.keys)
            if body is None:
                raise Refusal(400, f"the body has more than {LARGEST_BODY >> 20} MB")
            return await endpoints["GET" if request.method == "HEAD" else request.method](request, body)

        return [Route(prefix + path, answer, methods=list(endpoints)) for prefix in PREFIXES]


@frozen
class _Refusing:
    """Turns what was raised into an envelope.

    Attributes:
        refusals_status: the HTTP status of the API's refusals; ``None`` for the envelope's own code.
    """

    refusals_status: int | None

    def _answer(self, request: Request, code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
        of_the_api = request.scope["path"].startswith(tuple(f"{prefix}/" for prefix in PREFIXES))
        return refused(code, message, status=self.refusals_status if of_the_api else None, headers=headers)

    async def on_refusal(self, request: Request, error: Exception) -> Response:
        match error:
            case Refusal():
                return self._answer(request, error.code, error.message)
            case HTTPException():
                return self._answer(request, error.status_code, error.detail, error.headers)
            case _:
                raise error

    async def on_hang_up(self, request: Request, _: Exception) -> Response:
        return self._answer(request, 400, "the body broke off")  # nobody is there to read it

    async def on_fault(self, request: Request, _: Exception) -> Response:
        return self._answer(request, 500, "internal error of the gateway")  # Starlette passes the error on to the log
