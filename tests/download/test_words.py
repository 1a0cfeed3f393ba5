"""The words of a refusal, whatever wraps them."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apimodels_async._download.words import READ, words_of


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (
            b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>",
            "The specified key does not exist.",
        ),
        (b"<TITLE>\n 404 Not\n Found </TITLE>", "404 Not Found"),
        (b"<p>nothing that is marked", ""),
        (b'{"message":"expired"}', "expired"),
        (b'{"code":5}', ""),
        (b"plain words", "plain words"),
        (b"\x89PNG\r\n\x1a\n\0\0", ""),
        (b"x" * 5000, "x" * 200),
        ("gel\u00f6scht".encode(), "gel\u00f6scht"),
    ],
)
def test_the_reason_is_found(body: bytes, words: str) -> None:
    assert words_of(body) == words


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_give_one_line_that_can_be_printed(body: bytes) -> None:
    words = words_of(body)

    assert len(words) <= 200
    assert words.isprintable()


@pytest.mark.parametrize("part", [b"<h1>", b"<title ", b"<h1> ", b'"msg":"', b'"msg" ', b"<Message>x "])
@pytest.mark.parametrize("rest", [b" ", b"x ", b"", b'\\"'])
def test_no_refusal_takes_long_to_read(part: bytes, rest: bytes) -> None:
    # It is read in the event loop. The worst of them took 17 minutes.
    began = time.process_time()
    words_of((part * (READ // 2 // len(part)) + rest * READ)[:READ])
    words_of((part + rest * READ)[:READ])
    assert time.process_time() - began < 2.0
