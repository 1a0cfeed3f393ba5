"""The slots of clients at one rate: never before their time, never late, whatever the ledger takes to answer."""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import anyio
import pytest

from apimodels_async._clock import loop_time
from apimodels_async.ledger import slots as slots_module
from apimodels_async.ledger.port import Ledger, Slots
from apimodels_async.ledger.slots import LATE, SlotQueue, is_late
from tests.support.virtual import virtually

pytestmark = pytest.mark.anyio

RATE = 20.0
T = TypeVar("T")


class OneRate:
    """A ledger that has nothing but a rate, and what lies between it and the clients.

    Attributes:
        shared: as of a ledger that several processes use.
        delays: seconds from each question to the ledger, and from there to its answer; the last ones stay.
        times: of the slots that it gave.
    """

    shared = True

    def __init__(self, *delays: tuple[float, float]) -> None:
        self.delays = [*delays]
        self.times: list[float] = []
        self._next = float("-inf")

    def slots(self, number: int) -> Slots:
        now = loop_time()
        first = max(now, self._next)
        self._next = first + number / RATE
        self.times += [first + each / RATE for each in range(number)]
        return Slots(first - now, 1.0 / RATE)

    async def run(self, ask: Callable[[], T]) -> T:
        there, back = self.delays.pop(0) if len(self.delays) > 1 else self.delays[0]
        await anyio.sleep(there)
        answer = ask()
        await anyio.sleep(back)
        return answer


async def used(ledger: OneRate, monkeypatch: pytest.MonkeyPatch, clients: int = 3, each: int = 40) -> list[float]:
    """The times, from the first question on, at which so many requests of so many clients use their slots."""
    monkeypatch.setattr(slots_module, "_ASKING", ledger)
    began = loop_time()
    times: list[float] = []

    async def send(queue: SlotQueue) -> None:
        assert not is_late(await queue.take())
        times.append(loop_time() - began)

    with anyio.fail_after(60.0):
        async with anyio.create_task_group() as group:
            for _ in range(clients):
                queue = SlotQueue(as_ledger(ledger))
                for _ in range(each):
                    group.start_soon(send, queue)
    ledger.times = [time - began for time in ledger.times]
    return sorted(times)


def as_ledger(ledger: OneRate) -> Ledger:
    found: Ledger = ledger  # type: ignore[assignment]
    return found


def busiest_second(times: list[float]) -> int:
    return max(sum(start <= time < start + 1.0 for time in times) for start in times)


@virtually
async def test_slots_of_a_quick_ledger_are_used_at_their_times(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = OneRate((0.001, 0.001))
    times = await used(ledger, monkeypatch)

    assert times == pytest.approx(sorted(ledger.times), abs=0.0011)
    assert times[-1] == pytest.approx(119 / RATE, abs=0.01)


@virtually
async def test_an_answer_that_takes_longer_than_others_makes_no_slot_come_early(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = OneRate(*[(0.001, 0.001), (0.15, 0.001)] * 30)
    times = await used(ledger, monkeypatch)

    assert all(time > slot for time, slot in zip(times, sorted(ledger.times), strict=True))
    assert busiest_second(times) <= RATE + 1


@virtually
async def test_a_ledger_that_is_far_away_is_used_at_nearly_its_rate(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = OneRate((0.3, 0.3))
    times = await used(ledger, monkeypatch, clients=1, each=200)

    assert len(times) == 200
    assert times[-1] < 1.25 * 200 / RATE
    assert busiest_second(times) <= RATE + 1


@virtually
async def test_a_ledger_that_moves_far_away_is_used_again_after_a_few_questions(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = OneRate(*[(0.001, 0.001)] * 10, (0.2, 0.2))
    times = await used(ledger, monkeypatch, clients=1, each=200)

    assert len(times) == 200
    assert max(later - time for time, later in pairwise(times)) < 10 * 0.4
    assert busiest_second(times) <= RATE + 1


@virtually
async def test_slots_of_an_answer_during_which_the_process_was_stopped_are_late(
    anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = OneRate((0.001, 0.001), (0.001, 1.0), (0.001, 0.001))
    times = await used(ledger, monkeypatch, clients=1, each=20)

    assert len(times) == 20
    assert len(ledger.times) > 20
    assert busiest_second(times) <= RATE + 1
    assert all(any(0.0 < time - slot <= LATE + 0.002 for slot in ledger.times) for time in times)
