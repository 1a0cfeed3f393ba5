"""An ASGI app on a real socket, in a thread of its own, for as long as a block lasts."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from apimodels_async.callbacks import CallbackReceiver

SECRETS = {"k1": b"sixteen bytes or more"}


class _Server(uvicorn.Server):
    ready: threading.Event

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def served(app_of: Callable[[str], Any]) -> Iterator[Any]:
    """Serves the app that `app_of` makes for a URL, and gives it."""
    config = uvicorn.Config("", port=0, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    with config.bind_socket() as listener:
        app = app_of(f"http://127.0.0.1:{listener.getsockname()[1]}/calls")
        server = _Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="on", ws="none", timeout_graceful_shutdown=1
            )
        )
        server.ready = threading.Event()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert server.ready.wait(10)
        try:
            yield app
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def receiving(**options: Any) -> Iterator[CallbackReceiver]:
    """A receiver that can be called."""
    with served(lambda url: CallbackReceiver(url, SECRETS, **options)) as receiver:
        yield receiver
