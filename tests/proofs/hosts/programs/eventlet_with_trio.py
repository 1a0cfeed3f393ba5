"""A library below that cannot be imported, as trio under eventlet: a refusal that says so, and no foreign error."""

import warnings

warnings.simplefilter("ignore", DeprecationWarning)
import eventlet  # noqa: E402

eventlet.monkey_patch(all=False, socket=True)

import asyncio  # noqa: E402

from told import refusal, tell  # noqa: E402

from apimodels_async import AsyncImagesClient  # noqa: E402


async def main() -> None:
    """One query."""
    async with AsyncImagesClient() as client:
        await client.balance()


message = refusal(lambda: asyncio.run(main()))
assert "httpcore cannot be imported" in message, message
tell([], refused=1)
