"""Pictures that never come: a call's own time limit holds, and nothing is sent."""

import os
from pathlib import Path

import anyio
import httpx
import pytest

from apimodels_async import AsyncImagesClient

pytestmark = pytest.mark.anyio


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="about pipes of POSIX")
async def test_a_pipe_that_nothing_is_written_to_is_left_when_the_time_is_up(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "picture.png"
    os.mkfifo(pipe)
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(500)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with http, AsyncImagesClient("sk_test", model="m", http_client=http) as client:
        with pytest.raises(TimeoutError), anyio.fail_after(0.3):
            await client.create("a", image=pipe)
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # the thread that opens it ends
    assert sent == []
