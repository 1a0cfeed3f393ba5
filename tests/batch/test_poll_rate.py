"""When the poll rate binds, the tasks that most is at stake in are asked about first. In virtual time."""

from apimodels_async.pacing import AdaptivePacing
from tests.bench.poll_rate import GOAL, InTurn, mean_lag


def test_under_a_binding_poll_rate_the_lag_is_well_below_that_of_asking_in_turn() -> None:
    in_turn, by_urgency = (
        mean_lag(pacing, alive=120, rate=3.0, seconds=600.0) for pacing in (InTurn(), AdaptivePacing())
    )

    assert by_urgency <= GOAL * in_turn
