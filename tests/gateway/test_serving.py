"""The gateway on a real socket starts, answers many, and stops without a trace."""

import asyncio
import builtins
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from apimodels_async.gateway import DEFAULT_API_KEY, LocalGateway, create_app, serve

KEY = {"Authorization": f"Bearer {DEFAULT_API_KEY}"}

SERVE = """
import sys
from apimodels_async.gateway import serve
serve(port=0, store=sys.argv[1], latency="0/0", on_ready=lambda url: print(url, flush=True),
      paint=lambda **order: str(sorted(order.items())).encode())
print("stopped", flush=True)
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[str], str]]]:
    """Starts a gateway in a process of its own, always on the same store."""
    processes: list[subprocess.Popen[str]] = []

    def start() -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-W", "error", "-c", SERVE, str(tmp_path / "store")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def create(client: httpx.Client, base_url: str, **fields: Any) -> Any:
    body = {"model": "grok-4.2-image", "prompt": "a lighthouse", **fields}
    return client.post(f"{base_url}/images/generations", json=body).raise_for_status().json()["data"]


def query(client: httpx.Client, base_url: str, task_id: str) -> Any:
    url = f"{base_url}/images/generations"
    return client.get(url, params={"task_id": task_id}).raise_for_status().json()["data"]


def test_a_killed_gateway_loses_nothing(served: Callable[[], tuple[subprocess.Popen[str], str]]) -> None:
    with httpx.Client(headers=KEY, trust_env=False, timeout=60) as client:
        process, base_url = served()
        ids = [create(client, base_url, n=2)["taskId"] for _ in range(20)]
        (seen, _) = query(client, base_url, ids[0])["resultUrls"]
        picture = client.get(seen).content
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL

    with httpx.Client(headers=KEY, trust_env=False, timeout=60) as client:
        process, new_url = served()
        for task_id in ids:
            task = query(client, new_url, task_id)
            assert task["state"] == "completed"
        again = seen.replace(base_url.removesuffix("/api/v1"), new_url.removesuffix("/api/v1"))
        assert client.get(again).content == picture
        balance = client.get(f"{new_url}/balance").json()["data"]["balance"]
        assert balance == pytest.approx(10 - 20 * 2 * 0.03)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_gateway_in_the_foreground_ends_well_when_it_is_asked_to(
    served: Callable[[], tuple[subprocess.Popen[str], str]], number: int
) -> None:
    process, base_url = served()
    with httpx.Client(headers=KEY, trust_env=False, timeout=60) as client:
        create(client, base_url)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "stopped\n", "")


def test_the_foreground_tells_its_url_when_it_answers_there(painter: Any) -> None:
    told: list[str] = []

    def on_ready(base_url: str) -> None:
        told.append(base_url)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        serve(host="0.0.0.0", port=0, on_ready=on_ready, paint=painter)
    assert told[0].startswith("http://127.0.0.1:")
    assert not told[0].startswith("http://127.0.0.1:0/")
    assert told[0].endswith("/api/v1")


def test_a_port_in_use_is_an_os_error(painter: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"), LocalGateway(port=port, paint=painter):
            pass
        with pytest.raises(OSError, match="in use"):
            serve(port=port, paint=painter)


def test_a_bad_option_is_raised_in_the_caller(painter: Any) -> None:
    with pytest.raises(ValueError, match="latency"), LocalGateway(latency="soon", paint=painter):
        pass
    with pytest.raises(ValueError, match="api_keys"):
        LocalGateway(api_keys=[])
    with pytest.raises(ValueError, match="latency"):
        serve(port=0, latency="soon", paint=painter)


def test_an_asked_port_is_taken_and_free_again_at_once(painter: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for _ in range(2):
        with LocalGateway(port=port, paint=painter) as gateway:
            assert gateway.base_url == f"http://127.0.0.1:{port}/api/v1"
            assert httpx.get(f"{gateway.base_url}/models", headers=KEY, trust_env=False, timeout=60).status_code == 200


def test_it_takes_the_key_it_names(painter: Any) -> None:
    with LocalGateway(api_keys=["sk_mine", "sk_yours"], paint=painter) as gateway:
        assert gateway.api_key == "sk_mine"
        url = f"{gateway.base_url}/balance"
        mine = {"Authorization": "Bearer sk_mine"}
        assert httpx.get(url, headers=mine, trust_env=False, timeout=60).status_code == 200
        assert httpx.get(url, headers=KEY, trust_env=False, timeout=60).status_code == 401


def test_leaving_stops_the_thread_and_the_port_and_leaves_the_signals_alone(painter: Any) -> None:
    before = set(threading.enumerate())
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with (
        LocalGateway(paint=painter, latency="0/0") as gateway,
        httpx.Client(headers=KEY, trust_env=False, timeout=60) as client,
    ):
        task_id = create(client, gateway.base_url)["taskId"]
        client.get(query(client, gateway.base_url, task_id)["resultUrls"][0]).raise_for_status()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert set(threading.enumerate()) <= before  # one of an earlier test, that had nothing to do, may have ended
    with pytest.raises(httpx.ConnectError):
        httpx.get(gateway.base_url, trust_env=False, timeout=60)


def test_leaving_does_not_wait_for_a_create_that_is_still_waiting(painter: Any) -> None:
    asleep, cut_off = threading.Event(), threading.Event()

    async def sleep(_: float) -> None:
        asleep.set()
        try:
            await asyncio.sleep(24 * 3600)
        finally:
            cut_off.set()

    with ThreadPoolExecutor(1) as pool, httpx.Client(headers=KEY, trust_env=False, timeout=60) as client:
        with LocalGateway(paint=painter, sleep=sleep) as gateway:
            waiting = pool.submit(create, client, gateway.base_url, model="sparkpix-image")
            assert asleep.wait(10)
        assert cut_off.is_set()
        assert isinstance(waiting.exception(10), httpx.HTTPError)


def test_it_works_beside_a_running_event_loop(painter: Any) -> None:
    async def main() -> int:
        with LocalGateway(paint=painter) as gateway:
            async with httpx.AsyncClient(headers=KEY, trust_env=False) as client:
                return (await client.get(f"{gateway.base_url}/models")).status_code

    assert asyncio.run(main()) == 200


def test_sixty_four_threads_at_once_are_all_served(gateway: LocalGateway, painter: Any) -> None:
    def work(number: int) -> tuple[str, str]:
        with httpx.Client(headers=KEY, trust_env=False, timeout=30) as client:
            ids = [create(client, gateway.base_url, seed=number, size="16x16")["taskId"] for _ in range(4)]
            for task_id in ids:
                assert query(client, gateway.base_url, task_id)["state"] == "completed"
            (url,) = query(client, gateway.base_url, ids[0])["resultUrls"]
            assert client.get(url).status_code == 200
            return ids[0], url

    with ThreadPoolExecutor(64) as pool:
        done = list(pool.map(work, range(64)))
    assert len({task_id for task_id, _ in done}) == 64
    assert Counter(call["seed"] for call in painter.calls) == dict.fromkeys(range(64), 4)
    answer = httpx.get(f"{gateway.base_url}/balance", headers=KEY, trust_env=False, timeout=60)
    assert answer.json()["data"]["balance"] == pytest.approx(1e6 - 64 * 4 * 0.03)


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_head(client: httpx.Client) -> None:
    def exchange() -> float:
        start = time.perf_counter()
        client.get("/balance")
        return time.perf_counter() - start

    assert sorted(exchange() for _ in range(60))[20] < 0.03


def test_a_large_body_refused_for_its_key_is_still_answered(gateway: LocalGateway) -> None:
    answer = httpx.post(f"{gateway.base_url}/files", content=bytes(20 * 1024 * 1024), trust_env=False, timeout=30)
    assert answer.status_code == 401


def test_a_client_that_sends_far_too_much_still_reads_why_it_is_refused(client: httpx.Client) -> None:
    answer = client.post("/images/generations", content=(bytes(1 << 20) for _ in range(120)), timeout=30)
    assert answer.status_code == 400
    assert "50 MB" in answer.json()["msg"]


def test_head_of_a_picture_has_no_body(client: httpx.Client, gateway: LocalGateway) -> None:
    task_id = create(client, gateway.base_url)["taskId"]
    (url,) = query(client, gateway.base_url, task_id)["resultUrls"]
    head, get = client.head(url), client.get(url)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(get.content)


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "PIL", "python_multipart"])
def test_without_its_extra_the_gateway_says_how_to_get_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, *rest)

    for name in list(sys.modules):
        if name.startswith("apimodels_async.gateway"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=rf'{missing}.*pip install "apimodels-async\[gateway\]"'):
        importlib.import_module("apimodels_async.gateway")


def test_another_missing_module_is_not_blamed_on_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("apimodels_async.gateway"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "apimodels_async.gateway.latency", None)
    with pytest.raises(ModuleNotFoundError, match="latency"):
        importlib.import_module("apimodels_async.gateway")


def test_an_app_whose_lifespan_was_never_entered_says_so(painter: Any) -> None:
    async def main() -> None:
        transport = httpx.ASGITransport(create_app(paint=painter))
        async with httpx.AsyncClient(transport=transport, headers=KEY) as client:
            await client.get("http://gateway.test/v1/balance")

    with pytest.raises(RuntimeError, match="lifespan"):
        asyncio.run(main())


def test_importing_the_package_does_not_import_the_gateway() -> None:
    code = "import sys, apimodels_async; assert not {'apimodels_async.gateway', 'starlette', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": ""}, timeout=30)


NOT_WIRE = (
    *("from apimodels_async import catalogue", "from apimodels_async.catalogue"),
    *(
        "from apimodels_async import _sqlite",
        "from apimodels_async._arguments import",
        "from apimodels_async._logs import escaped_logger",
        "from apimodels_async._reprs import safe_repr",
        "from apimodels_async._text import visible",
        "from apimodels_async._thumbnails import",
        "from apimodels_async._settings import load_prices",
    ),
)
"""Models and prices; the errors for a bad option; how SQLite is opened; log records and reprs; and what pages need of
texts and pictures, which is in no message."""


def test_the_gateway_shares_no_wire_code_with_the_client() -> None:
    folder = Path(sys.modules["apimodels_async.gateway"].__file__ or "").parent
    for path in folder.glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "import" in line and "apimodels_async" in line and "apimodels_async.gateway" not in line:
                assert line.startswith(NOT_WIRE), path


PAINTS = """
import os, sys
from apimodels_async.gateway import serve
def paint(**order):
    os.write(1, b"painting\\n")  # print() writes a line and its end apart, and several threads paint
    while True:
        sum(range(10_000))
