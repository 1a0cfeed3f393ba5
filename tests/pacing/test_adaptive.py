import math
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimodels_async.pacing import AdaptivePacing, BackoffPacing, FixedPacing, Pacing, longest, typical, urgency

Z90 = 1.2815515655446004
AGES = (
    st.floats(0, 1e5) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 5e-324, 1e308])
)
NOT_FINITE = [math.nan, math.inf, -math.inf]


def log_normal(median: float, p90: float) -> Callable[[Random], float]:
    return lambda random: random.lognormvariate(math.log(median), math.log(p90 / median) / Z90)


def asked_at(pacing: Pacing, times: int, key: str = "model") -> list[float]:
    """Seconds after the create at which the first questions are asked."""
    elapsed = 0.0
    moments: list[float] = []
    for _ in range(times):
        elapsed += pacing.next_delay(key, elapsed)
        moments.append(elapsed)
    return moments


def lived(pacing: Pacing, durations: Sequence[float], in_flight: int = 64) -> list[tuple[int, float]]:
    """Questions and lag of each task, when so many run at once and one starts as soon as another is seen done."""
    waiting = list(enumerate(durations))[::-1]
    seen = [(0, 0.0)] * len(durations)
    due: list[tuple[float, int, float, int]] = []

    def create(now: float) -> None:
        if waiting:
            heappush(due, (now + pacing.next_delay("model", 0.0), waiting.pop()[0], now, 1))

    for _ in range(in_flight):
        create(0.0)
    while due:
        now, task, born, questions = heappop(due)
        if now - born < durations[task]:
            heappush(due, (now + pacing.next_delay("model", now - born), task, born, questions + 1))
        else:
            seen[task] = questions, now - born - durations[task]
            pacing.observe("model", durations[task])
            create(now)
    return seen


def cost(seen: Sequence[tuple[int, float]]) -> float:
    return sum(0.1 * questions + lag for questions, lag in seen) / len(seen)


def fixed_cost(durations: Sequence[float], interval: float) -> float:
    queries = [math.floor(duration / interval) + 1 for duration in durations]
    return sum(0.1 * n + n * interval - duration for n, duration in zip(queries, durations, strict=True)) / len(queries)


# --- what it asks before it knows anything


def test_a_key_never_seen_to_finish_is_asked_early_in_case_it_is_a_quick_one() -> None:
    pacing = AdaptivePacing()

    assert asked_at(pacing, 5) == [0.5, 1, 2, 4, 8]
    assert pacing.next_delay("other", 0.7) == pytest.approx(0.3)


def test_after_the_early_looks_it_asks_most_where_the_published_median_is() -> None:
    pacing = AdaptivePacing()
    early, amid, late = (pacing.next_delay("model", age) for age in (9.0, 40.0, 400.0))

    assert amid < early < late
    assert amid < 5


def test_what_is_known_about_a_key_beforehand_counts_for_that_key_alone() -> None:
    pacing = AdaptivePacing(priors={"slow": (1200, 1800)})

    assert pacing.next_delay("slow", 60.0) > 2 * pacing.next_delay("usual", 60.0)


def test_keys_learn_apart() -> None:
    pacing = AdaptivePacing()
    for _ in range(100):
        pacing.observe("quick", 0.4)

    assert asked_at(pacing, 5, "other") == [0.5, 1, 2, 4, 8]
    assert asked_at(pacing, 1, "quick")[0] == pytest.approx(0.4, abs=0.05)


def test_a_poll_that_costs_more_is_asked_less() -> None:
    durations = [log_normal(48, 83)(Random(seed)) for seed in range(300)]
    questions = [
        sum(number for number, _ in lived(AdaptivePacing(poll_cost), durations)) for poll_cost in (0.02, 0.1, 1.0)
    ]

    assert questions[0] > 1.5 * questions[1]
    assert questions[1] > 1.5 * questions[2]


# --- laws


@settings(max_examples=60)
@given(st.floats(1e-9, 1e9), st.lists(st.tuples(st.sampled_from("ol"), st.sampled_from("ab"), AGES), max_size=60), AGES)
def test_every_delay_is_positive_and_finite_whatever_was_seen(
    poll_cost: float, history: list[tuple[str, str, float]], elapsed: float
) -> None:
    pacing = AdaptivePacing(poll_cost)
    for what, key, seconds in history:
        if what == "o":
            pacing.observe(key, seconds)
        else:
            assert 0 < pacing.next_delay(key, seconds) <= 3600

    for key in "abc":
        assert 0 < pacing.next_delay(key, elapsed) <= 3600
        assert 0 <= pacing.urgency(key, 1.0, elapsed) < math.inf


