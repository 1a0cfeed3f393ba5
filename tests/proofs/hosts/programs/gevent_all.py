"""gevent with everything replaced: the blocking client is refused at once, whether it is the first or the second."""

from gevent import monkey

monkey.patch_all()

import asyncio  # noqa: E402
import time  # noqa: E402

import gevent  # noqa: E402
from told import awaited_picture, refusal, tell  # noqa: E402

from apimodels_async import AsyncImagesClient, ImagesClient  # noqa: E402
from apimodels_async.sync import CallbackReceiver  # noqa: E402


def request() -> str:
    """A greenlet of a server that makes a client for each request."""
    return refusal(ImagesClient)


async def main() -> list[object]:
    """What a patched program can do: one event loop."""
    async with AsyncImagesClient() as client:
        return list(await awaited_picture(client, "A green boat"))


greenlets = [gevent.spawn(request) for _ in range(3)]
gevent.joinall(greenlets, timeout=30, raise_error=True)
messages = [greenlet.value for greenlet in greenlets]
messages.append(refusal(lambda: CallbackReceiver("https://example.com/callbacks", {"k": "s" * 32})))
assert all(message and "gevent" in message for message in messages), messages

turns: list[float] = []


def other() -> None:
    """Another greenlet, which must not be held up."""
    while True:
        turns.append(time.monotonic())
        gevent.sleep(0.01)


gevent.spawn(other)
files = asyncio.run(main())
assert len(turns) > 1
try:
    asyncio.get_running_loop()
except RuntimeError:
    tell(files, refused=len(messages))  # type: ignore[arg-type]
