"""The gate of the queries: how many are held back, for how long, and what lets them go on."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._limits import BASE
from apimodels_async._poll.gate import (
    LONGEST_HOLD,
    LONGEST_PAUSE,
    PROBE_PATIENCE,
    UNREACHABLE_IN_A_ROW,
    QueryGate,
)
from tests.support.virtual import most_jitter, no_jitter


def closed(now: float = 100.0) -> QueryGate:
    """A gate that has just closed."""
    gate = QueryGate(most_jitter)
    for _ in range(UNREACHABLE_IN_A_ROW):
        gate.failed(now, now, connected=False)
    return gate


def test_a_few_queries_without_a_connection_close_it() -> None:
    gate = QueryGate(most_jitter)
    for _ in range(UNREACHABLE_IN_A_ROW - 1):
        gate.failed(1.0, 0.0, connected=False)
        assert gate.pause(1.0) == 0.0
    gate.failed(1.0, 0.0, connected=False)
    assert gate.closed_since == 1.0
    assert gate.pause(1.0) == 0.5


def test_an_answer_between_them_keeps_it_open() -> None:
    gate = QueryGate(most_jitter)
    for _ in range(10):
        gate.failed(1.0, 0.0, connected=False)
        gate.failed(1.0, 0.0, connected=False)
        gate.reached()
    assert gate.closed_since is None


def test_broken_connections_do_not_close_it() -> None:
    gate = QueryGate(most_jitter)
    for _ in range(10):
        gate.failed(1.0, 0.0, connected=True)
    assert gate.closed_since is None


def test_one_probe_at_a_time_after_growing_pauses() -> None:
    gate, now, pauses = closed(), 100.0, list[float]()
    for number in range(6):
        pauses.append(gate.pause(now))
        now += pauses[-1]
        assert gate.pause(now) == 0.0
        gate.enter(now)
        assert gate.pause(now) == PROBE_PATIENCE
        gate.failed(now, now, connected=number % 2 == 0)
    assert pauses == [0.5, 1.0, 2.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_what_was_sent_before_it_closed_does_not_prolong_the_pause() -> None:
    gate = closed()
    for _ in range(60):
        gate.failed(100.2, 99.0, connected=False)
    assert gate.pause(100.2) == pytest.approx(0.3)


def test_an_answer_lets_all_go_on() -> None:
    gate = closed()
    gate.enter(101.0)
    gate.reached()
    assert gate.pause(101.0) == 0.0


def test_a_probe_that_was_cut_off_makes_room_for_another() -> None:
    gate = closed()
    gate.enter(101.0)
    gate.abandoned(102.0)
    assert gate.pause(102.0) == 0.0


def test_an_open_gate_lets_any_number_pass() -> None:
    gate = QueryGate(no_jitter)
    for _ in range(100):
        assert gate.pause(5.0) == 0.0
        gate.enter(5.0)


def test_a_429_is_waited_for_although_the_server_can_be_reached() -> None:
    gate = closed()
    gate.refused(100.0, 30.0, sent=99.0)
    gate.reached()
    assert gate.pause(110.0) == 21.0  # with a second of jitter
    assert gate.pause(130.0) == 0.0


def test_many_429s_to_queries_that_were_sent_together_hold_back_as_one_does() -> None:
    gate = QueryGate(lambda _low, high: high)
    for _ in range(64):
        gate.refused(1.0, None, sent=0.5)
    assert gate.opens == 1.0 + 2 * BASE
    gate.refused(3.0, None, sent=2.5)
    assert gate.opens == 3.0 + 4 * BASE
    gate.refused(3.5, 30.0, sent=2.5)  # what the server asks for is heeded
    assert gate.opens == 33.5


def test_an_absurd_429_is_not_waited_for_to_the_end() -> None:
    gate = QueryGate(no_jitter)
    gate.refused(0.0, 1e9, sent=0.0)
    assert gate.pause(0.0) == LONGEST_HOLD


@given(st.lists(st.tuples(st.sampled_from(["lost", "refused", "cut off"]), st.floats(0, 20))), st.integers())
def test_no_pause_is_longer_than_the_patience_with_a_probe(steps: list[tuple[str, float]], seed: int) -> None:
    gate, now = QueryGate(random.Random(seed).uniform), 0.0
    for kind, seconds in steps:
        if gate.pause(now) == 0.0:
            gate.enter(now)
        if kind == "cut off":
            gate.abandoned(now)
        else:
            gate.failed(now + seconds, now, connected=kind == "lost")
        now += seconds
        assert 0.0 <= max(0.0, gate.pause(now)) <= PROBE_PATIENCE
