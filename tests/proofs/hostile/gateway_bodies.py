"""Bodies of requests: deep, long, and framed in odd ways."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.proofs.hostile.gateway_pictures import attacked, refused_well
from tests.proofs.hostile.processes import KEY, MODEL, Gateway
from tests.proofs.hostile.row import Row, unless

CREATE = "/api/v1/images/generations"


def depth(row: Row) -> None:
    """JSON of many depths, and values that JSON does not have or cannot write again."""
    depths = [*range(60, 70), *range(900, 1010, 10), 5000, 100_000, 5_000_000]
    start = f'{{"model": "{MODEL}", "prompt": "a", "x": '
    with attacked(row) as gateway:
        for padding in (0, 40_000, 300_000):
            for levels in depths[:: max(1, round(1 / row.scale))]:
                for left, right in (("[", "]"), ('{"a":', "}")):
                    inner = left * levels + "1" + right * levels
                    body = f'{start}{inner}, "pad": "{"x" * padding}"}}'
                    row.judge(f"{levels} x {left}", _answered(gateway, body, taken=levels < 63))
        for value in (
            "1e999",
            "-1e999",
            "NaN",
            "Infinity",
            "1" * 10_000,
            '"\\ud800"',
            '"\\u0000"',
            "[" + "1," * 200_000,
        ):
            for body in (f"{start}{value}}}", f'{{"model": "{MODEL}", "prompt": "a", "n": {value}}}'):
                row.judge(value[:20], _answered(gateway, body))
        for body in ("", "null", "[]", '"a"', "1", "{", "\ufeff{}", '{"a":1}' * 2, '{"prompt": {"a": []}}'):
            row.judge(body[:20], _answered(gateway, body, taken=False))


def _answered(gateway: Gateway, body: str, *, taken: bool | None = None) -> str:
    answer = gateway.ask("POST", CREATE, body.encode("utf-8", "surrogatepass"))
    if taken is not None and (answer.status == 200) != taken:
        return f"{answer.status}: {answer.body[:200]!r}"
    if answer.status != 200:
        return refused_well(answer)
    task = answer.data["taskId"]
    seen = gateway.ask("GET", f"{CREATE}?task_id={task}")

    def none(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        json.loads(seen.body, parse_constant=none)
    except ValueError as error:
        return str(error)
    return refused_well(seen)


def texts(row: Row) -> None:
    """Long texts in every field, two at a time; a body of 48 MB must not hold up the others."""
    size = row.count(48 << 20)
    long: dict[str, dict[str, Any]] = {
        "prompt": {"prompt": "a " * (size // 2)},
        "extra field": {"extra": "x" * size},
        "extra list": {"extra": ["x" * (size // 100)] * 100},
        "many extra fields": {f"x{number}": "x" * 100 for number in range(size // 200)},
        "model": {"model": "m" * size},
        "image of blanks": {"image": "ab " * (size // 3)},
        "image of lines": {"image": "ab\n" * (size // 3)},
        "image": {"image": "A" * size},
        "data URI": {"image": "data:" + ";" * size},
        "URL": {"image_url": "http://127.0.0.1:1/" + "a" * size},
        "callback": {"callback_url": "http://127.0.0.1:1/" + "a" * size},
        "size": {"size": "1" * size},
        "escapes": {"extra": "\u00e9" * (size // 6)},
        "controls": {"prompt": "a" + "\x01" * (size // 6)},
    }
    with attacked(row) as gateway:
        for name, fields in long.items():
            body = json.dumps({"model": MODEL, "prompt": "a", **fields}).encode()
            with ThreadPoolExecutor(2) as threads:
                for answer in threads.map(lambda _: gateway.ask("POST", CREATE, body), range(2)):  # noqa: B023
                    row.judge(name, refused_well(answer))
        boundary = "-" * 20
        part = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{{}}"\r\n\r\n{{}}\r\n'
        forms = {
            "a form of many parts": "".join(part.format("a", "x") for _ in range(row.count(200_000))),
            "a form with a long name": part.format("a" * size, "x"),
            "a form without an end": part.format("a", "x" * size),
            "a form of near boundaries": part.format("a", f"\r\n--{boundary[:-1]}" * (size // 30)),
            "a form of line ends": part.format("a", "\r" * size),
            "a form of boundaries": f"--{boundary}\r\n" * (size // 30),
        }
        for name, form in forms.items():
            kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
            answer = gateway.ask("POST", "/api/v1/files", form.encode(), kind)
            row.judge(name, refused_well(answer))


def framing(row: Row) -> None:
    """Requests that are framed in odd ways: an answer of 4xx or the end of the connection."""
    head = f"POST {CREATE} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n".encode()
    cases = {
        "two lengths": head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "a negative length": head + b"Content-Length: -1\r\n\r\n{}",
        "a huge length": head + b"Content-Length: 99999999999999999999\r\n\r\n{}",
        "length and chunks": head + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "a huge chunk": head + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        "a bad chunk": head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        "tiny chunks": head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * row.count(100_000) + b"0\r\n\r\n",
        "packed": head + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "a long head": b"GET / HTTP/1.1\r\nX: " + b"x" * row.count(1 << 20),
        "many headers": b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * row.count(100_000),
        "a long target": b"GET /" + b"a" * row.count(1 << 20),
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "NUL in the head": head + b"X: \0\r\nContent-Length: 2\r\n\r\n{}",
        "a folded header": head + b"X: y\r\n z\r\nContent-Length: 2\r\n\r\n{}",
        "a socket": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "CONNECT": b"CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
        "TRACE": b"TRACE / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "a path upwards": b"GET /hosted/../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "an escaped path upwards": b"GET /results/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "a proxy's target": b"GET http://169.254.169.254/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n",
    }
    with attacked(row) as gateway:
        for name, sent in cases.items():
            row.judge(name, _raw(gateway, sent))


def _raw(gateway: Gateway, sent: bytes) -> str:
    began = time.monotonic()
    received = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        try:
            connection.sendall(sent)
            while b"\r\n\r\n" not in received and (piece := connection.recv(65536)):
                received += piece
        except TimeoutError:
            return "no answer and no end within 30 s"
        except OSError:
            pass  # the end, while we still sent
    took = time.monotonic() - began
    status = received[9:12]
    right = not received or status[:1] in (b"2", b"4")
    return unless(right and took < 25, f"{received[:100]!r} after {took:.0f} s")
