"""Where the requests of a batch come from: a file, or stdin."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.columns import PLAIN, Columns
from apimodels_async.cli.batch.request_lines import (
    EITHER,
    FORMS,
    NOTHING,
    BadLineError,
    Defaults,
    Line,
    check_pictures,
    requests,
)
from apimodels_async.cli.batch.text_lines import LineReader, read_lines
from apimodels_async.cli.failures import CommandFailed

__all__ = ["RequestFile", "StandardInput"]

_CHUNK = 1 << 16
_PIECE = 1 << 13
"""Bytes that are read at once from a file: many more would be in memory several times, as text and as lines."""
_STDIN = 0


class RequestFile:
    """A file of requests, which can be read again and again.

    Args:
        path: its suffix determines the format.
        model: the default model of a request.
        columns: what is made of columns that are no fields of a request.
        extra: fields of every request that this version does not know; a request's own come before them.

    Attributes:
        last_line: the number of the last request's line, once they are counted.

    Raises:
        CommandFailed: the suffix is unknown, or `path` is not a file.
    """

    def __init__(self, path: Path, model: str, columns: Columns = PLAIN, extra: Mapping[str, Any] = NOTHING) -> None:
        self._extra = extra
        self._path = path
        self._columns = columns
        self.last_line: int = 0
        self._model = model
        if path.suffix.lower() not in FORMS:
            raise CommandFailed(f"FILE {path}: its name ends in none of {', '.join(FORMS)}", exit_codes.USAGE)
        if path.exists() and not path.is_file():
            raise CommandFailed(f"FILE {path}: not a regular file; - reads stdin", exit_codes.USAGE)

    def __iter__(self) -> Iterator[Line]:
        """Each request, read as it is asked for.

        Raises:
            BadLineError: at the first line that is none.
            CommandFailed: the file cannot be read.
        """
        return self._read(checked=False)

    def _read(self, *, checked: bool) -> Iterator[Line]:
        try:
            with self._path.open("rb") as file:
                texts = read_lines(iter(partial(file.read, _PIECE), b""))
                rows = FORMS[self._path.suffix.lower()](texts, self._columns)
                for line in requests(rows, self._path.parent, Defaults(self._model, self._extra), self._columns):
                    if checked:
                        check_pictures(line)
                    yield line
        except OSError as error:
            raise CommandFailed(f"FILE {self._path}: {error.strerror or error}", exit_codes.USAGE) from error
        except BadLineError as error:
            raise BadLineError(f"{self._path}, {error}") from None

    async def __aiter__(self) -> AsyncIterator[Line]:
        """The same, where it is awaited."""
        for line in self:
            yield line

    def count(self) -> int:
        """Read it all, look at its pictures, and return how many requests there are.

        Raises:
            BadLineError: at the first line that is none, or whose pictures would be refused.
            CommandFailed: the file cannot be read.
        """
        number = 0
        for line in self._read(checked=True):
            number += 1
            self.last_line = line.number
        missing = next(self._columns.missing(), None) if number else None
        if missing is not None:
            raise BadLineError(f"{self._path}: no line has {{{missing}}}")
        return number


class StandardInput:
    """Requests from stdin as they come: a prompt a line, or a JSON object where a line begins with ``{``.

    Args:
        model: for requests that name none.
        columns: what is made of columns that are no fields of a request.
        extra: fields of every request that this version does not know; a request's own come before them.
    """

    def __init__(self, model: str, columns: Columns = PLAIN, extra: Mapping[str, Any] = NOTHING) -> None:
        self._extra = extra
        self._model = model
        self._columns = columns

    async def __aiter__(self) -> AsyncIterator[Line]:
        """Each request.

        Raises:
            BadLineError: at the first line that is none.
            OSError: there is no stdin.
        """
        reader = LineReader()
        while chunk := await _read(_STDIN):
            for line in self._requests(reader.feed(chunk)):
                yield line
        for line in self._requests(reader.finish()):
            yield line

    def _requests(self, texts: Iterator[tuple[int, str]]) -> Iterator[Line]:
        try:
            yield from requests(EITHER(texts, self._columns), Path(), Defaults(self._model, self._extra), self._columns)
        except BadLineError as error:
            raise BadLineError(f"stdin, {error}") from None


async def _read(file: int) -> bytes:
    """What there is to read, or nothing at the end.

    Read in a daemon thread: a pool thread would keep the command from exiting as long as the pipe is open.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    def settle(data: bytes, error: OSError | None) -> None:
        if answer.cancelled():
            return
        if error is None:
            answer.set_result(data)
        else:
            answer.set_exception(error)

    def read() -> None:
        data, error = b"", None
        try:
            data = os.read(file, _CHUNK)
        except OSError as trouble:
            error = trouble
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, data, error)

    threading.Thread(target=read, name="apimodels stdin", daemon=True).start()
    return await answer
