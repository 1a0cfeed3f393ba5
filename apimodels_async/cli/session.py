"""One conversation with the server: a client that is set up, used and closed."""

import warnings
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import anyio

from apimodels_async._create.uploads import OnUpload
from apimodels_async._secret import Secret
from apimodels_async._settings import resolve
from apimodels_async.cli.local import identity_of, local_gateway
from apimodels_async.cli.options import ServerChoice
from apimodels_async.cli.stderr import current
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import ConfigurationError

__all__ = ["base_url_of", "converse", "converse_offline", "server_of", "show_uploads"]

T = TypeVar("T")

_GATEWAY = "http://127.0.0.1"


def converse(
    work: Callable[[AsyncImagesClient], Awaitable[T]],
    server: ServerChoice,
    *,
    store: Path | None = None,
    api_key: Secret[str] | None = None,
) -> T:
    """What `work` returns, called with a client of the server, or of a gateway started for it.

    Args:
        work: what to do.
        server: which server.
        store: where that keeps its tasks; ``None`` for a temporary file.
        api_key: in place of that of the settings.

    Raises:
        ConfigurationError: no key, and so on.
        CommandFailed: the gateway is not installed.
    """
    with ExitStack() as stack:
        if server.local:
            gateway = stack.enter_context(local_gateway(store))
            client = _client(gateway.api_key, gateway.base_url)
            _set_identity(client, gateway.identity)
        else:
            client = _client(None if api_key is None else api_key.reveal(), server.base_url)
        return anyio.run(_use, client, work)


def converse_offline(
    work: Callable[[AsyncImagesClient], Awaitable[T]], server: ServerChoice, *, store: Path | None = None
) -> T:
    """What `work` returns, called with a client of the server that sends nothing: no key is needed, and none is used.

    Args:
        work: what to do.
        server: which server.
        store: of the gateway, if that is the server.

    Raises:
        ConfigurationError: a base URL that is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        client = AsyncImagesClient("sends_nothing", base_url=_GATEWAY if server.local else server.base_url)
    if server.local:
        _set_identity(client, identity_of(store))
    return anyio.run(_use, client, work)


def _set_identity(client: AsyncImagesClient, identity: str) -> None:
    client._engine.server_identity = identity  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def base_url_of(server: ServerChoice) -> str:
    """The base URL of a server.

    Raises:
        ConfigurationError: one that is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return resolve(Secret("sends_nothing"), server.base_url, None).base_url


def server_of(client: AsyncImagesClient) -> str:
    """The identity of a client's server."""
    return client._engine.server_identity  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def show_uploads(client: AsyncImagesClient, show: OnUpload) -> None:
    """Have `show` called with the progress of large pictures."""
    client._engine.on_upload = show  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


async def _use(client: AsyncImagesClient, work: Callable[[AsyncImagesClient], Awaitable[T]]) -> T:
    async with client:
        return await work(client)


def _client(api_key: str | None = None, base_url: str | None = None) -> AsyncImagesClient:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            client = AsyncImagesClient(api_key, base_url=base_url)
        except ConfigurationError as error:
            # There is no api_key= here, and no option for it: a process list would show it to everybody.
            words = str(error).replace("give api_key=, set ", "run `apimodels login`, set ")
            raise ConfigurationError(words.replace("base_url", "--base-url")) from error
    for warning in caught:
        current().warn(f"warning: {str(warning.message).replace('base_url', '--base-url')}")
    return client
