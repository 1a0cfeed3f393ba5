"""The API key is shown nowhere, and callback tokens in no repr, error text or log: canaries are searched for.

Tracebacks are taken with the locals of every frame, as error reporters do, and must show neither the key nor a callback
URL that the client's own receiver issued. A callback URL that the caller passes in may stand in the locals of a
traceback: it is in the caller's own frames anyway. Only frames of this package count: what httpx keeps in its own is
httpx's.
"""

import json
import logging
import ssl
import traceback
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import httpx
import pytest

import apimodels_async
from apimodels_async import AsyncImagesClient, ConfigurationError, GenerationRequest, Task, TaskState
from apimodels_async._create.engine import Engine
from apimodels_async._download import picture_fetch
from apimodels_async.callbacks import CallbackReceiver
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, answer, as_json, enveloped, picture, raw, reset
from tests.support.pictures import PNG

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("lane")]

PACKAGE = str(Path(apimodels_async.__file__).parent)
TOKEN = "canary_token_Zk3v9QpXw2"
CALLBACK = f"https://callbacks.invalid/cb/k1/9f86d081/{TOKEN}"


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        running.create(running.accepted())
        running.query(running.completed(running.play("/a", picture())))
        yield running


@pytest.fixture(scope="module")
def trust() -> ssl.SSLContext:
    return httpx.create_ssl_context()


@pytest.fixture(autouse=True)
def _quick(trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx, "create_ssl_context", lambda **_: trust)
    monkeypatch.setattr(picture_fetch, "full_jitter", lambda *_: 0.0)
    monkeypatch.setattr("apimodels_async._create.retries.full_jitter", lambda *_: 0.0)
    monkeypatch.setattr("apimodels_async._poll.gate.full_jitter", lambda *_: 0.0)


# --- where people look


def all_of(error: BaseException) -> Iterator[BaseException]:
    """An error with all that hangs on it."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions


def words(error: BaseException) -> str:
    """What an error says of itself, its attributes included."""
    return "\n".join(f"{each!s}\n{each!r}\n{each.args!r}\n{vars(each)!r}" for each in all_of(error))


def locals_of_ours(error: BaseException) -> str:
    """The locals of this package's frames in the tracebacks of an error, as an error reporter prints them."""
    found: list[str] = []
    for each in all_of(error):
        for frame, line in traceback.walk_tb(each.__traceback__):
            name = frame.f_code.co_filename
            if name.startswith((PACKAGE, "<attrs generated")):
                found += [f"{name}:{line} {key}={shown(value)}" for key, value in frame.f_locals.items()]
    return "\n".join(found)


