"""Requests of very many small pieces: what each of them costs must not add up."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.proofs.hostile.gateway_bodies import CREATE
from tests.proofs.hostile.gateway_pictures import attacked
from tests.proofs.hostile.processes import KEY, MODEL, Gateway
from tests.proofs.hostile.row import Row, unless

AT_ONCE = 4
"""Connections that send the same at the same time."""
MOST_SECONDS = 30.0
"""For one of them, until it has an answer or its end."""


def pieces(row: Row) -> None:
    """Tiny chunks, with extensions and without, tiny segments, parts, header lines, and requests in a row."""
    number = row.count(100_000)
    head = f"POST {CREATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n".encode()
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    get = b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    form = part * number + b"--b--\r\n"
    files = head.replace(CREATE.encode(), b"/api/v1/files") + b"Content-Type: multipart/form-data; boundary=b\r\n"
    values = json.dumps({"model": MODEL, "prompt": "a", "x": {f"{each}": each for each in range(number - 10)}}).encode()
    cases = {
        "chunks of a byte": [chunked + b"1\r\n \r\n" * number + b"0\r\n\r\n"],
        "chunks with extensions": [chunked + b"1;a=b;c\r\n \r\n" * number + b"0\r\n\r\n"],
        "chunks with long extensions": [
            chunked + (b"1;" + b"a" * 8000 + b"\r\n \r\n") * (number // 100) + b"0\r\n\r\n"
        ],
        "chunks of 63 bytes": [chunked + (b"3f\r\n" + b" " * 63 + b"\r\n") * number + b"0\r\n\r\n"],
        "chunks after the answer": [get[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\n \r\n" * 1000] * 50],
        "a bad chunk after the answer": [get[:-2] + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\nzz\r\n"],
        "trailers": [chunked + b"0\r\n" + b"X: y\r\n" * number],
        "tiny segments": [head + b"Content-Length: %d\r\n\r\n" % (number // 5), *[b" "] * (number // 5)],
        "header lines": [head + b"X: y\r\n" * number + b"\r\n"],
        "header lines below the limit": [(get[:-2] + b"X: y\r\n" * 2500 + b"\r\n") * (number // 1000)],
        "requests in a row": [get * (number // 20)],
        "parts of a form": [files + b"Content-Length: %d\r\n\r\n" % len(form) + form],
        "values": [head + b"Content-Length: %d\r\n\r\n" % len(values) + values],
    }
    with attacked(row) as gateway, ThreadPoolExecutor(AT_ONCE) as threads:
        for name, sent in cases.items():
            for wrong in threads.map(lambda _, sent=sent: _sent(gateway, iter(sent)), range(AT_ONCE)):
                row.judge(name, wrong)


def _sent(gateway: Gateway, parts: Iterator[bytes]) -> str:
    """Send all parts, and read until the end of the first answer's head, and what comes after until it pauses."""
    began = time.monotonic()
    received = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=MOST_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):  # the end, while we still sent
            for part in parts:
                connection.sendall(part)
        try:
            while b"\r\n\r\n" not in received and (piece := connection.recv(1 << 20)):
                received += piece
        except TimeoutError:
            return f"no answer and no end within {MOST_SECONDS:.0f} s"
        except OSError:
            pass
    took = time.monotonic() - began
    right = not received or received[9:10] in (b"2", b"4")
    return unless(right and took < MOST_SECONDS, f"{received[:100]!r} after {took:.0f} s")
