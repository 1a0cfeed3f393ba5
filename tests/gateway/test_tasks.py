"""A task's life is a function of the clock."""

from hypothesis import given
from hypothesis import strategies as st

from apimodels_async.gateway.tasks import QUEUED_PART, State, TaskRecord, schedule, state_of, task_data
from apimodels_async.gateway.triggers import FAILURE_TRIGGERS

CREATED = 1_705_123_450_000
DURATIONS = st.floats(0, 10_000)
FAILURES = st.sampled_from([None, *FAILURE_TRIGGERS.values()])
ORDER = [State.PENDING, State.PROCESSING, State.COMPLETED, State.FAILED]


def task(duration: float, failure: object = None) -> TaskRecord:
    started, ended = schedule(CREATED, duration)
    return TaskRecord(
        id="clabc",
        model="sparkpix-image",
        n=2,
        output_format="jpeg",
        created=CREATED,
        started=started,
        ended=ended,
        failure=failure,  # type: ignore[arg-type]
    )


@given(DURATIONS, FAILURES, st.lists(st.integers(0, 10_000_000), min_size=2))
def test_the_state_never_goes_backwards(duration: float, failure: object, waits: list[int]) -> None:
    subject = task(duration, failure)
    states = [ORDER.index(state_of(subject, CREATED + wait)) for wait in sorted(waits)]
    assert states == sorted(states)


@given(DURATIONS, FAILURES)
def test_a_task_ends_exactly_when_its_duration_is_over(duration: float, failure: object) -> None:
    subject = task(duration, failure)
    end = State.COMPLETED if failure is None else State.FAILED
    assert subject.ended == CREATED + round(duration * 1000)
    assert state_of(subject, subject.ended - 1) in {State.PENDING, State.PROCESSING}
    assert state_of(subject, subject.ended) is end
    assert state_of(subject, subject.ended + 10**12) is end


def test_a_task_is_queued_for_a_small_part_of_its_duration() -> None:
    subject = task(100)
    assert state_of(subject, CREATED) is State.PENDING
    assert state_of(subject, CREATED + round(100_000 * QUEUED_PART) - 1) is State.PENDING
    assert state_of(subject, CREATED + round(100_000 * QUEUED_PART)) is State.PROCESSING


def test_links_and_times_are_told_when_the_task_is_completed() -> None:
    subject = task(15)
    assert task_data(subject, state_of(subject, subject.ended), "http://here") == {
        "taskId": "clabc",
        "state": "completed",
        "model": "sparkpix-image",
        "modelType": "TEXT_TO_IMAGE",
        "resultUrls": ["http://here/results/clabc-0.jpeg", "http://here/results/clabc-1.jpeg"],
        "createTime": CREATED,
        "completeTime": CREATED + 15_000,
    }


def test_until_then_nothing_but_the_state_is_told() -> None:
    for failure in (None, FAILURE_TRIGGERS["contraband"]):
        assert task_data(task(15, failure), State.PENDING, "http://here") == {
            "taskId": "clabc",
            "state": "pending",
            "model": "sparkpix-image",
            "modelType": "TEXT_TO_IMAGE",
        }


def test_a_failed_task_tells_why_and_has_no_links() -> None:
    subject = task(15, FAILURE_TRIGGERS["contraband"])
    assert task_data(subject, state_of(subject, subject.ended), "http://here") == {
        "taskId": "clabc",
        "state": "failed",
        "model": "sparkpix-image",
        "modelType": "TEXT_TO_IMAGE",
        "failMsg": "Content policy violation",
        "failCode": "CONTENT_MODERATION",
        "retryable": False,
    }
