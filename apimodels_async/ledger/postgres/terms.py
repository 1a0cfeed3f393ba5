"""What holds for all runs of a ledger together: one budget, one rate of create requests."""

from typing import NamedTuple

from apimodels_async._postgres import Connection
from apimodels_async.ledger.port import Slots

MOST = 1e12
"""US dollars; a budget is kept as millionths in 64 bits."""


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
UPDATE apimodels.ledger SET
    next_slot = greatest(next_slot - greatest(slot_taken - now, 0), now) + %(number)s / create_rate, slot_taken = now
FROM (SELECT extract(epoch FROM clock_timestamp())::float8 AS now) AS clock
WHERE create_rate IS NOT NULL
RETURNING next_slot - %(number)s / create_rate - now, 1 / create_rate
"""
"""By as much as the clock was set back, the next slot is set back as well: at a low rate it may be far ahead."""
SET_RATE = """
UPDATE apimodels.ledger SET create_rate = %(rate)s, next_slot = CASE
    WHEN next_slot > now THEN now + coalesce((next_slot - now) * create_rate / %(rate)s::float8, 0) ELSE next_slot END
FROM (SELECT extract(epoch FROM clock_timestamp())::float8 AS now) AS clock
WHERE create_rate IS DISTINCT FROM %(rate)s
"""
"""What was taken already counts by the new rate: after a low one, a higher one holds at once."""
