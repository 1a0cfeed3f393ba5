"""The gate that holds create requests back while the server takes none: its rules as tables, the clock as a number."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._create.gate import LONGEST_RETRY_AFTER, PROBE_PATIENCE, UNKNOWN_IN_A_ROW, CreateGate, Pass
from apimodels_async._limits import BASE, CAP

REFUSED = ConnectionError("refused")
LOST = ConnectionError("lost")


def longest_pause(_: float, high: float) -> float:
    return high


def closed_gate(now: float = 0.0) -> CreateGate:
    gate = CreateGate(longest_pause)
    gate.not_taken(gate.enter(now), now, REFUSED)
    return gate


def test_an_open_gate_lets_everything_through_at_once() -> None:
    gate = CreateGate(longest_pause)

    assert [(gate.pause(0.0), gate.enter(0.0)) for _ in range(100)] == [(0.0, Pass(0, probe=False))] * 100
    assert gate.closed_for(100.0) == 0.0


def test_one_request_that_was_not_taken_closes_the_gate_and_says_why() -> None:
    gate = closed_gate(now=5.0)

    assert (gate.closed_since, gate.cause, gate.query_first) == (5.0, REFUSED, False)
    assert gate.pause(5.0) == BASE
    assert gate.closed_for(12.0) == 7.0


def test_a_hundred_requests_that_were_under_way_close_it_once() -> None:
    gate = CreateGate(longest_pause)
    under_way = [gate.enter(0.0) for _ in range(100)]

    for number, each in enumerate(under_way):
        gate.not_taken(each, 1.0 + number / 1000, REFUSED)

    assert gate.closed_since == 1.0
    assert gate.pause(1.0) == BASE


def test_pauses_between_probes_double_from_half_a_second_to_eight() -> None:
    gate = closed_gate()
    now, pauses = 0.0, [gate.pause(0.0)]
    for _ in range(6):
        now += gate.pause(now)
        probe = gate.enter(now)
        assert probe.probe
        gate.not_taken(probe, now, REFUSED)
        pauses.append(gate.pause(now))

    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert gate.closed_since == 0.0


def test_only_one_probe_is_under_way_until_it_is_late() -> None:
    gate = closed_gate()
    gate.enter(0.5)

    assert gate.pause(0.5) == PROBE_PATIENCE
    assert gate.pause(0.5 + PROBE_PATIENCE) == 0.0


@pytest.mark.parametrize("sent", ["before it closed", "as a probe"])
def test_only_an_answer_to_a_probe_opens_it(sent: str) -> None:
    gate = CreateGate(longest_pause)
    earlier = gate.enter(0.0)
    gate.not_taken(gate.enter(0.0), 0.1, REFUSED)
    gate.accepted(earlier if sent == "before it closed" else gate.enter(0.6))

    assert (gate.closed_since is None) == (sent == "as a probe")


def test_after_it_has_opened_pauses_are_short_again() -> None:
    gate = closed_gate()
    for now in (1.0, 3.0, 6.0):
        gate.not_taken(gate.enter(now), now, REFUSED)
    gate.accepted(gate.enter(20.0))
    gate.not_taken(gate.enter(30.0), 30.0, REFUSED)

    assert gate.pause(30.0) == BASE
    assert gate.closed_since == 30.0


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [(None, BASE), (0.0, BASE), (7.0, 7.0), (1e9, LONGEST_RETRY_AFTER)],
)
def test_it_stays_closed_for_as_long_as_the_server_asks(retry_after: float | None, pause: float) -> None:
    gate = CreateGate(longest_pause)
    gate.not_taken(gate.enter(0.0), 0.0, REFUSED, retry_after)

    assert gate.pause(0.0) == pause


def test_the_longest_of_several_retry_afters_counts() -> None:
    gate = CreateGate(longest_pause)
    for each, after in [(gate.enter(0.0), 3.0), (gate.enter(0.0), 9.0), (gate.enter(0.0), 5.0)]:
        gate.not_taken(each, 1.0, REFUSED, after)

    assert gate.pause(1.0) == 9.0


def test_a_few_unknown_outcomes_in_a_row_close_it_and_ask_for_a_query_first() -> None:
    gate = CreateGate(longest_pause)
    under_way = [gate.enter(0.0) for _ in range(UNKNOWN_IN_A_ROW)]
    closed: list[bool] = []
    for each in under_way:
        gate.unknown(each, 1.0, LOST)
        closed.append(gate.closed_since is not None)

    assert closed == [False] * (UNKNOWN_IN_A_ROW - 1) + [True]
    assert gate.query_first
    assert gate.cause is LOST


def test_a_5xx_that_says_when_to_come_back_is_heeded() -> None:
    gate = CreateGate(longest_pause)
    for each in [gate.enter(0.0) for _ in range(UNKNOWN_IN_A_ROW)]:
        gate.unknown(each, 1.0, LOST, 7.0)

    assert gate.pause(1.0) == 7.0
    gate.unknown(gate.enter(8.0), 8.0, LOST, 1e9)
    assert gate.pause(8.0) == LONGEST_RETRY_AFTER


def test_a_success_between_them_starts_the_count_again() -> None:
    gate = CreateGate(longest_pause)
    for _ in range(10):
        for _ in range(UNKNOWN_IN_A_ROW - 1):
            gate.unknown(gate.enter(0.0), 0.0, LOST)
        gate.accepted(gate.enter(0.0))

    assert gate.closed_since is None


def test_a_probe_with_an_unknown_outcome_keeps_it_closed_and_asks_for_a_query_first() -> None:
    gate = closed_gate()
    gate.unknown(gate.enter(1.0), 1.0, LOST)

    assert (gate.closed_since, gate.query_first) == (0.0, True)
    gate.accepted(gate.enter(10.0))
    assert (gate.closed_since, gate.query_first, gate.cause) == (None, False, None)


def test_a_probe_that_is_cut_off_makes_room_for_the_next() -> None:
    gate = closed_gate()
    gate.abandoned(gate.enter(1.0), 1.5)

    assert gate.pause(1.5) == 0.0


def sent_at_once(gate: CreateGate, now: float) -> list[Pass]:
    """All that the gate lets through at this moment."""
    sent: list[Pass] = []
    while gate.pause(now) == 0.0 and len(sent) < 1000:
        sent.append(gate.enter(now))
    return sent


def test_when_it_has_opened_a_few_go_first_and_more_with_each_answer() -> None:
    gate = closed_gate()
    gate.accepted(gate.enter(1.0))
    waves: list[int] = []
    for number in range(7):
        wave = sent_at_once(gate, 1.0 + number / 100)
        waves.append(len(wave))
        for each in wave:
            gate.accepted(each)

    assert waves[:5] == [3, 6, 12, 24, 48]
    assert waves[6] == 1000


def test_without_any_answer_twice_as_many_may_be_under_way_after_each_second() -> None:
    gate = closed_gate()
    gate.accepted(gate.enter(1.0))
    under_way = [len(sent_at_once(gate, 1.0))]
    for second in range(1, 4):
        assert gate.pause(second + 0.75) == pytest.approx(0.25)
        under_way.append(under_way[-1] + len(sent_at_once(gate, second + 1.0)))

    assert under_way == [3, 4, 8, 16]
    assert len(sent_at_once(gate, 20.0)) == 1000


def test_when_it_closes_again_it_begins_with_a_few_again() -> None:
    gate = closed_gate()
    gate.accepted(gate.enter(1.0))
    first, *others = sent_at_once(gate, 1.0)
    gate.not_taken(first, 1.1, REFUSED)
    for each in others:
        gate.unknown(each, 1.1, LOST)
    gate.accepted(gate.enter(5.0))

    assert len(sent_at_once(gate, 5.0)) == 3


@pytest.mark.parametrize("how", ["unknown", "abandoned"])
def test_whatever_becomes_of_a_request_it_makes_room_for_the_next(how: str) -> None:
    gate = closed_gate()
    gate.accepted(gate.enter(1.0))
    one = sent_at_once(gate, 1.0)[0]
    if how == "unknown":
        gate.unknown(one, 1.0, LOST)
    else:
        gate.abandoned(one, 1.0)

    assert len(sent_at_once(gate, 1.0)) == 1


STEPS = st.lists(st.sampled_from(["accepted", "not_taken", "unknown", "abandoned", "late"]), max_size=60)


@given(STEPS, st.integers())
def test_a_closed_gate_always_opens_again_within_its_longest_pause(steps: list[str], seed: int) -> None:
    gate = CreateGate(random.Random(seed).uniform)
    now = 0.0
    under_way: list[Pass] = []
    for step in steps:
        now += gate.pause(now)
        under_way.append(gate.enter(now))
        if step == "late":
            continue
        each = under_way.pop(0)
        match step:
            case "accepted":
                gate.accepted(each)
            case "not_taken":
                gate.not_taken(each, now, REFUSED)
            case "unknown":
                gate.unknown(each, now, LOST)
            case _:
                gate.abandoned(each, now)
        assert 0.0 <= gate.pause(now) <= max(CAP, PROBE_PATIENCE) + 1e-9
        assert math.isfinite(gate.closed_for(now))
        assert (gate.closed_since is None) == (gate.cause is None)
