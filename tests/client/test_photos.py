"""Photos as they come from a phone, edited by the gateway through addresses of either kind."""

import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from apimodels_async import AsyncImagesClient, RequestTooLargeError, Task
from apimodels_async.gateway import LocalGateway

pytestmark = [pytest.mark.anyio, pytest.mark.once]

SMALL, LARGE = 4_500_000, 100_000_000
"""Bytes that an address of each kind takes."""


def photo(path: Path, size: tuple[int, int], quality: int) -> Path:
    """A JPEG of noise, which takes about two bytes a pixel, with an orientation as phones write it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1]))
    picture.save(path, "JPEG", quality=quality, subsampling=0, exif=exif)
    return path


@pytest.fixture(scope="module")
def of_6_megabytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = photo(tmp_path_factory.mktemp("photos") / "6.jpg", (2700, 1900), 75)
    assert 6_000_000 < path.stat().st_size < 7_000_000
    return path


@pytest.fixture(scope="module")
def of_60_megabytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = photo(tmp_path_factory.mktemp("photos") / "60.jpg", (6000, 4500), 94)
    assert 60_000_000 < path.stat().st_size < 63_000_000
    return path


@pytest.fixture(scope="module", params=[SMALL, LARGE], ids=["4.5 MB", "100 MB"])
def address(request: pytest.FixtureRequest) -> Iterator[LocalGateway]:
    with LocalGateway(latency="0.01/0.01", max_body=request.param) as gateway:
        yield gateway


async def sizes(client: AsyncImagesClient, task: Task) -> list[tuple[int, int]]:
    return [Image.open(io.BytesIO(picture.data)).size for picture in await client.fetch(task)]


async def test_a_photo_of_6_megabytes_is_edited_through_either(address: LocalGateway, of_6_megabytes: Path) -> None:
    async with AsyncImagesClient(address.api_key, base_url=address.base_url, model="grok-4.2-image") as client:
        task = await client.generate("snow", image=of_6_megabytes)
        assert await sizes(client, task) == [(1900, 2700)]


def test_the_address_of_the_first_kind_answers_413_above_4_5_megabytes() -> None:
    with LocalGateway(max_body=SMALL) as gateway:
        headers = {"Authorization": f"Bearer {gateway.api_key}", "Content-Type": "application/json"}
        for size, status in ((SMALL + 1, 413), (SMALL, 400)):
            answer = httpx.post(
                f"{gateway.base_url}/images/generations", content=b" " * size, headers=headers, timeout=60
            )
            assert answer.status_code == status
        assert (
            "FUNCTION_PAYLOAD_TOO_LARGE"
            in httpx.post(
                f"{gateway.base_url}/images/generations", content=b" " * (SMALL + 1), headers=headers, timeout=60
            ).text
        )


async def test_a_request_that_is_too_large_without_its_pictures_is_a_typed_error() -> None:
    with LocalGateway(max_body=100_000) as gateway:
        async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model="grok-4.2-image") as client:
            with pytest.raises(RequestTooLargeError, match=r"FUNCTION_PAYLOAD|api\.apimodels\.app/v1"):
                await client.create("a" * 100_000)


EDIT = """
import asyncio, json, sys
from apimodels_async import AsyncImagesClient

key, base_url, small, large = sys.argv[1:]

def memory(line):
    with open("/proc/self/status") as status:
        return next(int(each.split()[1]) for each in status if each.startswith(line + ":")) * 1024

async def main():
    async with AsyncImagesClient(key, base_url=base_url, model="grok-4.2-image") as client:
        await client.generate("snow", image=small)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew
        before = memory("VmRSS")
        task = await client.generate("snow", image=large, size="1024x768")
        print(json.dumps({"taken": memory("VmHWM") - before, "state": task.state, "links": task.result_urls}))

asyncio.run(main())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what the kernel says of the process")
@pytest.mark.parametrize("max_body", [SMALL, LARGE], ids=["4.5 MB", "100 MB"])
def test_a_photo_of_60_megabytes_is_edited_through_either_with_little_memory(
    of_60_megabytes: Path, of_6_megabytes: Path, max_body: int
) -> None:
    with LocalGateway(latency="0.01/0.01", max_body=max_body) as gateway:
        arguments = [gateway.api_key, gateway.base_url, str(of_6_megabytes), str(of_60_megabytes)]
        done = subprocess.run([sys.executable, "-c", EDIT, *arguments], stdout=subprocess.PIPE, check=True, timeout=240)
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["state"] == "completed"
        assert httpx.get(told["links"][0], timeout=120).status_code == 200
    assert told["taken"] < 16_000_000
