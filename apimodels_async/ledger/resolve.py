"""A person's decision about an entry whose outcome is unknown."""

from apimodels_async.errors import LedgerError
from apimodels_async.ledger.entries import Entry, Plan, Step, plan
from apimodels_async.ledger.port import Change, Ledger
from apimodels_async.models import Task


def resolve(ledger: Ledger, key: str, how: str) -> Entry:
    """Decide about one entry; `SqliteLedger.resolve` says how.

    Raises:
        LedgerError: there is no such entry, or nothing to decide about it.
    """
    entry = ledger.find(key)
    if entry is None:
        raise LedgerError(f"the ledger has no entry {key!r}")
    # An id that was given here and that no run has seen at the server yet may have been a slip.
    by_hand = entry.step is Step.CREATED and entry.task is not None and entry.task.state == ""
    open_to_it = plan(entry.step) is Plan.REPORT_UNKNOWN or (entry.step is Step.ABANDONED and how == "resubmit")
    if not open_to_it and not by_hand:
        raise LedgerError(f"entry {key} is {entry.step.value}: there is nothing to resolve")
    before = frozenset({entry.step})
    match how:
        case "resubmit":
            change = Change(key, Step.INTENT, before=before)
        case "abandon":
            change = Change(key, Step.ABANDONED, before=before)
        case _ if how.strip():
            change = Change(key, Step.CREATED, task=Task(id=how.strip(), state="", model=entry.model), before=before)
        case _:
            raise LedgerError('give "resubmit", "abandon" or the id of the task')
    if ledger.apply([change]) != [1]:
        raise LedgerError(f"entry {key} has changed meanwhile: look again")
    return ledger.find(key) or entry
