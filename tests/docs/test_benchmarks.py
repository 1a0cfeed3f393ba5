"""The table of the measurements: all of them in it, and what missed its bound is said to have."""

import math
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.rows import RATIO, Row, as_markdown, as_text, at_least, at_most, just

BENCH = Path(bench.__file__).parent


def test_every_file_that_measures_has_its_place_in_the_table() -> None:
    assert sorted(bench.NAMES) == sorted(
        path.stem for path in BENCH.glob("*.py") if path.stem not in ("__main__", "rows")
    )


@pytest.mark.parametrize(
    ("row", "missed"),
    [
        (at_most("a", "b", 1.0, 1.0), False),
        (at_most("a", "b", 1.01, 1.0), True),
        (at_least("a", "b", 1.0, 1.0), False),
        (at_least("a", "b", 0.99, 1.0), True),
        (at_most("a", "b", math.nan, 1.0), True),
        (just("a", "b", 99.0), False),
    ],
)
def test_a_bound_is_held_or_missed(row: Row, missed: bool) -> None:
    assert row.missed is missed
    assert ("MISSED" in as_text([row])) is missed
    assert "asked" not in as_markdown([row])  # what a change must hold is nothing for a reader


def test_the_page_has_one_table_with_as_many_cells_in_every_line() -> None:
    rows = [at_most("a", "", 1.0, 2.0, "kB"), just("b", "c", 12345.6, told="so")]

    lines = as_markdown(rows).splitlines()

    assert [line.count("|") for line in lines] == [5] * 4
    assert lines[2] == "| a | | 1 kB | |"
    assert lines[3] == f"| b | c | 12,346 {RATIO} | so |"


@pytest.mark.parametrize(
    ("figure", "unit", "words"),
    [
        (0.0875, RATIO, f"11.4 {RATIO} less"),
        (1.5, RATIO, f"1.5 {RATIO}"),
        (0.5, "s", "0.5 s"),
        (1.0, RATIO, f"1 {RATIO}"),
    ],
)
def test_a_ratio_needs_no_calculation(figure: float, unit: str, words: str) -> None:
    assert just("a", "b", figure, unit).compared() == words


def test_what_the_figures_mean_stands_on_the_page_with_the_figures_of_its_table() -> None:
    text = bench.PAGE.read_text(encoding="utf-8")
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    figures = {(what, beside): figure for what, beside, figure, _ in found}
    bullets = " ".join(text.partition("## The figures")[0].split())

    for words, *taken in bench.MEANING:
        assert words.format(*(figures[each] for each in taken)) in bullets
    assert "asked for" not in text


def test_how_much_of_a_machine_many_pictures_take_is_said_in_dollars_beside_what_the_pictures_cost() -> None:
    in_ledger = zip(bench.LEDGER, (360.0, 720.0, 500.0), strict=True)
    rows = [
        just("1,000 pictures: CPU a picture", "", 7.2, "ms"),
        just("10,000 tasks in flight: peak memory a task", "", 2.5, "kB"),
        *(just(f"a request on a ledger of 1,000,000, {name}", "", figure) for name, figure in in_ledger),
    ]

    words = " ".join(bench.machine(rows).split())

    assert "A thousand pictures take 7.2 s of one core" in words
    assert "A hundred thousand take 12 minutes of one core (US$ 0.01)" in words
    assert "250 MB; the pictures cost US$ 1,500" in words
    assert "21 hours of one core of the workers and 2.0 of the database (US$ 1.15), and 5 GB of its disk" in words
    assert "keeps up with 139 pictures a second" in words
