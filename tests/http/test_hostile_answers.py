"""What a hostile server or proxy may cost: bounded memory and time, no key in an error, nothing raw in a log."""

import gzip
import json
import logging
import pickle
import string
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async import (
    APIError,
    ApimodelsError,
    AsyncImagesClient,
    ConnectionFailedError,
    ProtocolError,
    SubmissionUnknownError,
)
from apimodels_async._http import answers
from apimodels_async._http.decoding import STEP, Decoder
from apimodels_async._http.redaction import PLACEHOLDER, Redactor
from apimodels_async._secret import Secret
from apimodels_async._text import printable
from apimodels_async._wire import parsing
from apimodels_async._wire.parsing import MOST_ESCAPES, MOST_VALUES, json_object
from tests.support.picture_server import KEY, PictureServer, answer, enveloped, raw
from tests.support.spellings import SPELLINGS, in_base64

TASK = {"taskId": "task-1", "state": "pending"}


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        running.create(running.accepted())
        running.query(enveloped(TASK))
        yield running


def client_of(server: PictureServer) -> AsyncImagesClient:
    return AsyncImagesClient(KEY, base_url=server.base_url, model="m", max_retries=0)


def packed(body: bytes, coding: str) -> bytes:
    for each in coding.split(","):
        match each.strip():
            case "gzip" | "x-gzip":
                body = gzip.compress(body)
            case "deflate":
                body = zlib.compress(body)
            case "raw deflate":
                squeeze = zlib.compressobj(wbits=-15)
                body = squeeze.compress(body) + squeeze.flush()
            case _:
                pass
    return body


BODY = json.dumps({"code": 200, "data": TASK}).encode()


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
@pytest.mark.parametrize(
    "coding", ["gzip", "x-gzip", "deflate", "raw deflate", "GZIP", "identity", "identity, gzip", ""]
)
async def test_one_coding_is_unpacked(server: PictureServer, coding: str) -> None:
    said = coding.replace("raw ", "")
    server.query(answer(200, packed(BODY, coding.lower()), ("Content-Encoding", said)))
    server.create(answer(200, packed(BODY, coding.lower()), ("Content-Encoding", said)))
    async with client_of(server) as client:
        assert (await client.get("task-1")).state == "pending"
        assert (await client.create("a cat")).id == "task-1"
    assert {each.header("Accept-Encoding")[0] for each in server.seen} == {"gzip, deflate"}


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,deflate", "br", "zstd", "x"])
async def test_stacked_codings_and_those_not_asked_for_are_no_answer(server: PictureServer, coding: str) -> None:
    reply = answer(200, packed(BODY, coding), ("Content-Encoding", coding))
    server.query(reply)
    server.create(reply)
    async with client_of(server) as client:
        with pytest.raises(ConnectionFailedError, match="packed"):
            await client.get("task-1")
        with pytest.raises(SubmissionUnknownError, match="packed"):
            await client.create("a cat")
    assert server.all_closed()


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
async def test_a_bomb_takes_no_more_memory_than_the_limit_and_does_not_hold_up_the_loop(server: PictureServer) -> None:
    squeeze = zlib.compressobj(wbits=31)
    bomb = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(512)) + squeeze.flush()
    assert len(bomb) < 1 << 20
    server.query(answer(200, bomb, ("Content-Encoding", "gzip")))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.sleep(0.001)

    async with client_of(server) as client, anyio.create_task_group() as group:
        group.start_soon(other)
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError, match="too long"):
                await client.get("task-1")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        group.cancel_scope.cancel()
    assert peak < 100 << 20
    assert turns > 10


@given(st.binary(max_size=1000), st.sampled_from(["gzip", "deflate", "raw deflate"]), st.integers(1, 50))
def test_a_body_is_unpacked_however_it_is_cut(body: bytes, coding: str, size: int) -> None:
    sent = packed(body, coding)
    decoder = Decoder(coding.replace("raw ", ""))
    parts = [part for at in range(0, len(sent), size) for part in decoder.pieces(sent[at : at + size])]
    assert b"".join(parts) == body


