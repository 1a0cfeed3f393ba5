"""From the lines of a file to requests: JSON lines, tables, plain prompts. Lazily, and each line checked."""

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeAlias, cast

from attrs import frozen

from apimodels_async._create import inputs
from apimodels_async._text import is_blank, shorten
from apimodels_async._wire.data_uris import is_data_uri
from apimodels_async.cli.batch.columns import PLAIN, Columns, NotARequestError
from apimodels_async.cli.batch.tables import BadTableError, read_table
from apimodels_async.cli.batch.text_lines import BadTextError
from apimodels_async.cli.failures import in_words_of_json, one_line
from apimodels_async.models import GenerationRequest

__all__ = ["EITHER", "FORMS", "NOTHING", "BadLineError", "Defaults", "Line", "check_pictures", "requests"]

Fields: TypeAlias = dict[str, Any]
Texts: TypeAlias = Iterable[tuple[int, str]]
Rows: TypeAlias = Iterator[tuple[int, Fields]]


NOTHING: Mapping[str, Any] = {}


class BadLineError(ValueError):
    """A line that is no request; the message says which, and why."""


@contextmanager
def _at(number: int) -> Generator[None]:
    try:
        yield
    except (BadTextError, BadTableError) as wrong:
        raise BadLineError(f"line {wrong.number}: {wrong}") from None
    except NotARequestError as wrong:
        raise BadLineError(f"line {number}: {wrong}") from None


@frozen
class Line:
    """A request and where it stands.

    Attributes:
        number: of its line, from 1; of the first, where it takes several.
        request: with the model filled in.
        columns: those that are used for names.
    """

    number: int
    request: GenerationRequest
    columns: Mapping[str, object] = NOTHING


# --- text to fields; a line that holds nothing has none


def _of_text(text: str) -> Fields:
    prompt = text.strip()
    return {} if is_blank(text) or prompt.startswith("#") else {"prompt": prompt}


def _of_json(text: str) -> Fields:
    if is_blank(text):
        return {}
    value = _json_value(text, "no JSON")
    if not isinstance(value, dict) or not value:
        raise NotARequestError('give a JSON object, as {"prompt": "A red kite"}')
    return cast("Fields", value)


def _json_value(text: str, what: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise NotARequestError(f"{what}: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise NotARequestError(f"{what} of a request: it is nested too deeply") from None
    except NotARequestError:
        raise
    except ValueError:  # an integer with more digits than Python reads
        raise NotARequestError(f"{what} of a request: a number in it has too many digits") from None


def _each_once(pairs: list[tuple[str, Any]]) -> Fields:
    fields: Fields = {}
    for name, value in pairs:
        if name in fields:
            raise NotARequestError(f"{shorten(one_line(name))!r} stands there twice")
        fields[name] = value
    return fields


def _no_number(word: str) -> NoReturn:
    raise NotARequestError(f"no JSON: {word} is none of its numbers")


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
            raise NotARequestError(f"{name}={shorten(cell)!r}: give a whole number")
        case "images" | "extra_body":
            example = '["a.png", "b.png"]' if name == "images" else '{"field": 1}'
            return _json_value(cell, f"{name}={shorten(cell)!r}: give JSON, as {example}; no JSON")
        case _:
            return cell.strip()


def _of_each(parse: Callable[[str], Fields], texts: Texts, columns: Columns = PLAIN) -> Rows:
    del columns  # each line has its own
    lines = iter(texts)
    while True:
        with _at(0):
            number, text = next(lines, (0, ""))
        if not number:
            return
        with _at(number):
            fields = parse(text)
        yield number, fields


def _of_table(separators: str, texts: Texts, columns: Columns = PLAIN) -> Rows:
    rows = read_table(texts, separators=separators, wanted=columns.wanted)
    is_header = True
    while True:
        with _at(0):
            row = next(rows, None)
        if row is None:
            return
        with _at(row.number):
            if is_header:
                _check_header(list(row.cells), columns)
            fields = {name: _of_cell(name, cell) for name, cell in row.cells.items() if not is_header}
        is_header = False
        yield row.number, fields


def _check_header(names: list[str], columns: Columns) -> None:
    for name in names:
        columns.check(name)
    missing = [name for name in columns.wanted if name not in names]
    if missing == ["prompt"] and columns.prompt is None:
        raise NotARequestError("the header names no prompt")
    if missing:
        there = ", ".join(f"{{{shorten(one_line(name))}}}" for name in names)
        raise NotARequestError(f"the header names no {{{missing[0]}}}; there are {there}")


FORMS: dict[str, Callable[[Texts, Columns], Rows]] = {
    ".jsonl": partial(_of_each, _of_json),
    ".ndjson": partial(_of_each, _of_json),
    ".csv": partial(_of_table, ",;\t"),
    ".tsv": partial(_of_table, "\t,;"),
    ".txt": partial(_of_each, _of_text),
}
"""How a file is read, by its suffix."""

EITHER: Callable[[Texts, Columns], Rows] = partial(_of_each, _of_either)
"""A prompt a line, or a JSON object where a line begins with ``{``."""


# --- fields to requests


class Defaults(NamedTuple):
    """What a request has that does not say otherwise.

    Attributes:
        model: the model.
        extra_body: fields that this version does not know.
    """

    model: str
    extra_body: Mapping[str, Any] = NOTHING


def requests(rows: Rows, folder: Path, defaults: Defaults, columns: Columns = PLAIN) -> Iterator[Line]:
    """The requests that the rows hold.

    Args:
        rows: from one of `FORMS`.
        folder: what relative paths of pictures start from.
        defaults: for what a request does not say.
        columns: what is made of columns that are no fields of a request.

    Raises:
        BadLineError: a row that is no request.
    """
    for number, fields in rows:
        if fields:
            with _at(number):
                request = _request(columns.request_fields(fields), folder, defaults)
            yield Line(number, request, columns.for_names(fields))


def _request(fields: Fields, folder: Path, defaults: Defaults) -> GenerationRequest:
    if "prompt" not in fields:
        raise NotARequestError("there is no prompt")
    given: Fields = {"model": defaults.model}
    if defaults.extra_body:
        own: Any = fields.get("extra_body") or {}
        merged = {**defaults.extra_body, **cast("Fields", own)} if isinstance(own, dict) else own
        fields = {**fields, "extra_body": merged}
    given |= {name: value for name, value in fields.items() if value is not None or name == "prompt"}
    for name in ("image", "mask"):
        if name in given:
            given[name] = _picture(name, given[name], folder)
    if isinstance(given.get("images"), list):
        given["images"] = [_picture("images", each, folder) for each in cast("list[object]", given["images"])]
    try:
        return GenerationRequest(**given)
    except (TypeError, ValueError) as error:
        raise NotARequestError(in_words_of_json(str(error))) from None


def _picture(name: str, value: object, folder: Path) -> str | Path:
    """A URL or a ``data:`` URI as it is; else the path of a file that is there."""
    if not isinstance(value, str):
        raise NotARequestError(f"{name}: give a URL, a data: URI or the path of a file")
    if inputs.is_remote(value) or is_data_uri(value):
        return value
    if is_blank(value):
        raise NotARequestError(f"{name}: is empty; leave it out, or give a URL, a data: URI or the path of a file")
    path = folder / value
    try:
        there, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or has a null character in it
        there = is_folder = False
    if not there:
        what = "a folder, and no file," if is_folder else "no such file"
        raise NotARequestError(f"{name}={shorten(value)!r}: {what} in {str(folder)!r}")
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
