import pytest

from apimodels_async._text import control_character, is_blank, shorten


@pytest.mark.parametrize(
    "text", ["", " ", "\t\r\n", "\u00a0\u3000\u2028", "\u200b", "\ufeff", "\u2060\u00ad", "\ufe0f\u3164\u2800"]
)
def test_text_without_a_visible_character_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", [".", " a ", "\u200b猫", "\ufeffa", "👁", "́", "\ue000", "\x00", "\x7f", "\U000e1234x"])
def test_text_with_one_is_not(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\x00", "U+0000 at character 2"),
        ("\x7f", "U+007F at character 1"),
        ("ab\x9f", "U+009F at character 3"),
        ("a\rb", "U+000D at character 2"),
        ("a\x0b", "U+000B at character 2"),
        ("a\tb\r\nc\n\u2028\u200d", None),
    ],
)
def test_control_characters_are_found_but_tab_and_line_end_are_none(text: str, found: str | None) -> None:
    assert control_character(text) == found


def test_only_long_text_is_shortened() -> None:
    assert shorten("x" * 80) == "x" * 80
    assert shorten("x" * 81) == "x" * 60 + "…(81 characters)"
