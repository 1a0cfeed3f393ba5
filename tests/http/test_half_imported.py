"""While another thread imports aiohttp for the first time, errors are still told for what they are."""

import subprocess
import sys

import pytest

from tests.support.picture_server import PictureServer, raw

HALF_IMPORTED = """
import sys, threading

reached, go_on = threading.Event(), threading.Event()

def hold(event, args):
    # An audit hook and not a finder: finders run under the lock of all imports.
    if event == "import" and args[0] == sys.argv[3] and threading.current_thread() is importing:
        reached.set()
        assert go_on.wait(30)

sys.addaudithook(hold)
importing = threading.Thread(target=__import__, args=["aiohttp"])

import anyio
from apimodels_async import AsyncImagesClient

async def main():
    async with AsyncImagesClient("k", base_url=sys.argv[1], model="m", max_retries=0) as client:
        importing.start()
        assert await anyio.to_thread.run_sync(reached.wait, 30)
        try:
            await client.create("a cat")
        except Exception as error:
            print(type(error).__name__, type(error.__cause__).__name__)
        else:
            print("no error")
        finally:
            go_on.set()

anyio.run(main, backend=sys.argv[2])
importing.join()
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("module", ["aiohttp.client", "aiohttp.http_exceptions", "aiohttp.connector"])
def test_a_create_that_lost_its_answer_is_unknown_while_aiohttp_is_half_imported(backend: str, module: str) -> None:
    pytest.importorskip("aiohttp")
    with PictureServer() as server:
        server.create(raw(b""))
        command = [sys.executable, "-c", HALF_IMPORTED, server.base_url, backend, module]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.stderr == ""
    assert ended.stdout.strip() == "SubmissionUnknownError RemoteProtocolError"
    assert server.posts == 1
