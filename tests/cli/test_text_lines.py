"""Bytes in pieces of any size become the same lines."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apimodels_async.cli.batch import text_lines
from apimodels_async.cli.batch.text_lines import BadTextError, LineReader, read_lines

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n\ufeff\x00", exclude_categories=["Cs"]), min_size=1)),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 9),
)
def test_lines_are_the_same_in_pieces_of_any_size(lines: list[str], encoding: str, end: str, size: int) -> None:
    data = "".join(line + end for line in lines).encode(encoding)
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert list(read_lines(pieces)) == list(enumerate(lines, 1)) == list(read_lines([data]))


def test_a_line_is_there_as_soon_as_its_end_is() -> None:
    reader = LineReader()

    assert list(reader.feed(b"a\n")) == [(1, "a")]
    assert list(reader.feed(b"b")) == []
    assert list(reader.feed(b"c\nd")) == [(2, "bc")]
    assert list(reader.finish()) == [(3, "d")]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_a_file_without_text_has_no_lines(data: bytes) -> None:
    assert list(read_lines([data])) == []


def test_zeros_in_a_text_are_not_taken_for_utf_16() -> None:
    for text in ("A\x00B\n", "A\x00B\x00C\n", "\x00\n", "plain\nA\x00B"):
        assert list(read_lines([text.encode()])) == list(enumerate(text.splitlines(), 1))


def test_a_line_without_end_is_refused_before_it_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "LONGEST", 1 << 20)
    pieces = itertools.repeat(b"x" * (1 << 16))

    with pytest.raises(BadTextError, match="longer than 1 MiB") as caught:
        list(read_lines(itertools.chain([b"a\n"], pieces)))
    assert caught.value.number == 2
