"""A Dask worker in a process of its own that is asked to end while the server has not answered it yet."""

import itertools
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from apimodels_async.ledger import PostgresLedger, Step
from tests.shards.conftest import MODEL, requests
from tests.support.dask_cluster import DaskCluster, wait_until
from tests.support.envelopes import wrapped
from tests.support.servers import Handler, http_server

pytest.importorskip("distributed")
pytestmark = [
    *(pytest.mark.postgres, pytest.mark.dask),
    # distributed looks for a free port with sockets that it leaves to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
]

REQUESTS = 12


class HeldBack:
    """A server that answers create requests only when it may.

    Attributes:
        received: create requests, by their prompts.
        answering: set when it may.
        base_url: where it is.
    """

    def __init__(self) -> None:
        self.received: list[str] = []
        self.answering = threading.Event()
        self.base_url = ""
        self._ids = itertools.count()

    def handler(self) -> type[Handler]:
        held = self

        class Api(Handler):
            def post(self) -> None:
                held.received.append(json.loads(self.body())["prompt"])
                assert held.answering.wait(120)
                data = {"taskId": f"task-{next(held._ids)}", "state": "pending"}
                self.answer(200, json.dumps(wrapped(data)).encode())

            def get(self) -> None:
                task_id = self.path.rpartition("=")[2]
                self.answer(200, json.dumps(wrapped({"taskId": task_id, "state": "pending"})).encode())

        return Api


@pytest.fixture
def server() -> Iterator[HeldBack]:
    held = HeldBack()
    with http_server(held.handler()) as url:
        held.base_url = f"{url}/api/v1"
        try:
            yield held
        finally:
            held.answering.set()


def drive(client: Any, ledger: str) -> None:
    from apimodels_async.dask import make_pictures

    with suppress(Exception):  # in the end the cluster is taken away from it
        for _ in make_pictures(client, ledger, max_in_flight=2, worker_timeout=None):
            pass


def statuses(client: Any) -> set[str]:
    """What the scheduler knows of its workers."""
    return {worker["status"] for worker in client.scheduler_info()["workers"].values()}


def test_a_worker_that_gets_sigterm_waits_for_its_answers_and_leaves_nothing_unknown(
    server: HeldBack, postgres: str
) -> None:
    environment = {
        "APIMODELS_API_KEY": "sk_localdevelopment",
        "APIMODELS_BASE_URL": server.base_url,
        "APIMODELS_LEDGER": postgres,
    }
    with PostgresLedger(postgres) as ledger, DaskCluster(environment, threads=1) as cluster:
        ledger.load(requests(REQUESTS), model=MODEL)
        ledger.divide(2)
        worker = cluster.start_worker()
        with cluster.client() as client:
            driver = threading.Thread(target=drive, args=(client, postgres), daemon=True)
            driver.start()
            wait_until(lambda: len(server.received) == 2, what="two create requests")

            worker.send_signal(signal.SIGTERM)
            wait_until(lambda: "running" not in statuses(client), what="the worker's notice")
            assert worker.poll() is None, cluster.log()  # it waits
            assert ledger.counts() == {Step.SENDING: 2, Step.INTENT: REQUESTS - 2}
            server.answering.set()

            assert worker.wait(60) == 0, cluster.log()
            assert ledger.counts() == {Step.CREATED: 2, Step.INTENT: REQUESTS - 2}
            assert len(server.received) == 2
            assert not any(state.held for state in ledger.shards())
