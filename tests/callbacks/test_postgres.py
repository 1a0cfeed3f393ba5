"""The callback store that hosts share: what one receives, another hears of; with a session and through a pooler."""

import threading
from collections.abc import Iterator

import anyio
import pytest

pytest.importorskip("psycopg")

from apimodels_async import ConfigurationError
from apimodels_async.callbacks import Arrival, CallbackReceiver, PostgresStore, subscriptions
from tests.callbacks.conftest import PUBLIC_URL, SECRETS, body_of, post
from tests.callbacks.test_stores import Member
from tests.support.postgres import PgBouncer, PostgresServer

pytestmark = pytest.mark.postgres

A, B = Arrival("i1", "task-a", settled=False), Arrival("i2", "task-b", settled=True)


@pytest.fixture
def pooled(postgres: str, postgres_server: PostgresServer) -> Iterator[str]:
    pooler = PgBouncer(postgres_server)
    yield pooler.dsn(postgres)
    pooler.remove()


def test_news_of_others_are_seen_once(postgres: str) -> None:
    with PostgresStore(postgres) as one, PostgresStore(postgres) as two:
        one.add("before", A)
        mark, news = two.since(None)
        assert news == []
        one.add("k1", A)
        one.add("k2", B)
        mark, news = two.since(mark)
        assert news == [A, B]
        assert two.since(mark) == (mark, [])


def test_stores_that_add_at_once_hide_no_number_from_a_reader(postgres: str) -> None:
    with PostgresStore(postgres) as one, PostgresStore(postgres) as two, PostgresStore(postgres) as reader:
        mark, seen = reader.since(None)[0], []
        stores = (one, two)
        threads = [
            threading.Thread(
                target=lambda at=at: [stores[at].add(f"{at}-{n}", Arrival("i", f"{at}-{n}", True)) for n in range(40)]
            )
            for at in range(2)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            mark, news = reader.since(mark)
            seen += [each.task_id for each in news]
        seen += [each.task_id for each in reader.since(mark)[1]]
        assert sorted(seen) == sorted(f"{at}-{n}" for at in range(2) for n in range(40))


def test_another_process_is_woken_by_a_notification(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "LISTENED_EVERY", 600.0)
    with PostgresStore(postgres) as waiting, PostgresStore(postgres) as other:
        stirred, heard = threading.Event(), threading.Event()
        waiting.listen(stirred.set)
        assert stirred.wait(60)  # it listens now
        assert waiting.listening
        receiver = CallbackReceiver(PUBLIC_URL, SECRETS, store=waiting)
        intent, _ = receiver.issue()
        receiver.subscribe(intent, lambda _: heard.set())
        other.add(intent, Arrival(intent, "task-1", settled=True))
        assert heard.wait(60)
        anyio.run(receiver.aclose)


def test_through_a_pooler_that_passes_no_notifications_on_it_is_polled(pooled: str) -> None:
    with PostgresStore(pooled) as waiting, PostgresStore(pooled) as other:
        heard = threading.Event()
        receiver = CallbackReceiver(PUBLIC_URL, SECRETS, store=waiting)
        intent, _ = receiver.issue()
        receiver.subscribe(intent, lambda _: heard.set())
        other.add(intent, Arrival(intent, "task-1", settled=True))
        assert heard.wait(60)
        anyio.run(receiver.aclose)
        assert not waiting.listening


def test_a_callback_that_reaches_the_wrong_process_wakes_the_right_one(postgres: str) -> None:
    right, wrong = Member(postgres), Member(postgres)
    url = right("issue")

    assert wrong("post", url, "task-1") == 200
    assert right("heard") == ["task-1"]
    assert right("post", url, "task-1") == 200
    right.end()
    wrong.end()


@pytest.mark.anyio
async def test_a_receiver_with_a_url_opens_its_store_and_closes_it(postgres: str) -> None:
    for _ in range(2):
        async with CallbackReceiver(PUBLIC_URL, SECRETS, store=postgres) as receiver:
            _, url = receiver.issue()
            assert await post(receiver, url, body_of()) == 200


def test_a_database_that_is_not_there_is_refused(postgres: str) -> None:
    with pytest.raises(ConfigurationError, match="callbacks"):
        PostgresStore(f"{postgres}_not")
    with pytest.raises(ConfigurationError, match="postgresql://"):
        CallbackReceiver(PUBLIC_URL, SECRETS, store="redis://here/0")


def test_words_that_postgresql_refuses_hold_up_no_other_callback(postgres: str) -> None:
    with PostgresStore(postgres) as store:
        assert store.add("k\0", Arrival("i\ud800", "t\0", settled=False)).task_id == "t\\x00"
        store.settle("k\0")
        assert store.arrivals(["i\ud800", "\0"]) == [store.find("k\0")]
        assert store.add("other", Arrival("j", "u", settled=False)).task_id == "u"
