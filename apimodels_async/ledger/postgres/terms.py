"""What holds for all runs of a ledger together: one budget, one rate of create requests."""

from typing import NamedTuple

from apimodels_async._postgres import Connection
from apimodels_async.ledger.port import Slots


class Terms(NamedTuple):
    """What holds for all runs of a ledger together. Money is in US dollars, estimated by the catalogue's prices.

    Attributes:
        budget: what may be spent; ``None`` for no limit.
        granted: of it, what runs may spend without asking again; those that have ended return their rest.
        used: the cost of what is billed or may be.
        create_rate: create requests a second; ``None`` for no limit.
    """

    budget: float | None
    granted: float
    used: float
    create_rate: float | None


def read(connection: Connection) -> Terms:
    """The terms, and what was used of them."""
    budget, granted, used, create_rate = connection.execute(_TERMS).fetchone() or (None, 0, 0, None)
    return Terms(None if budget is None else budget / 1e6, float(granted) / 1e6, float(used) / 1e6, create_rate)


def take_slots(connection: Connection, number: int) -> Slots | None:
    """That many slots at the one rate; ``None`` where none is set."""
    row = connection.execute(_SLOTS, {"number": number}).fetchone()
    return None if row is None else Slots(max(0.0, row[0]), row[1])


_TERMS = """
SELECT budget, granted, (SELECT coalesce(sum(used), 0) FROM apimodels.run), create_rate FROM apimodels.ledger
"""
_SLOTS = """
UPDATE apimodels.ledger SET next_slot = greatest(least(next_slot, now + 60), now) + %(number)s / create_rate
FROM (SELECT extract(epoch FROM clock_timestamp())::float8 AS now) AS clock
WHERE create_rate IS NOT NULL
RETURNING next_slot - %(number)s / create_rate - now, 1 / create_rate
"""
"""No more than a minute ahead, so that a clock that is set back holds nothing for long."""