def test_nothing_is_unpacked_in_larger_steps() -> None:
    parts = list(Decoder("gzip").pieces(gzip.compress(bytes(5 * STEP + 1))))
    assert [len(part) for part in parts] == [STEP] * 5 + [1]


# --- JSON


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_a_body_in_several_gzip_members_is_unpacked_whole(size: int) -> None:
    sent = gzip.compress(b'{"code": 200, ') + gzip.compress(b'"data": {}}') + b"\0" * 20
    decoder = Decoder("gzip")
    chunks = [sent[start : start + size] for start in range(0, len(sent), size)]

    assert b"".join(part for chunk in chunks for part in decoder.pieces(chunk)) == b'{"code": 200, "data": {}}'


@pytest.mark.parametrize("coding", ["none", "utf-8", "UTF-8", "binary", "aws-chunked", "identity, none"])
def test_a_header_that_names_no_coding_leaves_the_body_as_it_is(coding: str) -> None:
    assert list(Decoder(coding).pieces(b"{}")) == [b"{}"]


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_a_coding_that_was_not_asked_for_is_named(coding: str) -> None:
    with pytest.raises(httpx.DecodingError, match="packed"):
        Decoder(coding)


def test_an_answer_with_too_many_values_is_not_read() -> None:
    lists = b'{"code": 200, "data": [' + b"[]," * 20_000_000 + b"[]]}"
    began = time.process_time()
    assert json_object(lists) == {}
    assert time.process_time() - began < 2.0
    allowed = json.dumps({"data": ["x"] * (MOST_VALUES - 2)}).encode()
    assert len(json_object(allowed)["data"]) == MOST_VALUES - 2


def test_an_answer_with_too_many_escapes_is_not_read() -> None:
    picture = b"/".join([b"A" * 63] * 20_000).replace(b"/", b"\\/")  # as PHP writes base64
    assert len(json_object(b'{"data": "' + picture + b'"}')["data"]) == 64 * 20_000 - 1
    assert json_object(b'{"msg": "' + b"\\ud800" * (MOST_ESCAPES + 1) + b'"}') == {}


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"NaN", b'"', b"\xff"])
def test_what_cannot_be_read_is_no_object(body: bytes) -> None:
    assert json_object(body) == {}


@pytest.mark.parametrize(
    "odd",
    [
        b'"caf\xe9"',
        b'"two\nlines\tand a tab"',
        b"7" * 4301,
        b"-" + b"7" * 10_000,
        b'"\xff\xfe"',
    ],
)
def test_an_odd_field_beside_a_task_hides_nothing(odd: bytes) -> None:
    found = json_object(b'{"code": 200, "data": {"taskId": "t1", "odd": ' + odd + b"}}")

    assert found["data"]["taskId"] == "t1"


def test_what_json_does_not_have_says_nothing() -> None:
    assert json_object(b'{"a": NaN, "b": [-Infinity]}') == {"a": None, "b": [None]}


class _Crumbs(httpx.AsyncByteStream):
    """A body in pieces of a byte, all of which are there already."""

    def __init__(self, body: bytes, *, ends: bool) -> None:
        self._body = body
        self._ends = ends

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(len(self._body)):
            yield self._body[at : at + 1]
        if not self._ends:
            raise httpx.ReadError("reset")


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.anyio
async def test_a_body_in_thousands_of_pieces_lets_others_have_their_turn(ends: bool) -> None:
    body = json.dumps({"code": 200, "msg": "success", "data": TASK | {"more": "x" * 20_000}}).encode()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    def crumbs(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=_Crumbs(body, ends=ends))

    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(crumbs)) as http,
        AsyncImagesClient(KEY, base_url="https://api.example/v1", http_client=http) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(count)
        await anyio.lowlevel.checkpoint()
        before = turns
        if ends:
            assert (await client.get("task-1")).id == "task-1"
        else:
            with pytest.raises(ConnectionFailedError, match="reset"):
                await client.get("task-1")
        assert turns - before >= len(body) // 100
        group.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
