"""The gateway's own page: what it serves, and what it does when its form is posted."""

import asyncio
import functools
import json
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message, Scope

from apimodels_async._thumbnails import MEDIA_TYPE, thumbnail
from apimodels_async.gateway.activity import RecentActivity, noted
from apimodels_async.gateway.disconnect import DISCONNECT
from apimodels_async.gateway.html import Html
from apimodels_async.gateway.limits import MAX_BODY, BodyBudget
from apimodels_async.gateway.multipart import boundary_of, form_parts
from apimodels_async.gateway.page_form import body_of, values_of
from apimodels_async.gateway.page_guard import PREFIX, PageGuard
from apimodels_async.gateway.page_store import latest_tasks, shown_task
from apimodels_async.gateway.page_views import Site, View, home, live_parts, message, task_page
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.requests import origin_of, read_body
from apimodels_async.gateway.results import TaskResults
from apimodels_async.gateway.store import Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.workers import Workers

__all__ = ["Page"]

TASKS, RECORDS = 24, 40
"""How many tasks, and how many callbacks and requests, the page shows."""
_KEPT_FOR = "private, max-age=3600"
"""How long a browser may keep a thumbnail: a task's pictures never change."""
_ENVIRONMENT = "$APIMODELS_API_KEY"
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Page:
    """The page at ``/`` and its parts.

    Args:
        store: the store.
        results: the pictures of tasks.
        readers: the threads to read forms and to make thumbnails in.
        activity: what was asked and called.
        budget: the memory for bodies.
        now: the clock, epoch milliseconds.
        hosts: the allowed host names.
        keys: the API keys.
        default_key: the key that is no secret.
        api: the path of the API.
    """

    def __init__(
        self,
        *,
        store: StoreThread,
        results: TaskResults,
        readers: Workers,
        activity: RecentActivity,
        budget: BodyBudget,
        now: Callable[[], int],
        hosts: frozenset[str],
        keys: tuple[bytes, ...],
        default_key: str,
        api: str,
    ) -> None:
        self._store = store
        self._results = results
        self._readers = readers
        self._activity = activity
        self._budget = budget
        self._now = now
        self._hosts = hosts
        self._keys = keys
        self._api = api
        # The default key is public, so every caller may use the API: a password would protect nothing.
        self._open = default_key.encode() in keys
        self._shown_key = default_key if self._open else _ENVIRONMENT

    def routes(self) -> list[Route]:
        """The routes to the page."""
        guard = PageGuard(self._hosts, () if self._open else self._keys, self._explain)
        return [
            guard.route("/", self.home),
            guard.route(f"{PREFIX}/live", self.live),
            guard.route(f"{PREFIX}/create", self.create, "POST"),
            guard.route(f"{PREFIX}/tasks/{{id}}", self.task),
            guard.route(f"{PREFIX}/thumbnails/{{name}}", self.thumbnail),
            *(guard.route(f"{PREFIX}/page.{kind}", partial(self.asset, kind=kind)) for kind in _TYPES),
        ]

    async def home(self, request: Request) -> Response:
        """The page itself."""
        values = None
        again = request.query_params.get("again")
        if again is not None:
            shown = await self._store.ask(shown_task, again, self._now())
            values = None if shown is None else values_of(shown.request)
        return _html(home(self._site(request), await self._view(), values=values))

    async def live(self, request: Request) -> Response:
        """The parts of the page that change."""
        return JSONResponse(live_parts(self._site(request), await self._view()))

    async def task(self, request: Request) -> Response:
        """One task."""
        shown = await self._store.ask(shown_task, request.path_params["id"], self._now())
        if shown is None:
            raise Refusal(404, "there is no such task")
        callbacks = [each for each in self._activity.callbacks if each.task_id == shown.task.id]
        return _html(task_page(self._site(request), shown, self._now(), callbacks))

    async def thumbnail(self, request: Request) -> Response:
        """A picture, small."""
        data = await self._results.picture(request.path_params["name"])
        try:
            small = await self._readers.run(partial(thumbnail, data))
        except ValueError as error:
            raise Refusal(404, str(error)) from error
        return Response(small, media_type=MEDIA_TYPE, headers={"Cache-Control": _KEPT_FOR})

    async def asset(self, _: Request, *, kind: str) -> Response:
        """The style, the script or the icon."""
        return Response(_asset(kind), media_type=_TYPES[kind])

    async def create(self, request: Request) -> Response:
        """Send what the form holds to the API, as any client would, and show what it answers."""
        body = await read_body(request, self._budget)
        try:
            if body is None:
                raise Refusal(400, f"the form has more than {MAX_BODY >> 20} MB")
            boundary = boundary_of(request)
            if boundary is None:
                raise Refusal(400, "the form is not multipart/form-data")
            fields, files = await self._readers.run(partial(form_parts, body.data, boundary))
            refused: str | None
            try:
                sent = await self._readers.run(partial(body_of, fields, files))
            except Refusal as refusal:
                task_id, refused = None, refusal.message
            else:
                task_id, refused = await self._call(request, sent)
        finally:
            if body is not None:
                body.release()
        if task_id is not None:
            return RedirectResponse(self._site(request).to(f"tasks/{task_id}"), 303)
        if refused is None:
            return RedirectResponse(f"{self._site(request).root}/", 303)
        return _html(home(self._site(request), await self._view(), values=dict(fields), refused=refused), 400)

    async def _call(self, request: Request, body: bytes) -> tuple[str | None, str | None]:
        """Call the API of this very application.

        Returns:
            The task id, if there is a task; and why the request was refused, if it was.
        """
        gone = asyncio.Event()
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Message:
            message = next(given, None)
            if message is None:
                await gone.wait()
                return {"type": "http.disconnect"}
            return message

        status: int | None = None
        answer: list[bytes] = []

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not gone.is_set():
                answer.append(message.get("body", b""))

        scope = self._scope(request, body, gone)
        await request.app(scope, receive, send)
        task_id = noted(scope).get("task_id")
        if status is None:
            return task_id, None if task_id else "the connection was closed without an answer"
        return task_id, _refusal_in(status, b"".join(answer)) if task_id is None else None

    def _scope(self, request: Request, body: bytes, gone: asyncio.Event) -> Scope:
        path = f"{self._api}/images/generations"
        headers = [
            (b"host", request.headers.get("host", "").encode("latin-1")),
            (b"authorization", b"Bearer " + self._keys[0]),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        kept = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", "app", "state")
        return {
            **{name: request.scope[name] for name in kept if name in request.scope},
            "method": "POST",
            "path": request.scope.get("root_path", "") + path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "extensions": {DISCONNECT: gone.set},
        }

    async def _view(self) -> View:
        now = self._now()
        return View(
            now=now,
            balance=await self._store.ask(Store.balance, now),
            tasks=await self._store.ask(latest_tasks, now, TASKS),
            callbacks=list(islice(self._activity.callbacks, RECORDS)),
            requests=list(islice(self._activity.requests, RECORDS)),
        )

    def _site(self, request: Request) -> Site:
        return Site(request.scope.get("root_path", ""), origin_of(request), self._api, self._shown_key)

    def _explain(self, root: str, status: int, text: str) -> Response:
        # Without the request's host, which may be another site's.
        return _html(message(Site(root, "", "", ""), status, text), status)


def _html(document: Html, status: int = 200) -> Response:
    return HTMLResponse(document.encode(), status)


def _refusal_in(status: int, answer: bytes) -> str | None:
    """Why the API refused, by its answer; ``None`` if it did not."""
    code, words = status, answer.decode("utf-8", "replace").strip()
    try:
        parsed = json.loads(answer)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        envelope = cast("dict[str, Any]", parsed)
        code, words = envelope.get("code", status), str(envelope.get("msg", words))
    return None if code == 200 else f"{code}: {words}"


@functools.cache
def _asset(kind: str) -> bytes:
    return Path(__file__).with_name(f"page.{kind}").read_bytes()