serve(port=0, store=sys.argv[1], latency="0/0", on_ready=lambda url: print(url, flush=True), paint=paint)
print("stopped", flush=True)
"""


def test_sigterm_ends_it_whatever_it_does_and_the_next_one_takes_its_tasks_up(tmp_path: Path, painter: Any) -> None:
    command = [sys.executable, "-c", PAINTS, str(tmp_path / "store")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    base_url = process.stdout.readline().strip()
    try:
        with httpx.Client(headers=KEY, trust_env=False, timeout=30) as client:
            ids = [create(client, base_url, size="16x16")["taskId"] for _ in range(3)]
            with ThreadPoolExecutor(3) as threads:
                waiting = [threads.submit(query, client, base_url, task_id) for task_id in ids]
                assert process.stdout.readline() == "painting\n"
                process.send_signal(signal.SIGTERM)
                process.wait(30)  # its painter never ends
                assert all(isinstance(each.exception(30), httpx.HTTPError) for each in waiting)
    finally:
        process.kill()
        out, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert out.splitlines()[-1] == "stopped"
    assert err == ""
    with (
        LocalGateway(store=tmp_path / "store", paint=painter, latency="0/0") as gateway,
        httpx.Client(headers=KEY, trust_env=False, timeout=60) as client,
    ):
        assert {query(client, gateway.base_url, task_id)["state"] for task_id in ids} == {"completed"}
