"""The mirror where nobody thinks of it: in a signal handler, and in the garbage collector."""

import gc
import threading
from collections.abc import Iterator

import pytest

from apimodels_async import ImagesClient, Outcome, Task
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        yield running.generate()


def test_a_signal_handler_may_call_while_the_thread_that_it_interrupts_calls(server: PictureServer) -> None:
    """It runs in the same thread, between any two steps, and so also while that thread holds the lock."""
    with ImagesClient(KEY, base_url=server.base_url, model="m", pacing=FixedPacing(0.01)) as client:
        client.create("a")
        runner = client._portal._runner
        assert runner is not None
        ended: list[object] = []

        def interrupted() -> None:
            with runner._lock:
                ended.append(client.detached)

        thread = threading.Thread(target=interrupted, daemon=True)
        thread.start()
        thread.join(60.0)
        assert ended == [[]]


def test_a_block_that_the_garbage_collector_ends_in_the_clients_thread_is_left(server: PictureServer) -> None:
    with ImagesClient(KEY, base_url=server.base_url, model="m", pacing=FixedPacing(0.01)) as client:

        def pictures() -> Iterator[Outcome]:
            with client.batch([f"picture {number}" for number in range(400)], max_in_flight=4) as batch:
                yield from batch

        collected_in: list[str] = []

        def collect(_: Task) -> None:
            gc.collect()
            collected_in.append(threading.current_thread().name)

        waited_for = client.create("trigger")
        gc.collect()
        gc.disable()
        try:
            abandoned = pictures()
            next(abandoned)
            cycle: list[object] = [abandoned]
            cycle.append(cycle)
            del abandoned, cycle
            client.wait(waited_for, on_change=collect)
        finally:
            gc.enable()
        assert collected_in
        assert all(name != threading.current_thread().name for name in collected_in)
        sent = server.posts
        for _ in range(20):
            client.get(waited_for.id or "")
        assert server.posts <= sent + 4  # those whose first byte was about to leave