def shown(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001  (of something half made)
        return f"<repr raised {error!r}>"


def logs(caplog: pytest.LogCaptureFixture) -> str:
    """Every log record, with all that was attached to it."""
    return "\n".join(f"{record.name}: {record.getMessage()} {vars(record)!r}" for record in caplog.records)


def lines_with(secret: str, text: str) -> list[str]:
    return [line[:200] for line in text.splitlines() if secret in line]


# --- what goes wrong


class Scene(NamedTuple):
    server: PictureServer
    client: AsyncImagesClient
    out: Path


ExpectedCallback = Callable[[Scene], Awaitable[object]]


async def create(scene: Scene) -> object:
    return await scene.client.create("a cat", callback_url=CALLBACK)


async def generate(scene: Scene) -> object:
    return await scene.client.generate("a cat", callback_url=CALLBACK, timeout=0.3, pacing=FixedPacing(0.05))


async def ask(scene: Scene) -> object:
    return await scene.client.get("task-1")


async def wait(scene: Scene) -> object:
    return await scene.client.wait("task-1", timeout=0.2, pacing=FixedPacing(0.05))


async def models(scene: Scene) -> object:
    return await scene.client.models()


async def balance(scene: Scene) -> object:
    return await scene.client.balance()


async def upload(scene: Scene) -> object:
    return await scene.client.upload(PNG)


async def download(scene: Scene) -> object:
    task = Task(id="task-1", state=TaskState.COMPLETED, result_urls=(scene.server.origin + "/gone",))
    return await scene.client.download(task, scene.out)


CALLS: dict[str, ExpectedCallback] = {
    each.__name__: each for each in (create, generate, ask, wait, models, balance, upload, download)
}
ECHO = f"the key {KEY} is not one of ours, nor is 'Authorization: Bearer {KEY}'"
FAULTS = {
    **{
        str(status): enveloped({"you sent": KEY}, status, ECHO, status)
        for status in (400, 401, 402, 403, 404, 500, 503)
    },
    "a refusal in a 200": enveloped(None, 401, ECHO),
    "a request id": answer(400, b'{"code": 400, "msg": "no"}', ("X-Request-Id", KEY)),
    "a page": answer(200, f"<html>{ECHO}".encode()),
    "cut off": answer(200, json.dumps({"code": 200, "msg": ECHO}).encode()[:-1]),
    "a list": as_json([ECHO]),
    "no task": enveloped({"note": ECHO}),
    "a redirect": answer(302, ECHO.encode(), ("Location", f"https://elsewhere.invalid/?key={KEY}")),
    "a failed task": enveloped({"taskId": "task-1", "state": "failed", "failMsg": ECHO, "failCode": KEY}),
    "an unknown state": enveloped({"taskId": "task-1", "state": ECHO}),
    "reset": reset(b"x" * 1000),
    "closed": raw(b""),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
}


async def provoke(scene: Scene, call: str) -> BaseException | None:
    """Make a call; what it raised."""
    try:
        await CALLS[call](scene)
    except Exception as error:  # noqa: BLE001  (all that comes is looked at)
        return error
    return None


async def scene_of(server: PictureServer, fault: str, out: Path) -> Scene:
    reply = FAULTS[fault]
    server.create(reply)
    server.query(reply)
    for path in ("models", "balance", "files"):
        server.play(f"/api/v1/{path}", reply)
    server.play("/gone", answer(404, ECHO.encode()))
    client = AsyncImagesClient(KEY, base_url=server.base_url, model="m", max_retries=1, timeout=5.0)
    return Scene(server, client, out)


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_key_is_in_no_error_no_traceback_and_no_log(
    server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.DEBUG)
    scene = await scene_of(server, fault, tmp_path)
    raised = 0
    async with scene.client:
        for call in CALLS:
            error = await provoke(scene, call)
            if error is not None:
                raised += 1
                assert lines_with(KEY, words(error)) == [], call
                assert lines_with(KEY, locals_of_ours(error)) == [], call
        assert KEY not in repr(scene.client)
        assert KEY not in repr(vars(scene.client))
    assert raised
    ours = "\n".join(line for line in logs(caplog).splitlines() if not echoes(line))
    assert lines_with(KEY, ours) == []
    assert KEY in str(server.seen)  # it was there to be found


def echoes(line: str) -> bool:
    """httpcore notes the headers of an answer; that a server repeats the key in one is not in our hands."""
    return line.startswith("httpcore") and "receive_response_headers.complete" in line


@pytest.mark.parametrize("fault", ["400", "500", "a page", "closed"])
@pytest.mark.parametrize("call", ["create", "generate"])
async def test_the_token_of_a_callback_is_in_no_error_and_no_log(
    server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str, call: str
) -> None:
    caplog.set_level(logging.DEBUG)
    scene = await scene_of(server, fault, tmp_path)
    async with scene.client:
        error = await provoke(scene, call)
    assert error is not None
    assert TOKEN not in words(error)
    assert lines_with(TOKEN, logs(caplog)) == []
    assert TOKEN in str(server.seen)


@pytest.mark.parametrize("fault", ["400", "500", "a page", "closed"])
@pytest.mark.parametrize("call", ["create", "generate"])
async def test_a_url_of_our_own_receiver_is_in_no_traceback_error_or_log(
    server: PictureServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, fault: str, call: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(Engine, "_patience", lambda *_, **__: 0.1)  # seconds that a lost answer's callback is awaited
    for play in (server.create, server.query):
        play(FAULTS[fault])
    receiver = CallbackReceiver("https://callbacks.invalid/cb", {"k1": "a signing secret of at least 32 characters"})
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", callbacks=receiver) as client:
        error = await provoke_unattended(Scene(server, client, Path()), call)
        assert error is not None
        assert issued_token(server) not in words(error) + locals_of_ours(error)
        assert issued_token(server) not in repr(vars(client._engine))
    assert issued_token(server) not in logs(caplog)


async def provoke_unattended(scene: Scene, call: str) -> BaseException | None:
    """Make a call whose callback URL is issued by the client's own receiver; what it raised."""
    try:
        await (scene.client.create("a cat") if call == "create" else scene.client.generate("a cat", timeout=0.3))
    except Exception as error:  # noqa: BLE001  (all that comes is looked at)
        return error
    return None


def issued_token(server: PictureServer) -> str:
    """The token in the callback URL of the last create request that the server received."""
    body = next(seen.body for seen in reversed(server.seen) if seen.method == "POST")
    token: str = json.loads(body)["callback_url"].rpartition("/")[2]
    assert len(token) >= 20
    return token


async def test_the_key_is_in_no_log_when_all_goes_well(
    server: PictureServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as client:
        task = await client.generate("a cat", callback_url=CALLBACK, pacing=FixedPacing(0.01))
        await client.download(task, tmp_path)
    assert {record.name.partition(".")[0] for record in caplog.records} >= {"httpx", "httpcore", "apimodels_async"}
    assert lines_with(KEY, logs(caplog)) == []
    assert lines_with(TOKEN, logs(caplog)) == []


async def test_the_key_is_not_in_the_errors_of_a_connection_that_fails(server: PictureServer) -> None:
    async with AsyncImagesClient(KEY, base_url="http://127.0.0.1:1/v1", model="m", max_retries=0) as client:
        for call in (create, ask, balance):
            error = await provoke(Scene(server, client, Path()), call.__name__)
            assert error is not None
            assert lines_with(KEY, words(error) + locals_of_ours(error)) == []


async def test_a_cancelled_create_shows_no_key(server: PictureServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as client:
        with anyio.CancelScope() as scope:
            scope.cancel()
            with pytest.raises(anyio.get_cancelled_exc_class()) as caught:
                await client.create("a cat")
            text = words(caught.value) + locals_of_ours(caught.value)
            raise caught.value
    assert lines_with(KEY, text) == []
    assert lines_with(KEY, logs(caplog)) == []


async def test_no_repr_shows_a_secret(server: PictureServer) -> None:
    request = GenerationRequest("a cat", callback_url=CALLBACK)
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as client:
        task = await client.create(request)
        await client.get(task.id or "")
        http: Any = client._engine.http
        for each in (
            client,
            request,
            task,
            http,
            vars(client),
            vars(http),
            client._engine.jobs,
            client._engine.submitter,
        ):
            assert KEY not in repr(each)
            assert TOKEN not in repr(each)


# --- a request that cannot be made

REFUSED: dict[str, dict[str, Any]] = {
    "no prompt": {"prompt": " "},
    "a prompt of another kind": {"prompt": 7},
    "a bad size": {"prompt": "a cat", "size": "1024x"},
    "a number as text": {"prompt": "a cat", "n": "1"},
    "two kinds of pictures": {"prompt": "a cat", "image": "a.png", "images": ["b.png"]},
    "a mask alone": {"prompt": "a cat", "mask": "m.png"},
    "another scheme": {"prompt": "a cat", "callback_url": CALLBACK.replace("https", "ftp")},
    "a callback in bytes": {"prompt": "a cat", "callback_url": CALLBACK.encode()},
    "an unknown name": {"prompt": "a cat", "colour": "red"},
}


@pytest.mark.parametrize("refused", REFUSED)
def test_the_error_of_a_request_that_is_refused_shows_no_token(refused: str) -> None:
    arguments = {"callback_url": CALLBACK, **REFUSED[refused]}
    with pytest.raises((TypeError, ValueError)) as caught:
        GenerationRequest(**arguments)
    assert TOKEN not in words(caught.value)


async def test_the_error_of_a_call_whose_request_is_refused_shows_no_token(server: PictureServer) -> None:
    request = GenerationRequest("a cat", callback_url=CALLBACK)
    both: list[dict[str, Any]] = [{"prompt": "a cat", "callback_url": CALLBACK}, {"prompt": request}]
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m") as client:
        for call in (client.create, client.generate):
            for given in both:
                with pytest.raises(ValueError, match="size") as caught:
                    await call(**given, size="1024x")
                assert TOKEN not in words(caught.value)


# --- a client that cannot be made


def settings_from_the_argument(_: pytest.MonkeyPatch, __: Path) -> dict[str, Any]:
    return {"api_key": KEY}


def settings_from_the_environment(monkeypatch: pytest.MonkeyPatch, _: Path) -> dict[str, Any]:
    monkeypatch.setenv("APIMODELS_API_KEY", KEY)
    return {}


def settings_from_the_file(monkeypatch: pytest.MonkeyPatch, home: Path) -> dict[str, Any]:
    (home / ".apimodels").mkdir()
    (home / ".apimodels" / "credentials").write_text(KEY + "\n")
    (home / ".apimodels" / "credentials").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    return {}


@pytest.mark.parametrize(
    "source",
    [settings_from_the_argument, settings_from_the_environment, settings_from_the_file],
    ids=lambda source: source.__name__,
)
@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "apimodels.app"},
        {"base_url": f"https://user:{TOKEN}@apimodels.app/v1"},
        {"base_url": "https://apimodels.app/v1?x=1"},
        {"base_url": "http://[::1"},
        {"timeout": -1.0},
        {"wait_timeout": -1.0},
        {"max_retries": -1},
    ],
    ids=str,
)
def test_a_client_that_cannot_be_made_shows_no_key(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: Callable[[pytest.MonkeyPatch, Path], dict[str, Any]],
    wrong: dict[str, Any],
) -> None:
    with pytest.raises((ConfigurationError, ValueError)) as caught:
        AsyncImagesClient(**source(monkeypatch, tmp_path), **wrong)
    for secret in (KEY, TOKEN):
        assert secret not in words(caught.value)
    assert lines_with(KEY, locals_of_ours(caught.value)) == []


def test_a_client_that_could_not_be_made_can_still_be_shown_by_an_error_reporter() -> None:
    with pytest.raises(ValueError, match="max_retries") as caught:
        AsyncImagesClient(KEY, max_retries=-1)
    text = locals_of_ours(caught.value)
    assert "max_retries=-1" in text
    assert "repr raised" not in text


@pytest.mark.parametrize("ending", ["\n", "\r\nX-Evil: yes", " ", "\0", "é"], ids=ascii)
def test_a_key_that_cannot_be_a_header_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    bad = KEY + ending
    for given in ("argument", "environment"):
        if given == "environment" and "\0" in bad:
            continue  # no environment can hold it
        monkeypatch.setenv("APIMODELS_API_KEY", bad.replace("\0", ""))
        with pytest.raises(ConfigurationError) as caught:
            AsyncImagesClient(bad if given == "argument" else None)
        assert lines_with(KEY, words(caught.value) + locals_of_ours(caught.value)) == []


def test_the_warning_about_plain_http_shows_no_key() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        AsyncImagesClient(KEY, base_url="http://models.invalid/v1")
    assert len(warned) == 1
    assert KEY not in str(warned[0])
