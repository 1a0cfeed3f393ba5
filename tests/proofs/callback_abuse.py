"""A receiver on a real server, called 10,000 times by everybody: ``python tests/proofs/callback_abuse.py [CALLBACKS]``.

Half of the calls are forged and a third are duplicates. Of both kinds, and of the rest, some are of 2 MB, some nested
deeply, some cut off. Meanwhile 50 callers with good URLs send one byte now and then, and hang up never. The server runs
in a process of its own; what is measured is what its callers see, and its memory.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

SECRETS = {"k1": "a key that is long enough"}
SLOW = 50
WORKERS = 16
PATIENCE = 20.0

DEEP = b'{"data": {"taskId": "deep", "param": ' + b"[" * 200_000
LARGE = b'{"data": {"taskId": "large", "param": "' + b"x" * 2_000_000 + b'"}}'


# --- the server


def peak_memory() -> int:
    """Bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM here")


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def serve(store: str) -> None:
    import uvicorn

    from apimodels_async.callbacks import Callback, CallbackReceiver

    handled: Counter[str] = Counter()

    async def handler(callback: Callback) -> None:
        handled[callback.task_id] += 1

    receiver = CallbackReceiver(
        "http://127.0.0.1/callbacks", SECRETS, on_callback=handler, store=store or None, max_bytes=1 << 20
    )

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/figures":
            if scope["query_string"] == b"reset":
                forget_peak()
            body = json.dumps({"handled": handled, "memory": peak_memory()}).encode()
            headers = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        else:
            await receiver(scope, receive, send)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)

    Server(uvicorn.Config(app, port=0, log_config=None, access_log=False)).run()


# --- its callers


class Call(NamedTuple):
    """One call, and what is to come of it."""

    kind: str
    path: str
    body: bytes
    statuses: tuple[int | None, ...]
    cut: bool = False
    method: str = "POST"