@settings(max_examples=40)
@given(st.lists(st.floats(0.01, 1e4), max_size=80), st.lists(st.floats(0, 2e4), min_size=2, max_size=20))
def test_whoever_was_looked_at_later_is_never_asked_earlier(durations: list[float], ages: list[float]) -> None:
    pacing = AdaptivePacing()
    for duration in durations:
        pacing.observe("model", duration)
    pacing.next_delay("model", 0.0)  # plans
    asked = [age + pacing.next_delay("model", age) for age in sorted(ages)]

    assert all(earlier <= later + 0.02 for earlier, later in pairwise(asked))


@settings(max_examples=25)
@given(st.lists(st.floats(0.1, 300), min_size=1, max_size=40), st.randoms(use_true_random=False), st.floats(0, 400))
def test_the_order_of_what_is_seen_hardly_matters(durations: list[float], random: Random, age: float) -> None:
    shuffled = durations[:]
    random.shuffle(shuffled)
    one, other = AdaptivePacing(), AdaptivePacing()
    for duration, another in zip(durations, shuffled, strict=True):
        one.observe("model", duration)
        other.observe("model", another)
    one.next_delay("model", 0.0)
    other.next_delay("model", 0.0)

    # The latest count a little more, and in the middle between two humps that decides on which side one asks first.
    assert one.urgency("model", 0.0, age) == pytest.approx(other.urgency("model", 0.0, age), rel=0.5, abs=0.5)


@settings(max_examples=30)
@given(st.lists(st.floats(0.1, 300), max_size=40), st.floats(0, 300), st.floats(0, 100), st.floats(0, 100))
def test_urgency_grows_with_time_from_nothing(durations: list[float], queried: float, wait: float, more: float) -> None:
    pacing = AdaptivePacing()
    for duration in durations:
        pacing.observe("model", duration)
    pacing.next_delay("model", 0.0)
    urgencies = [pacing.urgency("model", queried, queried + waited) for waited in (0.0, wait, wait + more)]

    assert urgencies[0] == 0
    assert urgencies[1] <= urgencies[2] + 1e-6
    assert urgencies[2] <= wait + more + 1e-6


@pytest.mark.parametrize("number", NOT_FINITE)
def test_a_time_that_is_no_number_is_refused_and_nothing_learned(number: float) -> None:
    pacing = AdaptivePacing()

    with pytest.raises(ValueError, match="elapsed"):
        pacing.next_delay("model", number)
    with pytest.raises(ValueError, match="duration"):
        pacing.observe("model", number)
    with pytest.raises(ValueError, match="looked_at"):
        pacing.urgency("model", number, 1.0)
    assert asked_at(pacing, 5) == [0.5, 1, 2, 4, 8]


def test_clocks_that_disagree_do_no_harm() -> None:
    pacing = AdaptivePacing()

    assert pacing.next_delay("model", -3.0) == 0.5
    pacing.observe("model", -1.0)
    assert pacing.next_delay("model", -3.0) > 0


@pytest.mark.parametrize("poll_cost", [0, -0.1, *NOT_FINITE])
def test_a_cost_that_is_not_positive_is_refused(poll_cost: float) -> None:
    with pytest.raises(ValueError, match="seconds of delay one question is worth"):
        AdaptivePacing(poll_cost)


@pytest.mark.parametrize("prior", [(0, 1), (83, 48), (48, 48), (-1, 3), (48, math.inf), (math.nan, 83), (48, math.nan)])
def test_a_prior_that_is_none_is_refused_by_name(prior: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"^prior is the median and the 90th percentile"):
        AdaptivePacing(prior=prior)
    with pytest.raises(ValueError, match=r"^priors\['slow'\] is the median"):
        AdaptivePacing(priors={"slow": prior})


def test_it_says_what_it_was_given() -> None:
    pacing = AdaptivePacing(0.2, prior=(10, 20), priors={"slow": (100, 200)})

    assert repr(pacing) == "AdaptivePacing(poll_cost=0.2, prior=(10.0, 20.0), priors={'slow': (100.0, 200.0)})"
    assert pacing.poll_cost == 0.2


def test_it_remembers_a_bounded_number_of_keys_and_forgets_the_oldest() -> None:
    pacing = AdaptivePacing()
    pacing.observe("first", 0.4)
    for number in range(64):
        pacing.next_delay(f"model {number}", 0.0)

    assert len(pacing._keys) == 64
    assert pacing.next_delay("first", 0.0) == 0.5


