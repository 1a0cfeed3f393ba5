"""Rows of a table as spreadsheets write them: commas, semicolons or tabs, and columns that have no name. Pure."""

import csv
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from apimodels_async._text import is_blank, shorten
from apimodels_async.cli.batch.text_lines import LONGEST

__all__ = ["BadTableError", "Row", "read_table"]

_SEPARATORS = ",;\t"
_DECLARED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""A first line with which spreadsheets name the separator."""


class BadTableError(ValueError):
    """A row that cannot be read.

    Attributes:
        number: of the line, from 1, on which it begins.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


class Row(NamedTuple):
    """A row under its header: `cells` are those that are not blank, by the names of their columns in lower case.

    The header itself is the first row: its cells have no text.
    """

    number: int
    cells: dict[str, str]


def read_table(
    texts: Iterable[tuple[int, str]], *, separators: str = _SEPARATORS, wanted: Collection[str] = ("prompt",)
) -> Iterator[Row]:
    """The header, and then the rows.

    Args:
        texts: the lines, numbered.
        separators: those that are possible; the first that gives the wanted columns is taken, or else the first.
        wanted: the names of columns, in lower case.

    Raises:
        BadTableError: no CSV, or cells that belong to no column.
    """
    csv.field_size_limit(LONGEST)
    lines = iter(texts)
    number, first = next(((number, text) for number, text in lines if not is_blank(text)), (0, ""))
    if not number:
        return
    declared = _DECLARED.fullmatch(first.strip())
    if declared is not None:
        separators = declared[1]
        number, first = next(lines, (number, ""))
    separator = next((each for each in separators if set(wanted) <= set(_names(first, each))), separators[0])
    # The reader counts lines from 1, and the header need not be on the first.
    skipped = number - 1
    reader = csv.reader(itertools.chain([first + "\n"], (text + "\n" for _, text in lines)), strict=True,
                        delimiter=separator)  # fmt: skip
    header: list[str] | None = None
    while True:
        number = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadTableError(number, f"no CSV: {error}") from None
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            yield Row(number, _header(number, header))
        else:
            yield Row(number, _cells(number, header, cells))


def _names(line: str, separator: str) -> list[str]:
    try:
        return [cell.strip().lower() for cell in next(csv.reader([line], delimiter=separator), [""])]
    except csv.Error:
        return []


def _header(number: int, names: list[str]) -> dict[str, str]:
    for name in names:
        if name and names.count(name) > 1:
            raise BadTableError(number, f"{shorten(name)!r} stands there twice")
    return dict.fromkeys(filter(None, names), "")


def _cells(number: int, header: list[str], cells: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for at, cell in enumerate(cells):
        if is_blank(cell):
            continue
        if at >= len(header):
            raise BadTableError(
                number, f"{len(cells)} cells under a header of {len(header)}: quote what has separators in it"
            )
        if not header[at]:
            raise BadTableError(number, f"column {at + 1} has no name and is not empty: name it, or delete it")
        found[header[at]] = cell
    return found
