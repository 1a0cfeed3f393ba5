"""A loaded ledger, and what is paid for it."""

from collections.abc import Iterator
from typing import Any

import pytest

from apimodels_async import GenerationRequest
from apimodels_async.gateway import LocalGateway
from apimodels_async.ledger import PostgresLedger

MODEL = "grok-image/grok-4.2-image"
PRICE = 0.03


def requests(number: int, name: str = "a fox") -> list[GenerationRequest]:
    """Requests for tiny pictures."""
    return [GenerationRequest(f"{name} {each}", size="64x64") for each in range(number)]


class Purse:
    """What a gateway's account has paid since."""

    def __init__(self, gateway: LocalGateway) -> None:
        self._gateway = gateway
        self._before = self._balance()

    def _balance(self) -> float:
        from apimodels_async import ImagesClient

        with ImagesClient(self._gateway.api_key, base_url=self._gateway.base_url) as client:
            return client.balance()

    @property
    def pictures(self) -> int:
        """How many pictures were paid for."""
        return round((self._before - self._balance()) / PRICE)


@pytest.fixture
def purse(gateway: LocalGateway) -> Purse:
    return Purse(gateway)


@pytest.fixture
def ledger(postgres: str) -> Iterator[PostgresLedger]:
    """A ledger with 12 requests in 4 shards."""
    with PostgresLedger(postgres) as opened:
        opened.load(requests(12), model=MODEL)
        assert opened.divide(4) == 4
        yield opened


@pytest.fixture
def other(postgres: str, ledger: PostgresLedger) -> Iterator[PostgresLedger]:
    """The same ledger, as another process has it."""
    with PostgresLedger(postgres) as opened:
        yield opened


def sizes(ledger: PostgresLedger) -> dict[int, int]:
    """How many requests each shard has."""
    from apimodels_async.ledger.postgres.shards import COUNTS

    return {
        state.number: sum(count for _, count in ledger.database.select(COUNTS, (state.number,)))
        for state in ledger.shards()
    }


def fullest(ledger: PostgresLedger) -> int:
    """The number of the shard with the most requests."""
    found = sizes(ledger)
    return max(found, key=lambda number: found[number])


def options(folder: Any, **more: Any) -> dict[str, Any]:
    return {"download_to": str(folder), **more}
