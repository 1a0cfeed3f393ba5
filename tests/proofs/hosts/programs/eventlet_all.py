"""eventlet with everything replaced: the blocking client is refused at once."""

import sys
import warnings

warnings.simplefilter("ignore", DeprecationWarning)
sys.modules["trio"] = None  # type: ignore[assignment]  # its import fails under eventlet, and httpcore's with it
import eventlet  # noqa: E402

eventlet.monkey_patch()

import asyncio  # noqa: E402
from pathlib import Path  # noqa: E402

from told import awaited_picture, refusal, tell  # noqa: E402

from apimodels_async import AsyncImagesClient, ImagesClient  # noqa: E402


async def main() -> list[Path]:
    """What a patched program can do: one event loop."""
    async with AsyncImagesClient() as client:
        return await awaited_picture(client, "A green boat")


greenlets = [eventlet.spawn(refusal, ImagesClient) for _ in range(3)]
messages = [greenlet.wait() for greenlet in greenlets]
assert all("eventlet" in message for message in messages), messages
tell(asyncio.run(main()), refused=len(messages))
