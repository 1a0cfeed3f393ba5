"""A server in a process of its own, and many requests to it at once."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

PATIENCE = 90.0
"""Seconds for a server to start, and to answer one request."""


def free_port() -> int:
    """A port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def server(*command: str, port: int) -> Iterator[str]:
    """Run a server until the block ends, and return its URL. It must end when it is asked to."""
    process = subprocess.Popen([sys.executable, "-m", *command])
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, f"{command[0]} has ended with {process.returncode}"
                assert time.monotonic() < until, f"{command[0]} does not start"
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) in (0, -signal.SIGTERM)  # some raise it again when they have ended
    finally:
        process.kill()
        process.wait()


def get(url: str) -> dict[str, Any]:
    """The JSON of an answer, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        if error.code != 503:
            raise AssertionError(f"{url}: HTTP {error.code}: {error.read()[-2000:]!r}") from None
        refused: dict[str, Any] = json.load(error)
        return refused


def get_all(urls: Sequence[str]) -> list[dict[str, Any]]:
    """All answers, asked for at once."""
    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(get, urls))


def with_prompts(url: str, number: int) -> list[str]:
    """URLs that ask for different pictures."""
    return [f"{url}?prompt={quote(f'Boat {each}')}" for each in range(number)]
