"""``--local``: the embedded gateway, for one command."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from uuid import uuid4

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed

__all__ = ["gateway_module", "identity_of", "local_gateway"]


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


class LocalServer(NamedTuple):
    """A gateway that runs for one command.

    Attributes:
        api_key: its key.
        base_url: its address, with another port at each start.
        identity: the name by which a ledger knows it: that of its store, independent of the port.
    """

    api_key: str
    base_url: str
    identity: str


@contextmanager
def local_gateway(store: Path | None) -> Generator[LocalServer]:
    """Run a gateway for one command.

    Args:
        store: where it keeps its tasks; ``None`` for a temporary file.
    """
    identity = f"gateway:{uuid4().hex if store is None else _id_of(store)}"
    # A proxy in the environment is for the network, and could not reach this machine's gateway anyway.
    os.environ["no_proxy"] = ",".join(
        filter(None, [os.environ.get("no_proxy"), os.environ.get("NO_PROXY"), "127.0.0.1"])
    )
    with gateway_module().LocalGateway(store=store) as gateway:
        yield LocalServer(gateway.api_key, gateway.base_url, identity)


def identity_of(store: Path | None) -> str:
    """The identity of the gateway with this store, without starting it. One that was never started has no tasks."""
    place = None if store is None else store.with_name(f"{store.name}.id")
    known = place is not None and store is not None and store.exists() and place.exists()
    return f"gateway:{place.read_text(encoding='ascii').strip() if known and place is not None else 'not started yet'}"


def _id_of(store: Path) -> str:
    """The id of a store, in a file beside it. A store that is gone has no tasks any more, and a new one is another."""
    place = store.with_name(f"{store.name}.id")
    if store.exists() and place.exists():
        return place.read_text(encoding="ascii").strip()
    store.parent.mkdir(parents=True, exist_ok=True)
    made = uuid4().hex
    place.write_text(f"{made}\n", encoding="ascii")
    return made
