"""A person's decisions about entries whose outcome is unknown."""

from collections.abc import Sequence

from apimodels_async.errors import LedgerError
from apimodels_async.ledger.entries import IN_WORDS, Entry, Step, is_by_hand, is_open_to_decision
from apimodels_async.ledger.port import Change, Ledger
from apimodels_async.models import Task


def resolve(ledger: Ledger, key: str, how: str) -> Entry:
    """Decide about one entry; `SqliteLedger.resolve` says how.

    Raises:
        LedgerError: there is no such entry, or nothing to decide about it.
    """
    [entry] = resolve_all(ledger, [(key, how)])
    return entry


def resolve_all(ledger: Ledger, decisions: Sequence[tuple[str, str]]) -> list[Entry]:
    """Decide about several entries by their keys: about all of them, or, if one decision is impossible, about none.

    Raises:
        LedgerError: an entry does not exist, occurs twice, or there is nothing to decide about it.
    """
    keys = [key for key, _ in decisions]
    if twice := next((key for number, key in enumerate(keys) if key in keys[:number]), None):
        raise LedgerError(f"there are two decisions about entry {twice!r}")
    changes = [_decided(ledger.find(key), key, how) for key, how in decisions]
    for change, changed in zip(changes, ledger.apply(changes), strict=True):
        if changed != 1:
            raise LedgerError(f"entry {change.key} has changed meanwhile: look again")
    return [entry for entry in map(ledger.find, keys) if entry is not None]


def _decided(entry: Entry | None, key: str, how: str) -> Change:
    """The change that a decision makes. It holds only for the step that was seen."""
    how = how.strip()
    if entry is None:
        raise LedgerError(f"the ledger has no entry {key!r}")
    if not how:
        raise LedgerError('give "resubmit", "abandon", "undo" or the id of the task')
    by_a_person = entry.step in {Step.INTENT, Step.ABANDONED} or is_by_hand(entry)
    if not is_open_to_decision(entry) or (how == "undo" and not by_a_person):
        verb = "undo" if how == "undo" else "resolve"
        raise LedgerError(f"entry {key} is {IN_WORDS[entry.step]}: there is nothing to {verb}")
    before = frozenset({entry.step})
    match how:
        case "resubmit":
            return Change(key, Step.INTENT, error="to be sent again, by your decision", before=before)
        case "abandon":
            return Change(key, Step.ABANDONED, before=before)
        case "undo":
            return Change(key, Step.UNKNOWN, error="a decision about it was taken back", before=before)
        case _:
            return Change(key, Step.CREATED, task=Task(id=how, state="", model=entry.model), before=before)
