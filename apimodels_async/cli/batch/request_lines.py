"""From the lines of a file to requests: JSON lines, CSV, plain prompts. Lazily, and each line checked."""

import csv
import difflib
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, cast

import attrs
from attrs import frozen

from apimodels_async._create import inputs
from apimodels_async.cli.failures import one_line
from apimodels_async.models import GenerationRequest

__all__ = ["EITHER", "FORMS", "LONGEST", "BadLineError", "Line", "decoded", "requests"]

LONGEST = 64 << 20
"""Bytes of one line: a picture as a ``data:`` URI has room in it, a file without line ends has not."""

_FIELDS = tuple(each.name for each in attrs.fields(GenerationRequest))

Fields: TypeAlias = dict[str, Any]
Texts: TypeAlias = Iterable[tuple[int, str]]
Rows: TypeAlias = Iterator[tuple[int, Fields]]


class BadLineError(ValueError):
    """A line that is no request; the message says which, and why."""


class _NotARequestError(ValueError):
    """Why a line is no request, without which."""


@contextmanager
def _at(number: int) -> Generator[None]:
    try:
        yield
    except _NotARequestError as wrong:
        raise BadLineError(f"line {number}: {wrong}") from None


@frozen
class Line:
    """A request and where it stands.

    Attributes:
        number: of its line, from 1; of the first, where it takes several.
        request: with the model filled in.
    """

    number: int
    request: GenerationRequest


def decoded(lines: Iterable[bytes], first: int = 1) -> Iterator[tuple[int, str]]:
    """Lines as text, numbered from `first`.

    Raises:
        BadLineError: no UTF-8, or no end.
    """
    for number, line in enumerate(lines, first):
        with _at(number):
            if len(line) >= LONGEST:
                raise _NotARequestError(f"longer than {LONGEST >> 20} MiB")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise _NotARequestError("no UTF-8") from None
        yield number, text


# --- text to fields; a line that holds nothing has none


def _of_text(text: str) -> Fields:
    prompt = text.strip()
    return {} if not prompt or prompt.startswith("#") else {"prompt": prompt}


def _of_json(text: str) -> Fields:
    if not text.strip():
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _NotARequestError(f"no JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise _NotARequestError("no JSON of a request: it is nested too deeply") from None
    if not isinstance(value, dict) or not value:
        raise _NotARequestError('give a JSON object, as {"prompt": "A red kite"}')
    return cast("Fields", value)


def _each_once(pairs: list[tuple[str, Any]]) -> Fields:
    fields: Fields = {}
    for name, value in pairs:
        if name in fields:
            raise _NotARequestError(f"{name!r} stands there twice")
        fields[name] = value
    return fields


def _no_number(word: str) -> NoReturn:
    raise _NotARequestError(f"no JSON: {word} is none of its numbers")


def _of_either(text: str) -> Fields:
    return (_of_json if text.lstrip().startswith("{") else _of_text)(text)


def _of_cells(header: list[str], cells: list[str]) -> Fields:
    if len(cells) > len(header):
        raise _NotARequestError(f"{len(cells)} cells under a header of {len(header)}: quote what has commas in it")
    named = zip(header, cells, strict=False)  # cells at the end may be left out
    return {name: _of_cell(name, cell) for name, cell in named if cell.strip()}


def _of_cell(name: str, cell: str) -> Any:
    """A cell is text, but for the fields that are not."""
    match name:
        case "n" | "seed":
            try:
                return int(cell)
            except ValueError:
                raise _NotARequestError(f"{name}={cell!r}: give a whole number") from None
        case "images" | "extra_body":
            try:
                return json.loads(cell)
            except (ValueError, RecursionError):
                example = '["a.png", "b.png"]' if name == "images" else '{"field": 1}'
                raise _NotARequestError(f"{name}={cell!r}: give JSON, as {example}") from None
        case _:
            return cell.strip()


def _of_each(parse: Callable[[str], Fields], texts: Texts) -> Rows:
    for number, text in texts:
        with _at(number):
            fields = parse(text)
        yield number, fields


def _of_table(texts: Texts) -> Rows:
    csv.field_size_limit(LONGEST)
    rows = csv.reader((text for _, text in texts), strict=True)
    header: list[str] = []
    while True:
        number = rows.line_num + 1
        with _at(number):
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                raise _NotARequestError(f"no CSV: {error}") from None
            if not header:
                header = _header(cells)
                continue
            fields = _of_cells(header, cells)
        yield number, fields


def _header(cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    for name in header:
        _check_field(name)
        if header.count(name) > 1:
            raise _NotARequestError(f"{name!r} stands there twice")
    if header and "prompt" not in header:
        raise _NotARequestError("the header names no prompt")
    return header


FORMS: dict[str, Callable[[Texts], Rows]] = {
    ".jsonl": partial(_of_each, _of_json),
    ".csv": _of_table,
    ".txt": partial(_of_each, _of_text),
}
"""How a file is read, by its suffix."""

EITHER: Callable[[Texts], Rows] = partial(_of_each, _of_either)
"""A prompt a line, or a JSON object where a line begins with ``{``."""


# --- fields to requests


def requests(rows: Rows, folder: Path, model: str) -> Iterator[Line]:
    """The requests that the rows hold.

    Args:
        rows: from one of `FORMS`.
        folder: what relative paths of pictures start from.
        model: for requests that name none.

    Raises:
        BadLineError: a row that is no request.
    """
    for number, fields in rows:
        if fields:
            with _at(number):
                request = _request(fields, folder, model)
            yield Line(number, request)


def _request(fields: Fields, folder: Path, model: str) -> GenerationRequest:
    for name in fields:
        _check_field(name)
    if "prompt" not in fields:
        raise _NotARequestError("there is no prompt")
    given: Fields = {"model": model}
    given |= {name: value for name, value in fields.items() if value is not None or name == "prompt"}
    for name in ("image", "mask"):
        if name in given:
            given[name] = _picture(name, given[name], folder)
    if isinstance(given.get("images"), list):
        given["images"] = [_picture("images", each, folder) for each in cast("list[object]", given["images"])]
    try:
        return GenerationRequest(**given)
    except (TypeError, ValueError) as error:
        raise _NotARequestError(str(error)) from None


def _check_field(name: str) -> None:
    if name not in _FIELDS:
        close = difflib.get_close_matches(name, _FIELDS, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_FIELDS)}"
        raise _NotARequestError(f"unknown field {one_line(name)!r}; {hint}")


def _picture(name: str, value: object, folder: Path) -> str | Path:
    """A URL or a ``data:`` URI as it is; else the path of a file that is there."""
    if not isinstance(value, str):
        raise _NotARequestError(f"{name}: give a URL, a data: URI or the path of a file")
    if inputs.is_remote(value) or value[:5].lower() == "data:":
        return value
    path = folder / value
    try:
        there = path.is_file()
    except (OSError, ValueError):  # a name that is too long, or has a null character in it
        there = False
    if not there:
        shown = value if len(value) <= 80 else f"{value[:60]}…({len(value)} characters)"
        raise _NotARequestError(f"{name}={shown!r}: no such file in {str(folder)!r}")
    return path