class Line:
    """A connection that is used again as long as that goes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def ask(self, call: Call) -> tuple[int | None, bytes]:
        """The status and the body of the answer; no status if the connection broke."""
        reader, writer = await self.open()
        length = len(call.body) + (1000 if call.cut else 0)
        head = f"{call.method} {call.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
        try:
            writer.write(head + call.body)
            if call.cut:
                await writer.drain()
                self.close()
                return None, b""
            sending = asyncio.ensure_future(writer.drain())
            try:
                status, body, stays = await self._answer(reader)
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await sending
        except (OSError, EOFError, IndexError):
            self.close()
            return None, b""
        if not stays:
            self.close()
        return status, body

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        return int(head.split()[1]), body, headers.get("connection") != "close"


def url_path(signer: Any, intent: str) -> str:
    path: str = signer.url(intent).removeprefix("http://127.0.0.1")
    return path


def body_of(task_id: str) -> bytes:
    data = {
        "taskId": task_id,
        "model": "grok-image/grok-4.2-image",
        "state": "completed",
        "param": json.dumps({"prompt": "a cute cat wearing a space helmet", "n": 1}),
        "resultJson": json.dumps({"resultUrls": [f"https://r2.example/{task_id}.png"]}),
        "costTime": 12345,
    }
    return json.dumps({"code": 200, "msg": "success", "data": data}).encode()


def plan(count: int, dice: random.Random) -> tuple[list[Call], list[Call]]:
    """The true calls, each for one task; and everything else, for whenever it may come."""
    from apimodels_async.callbacks import CallbackSigner, new_intent_id

    signer = CallbackSigner("http://127.0.0.1/callbacks", SECRETS)
    other = CallbackSigner("http://127.0.0.1/callbacks", {"k1": "some other key, long enough"})
    unknown = CallbackSigner("http://127.0.0.1/callbacks", {"k9": SECRETS["k1"]})
    forged_count, duplicates = count // 2, count // 3
    rest = count - forged_count - duplicates
    odd = rest // 5
    good = [Call("good", url_path(signer, new_intent_id()), body_of(f"task-{at}"), (200,)) for at in range(rest - odd)]
    others: list[Call] = []
    for at in range(odd):
        path = url_path(signer, new_intent_id())
        others.append(
            [
                Call("large", path, LARGE, (413,)),
                Call("deep", path, DEEP, (400,)),
                Call("truncated", path, body_of("truncated")[:-20], (None,), cut=True),
                Call("broken", path, body_of("broken")[:-20], (400,)),
            ][at % 4]
        )
    for at in range(forged_count):
        true = dice.choice(good)
        intent = true.path.split("/")[-2]
        body = [body_of(f"forged-{at}")] * 17 + [LARGE, DEEP, b"\xff"]
        paths = [
            url_path(other, intent),
            url_path(unknown, intent),
            true.path[:-1] + ("A" if true.path[-1] != "A" else "B"),
            true.path + "/x",
            "/callbacks",
        ]
        # Who goes on sending after the refusal may find the connection closed instead.
        others.append(Call("forged", dice.choice(paths), dice.choice(body), (404, None)))
    others += [true._replace(kind="duplicate", body=b"") for true in dice.choices(good, k=duplicates)]
    return good, others


class Tally:
    """What came of it."""

    def __init__(self) -> None:
        self.statuses: dict[str, Counter[int | None]] = {}
        self.seconds: list[float] = []
        self.wrong: list[tuple[str, int | None]] = []

    def note(self, call: Call, status: int | None, seconds: float) -> None:
        self.statuses.setdefault(call.kind, Counter())[status] += 1
        if status not in call.statuses:
            self.wrong.append((call.kind, status))
        if call.kind in ("good", "duplicate"):
            self.seconds.append(seconds)


async def call_all(port: int, calls: list[Call], tally: Tally) -> None:
    """In this order, from a few connections at once. A duplicate repeats what has been answered."""
    coming = iter(calls)
    answered: list[Call] = []
    dice = random.Random(2)

    async def work() -> None:
        line = Line(port)
        for planned in coming:
            call = planned
            if planned.kind == "duplicate":
                if not answered:
                    continue
                call = dice.choice(answered)._replace(kind="duplicate")
            await line.open()
            began = time.perf_counter()
            async with asyncio.timeout(PATIENCE):
                status, _ = await line.ask(call)
            tally.note(call, status, time.perf_counter() - began)
            if call.kind == "good" and status == 200:
                answered.append(call)
        line.close()

    await asyncio.gather(*(work() for _ in range(WORKERS)))


async def hang(port: int, tally: Tally) -> None:
    """Send a byte now and then, and begin again when that was refused."""
    from apimodels_async.callbacks import CallbackSigner, new_intent_id

    signer = CallbackSigner("http://127.0.0.1/callbacks", SECRETS)
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            path = url_path(signer, new_intent_id())
            writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n".encode())
            began = time.perf_counter()
            answer = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
            try:
                while not answer.done() and time.perf_counter() - began < PATIENCE:
                    writer.write(b" ")
                    await asyncio.wait([answer], timeout=0.5)
                status = int(answer.result().split()[1]) if answer.done() else None
            finally:
                answer.cancel()
            tally.note(Call("slow", path, b"", (408,)), status, 0.0)
        finally:
            writer.close()


async def figures(port: int, query: str = "") -> Any:
    line = Line(port)
    status, body = await line.ask(Call("figures", f"/figures{query}", b"", (200,), method="GET"))
    line.close()
    assert status == 200
    return json.loads(body)


class Result(NamedTuple):
    """The figures.

    Attributes:
        statuses: how often each kind of call got each status; ``None``: none.
        wrong: calls that got an answer they should not.
        forged: state changes by whoever had no right to them.
        missed: true callbacks that were not handled.
        repeated: callbacks that were handled more than once.
        errors: answers with 500.
        p50: of the answers to good calls and to their duplicates, seconds.
        p99: of the same.
        slowest: of the same.
        memory: bytes that the peak is above what the server took after it had warmed up.
        seconds: for all of it.
    """

    statuses: dict[str, dict[int | None, int]]
    wrong: list[tuple[str, int | None]]
    forged: int
    missed: int
    repeated: int
    errors: int
    p50: float
    p99: float
    slowest: float
    memory: int
    seconds: float


async def abuse(port: int, count: int) -> Result:
    dice = random.Random(1)
    good, others = plan(count, dice)
    calls = [*good, *others]
    dice.shuffle(calls)
    await call_all(port, plan(200, random.Random(3))[0], Tally())  # warms up
    warm = await figures(port, "?reset")
    tally = Tally()
    slow = [asyncio.ensure_future(hang(port, tally)) for _ in range(SLOW)]
    await asyncio.sleep(0.2)
    began = time.perf_counter()
    await call_all(port, calls, tally)
    seconds = time.perf_counter() - began
    if seconds < 6:
        await asyncio.sleep(6 - seconds)  # for the slow ones to be refused
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    after = await figures(port)
    handled = Counter(after["handled"])
    handled.subtract(warm["handled"])
    true = {json.loads(call.body)["data"]["taskId"] for call in good}
    times = sorted(tally.seconds)
    return Result(
        statuses={kind: dict(counted) for kind, counted in tally.statuses.items()},
        wrong=tally.wrong,
        forged=sum(number for name, number in handled.items() if not name.startswith("task-")),
        missed=sum(not handled[name] for name in true),
        repeated=sum(number > 1 for number in handled.values()),
        errors=sum(counted[500] for counted in tally.statuses.values()),
        p50=times[len(times) // 2],
        p99=times[len(times) * 99 // 100],
        slowest=times[-1],
        memory=after["memory"] - warm["memory"],
        seconds=seconds,
    )


def run(count: int, store: str = "") -> Result:
    """Start a server, abuse it, and end it."""
    server = subprocess.Popen([sys.executable, __file__, "--serve", store], stdout=subprocess.PIPE, text=True)
    with server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            return asyncio.run(abuse(port, count))
        finally:
            server.terminate()


def main(count: int) -> int:
    ok = True
    with tempfile.TemporaryDirectory() as folder:
        for name, store in (("in memory", ""), ("in SQLite", str(Path(folder) / "callbacks.db"))):
            result = run(count, store)
            print(f"{count} callbacks, remembered {name}, in {result.seconds:.1f} s, while {SLOW} slow ones hung")
            for kind, counted in sorted(result.statuses.items()):
                print(
                    f"  {kind:<10}", ", ".join(f"{status or 'closed'}: {number}" for status, number in counted.items())
                )
            print(f"  forged state changes {result.forged}, missed {result.missed}, repeated {result.repeated}")
            print(f"  HTTP 500 {result.errors}, other answers than due {len(result.wrong)}")
            print(f"  good ones: median {result.p50 * 1e3:.1f} ms, 99th percentile {result.p99 * 1e3:.1f} ms, ", end="")
            print(f"slowest {result.slowest * 1e3:.0f} ms; memory + {result.memory / 2**20:.1f} MiB")
            ok &= not (result.forged or result.missed or result.repeated or result.errors or result.wrong)
            ok &= result.p99 <= 0.2 and result.memory <= 20e6
    return 0 if ok else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