def test_a_very_long_memory_does_not_overflow() -> None:
    pacing = AdaptivePacing()
    for _ in range(5000):
        pacing.next_delay("model", 0.0)
        pacing.observe("model", 10.0)

    assert asked_at(pacing, 1)[0] == pytest.approx(10.0, abs=0.3)


# --- what it learns


@pytest.mark.parametrize(("median", "p90"), [(0.4, 0.7), (12, 14), (48, 83), (121, 324)])
def test_once_it_has_learned_it_beats_every_fixed_interval(median: float, p90: float) -> None:
    random = Random(1)
    durations = [log_normal(median, p90)(random) for _ in range(2000)]

    learned = cost(lived(AdaptivePacing(), durations)[364:])

    best = min(fixed_cost(durations[364:], 0.05 * 1.1**n) for n in range(70))
    assert learned < best


def test_the_quick_ones_that_finish_first_do_not_mislead_it() -> None:
    """Of two hundred that start together, five that are done say little; that the others are not says much."""
    fooled, right = AdaptivePacing(), AdaptivePacing()
    for _ in range(200):
        right.next_delay("model", 0.0)
    for age in (10.0, 20.0, 30.0):
        for _ in range(200):
            right.next_delay("model", age)
    for duration in (31.0, 31.5, 32.0, 32.5, 33.0):
        fooled.observe("model", duration)
        right.observe("model", duration)
    for _ in range(195):
        right.next_delay("model", 33.0)
    fooled.next_delay("model", 0.0)

    # The fooled one takes a task of 40 seconds for done long since.
    assert fooled.urgency("model", 0.0, 40.0) > 3 * right.urgency("model", 0.0, 40.0)


def test_it_learns_from_tasks_that_only_run_on() -> None:
    naive, patient = AdaptivePacing(), AdaptivePacing()
    age = 0.0
    while age < 100:
        delays = [patient.next_delay("model", age) for _ in range(64)]
        age += min(delays)

    assert patient.urgency("model", 0.0, 100.0) < 0.3 * naive.urgency("model", 0.0, 100.0)


def test_the_first_completion_counts_however_many_queries_were_in_vain() -> None:
    pacing = AdaptivePacing()
    for _ in range(300):
        elapsed = 0.0
        while elapsed < 1_800.0:
            elapsed += pacing.next_delay("model", elapsed)
    before = pacing.urgency("model", 1_700.0, 1_900.0)
    pacing.observe("model", 1_800.0)

    assert pacing.revised("model", 1_700.0) < 1_850.0
    assert pacing.urgency("model", 1_700.0, 1_900.0) > 10.0 * before


def test_two_humps_leave_the_gap_between_them_alone() -> None:
    random = Random(2)
    laws = [log_normal(12, 13.5), log_normal(70, 80)]
    pacing = AdaptivePacing()
    lived(pacing, [random.choice(laws)(random) for _ in range(600)])

    moments = asked_at(pacing, 40)
    assert sum(1 for moment in moments if 20 < moment < 52) <= 3
    assert sum(1 for moment in moments if 9 < moment < 16) >= 4
    assert sum(1 for moment in moments if 60 < moment < 85) >= 5


def test_a_model_that_changes_is_learned_anew() -> None:
    random = Random(3)
    durations = [log_normal(48, 83)(random) for _ in range(500)] + [log_normal(10, 14)(random) for _ in range(800)]

    learned = cost(lived(AdaptivePacing(), durations)[-400:])

    assert learned < 0.9 * min(fixed_cost(durations[-400:], 0.3 * 1.1**n) for n in range(40))


def test_a_task_that_lasts_beyond_all_that_was_ever_seen_is_asked_ever_more_rarely() -> None:
    pacing = AdaptivePacing()
    lived(pacing, [log_normal(48, 83)(Random(seed)) for seed in range(300)])
    pauses = [pacing.next_delay("model", age) for age in (1e3, 1e4, 1e5, 1e6)]

    assert pauses == sorted(pauses)
    assert 2 < pauses[0] < 60


def test_late_polls_and_tasks_that_are_never_heard_of_again_do_it_little_harm() -> None:
    random = Random(4)
    durations = [log_normal(48, 83)(random) for _ in range(900)]

    class Troubled:
        """Asks late by up to a third, and one in ten tasks is watched for a while and then given up."""

        def __init__(self) -> None:
            self.pacing = AdaptivePacing()

        def next_delay(self, key: str, elapsed: float) -> float:
            if elapsed == 0.0 and random.random() < 0.1:
                for age in (0.0, 9.0, 20.0):
                    self.pacing.next_delay(key, age)
            return self.pacing.next_delay(key, elapsed) * random.uniform(1.0, 1.3)

        def observe(self, key: str, duration: float) -> None:
            self.pacing.observe(key, duration)

    calm, troubled = AdaptivePacing(), Troubled()
    lived(calm, durations)
    lived(troubled, durations)
    for age in (30.0, 50.0, 70.0, 100.0):
        assert troubled.pacing.urgency("model", 0.0, age) == pytest.approx(calm.urgency("model", 0.0, age), rel=0.35)


