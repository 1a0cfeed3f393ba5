"""What the PostgreSQL ledger alone does: who may send, one budget, one rate, shards, refusing what may be a copy."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg")

from apimodels_async import GenerationRequest
from apimodels_async.errors import ConfigurationError, LedgerError
from apimodels_async.ledger import PostgresLedger, SavedFile, Step
from apimodels_async.ledger.opening import open_ledger, shown
from apimodels_async.ledger.port import Change, Result
from apimodels_async.ledger.postgres.shards import ShardHeldError
from apimodels_async.models import Task
from tests.support.changes import begun
from tests.support.pictures import PNG
from tests.support.postgres import PgBouncer, PostgresServer, run, running

pytestmark = pytest.mark.postgres

MODEL = "grok-image/grok-4.2-image"  # $0.03
PRICE = 0.03


def mark(key: str, attempt: int) -> Change:
    return Change(key, Step.SENDING, attempt=attempt)


def created(key: str, attempt: int | None, task_id: str = "t") -> Change:
    return Change(key, Step.CREATED, task=Task(id=task_id, state="pending"), attempt=attempt)


@pytest.fixture
def ledger(postgres: str) -> Iterator[PostgresLedger]:
    with PostgresLedger(postgres) as opened:
        yield opened


@pytest.fixture
def other(postgres: str) -> Iterator[PostgresLedger]:
    """The same ledger in another process, as far as the database can tell."""
    with PostgresLedger(postgres) as opened:
        yield opened


def end_run_of(ledger: PostgresLedger) -> None:
    """Its lease has run out, and others have noticed."""
    ledger.database.execute(
        "UPDATE apimodels.run SET seen = seen - interval '1 hour' WHERE id = %s", (ledger._lease.run,)
    )


def money(ledger: PostgresLedger) -> tuple[int, int, int]:
    """What is granted, what is used, and what the entries cost, in millionths."""
    [row] = ledger.database.select(
        "SELECT (SELECT granted FROM apimodels.ledger), (SELECT coalesce(sum(used), 0)::bigint FROM apimodels.run), "
        "(SELECT coalesce(sum(cost), 0)::bigint FROM apimodels.entry WHERE apimodels.is_billed(step))"
    )
    granted, used, cost = row
    return granted, used, cost


# --- names


def test_no_message_shows_the_password(postgres: str) -> None:
    secret = postgres.replace("postgres@", "postgres:hunter2@").replace("127.0.0.1:", "127.0.0.1:1")
    assert "hunter2" not in shown(secret)
    with pytest.raises(LedgerError) as caught:
        PostgresLedger(postgres.replace("postgres@", "postgres:hunter2@") + "_none")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigurationError) as unreadable:
        PostgresLedger("postgresql://a:hunter2@[bad")
    assert "hunter2" not in str(unreadable.value)


def test_a_ledger_that_is_only_looked_at_must_be_there(postgres: str) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        open_ledger(postgres, read_only=True)
    with pytest.raises(LedgerError, match="no ledger"):
        open_ledger(postgres, create=False)
    PostgresLedger(postgres).close()
    with closing(open_ledger(postgres, read_only=True)) as opened, pytest.raises(LedgerError, match="read only"):
        opened.apply([begun("k")])


def test_a_newer_ledger_is_refused(ledger: PostgresLedger, postgres: str) -> None:
    ledger.database.execute("UPDATE apimodels.ledger SET version = 99")

    with pytest.raises(LedgerError, match="newer version"):
        PostgresLedger(postgres)


def test_processes_may_make_it_at_once(postgres: str) -> None:
    errors: list[Exception] = []

    def make() -> None:
        try:
            PostgresLedger(postgres).close()
        except LedgerError as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_ledger_belongs_to_one_server(ledger: PostgresLedger, other: PostgresLedger) -> None:
    ledger.bind("https://api.example")
    other.bind("https://api.example")
    with pytest.raises(LedgerError, match=r"belongs to https://api\.example"):
        other.bind("https://elsewhere.example")
    ledger.apply([begun("k")])
    assert ledger.move_server("https://api.example", "https://elsewhere.example") == 1
    other.bind("https://elsewhere.example")
    entry = other.find("k")
    assert entry is not None
    assert entry.server == "https://elsewhere.example"


# --- who may send


def test_one_of_two_processes_marks(ledger: PostgresLedger, other: PostgresLedger) -> None:
    ledger.apply([begun("k")])

    assert ledger.apply([mark("k", 1)]) == [Result.CHANGED]
    assert other.apply([mark("k", 2)]) == [Result.UNCHANGED]
    assert other.is_being_sent("k")
    assert not ledger.is_being_sent("k")


def test_many_who_mark_at_once_get_one_mark_each(postgres: str, ledger: PostgresLedger) -> None:
    keys = [f"k{number}" for number in range(200)]
    ledger.apply([begun(key) for key in keys])
    won: dict[int, list[int]] = {}

    def work(me: int) -> None:
        with PostgresLedger(postgres) as mine:
            order = keys if me % 2 else keys[::-1]  # deadlocks are tried again
            won[me] = mine.apply([mark(key, me + 1) for key in order])[:: 1 if me % 2 else -1]

    threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sum(results) for results in zip(*won.values(), strict=True)] == [1] * len(keys)


def test_a_mark_whose_answer_was_lost_is_recognised_and_that_of_another_attempt_is_not(ledger: PostgresLedger) -> None:
    ledger.apply([begun("k"), mark("k", 1)])

    assert ledger.apply([mark("k", 1)]) == [Result.CHANGED]
    assert ledger.apply([mark("k", 2)]) == [Result.UNCHANGED]


def some_change(draw: random.Random) -> Change:
    key = draw.choice(["a", "b", "c", "d", "e"])
    attempt = draw.choice([1, 2])
    task = Task(id=f"t{draw.choice([1, 2])}", state="pending")
    return draw.choice(
        [
            begun(key, model=MODEL),
            mark(key, attempt),
            mark(key, attempt),
            Change(key, Step.CREATED, task=task, attempt=attempt),
            Change(key, Step.INTENT, before=frozenset({Step.SENDING}), attempt=attempt),
            Change(key, Step.REJECTED, error="no", attempt=attempt),
            Change(key, Step.UNKNOWN, error="cut off", attempt=attempt),
            Change(key, Step.FAILED, task=task),
            Change(key, Step.DONE, task=task),
            Change(key, Step.SAVED, files=[SavedFile(f"/{key}.png", "0" * 64)], name=key),
        ]
    )


@pytest.mark.parametrize("budget", [None, 1000.0])
def test_many_changes_in_one_transaction_are_as_each_in_its_own(
    ledger: PostgresLedger, postgres_server: PostgresServer, budget: float | None
) -> None:
    draw = random.Random(18)
    with PostgresLedger(postgres_server.database()) as another:
        for each in (ledger, another):
            each.set_terms(budget=budget)
        for _ in range(40):
            changes = [some_change(draw) for _ in range(draw.randrange(1, 30))]
            assert ledger.apply(changes) == [result for change in changes for result in another.apply([change])]
            together, apart = (
                [(e.key, e.step, e.task and e.task.id, e.error, e.attempt, e.files, e.name) for e in each.entries()]
                for each in (ledger, another)
            )
            assert together == apart
            assert sorted(ledger.strays()) == sorted(another.strays())
            assert money(ledger)[1:] == money(another)[1:]
            assert money(ledger)[1] == money(ledger)[2]
    assert {entry.step for entry in ledger.entries()} - {Step.INTENT}


def test_what_changes_between_the_look_and_the_update_is_looked_at_again(
    ledger: PostgresLedger, other: PostgresLedger
) -> None:
    ledger.apply([begun("k", model=MODEL), begun("q", model=MODEL)])
    results: list[int] = []
    marking = threading.Thread(target=lambda: results.extend(other.apply([mark("k", 1), mark("q", 1)])))
    with ledger.database.dsn.connect() as connection, connection.transaction():
        connection.execute("UPDATE apimodels.entry SET attempt = 7 WHERE name = 'k'")
        connection.execute("UPDATE apimodels.entry SET step = 'abandoned' WHERE name = 'q'")
        marking.start()
        ends = time.monotonic() + 60
        while not ledger.database.select("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert time.monotonic() < ends
            time.sleep(0.05)
    marking.join(60)

    assert not marking.is_alive()
    assert results == [Result.CHANGED, Result.UNCHANGED]
    assert ledger.steps() == {"k": Step.SENDING, "q": Step.ABANDONED}


def test_what_comes_back_to_a_budget_is_there_for_the_same_transaction(ledger: PostgresLedger) -> None:
    ledger.apply([begun(key, model=MODEL) for key in "abc"])
    ledger.set_terms(budget=2 * PRICE)
    assert ledger.apply([mark("a", 1), mark("b", 1), mark("c", 1)]) == [1, 1, Result.NO_BUDGET]

    assert ledger.apply([Change("a", Step.REJECTED, error="no", attempt=1), mark("c", 2)]) == [1, 1]
    assert ledger.apply([mark("a", 3), Change("b", Step.REJECTED, error="no", attempt=1)]) == [1, 1]
    assert money(ledger) == (60_000, 60_000, 60_000)


def test_a_late_not_taken_does_not_free_the_next_attempt(ledger: PostgresLedger, other: PostgresLedger) -> None:
    not_taken = Change("k", Step.INTENT, attempt=1)
    ledger.apply([begun("k"), mark("k", 1), not_taken])
    assert other.apply([mark("k", 2)]) == [Result.CHANGED]

    assert ledger.apply([not_taken]) == [Result.UNCHANGED]
    assert ledger.steps() == {"k": Step.SENDING}


def test_news_is_taken_after_a_takeover(ledger: PostgresLedger, other: PostgresLedger) -> None:
    ledger.apply([begun("k"), begun("q"), mark("k", 1), mark("q", 2)])
    end_run_of(ledger)
    assert other.apply([Change("k", Step.UNKNOWN, attempt=1), Change("q", Step.UNKNOWN, attempt=2)]) == [1, 1]

    assert ledger.apply([created("k", 1), created("q", 3)]) == [Result.CHANGED, Result.UNCHANGED]
    assert ledger.strays() == [("q", "t")]


def test_what_a_live_run_sends_is_its_own_but_a_task_that_was_found_is_taken(
    ledger: PostgresLedger, other: PostgresLedger
) -> None:
    ledger.apply([begun("k"), mark("k", 1)])

    assert other.apply([Change("k", Step.UNKNOWN, attempt=1)]) == [Result.UNCHANGED]
    with pytest.raises(LedgerError, match="changed meanwhile"):
        other.resolve("k", "resubmit")
    assert other.apply([created("k", 1)]) == [Result.CHANGED]


def test_a_task_that_comes_after_a_decision_is_a_stray(ledger: PostgresLedger, other: PostgresLedger) -> None:
    ledger.apply([begun("k"), mark("k", 1)])
    end_run_of(ledger)
    other.apply([Change("k", Step.UNKNOWN, attempt=1)])
    other.resolve("k", "resubmit")

    assert ledger.apply([created("k", 1, "late")]) == [Result.UNCHANGED]
    assert ledger.apply([created("k", 1, "late")]) == [Result.UNCHANGED]
    assert other.strays() == [("k", "late")]


def test_the_end_of_an_earlier_task_is_not_that_of_the_next(ledger: PostgresLedger) -> None:
    failed = Change("k", Step.FAILED, task=Task(id="one", state="failed"))
    ledger.apply([begun("k"), mark("k", 1), created("k", 1, "one"), failed, mark("k", 2), created("k", 2, "two")])

    assert ledger.apply([failed]) == [Result.UNCHANGED]


def test_a_run_that_was_taken_for_dead_begins_a_new_one(ledger: PostgresLedger, other: PostgresLedger) -> None:
    ledger.apply([begun("k"), begun("q"), mark("k", 1)])
    first = ledger._lease.run
    end_run_of(ledger)
    assert not other.is_being_sent("k")

    assert ledger.apply([mark("q", 2)]) == [Result.CHANGED]
    assert ledger._lease.run != first


def test_a_mark_that_is_acknowledged_too_late_is_taken_back(
    ledger: PostgresLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.apply([begun("k")])
    monkeypatch.setattr("apimodels_async.ledger.postgres.lease.SAFE", 0.0)

    assert ledger.apply([mark("k", 1)]) == [Result.ENDED]
    assert ledger.steps() == {"k": Step.INTENT}
    assert money(ledger)[1] == 0


def test_a_heartbeat_keeps_the_lease(postgres: str, ledger: PostgresLedger) -> None:
    with PostgresLedger(postgres, ttl=2.0) as short:
        ledger.apply([begun("k")])
        short.apply([mark("k", 1)])
        [(began,)] = ledger.database.select("SELECT seen FROM apimodels.run")
        ends = time.monotonic() + 60
        while ledger.database.select("SELECT seen > %s + interval '3 s' FROM apimodels.run", (began,)) != [(True,)]:
            assert time.monotonic() < ends
            time.sleep(0.1)
        assert ledger.is_being_sent("k")


# --- shards


def loaded(ledger: PostgresLedger, number: int, **options: Any) -> None:
    ledger.load((f"picture {each}" for each in range(number)), model=MODEL)
    ledger.divide(**options)


def test_the_same_file_again_adds_nothing_and_its_lines_may_have_moved(ledger: PostgresLedger) -> None:
    prompts = ["a", "b", "a", "c"]

    assert ledger.load(prompts, model=MODEL) == (4, 4, 0)
    assert ledger.load(prompts[::-1], model=MODEL) == (4, 0, 0)
    assert ledger.load([*prompts, "a"], model=MODEL) == (5, 1, 0)
    assert [entry.request["prompt"] for entry in ledger.entries()] == ["a", "b", "a", "c", "a"]
    assert ledger.load(["d"], model="not/known") == (1, 1, 1)


def test_a_request_that_cannot_be_loaded_leaves_everything_as_it_was(ledger: PostgresLedger) -> None:
    with pytest.raises(ValueError, match="request 2: name a model"):
        ledger.load([GenerationRequest("a", model=MODEL), "b"])
    with pytest.raises(TypeError, match="path or a URL"):
        ledger.load([GenerationRequest("a", model=MODEL, image=PNG)])
    assert ledger.steps() == {}


def test_every_request_is_in_one_shard_as_it_was_loaded(ledger: PostgresLedger, tmp_path: Path) -> None:
    (tmp_path / "in.png").write_bytes(PNG)
    given = [
        *(GenerationRequest(f"p{number}", model=MODEL, size="1024x1024") for number in range(50)),
        GenerationRequest('a "b" \\ \\N \\t\n\u00fc \U0001f600', model="m\\N"),
        GenerationRequest("edit", model=MODEL, image=str(tmp_path / "in.png"), extra_body={"x": 1}),
        GenerationRequest("two", model=MODEL, images=["https://a.example/b.png", str(tmp_path / "in.png")]),
        GenerationRequest("called", model=MODEL, callback_url="https://a.example/c"),
    ]
    ledger.load(given)
    assert ledger.divide(7) == 7
    shards = [ledger.shard(number) for number in range(7)]

    found = [request for shard in shards for request in shard.requests()]
    assert {request.prompt for request in found} == {request.prompt for request in given}
    assert sorted(map(repr, found)) == sorted(map(repr, [each.__class__(**_fields(each)) for each in given]))
    assert sum(len(shard.steps()) for shard in shards) == len(given) == sum(sum(s.counts().values()) for s in shards)
    assert {entry.key for shard in shards for entry in shard.entries()} == set(ledger.steps())


def _fields(request: GenerationRequest) -> dict[str, Any]:
    import attrs

    return {name: value for name, value in attrs.asdict(request, recurse=False).items() if value is not None}


def test_the_fence_stops_sends_and_never_news(ledger: PostgresLedger, other: PostgresLedger) -> None:
    loaded(ledger, 20)
    old = ledger.shard(0)
    one, two = islice(old.steps(), 2)
    assert old.apply([mark(one, 1)]) == [Result.CHANGED]
    new = other.shard(0)

    assert old.apply([mark(two, 2)]) == [Result.FENCED]
    assert new.settle() == [one]
    assert old.apply([created(one, 1)]) == [Result.CHANGED]
    assert new.settle() == []
    assert new.apply([mark(two, 3)]) == [Result.CHANGED]
    assert not old.finish()
    assert new.finish()


def test_what_an_ended_run_was_sending_is_unknown_to_the_next(ledger: PostgresLedger, other: PostgresLedger) -> None:
    loaded(ledger, 5)
    old = ledger.shard(0)
    one = next(iter(old.steps()))
    old.apply([mark(one, 1)])
    end_run_of(ledger)

    assert other.shard(0).steps()[one] is Step.UNKNOWN
    assert old.apply([created(one, 1)]) == [Result.CHANGED]


def test_a_shard_that_is_held_is_left_alone_until_its_run_ends(ledger: PostgresLedger, other: PostgresLedger) -> None:
    loaded(ledger, 5)
    held = ledger.shard(0)
    with pytest.raises(ShardHeldError):
        other.shard(0, take_over=False)
    with pytest.raises(LedgerError, match="no shard 9"):
        other.shard(9)
    assert [state.held for state in other.shards()] == [True]
    held.close()
    other.shard(0, take_over=False).close()
    ledger.shard(0)
    end_run_of(ledger)

    other.shard(0, take_over=False)
    assert ledger.shard(0, take_over=True).number == 0


def test_shards_are_divided_anew_only_where_none_is_held(ledger: PostgresLedger) -> None:
    loaded(ledger, 20, at_least=4)
    held = ledger.shard(2)
    assert ledger.divide(8) == 4
    held.close()
    assert ledger.divide(8) == 8
    one = next(iter(held.steps()))
    assert held.apply([mark(one, 1)]) == [Result.FENCED]


# --- one budget, one rate


def test_one_budget_for_all_runs(ledger: PostgresLedger, other: PostgresLedger) -> None:
    loaded(ledger, 40)
    ledger.set_terms(budget=30 * PRICE)
    keys = list(ledger.steps())

    results = [
        (ledger if number % 2 else other).apply([mark(key, number)])[0] for number, key in enumerate(keys)
    ]  # fmt: skip

    # Each has drawn before it was used up, and what one has left over is not the other's.
    assert 25 <= results.count(Result.CHANGED) <= 30
    assert results.count(Result.CHANGED) + results.count(Result.NO_BUDGET) == 40
    granted, used, cost = money(ledger)
    assert used == cost == results.count(Result.CHANGED) * 30_000
    assert granted <= 900_000


def test_the_rest_of_a_run_that_has_ended_goes_to_the_others(ledger: PostgresLedger, postgres: str) -> None:
    loaded(ledger, 40)
    ledger.set_terms(budget=30 * PRICE)
    keys = list(ledger.steps())
    with PostgresLedger(postgres) as first:
        assert first.apply([mark(key, 1) for key in keys[:5]]) == [1] * 5
        before = ledger.apply([mark(key, 2) for key in keys[5:]]).count(Result.CHANGED)
        assert before < 25

    assert ledger.apply([mark(key, 2) for key in keys[5:]]) == [1] * 25 + [Result.NO_BUDGET] * 10
    granted, used, cost = money(ledger)
    assert granted == used == cost == 30 * 30_000


def test_what_is_used_is_what_the_entries_cost_whatever_happens(ledger: PostgresLedger, other: PostgresLedger) -> None:
    loaded(ledger, 6)
    ledger.set_terms(budget=1.0)
    a, b, c, d, e, f = ledger.steps()
    ledger.apply([mark(key, 1) for key in (a, b, c, d, e)])
    assert money(ledger)[1:] == (150_000, 150_000)
    ledger.apply([
        Change(a, Step.INTENT, attempt=1), Change(b, Step.REJECTED, error="no", attempt=1), created(c, 1),
        Change(d, Step.UNKNOWN, error="?", attempt=1), created(e, 1),
    ])  # fmt: skip
    assert money(ledger)[1:] == (90_000, 90_000)
    end_run_of(ledger)
    other.apply([Change(c, Step.FAILED, task=Task(id="t", state="failed")), mark(f, 2), mark(b, 2)])
    assert money(ledger)[1:] == (120_000, 120_000)
    other.is_being_sent(a)
    other.resolve(d, "resubmit")
    assert money(ledger)[1:] == (90_000, 90_000)
    other.resolve(d, "undo")
    other.resolve(d, "abandon")
    assert money(ledger)[1:] == (120_000, 120_000)
    assert money(ledger)[0] <= 1_000_000


def test_a_model_without_a_price_is_not_sent_while_there_is_a_budget(ledger: PostgresLedger) -> None:
    ledger.load(["a"], model="not/known")
    [key] = ledger.steps()
    ledger.set_terms(budget=1.0)
    assert ledger.apply([mark(key, 1)]) == [Result.NO_PRICE]
    ledger.set_terms(budget=None)
    assert ledger.apply([mark(key, 1)]) == [Result.CHANGED]


@pytest.mark.parametrize(
    "terms",
    [
        {"budget": -1.0},
        {"budget": float("inf")},
        {"budget": float("nan")},
        {"create_rate": 0.0},
        {"create_rate": float("inf")},
        {"create_rate": float("nan")},
    ],
)
def test_impossible_terms_are_refused(ledger: PostgresLedger, terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(terms))):
        ledger.set_terms(**terms)


def test_slots_follow_each_other_whoever_takes_them(ledger: PostgresLedger, other: PostgresLedger) -> None:
    assert ledger.slots(1) is None
    ledger.set_terms(create_rate=0.1)
    first, second, third = ledger.slots(1), other.slots(2), ledger.slots(1)

    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.wait, first.spacing) == (0.0, 10.0)
    assert 5.0 < second.wait <= 10.0
    assert 25.0 < third.wait <= 30.0
    assert ledger.terms().create_rate == 0.1


def test_a_clock_that_is_set_back_holds_nothing_for_long(ledger: PostgresLedger) -> None:
    ledger.set_terms(create_rate=10.0)
    assert ledger.slots(1) is not None
    ledger.database.execute(
        "UPDATE apimodels.ledger SET next_slot = next_slot + 86400, slot_taken = slot_taken + 86400"
    )

    slots = ledger.slots(1)
    assert slots is not None
    assert slots.wait <= 0.1


def test_a_rate_far_below_one_a_second_holds_for_many_who_wait(ledger: PostgresLedger, other: PostgresLedger) -> None:
    ledger.set_terms(create_rate=0.01)

    waits = [slots.wait for each in (ledger, other) * 3 if (slots := each.slots(1)) is not None]
    assert [round(wait / 100.0) for wait in waits] == [0, 1, 2, 3, 4, 5]


def test_a_higher_rate_holds_at_once_for_what_was_taken_at_a_lower_one(ledger: PostgresLedger) -> None:
    ledger.set_terms(create_rate=0.01)
    for _ in range(5):
        ledger.slots(1)
    ledger.set_terms(create_rate=10.0)

    slots = ledger.slots(1)
    assert slots is not None
    assert 0.0 < slots.wait <= 0.5


# --- a pooler, a fork, a restart


def test_a_pooler_in_transaction_mode_may_stand_in_between(postgres: str, postgres_server: PostgresServer) -> None:
    pooler = PgBouncer(postgres_server, pool_size=2)
    try:
        with PostgresLedger(pooler.dsn(postgres)) as one, PostgresLedger(pooler.dsn(postgres)) as two:
            loaded(one, 30, at_least=2)
            one.set_terms(budget=1.0, create_rate=100.0)
            shards = one.shard(0), two.shard(1)
            for shard in shards:
                keys = list(shard.steps())
                assert shard.apply([mark(key, 7) for key in keys]) == [1] * len(keys)
                assert shard.apply([created(key, 7) for key in keys]) == [1] * len(keys)
            assert one.counts() == {Step.CREATED: 30}
            assert len(list(two.entries())) == 30
            assert one.slots(1) is not None
    finally:
        pooler.remove()


# --- a copy


REFUSED = "accept-failover"


def test_an_old_dump_that_is_restored_refuses_to_send(ledger: PostgresLedger, postgres_server: PostgresServer) -> None:
    loaded(ledger, 3)
    name = ledger.name.rpartition("/")[2]
    url = postgres_server.dsn(name)
    dump = run("pg_dump", "-d", url).stdout
    [key, *_] = ledger.steps()
    ledger.apply([mark(key, 1), created(key, 1)])

    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA apimodels CASCADE")
        _restore(connection, dump)

    assert ledger.steps()[key] is Step.INTENT
    assert ledger.apply([mark(key, 2)]) == [Result.MOVED]
    for use in (ledger.check_place, lambda: ledger.bind("https://api.example"), lambda: ledger.shard(0)):
        with pytest.raises(LedgerError, match=REFUSED):
            use()
    ledger.accept_failover()
    assert ledger.apply([mark(key, 3)]) == [Result.CHANGED]


def _restore(connection: Any, dump: str) -> None:
    """What ``psql < dump`` does."""
    statement: list[str] = []
    lines = iter(dump.splitlines(keepends=True))
    for line in lines:
        if line.startswith("\\"):  # of psql itself
            continue
        if line.startswith("COPY "):
            connection.execute("".join(statement))
            statement = []
            with connection.cursor() as cursor, cursor.copy(line.rstrip().rstrip(";")) as copy:
                for row in lines:
                    if row == "\\.\n":
                        break
                    copy.write(row)
        else:
            statement.append(line)
    connection.execute("".join(statement))


def test_a_standby_that_is_promoted_refuses_to_send_and_takes_news() -> None:
    with running(settings=("wal_level = replica", "max_wal_senders = 4")) as primary:
        database = primary.database()
        with PostgresLedger(database) as ledger:
            loaded(ledger, 3)
            standby = PostgresServer(copy_of=primary)
            try:
                [key, sent, *_] = ledger.steps()
                primary.stop("immediate")
                # What was acknowledged after the copy: lost, as with asynchronous replication.
                standby.promote()
                with PostgresLedger(standby.dsn(database.rpartition("/")[2])) as promoted:
                    assert promoted.apply([mark(key, 1)]) == [Result.MOVED]
                    assert promoted.apply([created(sent, 5, "acknowledged elsewhere")]) == [Result.UNCHANGED]
                    assert promoted.strays() == [(sent, "acknowledged elsewhere")]
                    with pytest.raises(LedgerError, match=REFUSED):
                        promoted.bind("https://api.example")
                    promoted.accept_failover()
                    assert promoted.apply([mark(key, 1)]) == [Result.CHANGED]
            finally:
                standby.remove()
                primary.start()
