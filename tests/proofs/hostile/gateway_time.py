"""Clients and servers that keep a gateway waiting, and its end while it works."""

import base64
import contextlib
import signal
import socket
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.proofs.hostile.gateway_pictures import attacked, photo, refused_well
from tests.proofs.hostile.hostile_server import DRIPS, dripping
from tests.proofs.hostile.processes import Gateway, memory
from tests.proofs.hostile.row import Row, unless
from tests.support.picture_server import PictureServer, picture

HALF_A_BODY = b"POST /api/v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\nx"
MOST_END = 5.0
"""Seconds until a gateway has ended that was told to."""
MOST_FETCH = 20.0
"""Seconds for all the links of a create request, which have 15 s, and its answer."""
MOST_IDLE = 15.0
"""Seconds until an idle connection is closed, which has 10 s."""


def drips(row: Row) -> None:
    """Servers of pictures and receivers of callbacks that drip, in every phase of their answer."""
    with PictureServer() as server, attacked(row) as gateway, ThreadPoolExecutor(40) as threads:
        urls = {phase: server.play(f"/{number}", dripping(*how)) for number, (phase, how) in enumerate(DRIPS.items())}

        def attempt(phase: str) -> tuple[str, str, float]:
            began = time.monotonic()
            answer = gateway.create("drips", image_urls=[urls[phase]] * 4)
            return phase, refused_well(answer), time.monotonic() - began

        for phase, wrong, took in threads.map(attempt, list(urls) * row.count(4)):
            row.judge(phase, wrong, unless(took < MOST_FETCH, f"it took {took:.1f} s"))
        for phase, url in urls.items():
            row.judge(f"callback, {phase}", refused_well(gateway.create("drips", callback_url=url)))
        good = server.play("/good", picture())
        for phase in urls:
            row.judge(f"after {phase}", unless(gateway.create(image_url=good).status == 200, "a good one is refused"))


def idle(row: Row) -> None:
    """Connections that send nothing, half a head, half a body, or do not read; they are closed, and hold up nothing."""
    starts = {
        "idle": b"",
        "half a head": b"POST /api/v1/images/generations HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        "after an answer": b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "half of the next": b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /",
    }
    number = row.count(500)
    with attacked(row) as gateway, contextlib.ExitStack() as stack:
        opened: list[tuple[str, socket.socket]] = []
        for start, sent in starts.items():
            for _ in range(number):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
                connection.sendall(sent)
                opened.append((start, connection))
        until = time.monotonic() + MOST_IDLE
        for start, connection in opened:
            connection.settimeout(max(0.1, until - time.monotonic()))
            row.judge(start, unless(_ends(connection), "it is still open"))


def readers(row: Row) -> None:
    """Clients that ask for a picture of ten megabytes and do not read it: what each of them holds is small."""
    with attacked(row) as gateway, contextlib.ExitStack() as stack:
        task = gateway.create("large", size="4096x4096").data["taskId"]
        link = gateway.ask("GET", f"/api/v1/images/generations?task_id={task}").data["resultUrls"][0]
        path = link.removeprefix(gateway.origin)
        row.judge("the picture", unless(len(gateway.ask("GET", path).body) > 4 << 20, "it is small"))
        before, number = memory(gateway.process.pid), row.count(400)
        for _ in range(number):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            connection.connect(("127.0.0.1", gateway.port))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        time.sleep(3.0)  # all of them have been answered
        each = (memory(gateway.process.pid) - before) / number
        row.judge("not read", unless(each < 0.4, f"{each:.2f} MB for each of {number} clients"))


def _ends(connection: socket.socket) -> bool:
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def few_files(row: Row) -> None:
    """More connections than there are file descriptors: it says so once, and good requests are answered."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Gateway(Path(folder), files=128) as gateway,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(row.count(400)):
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
        time.sleep(1.0)  # it tries to accept them
        for _ in range(row.count(20)):
            began = time.monotonic()
            answer = gateway.ask("GET", "/api/v1/balance", wait=60)
            took = time.monotonic() - began
            row.judge("asked meanwhile", unless(answer.status == 200, str(answer)), unless(took < 30, f"{took} s"))
        stack.close()
        row.judge("afterwards", unless(gateway.create().status == 200, "a create request is refused"))
        size = len(gateway.log)
        row.judge("log", unless(size < 2000, f"{size} characters: {gateway.log[:200]!r}"))


def ending(row: Row) -> None:
    """SIGTERM and SIGINT while it paints, decodes, fetches, receives, posts: it ends within 5 s, and loses nothing."""
    large = base64.b64encode(photo(8000, 8000, "JPEG", progressive=True)).decode()
    for number in (signal.SIGTERM, signal.SIGINT):
        works = (
            ("painting", "decoding", "fetching", "receiving", "posting") if number == signal.SIGTERM else ("painting",)
        )
        for work in works[: row.count(5)]:
            with PictureServer() as server, tempfile.TemporaryDirectory() as folder:
                slow = server.play("/slow", dripping(*DRIPS["status line"]))
                with Gateway(Path(folder)) as gateway:
                    tasks = [gateway.create("kept").data["taskId"] for _ in range(3)]
                    working = [threading.Thread(target=_occupy, args=(gateway, work, large, slow)) for _ in range(6)]
                    for thread in working:
                        thread.start()
                    time.sleep(1.5)  # all of them are under way
                    took = gateway.end(number)
                    for thread in working:
                        thread.join()
                    code, log = gateway.process.returncode, gateway.log
                with Gateway(Path(folder)) as again:
                    left = [again.ask("GET", f"/api/v1/images/generations?task_id={task}").data for task in tasks]
                states = {task["state"] for task in left}
            row.judge(
                f"{work}, {number.name}",
                unless(took < MOST_END, f"it ended after {took:.1f} s"),
                unless(code == 0, f"it ended with {code}"),
                unless("Traceback" not in log, log[-300:]),
                unless(states == {"completed"}, f"at the next start the tasks are {states}"),
            )


def _occupy(gateway: Gateway, work: str, large: str, slow: str) -> None:
    with contextlib.suppress(Exception):  # it is cut off
        match work:
            case "painting":
                task = gateway.create("4K", n=10, size="3840x2160").data["taskId"]
                links = gateway.ask("GET", f"/api/v1/images/generations?task_id={task}").data["resultUrls"]
                for link in links:
                    gateway.ask("GET", link.removeprefix(gateway.origin))
            case "decoding":
                gateway.create("decoded", images=[large] * 10)
            case "fetching":
                gateway.create("fetched", image_urls=[slow] * 10)
            case "posting":
                gateway.create("posted", callback_url=slow)
            case _:
                with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
                    connection.sendall(HALF_A_BODY)
                    connection.recv(1)
