"""A row of a batch's page: what became of a request, in words that can harm neither the page nor its reader."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import GenerationRequest, Outcome, Task, TaskState
from apimodels_async._page.document import MARK, PageSource, Summary, frame
from apimodels_async._page.rows import LONGEST, row_of, script_json
from apimodels_async._text import visible
from apimodels_async.errors import (
    DownloadError,
    GenerationFailedError,
    NotSubmittedError,
    SubmissionUnknownError,
    WaitTimeoutError,
)

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DONE = Task(
    id="cl1",
    state=TaskState.COMPLETED,
    model="grok-image/grok-4.2-image",
    create_time=BEGAN,
    complete_time=BEGAN + timedelta(seconds=12.3456),
)


def row(error: Exception | None = None, task: Task | None = DONE, **fields: Any) -> dict[str, Any]:
    request = GenerationRequest(fields.pop("prompt", "a kite"), **fields)
    outcome = Outcome(index=6, request=request, task=task, error=error, files=(Path("a.png"),))
    found: dict[str, Any] = json.loads(row_of(outcome, model="own", cost=0.03).encode(["./a.png"], ["data:x"]))
    return found


def test_a_completed_request_is_told_whole() -> None:
    assert row(seed=2**60, size="64x64", extra_body={"background": "transparent"}, image=b"\x89PNG", mask=b"\x89") == {
        "number": 7,
        "prompt": "a kite",
        "model": "grok-image/grok-4.2-image",
        "state": "completed",
        "seed": str(2**60),
        "seconds": 12.346,
        "cost": 0.03,
        "task": "cl1",
        "parameters": {
            "size": "64x64",
            "pictures": "1 to work on, with a mask",
            "background": '"transparent"',
        },
        "files": ["./a.png"],
        "thumbnails": ["data:x"],
    }


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (GenerationFailedError("refused", task=DONE), "failed"),
        (NotSubmittedError("no credits"), "not sent"),
        (SubmissionUnknownError("lost"), "unknown"),
        (WaitTimeoutError("late", task=DONE), "running"),
        (DownloadError("the disk is full", task_id="cl1"), "not saved"),
        (OSError("odd"), "failed"),
    ],
)
def test_a_failure_is_told_with_its_words(error: Exception, state: str) -> None:
    found = row(error)

    assert found["state"] == state
    assert found["error"] == f"{type(error).__name__}: {error}"


def test_a_task_without_times_has_no_seconds_and_a_request_without_model_the_clients() -> None:
    found = row(task=None)

    assert "seconds" not in found
    assert found["model"] == "own"


@pytest.mark.parametrize("hostile", ["</script><script>alert(1)</script>", "<!--<script>", "&lt;b&gt;", "\u2028\u2029"])
def test_no_text_can_end_the_script_element_around_it(hostile: str) -> None:
    written = script_json({"prompt": hostile}).decode()

    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == {"prompt": hostile}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("photo\u202egnp.exe", "photo\\u202egnp.exe"),
        ("\u2066\u2067a\u2069", "\\u2066\\u2067a\\u2069"),
        ("a\x00\x1b[31mb\x7f", "a\\u0000\\u001b[31mb\\u007f"),
        ("half \ud83d pair", "half \\ud83d pair"),
        ("two\r\nlines\tand a tab", "two\nlines\tand a tab"),
        ("a\rb", "a\\u000db"),
        ("قطة 猫 כלב \u200f👩\u200d🚀", "قطة 猫 כלב \u200f👩\u200d🚀"),
    ],
)
def test_what_hides_or_rearranges_text_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown
    visible(text).encode()


def test_long_words_are_shortened() -> None:
    found = row(prompt="x" * 50_000)

    assert len(found["prompt"]) <= LONGEST
    assert found["prompt"].endswith("…(50000 characters)")


def test_the_frame_allows_its_own_style_and_script_by_hash_and_escapes_the_title() -> None:
    template = PageSource("<head>{{MARK}}{{POLICY}}{{TITLE}}{{CSS}}{{SUMMARY}}[{{ROWS}}null]{{JS}}", "p{}", "go()")

    before, after = frame(template, Summary("<i>{{JS}}\u202e", "done", 1.0))

    assert MARK in before.decode()
    assert "&lt;i&gt;{{JS}}\\u202e" in before.decode()  # a title is no place for a script
    assert "default-src 'none'" in before.decode()
    assert before.decode().count("'sha256-") == 2
    assert after == b"null]go()"
