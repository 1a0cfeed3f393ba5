"""nest_asyncio: event loops inside event loops, each with the same client, and the blocking client among them."""

import asyncio
from pathlib import Path

import nest_asyncio
from told import awaited_picture, picture, tell

from apimodels_async import AsyncImagesClient, ImagesClient

nest_asyncio.apply()


async def inner(client: AsyncImagesClient) -> list[Path]:
    """Two pictures at once."""
    made = await asyncio.gather(*(awaited_picture(client, f"Boat {number}") for number in range(2)))
    return [path for files in made for path in files]


async def main() -> list[Path]:
    """A call that is not awaited, in the middle of one that is."""
    async with AsyncImagesClient() as client:
        files = await awaited_picture(client, "The first boat")
        files += asyncio.get_running_loop().run_until_complete(inner(client))
        with ImagesClient() as blocking:
            files += picture(blocking, "A boat that blocks")
        async with asyncio.timeout(60):
            files += await awaited_picture(client, "The last boat")
    return files


tell(asyncio.run(main()))
