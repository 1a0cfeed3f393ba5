"""The outline of an answer whose pictures are longer than it may be."""

import json

from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._http.long_answers import LONGEST_TEXT, MOST_OUTLINED, Outline

_texts = st.text(max_size=20) | st.sampled_from(['"', "\\", '\\"', "é\n", "/" * 3])
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)


def outline(data: bytes, size: int) -> bytes:
    kept = Outline()
    assert all(kept.add(data[at : at + size]) for at in range(0, len(data), size))
    return kept.json()


@given(st.text(alphabet='\\"a[,', max_size=40), st.integers(1, 3))
def test_texts_end_where_json_ends_them(value: str, size: int) -> None:
    data = json.dumps([value, "x", {value: value}]).encode()
    assert outline(data, size) == data


@given(_values, st.integers(1, 7), st.booleans())
def test_json_without_long_texts_stays_as_it_is(value: object, size: int, ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert outline(data, size) == data


@given(st.integers(1, 5), st.sampled_from(["A", '"', "\\", "/", "é"]), st.integers(1, 40))
def test_a_long_text_becomes_an_empty_one_and_nothing_else_does(many: int, character: str, length: int) -> None:
    long = (character * length)[:length] * (LONGEST_TEXT // length + 1)
    entry = {"b64_json": long, "url": 'https://host/a.png?b="c\\', "size": 3}
    data = json.dumps({"created": 1, "data": [entry] * many}).encode()
    short = {**entry, "b64_json": ""}
    assert json.loads(outline(data, 10_007)) == {"created": 1, "data": [short] * many}


def test_what_is_long_without_long_texts_has_no_short_outline() -> None:
    kept = Outline()
    assert kept.add(b"[" * MOST_OUTLINED)
    assert not kept.add(b"[")


def test_little_is_kept_of_a_text_without_end() -> None:
    kept = Outline()
    assert all(kept.add(b'"' * (at == 0) + b"A" * 10_000) for at in range(1000))
    assert kept.json() == b'"'
