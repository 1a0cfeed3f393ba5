"""From the lines of a file to requests: JSON lines, tables, plain prompts. Lazily, and each line checked."""

import difflib
import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, cast

import attrs
from attrs import frozen

from apimodels_async._create import inputs
from apimodels_async._text import is_blank, shorten
from apimodels_async._wire.data_uris import is_data_uri
from apimodels_async.cli.batch.tables import BadTableError, read_table
from apimodels_async.cli.batch.text_lines import BadTextError
from apimodels_async.cli.failures import one_line
from apimodels_async.models import GenerationRequest

__all__ = ["EITHER", "FORMS", "BadLineError", "Line", "check_pictures", "requests"]

_FIELDS = tuple(each.name for each in attrs.fields(GenerationRequest))

Fields: TypeAlias = dict[str, Any]
Texts: TypeAlias = Iterable[tuple[int, str]]
Rows: TypeAlias = Iterator[tuple[int, Fields]]


class BadLineError(ValueError):
    """A line that is no request; the message says which, and why."""


class _NotARequestError(ValueError):
    """Why a line is no request, without its number."""


@contextmanager
def _at(number: int) -> Generator[None]:
    try:
        yield
    except (BadTextError, BadTableError) as wrong:
        raise BadLineError(f"line {wrong.number}: {wrong}") from None
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


# --- text to fields; a line that holds nothing has none


def _of_text(text: str) -> Fields:
    prompt = text.strip()
    return {} if is_blank(text) or prompt.startswith("#") else {"prompt": prompt}


def _of_json(text: str) -> Fields:
    if is_blank(text):
        return {}
    value = _json_value(text, "no JSON")
    if not isinstance(value, dict) or not value:
        raise _NotARequestError('give a JSON object, as {"prompt": "A red kite"}')
    return cast("Fields", value)


def _json_value(text: str, what: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _NotARequestError(f"{what}: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise _NotARequestError(f"{what} of a request: it is nested too deeply") from None
    except _NotARequestError:
        raise
    except ValueError:  # an integer with more digits than Python reads
        raise _NotARequestError(f"{what} of a request: a number in it has too many digits") from None


def _each_once(pairs: list[tuple[str, Any]]) -> Fields:
    fields: Fields = {}
    for name, value in pairs:
        if name in fields:
            raise _NotARequestError(f"{shorten(one_line(name))!r} stands there twice")
        fields[name] = value
    return fields


def _no_number(word: str) -> NoReturn:
    raise _NotARequestError(f"no JSON: {word} is none of its numbers")


def _of_either(text: str) -> Fields:
    return (_of_json if text.lstrip().startswith("{") else _of_text)(text)


def _of_cell(name: str, cell: str) -> Any:
    """A cell is text, but for the fields that are not."""
    match name:
        case "n" | "seed":
            try:
                if re.fullmatch(r"\s*[+-]?[0-9]+\s*", cell):  # Python reads 1_0 as well
                    return int(cell)
            except ValueError:  # more digits than Python reads
                pass
            raise _NotARequestError(f"{name}={shorten(cell)!r}: give a whole number")
        case "images" | "extra_body":
            example = '["a.png", "b.png"]' if name == "images" else '{"field": 1}'
            return _json_value(cell, f"{name}={shorten(cell)!r}: give JSON, as {example}; no JSON")
        case _:
            return cell.strip()


def _of_each(parse: Callable[[str], Fields], texts: Texts) -> Rows:
    lines = iter(texts)
    while True:
        with _at(0):
            number, text = next(lines, (0, ""))
        if not number:
            return
        with _at(number):
            fields = parse(text)
        yield number, fields


def _of_table(separators: str, texts: Texts) -> Rows:
    rows = read_table(texts, separators=separators)
    is_header = True
    while True:
        with _at(0):
            row = next(rows, None)
        if row is None:
            return
        with _at(row.number):
            if is_header:
                _check_header(list(row.cells))
            fields = {name: _of_cell(name, cell) for name, cell in row.cells.items() if not is_header}
        is_header = False
        yield row.number, fields


def _check_header(names: list[str]) -> None:
    for name in names:
        _check_field(name)
    if "prompt" not in names:
        raise _NotARequestError("the header names no prompt")


FORMS: dict[str, Callable[[Texts], Rows]] = {
    ".jsonl": partial(_of_each, _of_json),
    ".ndjson": partial(_of_each, _of_json),
    ".csv": partial(_of_table, ",;\t"),
    ".tsv": partial(_of_table, "\t,;"),
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
        close = difflib.get_close_matches(name[:80].lower(), _FIELDS, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_FIELDS)}"
        raise _NotARequestError(f"unknown field {shorten(one_line(name))!r}; {hint}")


def _picture(name: str, value: object, folder: Path) -> str | Path:
    """A URL or a ``data:`` URI as it is; else the path of a file that is there."""
    if not isinstance(value, str):
        raise _NotARequestError(f"{name}: give a URL, a data: URI or the path of a file")
    if inputs.is_remote(value) or is_data_uri(value):
        return value
    if is_blank(value):
        raise _NotARequestError(f"{name}: is empty; leave it out, or give a URL, a data: URI or the path of a file")
    path = folder / value
    try:
        there, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or has a null character in it
        there = is_folder = False
    if not there:
        what = "a folder, and no file," if is_folder else "no such file"
        raise _NotARequestError(f"{name}={shorten(value)!r}: {what} in {str(folder)!r}")
    return path


def check_pictures(line: Line) -> None:
    """Look at the pictures of a request: the first bytes of files, ``data:`` URIs, and the sizes where there is a mask.

    Raises:
        BadLineError: one that would be refused when the request is sent.
    """
    try:
        inputs.check_pictures(line.request)
    except ValueError as error:
        raise BadLineError(f"line {line.number}: {error}") from None
