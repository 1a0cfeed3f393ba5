"""The page of a batch in a real browser."""

import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import GenerationRequest, Outcome
from apimodels_async._page.page_file import PageFile
from apimodels_async._page.rows import PageRow, row_of
from apimodels_async.errors import GenerationFailedError
from apimodels_async.models import Task, TaskState
from tests.support import pictures
from tests.web.conftest import LOOKS, Visit

HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "photo\u202egnp.exe",
    "a\x1b[31mb",
)


def row(number: int, prompt: str, files: tuple[Path, ...] = (), **fields: Any) -> PageRow:
    given = {"model": "m", "state": "completed", "seconds": float(number), "cost": 0.03, "seed": 100 - number, **fields}
    return PageRow(number=number, prompt=prompt, files=files, **given)


def write(folder: Path, rows: list[PageRow], state: str = "done") -> str:
    page = folder / "index.html"
    file = PageFile(page)
    file.add(deque(rows), most=len(rows))
    file.publish(state, 1_700_000_000.0)
    file.close()
    return page.as_uri()


@pytest.fixture
def some(tmp_path: Path) -> str:
    """A page of a few rows, with hostile words in every place."""
    names = [tmp_path / f"a {at} #%.png" for at in range(3)]
    for at, name in enumerate(names):
        name.write_bytes(pictures.png(300, 200 + at))
    task = Task(id="cl1", state=TaskState.FAILED)
    failed = [
        row_of(
            Outcome(
                index=10 + at,
                request=GenerationRequest("x" + words.replace("\x1b", ""), extra_body={words: words}),
                task=task,
                error=GenerationFailedError(words, task=task),
            ),
            model=words,
            cost=0.0,
        )
        for at, words in enumerate(HOSTILE)
    ]
    rows = [row(1, "a kite", (names[0],)), row(2, "a fox", (names[1], names[2])), row(3, "قطة لطيفة"), *failed]
    return write(tmp_path, rows)


def numbers(visit: Visit) -> list[str]:
    return visit.page.locator(".body .number").all_text_contents()


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_it_is_accessible_and_fits_at_every_size_by_day_and_by_night(
    visit: Callable[..., Visit], some: str, size: str, scheme: str
) -> None:
    shown = visit(some, size=size, color_scheme=scheme)
    shown.page.wait_for_selector(".body .row")

    assert not shown.overflows()
    shown.check_accessible()
    shown.page.locator(".open").nth(1).click()
    shown.page.wait_for_selector("dialog[open] img")
    shown.check_accessible()
    assert not shown.overflows()
    shown.check()


def test_thumbnails_and_pictures_are_shown(visit: Callable[..., Visit], some: str) -> None:
    shown = visit(some)
    small = shown.page.locator(".open img").first
    shown.until("document.querySelector('.open img').naturalWidth === 144")
    assert (small.get_attribute("src") or "").startswith("data:image/webp")

    shown.page.locator(".open").nth(1).click()
    shown.until("[...document.querySelectorAll('#pictures img')].map(i => i.naturalHeight).join() === '201,202'")
    shown.check()


def test_hostile_words_are_text(visit: Callable[..., Visit], some: str) -> None:
    shown = visit(some)
    shown.page.wait_for_selector(".body .row")
    words = shown.page.locator("#body").inner_text()

    assert "<img src=x onerror=alert(1)>" in words
    assert "photo\\u202egnp.exe" in words
    assert "\u202e" not in words
    for at in range(3, 3 + len(HOSTILE)):
        shown.page.locator(".open").nth(at).click()
        shown.page.wait_for_selector("dialog[open]")
        shown.page.keyboard.press("Escape")
    assert shown.page.evaluate("document.querySelectorAll('script').length") == 2
    shown.check()


