"""Some words in a prompt make a task fail."""

import pytest

from apimodels_async.gateway.triggers import (
    BEHAVIOUR_TRIGGERS,
    FAILURE_TRIGGERS,
    LATENESS,
    Behaviour,
    behaviours_of,
    failure_of,
)


@pytest.mark.parametrize("word", FAILURE_TRIGGERS)
@pytest.mark.parametrize("prompt", ["{}", "a {} at dusk", "{}!", '"{}",', "one-{}-two", "the\n{}"])
def test_a_whole_word_counts_in_any_case(word: str, prompt: str) -> None:
    assert failure_of(prompt.format(word)) == FAILURE_TRIGGERS[word]
    assert failure_of(prompt.format(word.upper())) == FAILURE_TRIGGERS[word]


@pytest.mark.parametrize("prompt", ["a lighthouse", "contrabands", "subbrownout", "stand still", ""])
def test_anything_else_does_not(prompt: str) -> None:
    assert failure_of(prompt) is None


def test_the_words_give_the_codes_that_the_vendor_is_known_for() -> None:
    assert {word: (failure.code, failure.retryable) for word, failure in FAILURE_TRIGGERS.items()} == {
        "contraband": ("CONTENT_MODERATION", False),
        "brownout": ("UPSTREAM_BUSY", True),
        "standstill": ("TIMEOUT", True),
    }


@pytest.mark.parametrize("word", BEHAVIOUR_TRIGGERS)
def test_other_words_make_the_call_odd_and_not_the_task(word: str) -> None:
    for prompt in (word, f"the {word.upper()}!", f"one-{word}-two"):
        assert behaviours_of(prompt) == {BEHAVIOUR_TRIGGERS[word]}
        assert failure_of(prompt) is None
    assert behaviours_of(f"{word}s") == frozenset()


def test_odd_words_add_up() -> None:
    assert behaviours_of(" ".join([*BEHAVIOUR_TRIGGERS, "contraband"])) == set(Behaviour)
    assert behaviours_of("contraband") == frozenset()


def test_each_oddity_has_its_word_and_says_what_it_does() -> None:
    assert set(BEHAVIOUR_TRIGGERS.values()) == set(Behaviour)
    assert f"{LATENESS / 1000:g} s late" in Behaviour.LATE.value