async def test_a_large_answer_is_read_beside_the_loop(server: PictureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    read_in: list[threading.Thread] = []
    json_object = parsing.json_object

    def noted(body: bytes) -> dict[str, Any]:
        read_in.append(threading.current_thread())
        return json_object(body)

    server.create(answer(200, b'{"data": [{"b64_json": "' + b"x" * 3_000_000 + b'"}]}'))
    async with client_of(server) as client:
        await client.get("task-1")
        monkeypatch.setattr(answers, "json_object", noted)
        assert len((await client.create("a cat")).result_urls[0]) > 3_000_000
        await client.get("task-1")
    assert [each is threading.current_thread() for each in read_in] == [False, True]


# --- the key


def in_any_spelling(text: str) -> bool:
    """Whether a key can be read out of a text."""
    plain = text.replace("\0", "").replace("\\x00", "").replace("\\u0000", "")
    return any(spell(KEY).replace("\0", "").lower() in plain.lower() for spell in SPELLINGS.values())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_key_is_removed_in_every_spelling(spelling: str) -> None:
    redactor = Redactor(Secret(KEY))
    text = f"before {SPELLINGS[spelling](KEY)} after"
    assert redactor.text(text) == f"before {PLACEHOLDER} after"
    assert redactor.body(text.encode()) == f"before {PLACEHOLDER} after".encode()
    assert KEY not in repr(vars(redactor))


@given(
    st.text(alphabet=string.ascii_letters + string.digits + "_-~.", min_size=12, max_size=60),
    st.text(max_size=9),
    st.text(max_size=9),
    st.booleans(),
)
def test_a_key_is_removed_from_base64_wherever_it_begins(key: str, before: str, behind: str, in_urls: bool) -> None:
    redactor = Redactor(Secret(key))
    written = in_base64(key, before, behind, in_urls=in_urls)
    shown = redactor.text(f'"{written}"')
    assert PLACEHOLDER in shown
    assert redactor.body(f'"{written}"'.encode()) == shown.encode()
    # No more stays than the letters that hold a part of the key's first byte, or of its last.
    start, end = len(before.encode()) * 8 // 6, -(-len((before + key).encode()) * 8 // 6)
    assert len(shown.replace(PLACEHOLDER, "")) <= len(f'"{written[: start + 1]}{written[end - 1 :]}"')


@pytest.mark.parametrize("part", ["\\", "s\\", "s\0", "s\\x00", "&#0", "&#", "\\u0073", KEY[:-1], "\0".join(KEY[:-1])])
def test_a_body_that_nearly_spells_the_key_is_read_in_time(part: str) -> None:
    # A megabyte of backslashes took half an hour, and held up all threads.
    body = part.encode() * ((1 << 20) // len(part))
    began = time.process_time()
    assert PLACEHOLDER.encode() not in Redactor(Secret(KEY)).body(b"%" + body)
    assert time.process_time() - began < 15.0


@given(st.text(alphabet='abc \\u00%&#;0x\0"'), st.text(alphabet="GHJKLMNPQ_!?.*+([", min_size=8, max_size=40))
def test_what_holds_no_key_stays_as_it_is(text: str, key: str) -> None:
    redactor = Redactor(Secret(key))
    assert redactor.text(text) == text
    assert redactor.body(text.encode()) == text.encode()
    assert redactor.text(f"{text}{key}{text}") == f"{text}{PLACEHOLDER}{text}"


def refusal(spelled: str) -> bytes:
    return b'{"code": 400, "msg": "no ' + spelled.encode() + b'", "data": {"sent": "' + spelled.encode() + b'"}}'


ECHOES = {
    **{
        name: answer(400, refusal(spell(KEY)))
        for name, spell in SPELLINGS.items()
        if name not in ("UTF-16", "Python", "in octal", "folded")
    },
    "in UTF-16": answer(400, refusal(KEY).decode().encode("utf-16")),
    "in UTF-32": answer(400, refusal(KEY).decode().encode("utf-32-be")),
    "a page": answer(500, f"<title>{SPELLINGS['HTML'](KEY)}</title>".encode()),
    "a garbled header": raw(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode()),
    "a garbled header in UTF-16": raw(b"HTTP/1.1 200 OK\r\nA: " + KEY.encode("utf-16-le") + b"\r\n\r\n"),
    "a status line": raw(f"HTTP/1.1 {KEY}\r\n\r\n".encode()),
    "a chunk size": raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode()),
    "a server": answer(400, b"", ("Server", KEY), ("X-Request-Id", KEY)),
    "a coding": answer(200, b"", ("Content-Encoding", KEY)),
}


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32", "utf-32-le"])
async def test_a_long_answer_is_read_whole_in_any_encoding_of_json(server: PictureServer, encoding: str) -> None:
    picture = "data:image/png;base64," + "A" * (1 << 20)
    body = json.dumps({"code": 200, "data": {**TASK, "state": "completed", "model": KEY, "resultUrls": [picture]}})
    server.create(answer(200, body.encode(encoding)))
    async with client_of(server) as client:
        task = await client.create("a cat")
    assert task.result_urls == (picture,)
    assert task.model == PLACEHOLDER


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("call", ["create", "get", "balance"])
async def test_no_error_and_no_log_shows_the_key_that_a_server_echoes(
    server: PictureServer, caplog: pytest.LogCaptureFixture, echo: str, call: str
) -> None:
    caplog.set_level(logging.DEBUG, "apimodels_async")
    server.create(ECHOES[echo])
    server.query(ECHOES[echo])
    server._plays["GET /api/v1/balance"] = [ECHOES[echo]]
    async with client_of(server) as client:
        with pytest.raises(ApimodelsError) as caught:
            await (client.balance() if call == "balance" else getattr(client, call)("a cat"))
    error: BaseException | None = caught.value
    assert not in_any_spelling(pickle.dumps(str(error)).decode("latin-1") + str(vars(caught.value)))
    while error is not None:
        assert not in_any_spelling(f"{error} {error!r} {getattr(error, 'body', '')} {getattr(error, 'msg', '')}")
        error = error.__cause__ or error.__context__
    assert not in_any_spelling(caplog.text)


# --- what a terminal would obey


@given(st.text())
def test_what_is_printable_is_seen_and_nothing_else_is_left(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)
    if text.isprintable():
        assert printable(text) == text


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
async def test_no_log_shows_the_words_of_a_status_line(server: PictureServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)  # of httpx as well, which logs every status line
    body = json.dumps({"code": 200, "data": TASK}).encode()
    words = f"HTTP/1.1 200 \x1b[31m {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server.create(raw(words + body))
    server.query(raw(words + body))
    async with client_of(server) as client:
        assert (await client.create("a cat")).id == "task-1"
        assert (await client.get("task-1")).id == "task-1"
    assert any(record.name == "httpx" for record in caplog.records)
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert KEY not in record.getMessage()


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
@pytest.mark.parametrize("words", ["\x1b[31m", "x\x1b[31m: y", "Content-Length: \x07", "Transfer-Encoding: \x07"])
async def test_no_error_shows_the_control_characters_of_a_broken_head(server: PictureServer, words: str) -> None:
    server.query(raw(f"HTTP/1.1 200 OK\r\n{words}\r\n\r\n".encode("latin-1")))
    async with client_of(server) as client:
        with pytest.raises(ApimodelsError) as caught:
            await client.get("task-1")
    error: BaseException | None = caught.value
    while error is not None:
        assert str(error).isprintable()
        error = error.__cause__ or error.__context__


@pytest.mark.anyio
async def test_a_servers_control_characters_are_escaped_in_errors_and_logs(
    server: PictureServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "apimodels_async")
    nasty = "x\n2026-01-01 INFO forged\r\x1b[31m\u202e"
    server.create(enveloped({"taskId": nasty, "state": "pending"}))
    server.query(enveloped({"taskId": nasty, "state": nasty}), enveloped(None, 400, nasty))
    server._plays["GET /api/v1/balance"] = [enveloped(None, 400, nasty)]
    async with client_of(server) as client:
        task = await client.create("a cat")
        assert task.id == nasty
        await client.get(nasty)
        with pytest.raises(APIError) as refused:
            await client.balance()
    assert str(refused.value).isprintable()
    assert "forged" in str(refused.value)
    assert len(caplog.records) > 1
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert getattr(record, "task_id", "").isprintable()
