"""Being called back without awaiting: the mirrored client, and the receiver's waiting side."""

import threading
from collections.abc import Iterator

import pytest

from apimodels_async import ImagesClient, TaskState
from apimodels_async.gateway import LocalGateway
from apimodels_async.sync import CallbackReceiver
from tests.support.served import SECRETS, served

MODEL = "grok-image/grok-4.2-image"


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with served(lambda url: CallbackReceiver(url, SECRETS)) as app, app:
        yield app


def client_of(gateway: LocalGateway, receiver: CallbackReceiver | None = None) -> ImagesClient:
    return ImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL, callbacks=receiver)


def test_a_blocking_client_is_called_back(gateway: LocalGateway, receiver: CallbackReceiver) -> None:
    with client_of(gateway, receiver) as client:
        assert client.generate("a bell without a tower").state == TaskState.COMPLETED
        outcomes = client.generate_many(["a castaway who waits", "a bell"])
    assert all(outcome.ok for outcome in outcomes)


def test_callbacks_are_iterated_over(gateway: LocalGateway, receiver: CallbackReceiver) -> None:
    taken: set[str] = set()
    with client_of(gateway) as client:
        ordered = [client.create(f"bell {number}", callback_url=receiver.issue()[1]).id for number in range(3)]
    for callback in receiver:
        taken.add(callback.task_id)
        if len(taken) == 3:
            break
    assert taken == set(ordered)


def test_closing_ends_an_iteration_that_waits_in_another_thread(receiver: CallbackReceiver) -> None:
    ended = threading.Event()

    def take() -> None:
        for _ in receiver:
            pass
        ended.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    receiver.close()
    thread.join(10)
    assert ended.is_set()


def test_a_closed_receiver_gives_no_more(receiver: CallbackReceiver) -> None:
    receiver.close()
    receiver.close()
    assert list(receiver) == []
    assert receiver.is_closed


def test_what_is_iterated_over_can_be_confirmed_by_a_blocking_client(gateway: LocalGateway) -> None:
    with (
        client_of(gateway) as client,
        served(lambda url: CallbackReceiver(url, SECRETS, confirm=client.get)) as receiver,
        receiver,
    ):
        task = client.create("contraband", callback_url=receiver.issue()[1])
        callback = next(receiver)
    assert (callback.task_id, callback.state, callback.fail_code) == (task.id, "failed", "CONTENT_MODERATION")


def test_no_secret_shows_in_what_it_says_of_itself(receiver: CallbackReceiver) -> None:
    assert "sixteen" not in repr(receiver)
    assert repr(receiver).startswith("CallbackReceiver(")
