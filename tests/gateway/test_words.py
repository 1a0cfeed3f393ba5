"""Some words in a prompt make a task fail."""

import pytest

from apimodels_async.gateway.words import WORDS, failure_of


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("prompt", ["{}", "a {} at dusk", "{}!", '"{}",', "one-{}-two", "the\n{}"])
def test_a_whole_word_counts_in_any_case(word: str, prompt: str) -> None:
    assert failure_of(prompt.format(word)) == WORDS[word]
    assert failure_of(prompt.format(word.upper())) == WORDS[word]


@pytest.mark.parametrize("prompt", ["a lighthouse", "contrabands", "subbrownout", "stand still", ""])
def test_anything_else_does_not(prompt: str) -> None:
    assert failure_of(prompt) is None


def test_the_words_give_the_codes_that_the_vendor_is_known_for() -> None:
    assert {word: (failure.code, failure.retryable) for word, failure in WORDS.items()} == {
        "contraband": ("CONTENT_MODERATION", False),
        "brownout": ("UPSTREAM_BUSY", True),
        "standstill": ("TIMEOUT", True),
    }