def test_filter_and_sort(visit: Callable[..., Visit], some: str) -> None:
    shown = visit(some)
    shown.page.wait_for_selector(".body .row")

    shown.page.fill("#query", "fox")
    shown.until("document.querySelectorAll('.body .row').length === 1")
    assert numbers(shown) == ["2"]
    shown.page.fill("#query", "")
    shown.page.select_option("#state", "-")
    assert numbers(shown) == [str(11 + at) for at in range(len(HOSTILE))]
    shown.page.select_option("#state", "completed")
    shown.page.get_by_role("button", name="Seed").click()
    assert numbers(shown) == ["3", "2", "1"]
    shown.page.get_by_role("button", name="Seed").click()
    assert numbers(shown) == ["1", "2", "3"]
    assert shown.page.get_attribute("[data-key=seed]", "aria-sort") == "descending"
    shown.page.fill("#query", "nothing like that")
    shown.page.get_by_text("No request matches.").wait_for()
    shown.check()


def test_everything_can_be_done_with_the_keyboard(visit: Callable[..., Visit], some: str) -> None:
    shown = visit(some)
    shown.page.wait_for_selector(".body .row")
    keys = shown.page.keyboard

    keys.press("j")
    keys.press("j")
    keys.press("Enter")
    title = shown.page.locator("#viewer-title")
    assert title.inner_text() == "Request 2: completed"
    keys.press("ArrowRight")
    assert title.inner_text() == "Request 3: completed"
    keys.press("ArrowLeft")
    keys.press("ArrowLeft")
    keys.press("ArrowLeft")
    assert title.inner_text() == "Request 1: completed"
    keys.press("Escape")
    assert not shown.page.locator("dialog").is_visible()
    keys.press("/")
    keys.type("kite")
    shown.until("document.querySelectorAll('.body .row').length === 1")
    shown.check()


def test_ten_thousand_rows_are_a_few_elements(visit: Callable[..., Visit], tmp_path: Path) -> None:
    draw = random.Random(1)
    words = ["fox", "castle", "lighthouse", "robot", "garden", "sea", "night", "aurora", "winter", "storm"]
    prompts = [" ".join(draw.choices(words, k=8)) for _ in range(10_000)]
    shown = visit(write(tmp_path, [row(at, prompt) for at, prompt in enumerate(prompts, 1)]))
    page = shown.page
    page.wait_for_selector(".body .row")
    count = "document.querySelectorAll('*').length"
    few = page.evaluate(count)
    assert few < 600

    # However far the reader goes, rows come and go, and the list keeps its height.
    height = page.evaluate("document.documentElement.scrollHeight")
    for part in (0.25, 0.5, 0.99):
        page.evaluate(f"window.scrollTo(0, {height} * {part})")
        shown.until(
            "number => Math.abs(document.querySelector('.body .number').textContent.replace(/,/g, '') - number) < 100",
            10_000 * part,
        )
        assert page.evaluate(count) < few + 200
        assert page.evaluate("document.documentElement.scrollHeight") == height
    found = sum("castle" in prompt and "storm" in prompt for prompt in prompts)
    page.fill("#query", "castle storm")
    shown.until(f"document.getElementById('table').ariaRowCount === '{found + 1}'")
    page.fill("#query", "")
    page.select_option("#sort", "prompt")
    shown.until(f"document.querySelector('.body .what').textContent === {min(prompts)!r}")
    shown.check()


def test_it_loads_itself_again_while_the_batch_runs(visit: Callable[..., Visit], tmp_path: Path) -> None:
    url = write(tmp_path, [row(1, "a kite")], "running")
    shown = visit(url)
    assert "still running" in shown.page.locator("#figures").inner_text()
    shown.page.select_option("#state", "+")

    write(tmp_path, [row(1, "a kite"), row(2, "a fox"), row(3, "a bee")])

    shown.page.get_by_text("3 requests").wait_for()
    assert "finished" in shown.page.locator("#figures").inner_text()
    assert shown.page.input_value("#state") == "+"  # what was chosen is kept
    shown.check()


def test_without_javascript_it_says_what_it_needs(visit: Callable[..., Visit], some: str) -> None:
    shown = visit(some, java_script_enabled=False)

    shown.page.locator("noscript p").wait_for()
    assert not shown.page.locator("#tools").is_visible()
