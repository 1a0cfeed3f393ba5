"""``--local``: the embedded gateway, for one command."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed

__all__ = ["gateway_module", "local_gateway"]


def gateway_module() -> ModuleType:
    """`apimodels_async.gateway`, imported only when it is needed: it brings a web server and a painter.

    Raises:
        CommandFailed: the extra is not installed.
    """
    try:
        from apimodels_async import gateway  # noqa: PLC0415
    except ModuleNotFoundError:
        raise
    except ImportError as error:  # its message names the extra
        raise CommandFailed(str(error), exit_codes.CONFIGURATION) from error
    return gateway


@contextmanager
def local_gateway(store: Path | None) -> Generator[tuple[str, str]]:
    """A gateway for one command: its key and its base URL.

    Args:
        store: where it keeps its tasks; ``None`` for a temporary file.
    """
    if store is not None:
        store.parent.mkdir(parents=True, exist_ok=True)
    # A proxy in the environment is for the network, and could not reach this machine's gateway anyway.
    os.environ["no_proxy"] = ",".join(
        filter(None, [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), "127.0.0.1"])
    )
    with gateway_module().LocalGateway(store=store) as gateway:
        yield gateway.api_key, gateway.base_url