def test_questions_before_their_time_do_it_little_harm() -> None:
    random = Random(5)
    durations = [log_normal(48, 83)(random) for _ in range(600)]

    class Impatient:
        """Asks one question in five long before it should."""

        def __init__(self) -> None:
            self.pacing = AdaptivePacing()

        def next_delay(self, key: str, elapsed: float) -> float:
            return self.pacing.next_delay(key, elapsed) * (random.random() if random.random() < 0.2 else 1.0)

        def observe(self, key: str, duration: float) -> None:
            self.pacing.observe(key, duration)

    calm, impatient = AdaptivePacing(), Impatient()
    lived(calm, durations)
    lived(impatient, durations)
    for age in (30.0, 50.0, 70.0, 100.0):
        assert impatient.pacing.urgency("model", 0.0, age) == pytest.approx(calm.urgency("model", 0.0, age), rel=0.2)


# --- who is asked first


def test_by_default_whoever_waits_longest_beyond_the_plan_is_asked_first() -> None:
    assert urgency(FixedPacing(2), "model", 10.0, 10.0) == 0
    assert urgency(FixedPacing(2), "model", 10.0, 12.0) == pytest.approx(0.1)
    assert urgency(FixedPacing(2), "model", 10.0, 16.0) == pytest.approx(0.9)
    assert urgency(FixedPacing(2), "model", 10.0, 9.0) == 0
    assert urgency(BackoffPacing(), "model", 0.0, 2.0) > urgency(BackoffPacing(), "model", 60.0, 62.0)


def test_adaptive_ranks_by_the_lag_it_expects() -> None:
    pacing = AdaptivePacing()
    for _ in range(50):
        pacing.observe("quick", 10.0)
        pacing.observe("slow", 150.0)
    pacing.next_delay("quick", 0.0)
    pacing.next_delay("slow", 0.0)

    assert urgency(pacing, "quick", 0.0, 30.0) == pytest.approx(20.0, rel=0.1)
    assert urgency(pacing, "slow", 0.0, 30.0) < 1.0
    assert urgency(pacing, "slow", 140.0, 160.0) == pytest.approx(10.0, rel=0.15)


def test_asking_for_the_urgency_teaches_it_nothing() -> None:
    one, other = AdaptivePacing(), AdaptivePacing()
    for age in range(100):
        urgency(one, "model", 0.0, float(age))

    assert asked_at(one, 30) == asked_at(other, 30)


# --- how long a callback is waited for


def test_what_is_usual_is_not_known_before_the_first_has_ended() -> None:
    pacing = AdaptivePacing()
    assert typical(pacing, "m") is None
    pacing.next_delay("m", 0.0)
    assert typical(pacing, "m") is None
    assert typical(FixedPacing(3.0), "m") is None


def test_what_is_usual_and_what_is_longest_are_learned() -> None:
    pacing = AdaptivePacing()
    draw = log_normal(10, 20)
    random = Random(7)
    for _ in range(400):
        pacing.observe("m", draw(random))
    assert typical(pacing, "m") == pytest.approx(10.0, rel=0.2)
    assert 25.0 < longest(pacing, "m") < 80.0  # of this log-normal it is 35


def test_the_longest_is_the_published_one_until_something_is_seen() -> None:
    assert longest(AdaptivePacing(), "m") == pytest.approx(longest(FixedPacing(3.0), "m"), rel=0.02)
    assert longest(AdaptivePacing(priors={"slow": (121.0, 324.0)}), "slow") > 800.0


@settings(max_examples=40)
@given(st.lists(AGES, max_size=30))
def test_the_longest_is_never_shorter_than_the_usual(history: list[float]) -> None:
    pacing = AdaptivePacing()
    for seconds in history:
        pacing.observe("m", seconds)
    assert 0 <= (typical(pacing, "m") or 0.0) <= longest(pacing, "m") < math.inf


@pytest.mark.parametrize("look", [0.5, 1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("error", [-1e-3, -1e-15, 0.0, 1e-15, 1e-3])
def test_a_rounding_error_before_an_early_look_is_no_pause(look: float, error: float) -> None:
    assert AdaptivePacing().next_delay("m", look + error) >= 0.02
