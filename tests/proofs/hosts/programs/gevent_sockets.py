"""gevent with its sockets alone: any number of clients works, each in a thread of its own."""

from gevent import monkey

monkey.patch_socket()
monkey.patch_ssl()
monkey.patch_time()

import time  # noqa: E402

import gevent  # noqa: E402
from told import picture, tell  # noqa: E402

from apimodels_async import ImagesClient  # noqa: E402


def request(number: int) -> list[object]:
    """A greenlet with a client of its own; the call leaves the other greenlets alone."""
    with ImagesClient() as client:
        return list(gevent.get_hub().threadpool.apply(picture, (client, f"Boat {number}")))


turns: list[float] = []


def other() -> None:
    """Another greenlet."""
    while True:
        turns.append(time.monotonic())
        gevent.sleep(0.01)


gevent.spawn(other)
greenlets = [gevent.spawn(request, number) for number in range(3)]
gevent.joinall(greenlets, timeout=60, raise_error=True)
assert len(turns) > 1
tell([path for greenlet in greenlets for path in greenlet.value])
