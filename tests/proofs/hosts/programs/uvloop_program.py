"""uvloop: an async batch in it, and the blocking client while it makes all event loops."""

import asyncio
import warnings
from pathlib import Path

import uvloop
from told import FOLDER, SIZE, picture, tell

from apimodels_async import AsyncImagesClient, GenerationRequest, ImagesClient


async def main() -> list[Path]:
    """A batch of eight."""
    requests = [GenerationRequest(f"Boat {number}", size=SIZE) for number in range(8)]
    async with AsyncImagesClient() as client:
        outcomes = await client.generate_many(requests, download_to=FOLDER)
    return [path for outcome in outcomes for path in outcome.files]


files = uvloop.run(main())
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
with ImagesClient() as client:
    files += picture(client, "A ninth boat")
tell(files)
