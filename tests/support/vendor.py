"""A vendor in memory that lives on the loop's own clock, so that hours of tasks pass in a second of virtual time."""

import json
import random
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import httpx

from tests.support.envelopes import envelope, wrapped

EPOCH = 1_700_000_000.0
_FAULTY = {
    "429": httpx.Response(429, headers={"Retry-After": "2"}, json=envelope(429, "slow down")),
    "401": httpx.Response(401, json=envelope(401, "revoked")),
    "503": httpx.Response(503, text="<html>busy</html>"),
    "html": httpx.Response(200, text="<html>hello</html>"),
}


def _success(data: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json=wrapped(data))


@attrs.define(eq=False, slots=False)
class Vendor:
    """Answers creates and queries as the contract says, with faults where it is told to.

    Attributes:
        duration: seconds that a task takes, drawn for each, from its prompt if it matters.
        fault: drawn for each request: "" for none, or the name of one.
        created: task id → (created, done) on the loop's clock.
    """

    duration: Callable[[random.Random, str], float] = lambda _random, _prompt: 60.0
    fault: Callable[[random.Random, str], str] = lambda _random, _method: ""
    fail: Callable[[str], dict[str, Any] | None] = lambda _prompt: None
    seed: int = 0
    latency: float = 0.05
    created: dict[str, tuple[float, float]] = attrs.Factory(dict)
    prompts: dict[str, str] = attrs.Factory(dict)
    posts: int = 0
    gets: int = 0
    alive_most: int = 0
    get_times: list[float] = attrs.Factory(list)

    def __attrs_post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def alive(self) -> int:
        now = anyio.current_time()
        return sum(done > now for _, done in self.created.values())

    async def answer(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(self.latency)
        fault = self.fault(self.random, request.method)
        if fault == "refused":
            raise httpx.ConnectError("refused", request=request)
        if request.method == "POST":
            return self._create(request, fault)
        if request.url.path.endswith("/balance"):
            return _success({"balance": 1.0})
        self.gets += 1
        self.get_times.append(anyio.current_time())
        if fault == "lost":
            raise httpx.ReadError("reset", request=request)
        return _FAULTY.get(fault) or self._query(request.url.params["task_id"])

    def _create(self, request: httpx.Request, fault: str) -> httpx.Response:
        self.posts += 1
        if fault == "429":
            return httpx.Response(429, headers={"Retry-After": "1"}, json=envelope(429, "slow down"))
        if fault in ("402", "401"):
            return httpx.Response(200, json=wrapped(None, int(fault), "no"))
        body = json.loads(request.content)
        now = anyio.current_time()
        task_id = f"cl{len(self.created):06}"
        self.created[task_id] = (now, now + self.duration(self.random, body["prompt"]))
        self.prompts[task_id] = body["prompt"]
        self.alive_most = max(self.alive_most, self.alive())
        if fault in ("503", "lost"):
            if fault == "lost":
                raise httpx.ReadError("reset", request=request)
            return httpx.Response(503, text="<html>busy</html>")
        return _success({"taskId": task_id, "state": "pending"})

    def _query(self, task_id: str) -> httpx.Response:
        created, done = self.created[task_id]
        if anyio.current_time() < done:
            return _success({"taskId": task_id, "state": "processing"})
        failure = self.fail(self.prompts[task_id])
        end = {"createTime": round((EPOCH + created) * 1000), "completeTime": round((EPOCH + done) * 1000)}
        if failure is not None:
            return _success({"taskId": task_id, "state": "failed", **failure, **end})
        links = [f"https://pictures.example/{task_id}.png"]
        return _success({"taskId": task_id, "state": "completed", "resultUrls": links, **end})
