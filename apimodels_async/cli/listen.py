"""``apimodels listen``: callbacks on this machine, as they come, until Ctrl-C."""

import hashlib
import os
import shlex
from types import ModuleType
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from apimodels_async._http.forwarder import Forwarder
from apimodels_async._secret import Secret
from apimodels_async._urls import is_loopback
from apimodels_async.callbacks import Callback, CallbackReceiver
from apimodels_async.callbacks.signing import INTENT_BYTES, SHORTEST_SECRET, intent_id_of
from apimodels_async.cli import exit_codes
from apimodels_async.cli.callback_view import show
from apimodels_async.cli.failures import CommandFailed, cannot_listen
from apimodels_async.cli.options import quiet, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.values import whole
from apimodels_async.errors import ConnectionFailedError

__all__ = ["listen"]

_FORWARD_SECONDS = 7.0
"""Time limit for the app that is forwarded to: the receiver allows its function 8 s, and the sender waits 10 s."""
_KEY_ID = "listen"
_SETTING = "APIMODELS_CALLBACK_SECRET"


@takes(log=quiet)
def listen(
    *,
    port: Annotated[
        int, typer.Option(metavar="N", parser=whole(0, 65535), help="Where to listen; 0 takes a free port.")
    ] = 8788,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    public_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            show_default="the address it listens on",
            help="Where the server reaches it from outside, such as a tunnel's URL.",
        ),
    ] = None,
    forward: Annotated[
        str | None, typer.Option(metavar="URL", help="Pass every callback on to an app on this machine.")
    ] = None,
    forward_anywhere: Annotated[
        bool, typer.Option("--forward-anywhere", help="Let --forward lead to another machine.")
    ] = False,
) -> None:
    """Receive callbacks, and print them as they come; as JSON lines if stdout is no terminal.

    Prints a URL to give to `create` and `generate`, as often as you like, and stays until Ctrl-C. It is a new one each
    time, unless APIMODELS_CALLBACK_SECRET holds a secret to make it from.
    """
    serving = _serving()
    if forward is not None:
        _check_forward(forward, anywhere=forward_anywhere)
    secret = _secret()
    try:
        listener, address = serving.bind(host, port)
    except OSError as error:
        raise CommandFailed(cannot_listen(error, host, port), exit_codes.CONFIGURATION) from error
    with listener:
        callbacks = _Callbacks(public_url or address, secret, forward)

        def ready(server: Any) -> None:
            callbacks.server = server
            _announce(callbacks, address, forward)

        try:
            serving.serve(listener, callbacks.receiver, ready=ready, done=callbacks.aclose)
        except KeyboardInterrupt:
            return  # where the loop takes no signals
    if callbacks.unread is not None:
        raise callbacks.unread


def _announce(callbacks: "_Callbacks", address: str, forward: str | None) -> None:
    # As the gateway does it: all of it can be pasted. Not to stdout, where a program may read the callbacks.
    screen = callbacks.screen
    screen.say(f"# Callbacks are received at {address}, and believed if they come to this URL:")
    screen.say(f"export APIMODELS_CALLBACK_URL={shlex.quote(callbacks.url)}")
    if forward is not None:
        screen.say(f"# They are passed on to {forward}")
    screen.say("# Ctrl-C ends it")


class _Callbacks:
    """What is done about them."""

    def __init__(self, public_url: str, secret: Secret[bytes], forward: str | None) -> None:
        self.screen = Screen()
        self.server: Any = None
        self.unread: OSError | None = None
        self._forwarder = None if forward is None else Forwarder(forward, timeout=_FORWARD_SECONDS)
        try:
            self.receiver = CallbackReceiver(
                public_url, {_KEY_ID: secret.reveal()}, on_callback=self._handle, reusable=True
            )
        except ValueError as error:
            raise CommandFailed(str(error).replace("public_url:", "--public-url:"), exit_codes.USAGE) from None
        # Made from the secret: with the same one, the URL is the same tomorrow.
        digest = hashlib.sha256(b"apimodels listen\0" + secret.reveal()).digest()
        self.url: str = self.receiver.signer.url(intent_id_of(digest[:INTENT_BYTES]))

    async def _handle(self, callback: Callback) -> None:
        status = None if self._forwarder is None else await self._passed_on(self._forwarder, callback)
        try:
            show(self.screen, callback, forwarded=status)
        except OSError as error:  # the reader of stdout has gone
            self.unread = error
            self.server.should_exit = True
            raise

    async def _passed_on(self, forwarder: Forwarder, callback: Callback) -> int:
        try:
            status = await forwarder.post(callback.body)
        except ConnectionFailedError as error:
            raise ConnectionFailedError(f"--forward got no answer: {error}") from error
        if status // 100 != 2:
            raise ConnectionFailedError(f"--forward got HTTP {status}")
        return status

    async def aclose(self) -> None:
        await self.receiver.aclose()
        if self._forwarder is not None:
            await self._forwarder.aclose()


def _serving() -> ModuleType:
    try:
        from apimodels_async.cli import serving  # noqa: PLC0415  (brings a web server)
    except ModuleNotFoundError as error:
        if error.name != "uvicorn":
            raise
        raise CommandFailed(
            'listen needs uvicorn, which comes with an extra: pip install "apimodels-async[gateway]"',
            exit_codes.CONFIGURATION,
        ) from error
    return serving


def _secret() -> Secret[bytes]:
    given = os.environ.get(_SETTING, "").encode("utf-8", "surrogateescape")
    if given and len(given) < SHORTEST_SECRET:
        raise CommandFailed(f"{_SETTING} is shorter than {SHORTEST_SECRET} bytes", exit_codes.CONFIGURATION)
    return Secret(given or os.urandom(32))


def _check_forward(url: str, *, anywhere: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = None, None
    if parts is None or parts.scheme not in ("http", "https") or not host:
        raise CommandFailed("--forward: give an absolute http(s) URL, such as http://127.0.0.1:3000", exit_codes.USAGE)
    if not anywhere and not is_loopback(host):
        raise CommandFailed(
            f"--forward: {host} is another machine; if you mean it, add --forward-anywhere", exit_codes.USAGE
        )
