"""What a setting is, and the judgements that settings share. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.proofs.network.lab import Lab
from tests.proofs.network.result import Result

ALL_LANES = ("fast", "plain", "trio")
CONTROL = "naive"
"""A lane without the SDK, which is run only when it is asked for."""
JUST_BEGUN = 3
"""Create requests, for each kill, that may be written to a connection which has ended a moment ago: none of them
reaches the server, but the client cannot know that."""
PROBES = 16
"""Create requests that may end as unknown beyond those under way, where the answer to all is 5xx for 5 s: those that
were sent at once with the first, the few in a row after which a batch pauses, and its probes."""
LARGE_PICTURE = 2_900_000
"""Bytes of a picture that makes a body of 3.9 MB. Above 3 MB it would be uploaded before the create request."""
Check = Callable[[Result], list[str]]
"""What a result misses, in words; nothing if it is as it must be."""


@dataclass(frozen=True)
class Setting:
    """One row of the table, on each of its lanes.

    Attributes:
        name: on the command line.
        part: what stands between the SDK and the server, or is done to it.
        must: what has to hold, in words, beside: nothing paid twice, nothing lost.
        ideal: seconds that it would take a client that knows everything beforehand.
        run: how it is done.
        check: what has to hold.
    """

    name: str
    part: str
    must: str
    ideal: float
    run: Callable[[Lab], Result]
    check: Check


def judge(setting: Setting, result: Result) -> list[str]:
    """What the result of a setting misses."""
    missed = [f"paid twice: {result.twice}"] if result.twice else []
    if result.lost:
        missed.append(f"lost: {result.lost}")
    return missed + setting.check(result)


def all_of(*checks: Check) -> Check:
    """All these have to hold."""
    return lambda result: [miss for check in checks for miss in check(result)]


def no_errors(result: Result) -> list[str]:
    """Every request is ok."""
    return [f"errors: {dict(result.errors)}"] if result.errors else []


def none_but_unknown(result: Result) -> list[str]:
    """Every request is ok or unknown."""
    return [f"errors: {dict(result.others)}"] if result.others else []


def none_but_under_way(result: Result) -> list[str]:
    """Every request is ok, but those whose create request was under way when the server was killed."""
    return _unknown_beyond(result, JUST_BEGUN * result.kills)


def few_but_under_way(result: Result) -> list[str]:
    """The same where the answer is 5xx: a few more are sent before a batch can know, and while it lasts."""
    return _unknown_beyond(result, PROBES)


def _unknown_beyond(result: Result, more: int) -> list[str]:
    missed = none_but_unknown(result)
    most = result.under_way + more
    if result.unknown > most:
        missed.append(f"unknown: {result.unknown}, at most {most}: {result.under_way} create requests were under way")
    return missed


def unknown_at_most(count: int) -> Check:
    """Every request is ok, except at most `count` that are unknown."""

    def check(result: Result) -> list[str]:
        over = [f"unknown: {result.unknown}, at most {count}"] if result.unknown > count else []
        return none_but_unknown(result) + over

    return check


def within(seconds: float) -> Check:
    """It took at most `seconds`."""
    return lambda result: [f"{result.seconds:.1f} s, at most {seconds:g} s"] if result.seconds > seconds else []


def batch_job(name: str, base_url: str, n: int, bound: float, **more: Any) -> dict[str, Any]:
    """A batch of `n` prompts, cut off after `bound` seconds."""
    return {"name": name, "kind": "batch", "base_url": base_url, "n": n, "bound": bound, **more}
