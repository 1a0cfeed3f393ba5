"""When a shard is finished: when nothing is left that a run would do."""

import pytest

from apimodels_async.ledger import Step
from apimodels_async.shards.report import is_finished, open_steps


@pytest.mark.parametrize(
    ("step", "is_over"),
    [
        (Step.INTENT, False),
        (Step.SENDING, False),
        (Step.CREATED, False),
        (Step.DONE, False),
        (Step.SAVED, True),
        (Step.FAILED, True),
        (Step.REJECTED, True),
        (Step.UNKNOWN, True),
        (Step.ABANDONED, True),
    ],
)
def test_what_only_a_person_or_no_one_can_change_is_an_end(step: Step, is_over: bool) -> None:
    for retry_failed in (False, True):
        assert is_finished({step: 1, Step.SAVED: 5}, open_steps(download=True, retry_failed=retry_failed)) is is_over


def test_what_is_not_to_be_saved_is_finished_when_it_is_done() -> None:
    assert is_finished({Step.DONE: 3}, open_steps(download=False, retry_failed=False))
    assert not is_finished({Step.DONE: 3}, open_steps(download=True, retry_failed=False))


def test_an_empty_shard_is_finished() -> None:
    assert is_finished({}, open_steps(download=True, retry_failed=False))


def test_what_failed_is_taken_up_only_where_it_may_be_submitted_again() -> None:
    assert Step.FAILED in open_steps(download=True, retry_failed=True)
    assert Step.FAILED not in open_steps(download=True, retry_failed=False)
