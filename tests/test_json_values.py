"""JSON for files that people look at."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimodels_async._json_values import json_bytes

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.just("\ud800"))
"""No two halves of one character, which JSON puts together."""


@given(st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers() | st.none() | st.lists(ANY_TEXT)), st.none() | st.just(2))
def test_what_is_written_is_read_again(value: dict[str, object], indent: int | None) -> None:
    assert json.loads(json_bytes(value, indent=indent)) == value


@pytest.mark.parametrize("sign", ["\x1b", "\x7f", "\x9b", "\x85", "\r\n", "\u202e", "\u2028", "\ufeff", "\ud800"])
def test_nothing_that_a_terminal_obeys_is_written_as_it_is(sign: str) -> None:
    written = json_bytes({"model": f"a{sign}b"})
    assert sign.encode("utf-8", "surrogatepass") not in written
    assert written.count(b"\n") == 1
    assert json.loads(written) == {"model": f"a{sign}b"}


def test_other_scripts_stay_readable() -> None:
    assert json_bytes(["Katze, \u732b, \u0642\u0637\u0629, \U0001f408"]).decode() == (
        '["Katze, \u732b, \u0642\u0637\u0629, \U0001f408"]\n'
    )
