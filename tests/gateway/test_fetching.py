"""A fetch ends when its time is over, whatever the server sends."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apimodels_async.gateway.fetch import fetch_local
from apimodels_async.gateway.limits import BodyBudget
from apimodels_async.gateway.refusals import Refusal

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

DRIPS = {
    "silence": (b"", b""),
    "status line": (b"", b"H"),
    "reason": (b"HTTP/1.1 200 ", b"O"),
    "header": (HEAD, b"x"),
    "headers": (HEAD, b"X: y\r\n"),
    "informational": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body": (HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "unframed body": (HEAD + b"\r\n", b"x"),
    "chunk size": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"1;", b"x"),
    "chunks": (CHUNKED, b"1\r\nx\r\n"),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n"),
}


@contextlib.asynccontextmanager
async def dripping(start: bytes, drip: bytes) -> AsyncIterator[str]:
    connections: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(start)
            while not writer.is_closing():
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(0.005)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


@pytest.mark.parametrize("phase", DRIPS)
def test_it_ends_in_every_phase_of_an_answer(phase: str) -> None:
    async def main() -> None:
        async with dripping(*DRIPS[phase]) as url:
            await fetch_local("image_url", url, BodyBudget(), time_limit=0.2)

    # Some of them are refused for what they send before the time is over.
    with pytest.raises(Refusal, match=r"^image_url: the URL (did not answer within 0.2 s|cannot be fetched)"):
        asyncio.run(asyncio.wait_for(main(), 20))


def test_many_slow_servers_hold_up_no_other_request(desk: Any) -> None:
    def slow_and_small() -> float:
        async def main() -> float:
            async with dripping(*DRIPS["status line"]) as url:
                body = {"model": "sparkpix-image-edit", "prompt": "a", "image_url": url}
                slow = [asyncio.wrap_future(desk.start("POST", "/images/generations", json=body)) for _ in range(60)]
                await asyncio.sleep(0.3)
                start = time.monotonic()
                answer = await asyncio.to_thread(desk.create)
                assert answer["state"] == "pending"
                assert not any(each.done() for each in slow)
                took = time.monotonic() - start
                answers = await asyncio.gather(*slow)
                assert {each.status_code for each in answers} == {400}
                return took

        return asyncio.run(main())

    slow_and_small()
