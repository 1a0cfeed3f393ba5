"""Reads a prompt: which subjects, in which colours, where, and in what mood."""

import re
from dataclasses import dataclass

from .colour import RGB
from .vocabulary import COLOURS, COUNTS, HOMES, MOODS, SETTINGS, SKIES, SUBJECTS, WEARS

_WORD = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# How many words may stand between a colour or a number and what it describes.
_REACH = 3
_MOST_SUBJECTS = 4


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to draw."""

    name: str
    tint: RGB | None
    count: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the painter understood of a prompt."""

    subjects: tuple[Subject, ...]
    wears: frozenset[str]
    setting: str | None
    moods: frozenset[str]
    skies: frozenset[str]
    colours: tuple[RGB, ...]
    overhead: RGB | None


def read(prompt: str) -> Reading:
    """Read the words the painter knows; everything else only moves the dice."""
    words = _words(prompt.lower())
    colours: dict[str, RGB] = {}
    overhead: list[RGB] = []
    subjects: dict[str, Subject] = {}
    tint: tuple[int, str] | None = None
    count: tuple[int, int] | None = None
    for place, word in enumerate(words):
        if word in COLOURS:
            tint = _coloured(words, place, colours, overhead)
        elif word in COUNTS:
            count = place, COUNTS[word]
        name = SUBJECTS.get(word)
        if name is None:
            continue
        near_tint = tint[1] if tint and place - tint[0] <= _REACH else None
        near_count = count[1] if count and place - count[0] <= _REACH else None
        subjects.setdefault(name, Subject(name, COLOURS[near_tint] if near_tint else None, near_count or 1))
        # A colour that dresses a subject does not also colour the sky.
        if near_tint:
            colours.pop(near_tint, None)
            tint = None
    skies = frozenset(SKIES[word] for word in words if word in SKIES)
    wears = frozenset(WEARS[word] for word in words if word in WEARS)
    if wears & {"hat", "crown"} and subjects.keys() & CRITTERS:
        # "A wizard rabbit" is one rabbit in a hat.
        subjects.pop("person", None)
    found = _without_doubles(subjects)
    return Reading(
        subjects=found,
        wears=wears,
        setting=_setting(words, found, skies),
        moods=frozenset(MOODS[word] for word in words if word in MOODS),
        skies=skies,
        colours=tuple(colours.values()),
        overhead=overhead[0] if overhead else None,
    )


def _coloured(words: list[str], place: int, colours: dict[str, RGB], overhead: list[RGB]) -> tuple[int, str] | None:
    word, following = words[place], words[place + 1 : place + 2]
    if following == ["reef"]:
        return None
    if following == ["sky"]:
        overhead.append(COLOURS[word])
        return None
    colours[word] = COLOURS[word]
    # A golden retriever has a coat of its own.
    return None if following == ["retriever"] and colours.pop(word) else (place, word)


def _words(prompt: str) -> list[str]:
    words: list[str] = []
    known = (SUBJECTS, SETTINGS, MOODS, WEARS, SKIES, COLOURS)
    for match in _WORD.finditer(prompt):
        whole = match.group()
        for word in [whole] if any(whole in table for table in known) else whole.split("-"):
            singular = _singular(word)
            if singular != word and SUBJECTS.get(singular) in LIVING and not COUNTS.keys() & set(words[-_REACH:]):
                words.append("several")
            words.append(singular)
    # Languages written without spaces: look for the word anywhere in the text.
    foreign = {word for table in known for word in table if not word.isascii() and word in prompt}
    words.extend(sorted(foreign, key=lambda word: (prompt.index(word), -len(word))))
    return words


def _singular(word: str) -> str:
    known = (SUBJECTS, SETTINGS, SKIES, MOODS, WEARS, COUNTS, COLOURS)
    for ending, instead in (("", ""), ("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        stem = word.removesuffix(ending) + instead
        if word.endswith(ending) and any(stem in table for table in known):
            return stem
    return word


def _without_doubles(subjects: dict[str, Subject]) -> tuple[Subject, ...]:
    # "Golden retriever dog" is one animal, "astronaut cat" one cat in a helmet, "cherry tree" one tree.
    names = set(subjects)
    if "retriever" in names:
        subjects.pop("dog", None)
    if "astronaut" in names and names & CRITTERS:
        subjects.pop("astronaut", None)
    if "blossom" in names:
        subjects.pop("tree", None)
    if "panda" in names:
        subjects.pop("bear", None)
        subjects.pop("cat", None)
    living = [subject for subject in subjects.values() if subject.name in LIVING]
    rest = [subject for subject in subjects.values() if subject.name not in LIVING]
    return tuple((living + rest)[:_MOST_SUBJECTS])


CRITTERS = frozenset(
    ("cat", "dog", "retriever", "fox", "wolf", "rabbit", "bear", "panda", "koala", "lion", "tiger", "mouse", "pig")
)
"""The animals that sit and look at you; they share one body and wear things."""

_OTHERS = ("owl", "penguin", "bird", "duck", "fish", "whale", "jellyfish", "butterfly", "astronaut", "person", "robot")
LIVING = CRITTERS | frozenset(_OTHERS)
"""Subjects that lead a picture whatever else it shows."""


def _setting(words: list[str], subjects: tuple[Subject, ...], skies: frozenset[str]) -> str | None:
    named = [SETTINGS[word] for word in words if word in SETTINGS]
    if named:
        return named[0] if named[0] != "studio" or len(set(named)) == 1 else next(n for n in named if n != "studio")
    homes = [HOMES[subject.name] for subject in subjects if subject.name in HOMES]
    if homes:
        return homes[0]
    if subjects or skies:
        return "meadow"
    return None
