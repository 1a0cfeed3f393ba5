"""A server that misbehaves as it is told: plain sockets and threads, so that nothing is put right on the way out.

It listens on 127.0.0.1, counts what it has read and what it has taken for payment, and plays a script: one play for
each connection (before a byte is read), then one for each request, by method. The last play of a list is repeated.
"""

import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.envelopes import envelope

Play = Callable[["Exchange"], None]
Greeting = Callable[["Visit"], bool]
"""What is done to a new connection; whether HTTP is spoken on it afterwards."""


class _GoneError(Exception):
    """The connection has ended, by the other side's doing or by ours."""


class Visit:
    """One connection, from the server's side."""

    def __init__(self, server: "FaultServer", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.buffer = b""
        self.requests = 0

    def receive(self) -> None:
        """Wait for more bytes."""
        try:
            more = self.sock.recv(65536)
        except OSError:
            raise _GoneError from None
        if not more:
            raise _GoneError
        self.buffer += more

    def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        try:
            self.sock.sendall(data)
        except OSError:
            raise _GoneError from None

    def wait_for_bytes(self) -> None:
        """Until something can be read, which is not read."""
        try:
            self.sock.recv(1, socket.MSG_PEEK)
        except OSError:
            raise _GoneError from None

    def wait_until_left(self) -> None:
        """Until the other side gives up (or the server closes); what it sends meanwhile is thrown away."""
        while True:
            self.buffer = b""
            self.receive()

    def close(self) -> None:
        """End the connection; in order, if all that came was read, else the kernel sends a reset."""
        raise _GoneError

    def reset(self) -> None:
        """End the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _GoneError


class Exchange:
    """One request whose head has been read, and the answering of it."""

    def __init__(self, visit: Visit, method: str, target: str, headers: dict[str, str]) -> None:
        self.visit = visit
        self.server = visit.server
        self.method = method
        self.target = target
        self.headers = headers
        self.length = int(headers.get("content-length", "0"))
        self.body = b""

    def read(self, count: int | None = None) -> None:
        """Read `count` bytes of the body in all, or the whole of it."""
        wanted = self.length if count is None else min(count, self.length)
        while len(self.body) < wanted:
            if not self.visit.buffer:
                self.visit.receive()
            missing = wanted - len(self.body)
            self.body += self.visit.buffer[:missing]
            self.visit.buffer = self.visit.buffer[missing:]
        if len(self.body) == self.length:
            self.server.note_whole(self)

    def take(self) -> str:
        """Accept the create: from here on it is paid for. The new task's id."""
        return self.server.note_taken()


class Counts(NamedTuple):
    """What a server has seen.

    Attributes:
        connections: accepted.
        posts: POSTs of which it read at least the first bytes.
        whole_posts: POSTs that it read to the last byte.
        gets: likewise GETs, which have no body.
        connects: CONNECTs, of a client that takes it for a proxy.
        taken: creates that it accepted: a real server would bill them.
    """

    connections: int = 0
    posts: int = 0
    whole_posts: int = 0
    gets: int = 0
    connects: int = 0
    taken: int = 0


class FaultServer:
    """The server; it runs inside its ``with`` block.

    Args:
        post: a play for each POST.
        get: a play for each GET.
        connect: a play for each CONNECT.
        greet: what to do with each new connection.
        listening: else the port is taken, and refuses, until `listen` is called.

    Attributes:
        port: where it is.
        requests: those whose head it has read.
        asked: released whenever the head of a request has been read.
        left: released whenever a connection has been closed.
        closed: set when the server is being closed.
    """

    def __init__(
        self,
        *,
        post: Sequence[Play] = (),
        get: Sequence[Play] = (),
        connect: Sequence[Play] = (),
        greet: Sequence[Greeting] = (),
        listening: bool = True,
    ) -> None:
        self._plays = {"POST": list(post), "GET": list(get), "CONNECT": list(connect)}
        self._greetings = list(greet)
        self._lock = threading.Lock()
        self._seen: dict[str, int] = {}
        self._visits: list[tuple[threading.Thread, socket.socket]] = []
        self._accepting: threading.Thread | None = None
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._woken, self._wake = socket.socketpair()
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[Exchange] = []
        self.left = threading.Semaphore(0)
        self.asked = threading.Semaphore(0)
        self.closed = threading.Event()
        if listening:
            self.listen()

    @property
    def origin(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"{self.origin}/api/v1"

    @property
    def counts(self) -> Counts:
        """What it has seen so far."""
        with self._lock:
            return Counts(**self._seen)

    def listen(self) -> None:
        """Accept connections from now on. May be called twice."""
        if self._accepting is None:
            self._listener.listen(512)
            self._accepting = threading.Thread(target=self._accept, name="fault-server")
            self._accepting.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closed.set()
        self._wake.send(b"!")
        if self._accepting is not None:
            self._accepting.join(5.0)
        self._listener.close()
        for thread, sock in self._visits:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join(5.0)
        left = [thread.name for thread, _ in self._visits if thread.is_alive()]
        self._woken.close()
        self._wake.close()
        if left:
            raise RuntimeError(f"still running: {left}")

    def count(self, what: str) -> int:
        """One more of `what`."""
        with self._lock:
            self._seen[what] = self._seen.get(what, 0) + 1
            return self._seen[what]

    def note_whole(self, exchange: Exchange) -> None:
        """A request has been read to its end."""
        if exchange.method == "POST":
            self.count("whole_posts")

    def note_taken(self) -> str:
        """A create request is accepted."""
        return f"task-{self.count('taken')}"

    def _accept(self) -> None:
        while True:
            readable, _, _ = select.select([self._listener, self._woken], [], [])
            if self._woken in readable:
                return
            sock, _ = self._listener.accept()
            number = self.count("connections")
            thread = threading.Thread(target=self._serve, args=(sock, number), name="fault-server visit")
            self._visits.append((thread, sock))
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        visit = Visit(self, sock)
        try:
            if self._greetings and not _nth(self._greetings, number)(visit):
                return
            while True:
                self._exchange(visit)
        except (_GoneError, OSError):
            pass
        finally:
            sock.close()
            self.left.release()

    def _exchange(self, visit: Visit) -> None:
        while b"\r\n\r\n" not in visit.buffer:
            visit.receive()
        head, _, visit.buffer = visit.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        exchange = Exchange(visit, method, target, headers)
        visit.requests += 1
        number = self.count(f"{method.lower()}s")
        self.requests.append(exchange)
        self.asked.release()
        _nth(self._plays[method], number)(exchange)


def _nth(plays: Sequence[Any], number: int) -> Any:
    return plays[min(number, len(plays)) - 1]


# --- greetings: what is done to a connection before HTTP


def speak(_: Visit) -> bool:
    """Serve it."""
    return True


def reset_unread(visit: Visit) -> bool:
    """Wait until the request is there, read nothing of it, and reset."""
    visit.wait_for_bytes()
    visit.reset()
    return False


def reset_after(count: int) -> Greeting:
    """Read `count` bytes of the request's head, and reset."""

    def greet(visit: Visit) -> bool:
        while len(visit.buffer) < count:
            more = visit.sock.recv(count - len(visit.buffer))
            if not more:
                return False
            visit.buffer += more
        visit.server.count(f"{visit.buffer.split(b' ')[0].decode().lower()}s")
        visit.reset()
        return False

    return greet


def say_nothing(visit: Visit) -> bool:
    """Read whatever comes and never say a word (a TLS port that does not shake hands)."""
    visit.wait_until_left()
    return False


def babble(visit: Visit) -> bool:
    """Answer a TLS hello with something else."""
    visit.wait_for_bytes()
    visit.send(b"this is no handshake\r\n\r\n")
    visit.wait_until_left()
    return False


# --- plays: what is done to a request


def reply(
    status: int,
    payload: object = None,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    length: int | None = None,
    framed: bool = True,
) -> bytes:
    """An answer's bytes; `length` may lie."""
    content = json.dumps(payload).encode() if body is None else body
    lines = [f"HTTP/1.1 {status} Whatever"]
    given = {"Content-Type": "application/json", **(headers or {})}
    if framed and "Transfer-Encoding" not in given:
        given["Content-Length"] = str(len(content) if length is None else length)
    lines += [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


def html(status: int, **more: Any) -> bytes:
    """A proxy's page."""
    page = b"<html><body><h1>Something</h1></body></html>"
    return reply(status, body=page, headers={"Content-Type": "text/html"}, **more)


def say(data: bytes, *, close: bool = False) -> Play:
    """Read the request whole, and send these bytes."""

    def play(exchange: Exchange) -> None:
        exchange.read()
        exchange.visit.send(data)
        if close:
            exchange.visit.close()

    return play


def accept(render: Callable[[str], bytes] | None = None, *, close: bool = False) -> Play:
    """Read a create request whole, take it (it is paid for), and answer with `render` of its new task id."""

    def play(exchange: Exchange) -> None:
        exchange.read()
        task_id = exchange.take()
        exchange.visit.send(
            reply(200, envelope(taskId=task_id, state="pending")) if render is None else render(task_id)
        )
        if close:
            exchange.visit.close()

    return play


def take_then(then: Callable[[Visit], None]) -> Play:
    """Read a create request whole, take it (it is paid for), and do something that is no answer."""

    def play(exchange: Exchange) -> None:
        exchange.read()
        exchange.take()
        then(exchange.visit)

    return play


def read_then(count: int | None, then: Callable[[Visit], None]) -> Play:
    """Read `count` bytes of the body (``None``: all), and do something that is no answer."""

    def play(exchange: Exchange) -> None:
        exchange.read(count)
        then(exchange.visit)

    return play


def drip(data: bytes, *, piece: int, pause: float) -> Callable[[Visit], None]:
    """Send an answer in small pieces."""

    def send(visit: Visit) -> None:
        for start in range(0, len(data), piece):
            visit.send(data[start : start + piece])
            if visit.server.closed.wait(pause):
                return

    return send


def tunnel(exchange: Exchange) -> None:
    """Be a proxy that accepts a CONNECT, and whose other end then never speaks."""
    exchange.visit.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    exchange.visit.wait_until_left()
