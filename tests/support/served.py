"""Callback receivers that can be called."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from apimodels_async.callbacks import CallbackReceiver
from tests.support.servers import asgi_server

SECRETS = {"k1": b"sixteen bytes or more"}


@contextmanager
def served(app_of: Callable[[str], Any]) -> Iterator[Any]:
    """Serves the app that `app_of` makes for a URL, and gives it."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = app_of(f"http://127.0.0.1:{listener.getsockname()[1]}/calls")
    with asgi_server(app, listener, lifespan="on"):
        yield app


@contextmanager
def receiving(**options: Any) -> Iterator[CallbackReceiver]:
    """A receiver that can be called."""
    with served(lambda url: CallbackReceiver(url, SECRETS, **options)) as receiver:
        yield receiver
