"""Words of a server that must not come out as they are: control characters, and the API key in any spelling."""

import html
import importlib
import inspect
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio

from apimodels_async import ApimodelsError, AsyncImagesClient, GenerationRequest
from apimodels_async.pacing import FixedPacing
from tests.proofs.hostile.client_answers import play, without_pauses
from tests.proofs.hostile.lanes import LANES, on_lane
from tests.proofs.hostile.row import Row, control_characters, unless
from tests.support.picture_server import KEY, PictureServer, Reply, answer, as_json, enveloped, picture, raw, redirect
from tests.support.spellings import SPELLINGS

FORGED = "2026-01-01 INFO forged"
SIGNS = ("\n", "\r", "\r\n", "\x1b[31m", "\x9b31m", "\x07", "\0", "\u202e", "\u2028", "\x85")
"""A new line of a log, colours, a bell, text that runs backwards; JSON may have all of them, escaped."""
HEADER_SIGNS = ("\x1b[31m", "\x9b31m", "\x07", "\x85")
PUBLIC = (
    *("", ".callbacks", ".ledger", ".pacing", ".gateway", ".sync", ".instrumentation", ".errors", ".models"),
    *(".catalogue", ".client", ".dask", ".shards", ".pytest_plugin"),
)


@contextmanager
def logs() -> Iterator[io.StringIO]:
    """All that is logged meanwhile, as a program would write it to a file."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root, ours = logging.getLogger(), logging.getLogger("apimodels_async")
    levels = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        ours.setLevel(levels[1])


def obeyed(text: str) -> str:
    """What a terminal or a log file would obey in a text, in words."""
    forged = any(line.startswith(FORGED) for line in text.replace("\r", "\n").split("\n"))
    return control_characters(text.replace("\r\n", "\n")) or unless(not forged and "\r" not in text, "a forged line")


def told(error: BaseException) -> str:
    """All that an error, and those before it, say about themselves."""
    parts = ["".join(traceback.format_exception(error))]
    seen: BaseException | None = error
    while seen is not None:
        parts += [str(seen), repr(seen)]
        seen = seen.__cause__ or seen.__context__
    return "\n".join(parts)


def replies(words: str) -> dict[str, Callable[[PictureServer], None]]:
    """Every place of an answer where a server can put words, once each."""
    ascii_words = words.encode("latin-1", "replace")

    def task(**fields: Any) -> dict[str, Any]:
        return {"taskId": "task-1", "state": "pending", **fields}

    def everywhere(reply: Reply) -> Callable[[PictureServer], None]:
        return lambda server: play(server, reply)

    def queried(**fields: Any) -> Callable[[PictureServer], None]:
        return lambda server: server.query(enveloped(task(**fields)))

    def fetched(reply: Reply) -> Callable[[PictureServer], None]:
        def set_up(server: PictureServer) -> None:
            server.query(server.completed(server.play("/a", reply)))

        return set_up

    def named(server: PictureServer) -> None:
        server.create(enveloped(task(taskId=words)))
        server.query(enveloped(task(taskId=words, state="completed", resultUrls=[server.play("/a", picture())])))

    page = f"<html><title>{html.escape(words)}</title><h1>{words}</h1>".encode("utf-8", "replace")
    line = b"HTTP/1.1 %b\r\nX: y\r\nContent-Length: 2\r\n\r\n{}"
    found: dict[str, Callable[[PictureServer], None]] = {
        "task id": named,
        "state": queried(state=words),
        "failMsg": queried(state="failed", failMsg=words, failCode="x"),
        "failCode": queried(state="failed", failMsg="x", failCode=words),
        "model": queried(state="failed", model=words),
        "link": queried(state="completed", resultUrls=[words]),
        "link with a host": queried(state="completed", resultUrls=[f"http://127.0.0.1:1/{words}"]),
        "name of a host": queried(state="completed", resultUrls=[f"http://{words}/"]),
        "refusal of a picture": fetched(answer(403, page)),
        "refusal of a picture in XML": fetched(answer(403, b"<Message>%b</Message>" % ascii_words)),
        "refusal of a picture in text": fetched(answer(403, ascii_words)),
        "picture": fetched(answer(200, ascii_words)),
        "another task": lambda server: server.query(enveloped(task(taskId=words + "x"))),
    }
    found |= {
        f"msg of {status}": everywhere(as_json({"code": status, "msg": words, "data": {"taskId": words}}, status))
        for status in (200, 400, 401, 402, 404, 413, 429, 455, 500, 524)
    }
    found |= {f"page of {status}": everywhere(answer(status, page)) for status in (200, 302, 403, 502)}
    found |= {
        f"code {name}": everywhere(as_json({"code": value, "error": {"message": words}, "detail": [words]}))
        for name, value in (("of words", words), ("that is a list", [words]))
    }
    found["status line"] = everywhere(raw(line % (b"200 " + ascii_words)))
    found["no status line"] = everywhere(raw(line % ascii_words))
    found["version"] = everywhere(raw((line % b"200 OK").replace(b"1.1", ascii_words)))
    found["header line"] = everywhere(raw(b"HTTP/1.1 200 OK\r\n" + ascii_words + b"\r\n\r\n"))
    found["chunk size"] = everywhere(
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + ascii_words + b"\r\n")
    )
    names = ("Server", "X-Request-Id", "cf-ray", "Retry-After", "Content-Encoding", "Content-Type", "Content-Length")
    for name in (*names, "Date", "Transfer-Encoding", "Location"):
        start = b"HTTP/1.1 502 No\r\n%b: %b\r\n\r\n" % (name.encode(), ascii_words)
        found[f"header {name}"] = everywhere(raw(start))
        found[f"header {name} of a picture"] = fetched(raw(start))
    found["redirect of a picture"] = fetched(
        redirect("http://127.0.0.1:1/" + words.encode("ascii", "replace").decode())
    )
    return found


@asynccontextmanager
async def a_client(server: PictureServer) -> AsyncIterator[AsyncImagesClient]:
    async with AsyncImagesClient(
        KEY, base_url=server.base_url, model="m", max_retries=0, timeout=2.0, pacing=FixedPacing(0.001)
    ) as client:
        yield client


async def _use(server: PictureServer, folder: Path) -> str:
    """Have everything done that reads an answer, and return all that was said about it."""
    said: list[str] = []

    async def attempt(call: Any) -> Any:
        value = None
        try:
            with anyio.move_on_after(0.4):  # an answer that says nothing is asked for again
                value = await call
        except ApimodelsError as error:
            said.append(told(error))
            said.append(repr(vars(error)))
        except Exception as error:  # noqa: BLE001
            said.append(f"foreign: {told(error)}")
        else:
            said.append(repr(value))
        return value

    async with a_client(server) as client:
        await attempt(client.balance())
        task = await attempt(client.create("a cat"))
        await attempt(client.get("task-1"))
        waited = await attempt(client.wait("task-1" if task is None else task, timeout=0.1))
        if waited is not None:
            await attempt(client.download(waited, folder))
        requests = [GenerationRequest("a cat")]
        for outcome in await attempt(client.generate_many(requests, download_to=folder, sidecar=True)) or ():
            said += [] if outcome.error is None else [told(outcome.error)]
    said += os.listdir(folder)  # noqa: PTH208  (nothing else runs here)
    return "\n".join(said)


def _words(row: Row, cases: dict[str, Callable[[PictureServer], None]], what: str, look: Callable[[str], str]) -> None:
    for number, (place, set_up) in enumerate(cases.items()):
        lane, backend = LANES[number % len(LANES)]
        with PictureServer() as server, on_lane(lane), logs() as logged, without_pauses():
            pending = enveloped({"taskId": "task-1", "state": "pending"})
            server.create(pending)
            server.query(pending)
            set_up(server)
            with tempfile.TemporaryDirectory() as folder:
                said = anyio.run(_use, server, Path(folder), backend=backend)
        foreign = next((part[:300] for part in said.split("foreign: ")[1:]), "")
        row.judge(f"{what} in the {place}", look(said), look(logged.getvalue()), foreign)


def control(row: Row) -> None:
    """Control characters in every place of an answer: errors, logs, file names."""
    for sign in SIGNS[: row.count(len(SIGNS))]:
        cases = replies(f"x{sign}{FORGED}")
        if sign not in HEADER_SIGNS:
            cases = {place: case for place, case in cases.items() if "header" not in place and "line" not in place}
        _words(row, cases, repr(sign), obeyed)


def command(row: Row) -> None:
    """The same on the terminal of the command line."""
    calls = (
        ("balance",),
        ("generate", "a cat", "-o", "out/", "--timeout", "1"),
        ("batch", "prompts.txt", "-o", "out/", "--model", "m", "--timeout", "1"),
        ("wait", "task-1", "-o", "out/", "--timeout", "1"),
        ("--json", "wait", "task-1", "--timeout", "1"),
    )
    cases = list(replies(f"x\x1b[31m\r{FORGED}\x9b1m").items())
    wanted = ("task id", "state", "failMsg", "link", "msg of 400", "page of 403", "status line", "header Server")
    chosen = [case for case in cases if case[0] in wanted]
    for place, set_up in chosen[: row.count(len(chosen))]:
        for arguments in calls:
            with PictureServer() as server, tempfile.TemporaryDirectory() as folder:
                pending = enveloped({"taskId": "task-1", "state": "pending"})
                server.create(pending)
                server.query(pending)
                set_up(server)
                (Path(folder) / "prompts.txt").write_text("a cat\n")
                said = _command(arguments, server, Path(folder))
                names = [str(path) for path in Path(folder).rglob("*")]
            row.judge(
                f"{arguments[0]}, {place}", obeyed(said), obeyed("\n".join(names)),
                unless("Traceback" not in said, "a traceback"),
            )  # fmt: skip


def _command(arguments: tuple[str, ...], server: PictureServer, folder: Path) -> str:
    environment = {
        **os.environ, "APIMODELS_API_KEY": KEY, "APIMODELS_BASE_URL": server.base_url, "APIMODELS_MODEL": "m"
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "apimodels_async", *arguments],
        cwd=folder, env=environment, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def _key_in(text: str) -> str:
    plain = text
    for other in ("\0", "\\x00", "\\u0000"):
        plain = plain.replace(other, "")
    plain = html.unescape(plain.replace("\\\\", "\\").replace("\\\\", "\\")).lower()
    found = any(spell(KEY).replace("\0", "").lower() in plain for spell in SPELLINGS.values())
    return unless(not found, "the key can be read")


def key(row: Row) -> None:
    """The key, echoed in many spellings and places: errors, pickles, logs."""
    for name, spell in list(SPELLINGS.items())[: row.count(len(SPELLINGS))]:
        _words(row, replies(f"no {spell(KEY)} here"), name, _key_in)
    body = json.dumps({"code": 400, "msg": f"no {KEY}", "data": {"taskId": KEY}})
    for coding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"):
        reply = answer(400, body.encode(coding))
        _words(row, {"body": lambda server, reply=reply: play(server, reply)}, coding, _key_in)  # type: ignore[misc]


def reprs(row: Row) -> None:
    """Public objects that are half made: their reprs do not raise."""
    for module in PUBLIC:
        front = importlib.import_module(f"apimodels_async{module}")
        for name in front.__all__:
            kind = getattr(front, name)
            if not inspect.isclass(kind) or inspect.isabstract(kind):
                continue
            try:
                made = kind.__new__(kind)
            except TypeError:  # a tuple, an enumeration, or a protocol: none of them can be half made
                continue
            try:
                shown = repr(made)
                str(made)
                pickled = pickle.dumps(made) if isinstance(made, BaseException) else b""
            except Exception as error:  # noqa: BLE001
                row.judge(f"{module}.{name}", f"{type(error).__name__}: {error}")
            else:
                row.judge(f"{module}.{name}", _key_in(shown), _key_in(pickled.decode("latin-1")))
