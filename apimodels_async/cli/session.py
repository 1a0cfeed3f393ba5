"""One conversation with the server: a client that is set up, used and closed."""

import warnings
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import anyio
import typer

from apimodels_async._create.uploads import OnUpload
from apimodels_async.cli.failures import one_line
from apimodels_async.cli.local import local_gateway
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import ConfigurationError

__all__ = ["converse", "server_of", "show_uploads"]

T = TypeVar("T")


def converse(work: Callable[[AsyncImagesClient], Awaitable[T]], *, local: bool, store: Path | None = None) -> T:
    """What `work` returns, called with a client of the vendor's API or, if `local`, of a gateway started for it.

    Args:
        work: what to do.
        local: whether to start a gateway on this machine.
        store: where that keeps its tasks; ``None`` for a temporary file.

    Raises:
        ConfigurationError: no key, and so on.
        CommandFailed: the gateway is not installed.
    """
    with ExitStack() as stack:
        if local:
            server = stack.enter_context(local_gateway(store))
            client = _client(server.api_key, server.base_url)
            client._engine.server_identity = server.identity  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        else:
            client = _client()
        return anyio.run(_use, client, work)


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
            raise ConfigurationError(str(error).replace("give api_key=, set ", "set ")) from error
    for warning in caught:
        typer.echo(f"apimodels: warning: {one_line(warning.message)}", err=True)
    return client
