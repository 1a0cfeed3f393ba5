"""The pure rules of a batch: what is left to do, what counts as billed, what ends the sending."""

import errno
import os
from typing import Any

import pytest

from apimodels_async import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DownloadError,
    GenerationFailedError,
    InsufficientCreditsError,
    NotSubmittedError,
    SubmissionUnknownError,
    Task,
    TaskState,
    WaitTimeoutError,
)
from apimodels_async._batch.accounts import Accounts, is_billed
from apimodels_async._batch.options import Item, Phase
from apimodels_async._batch.resume import Recover, Report, ReportUnknown, Return, Submit, Watch, resume
from apimodels_async._batch.stops import key_refused, stop_after_create, stop_after_download
from apimodels_async.errors import LedgerError
from apimodels_async.ledger import Entry, Step
from apimodels_async.models import GenerationRequest

RUNNING = Task(id="t", state=TaskState.PROCESSING)
DONE = Task(id="t", state=TaskState.COMPLETED, result_urls=("https://pictures.example/a.png",))
FAILED = Task(id="t", state=TaskState.FAILED, fail_msg="no")
BUSY = Task(id="t", state=TaskState.FAILED, fail_msg="busy", fail_code="UPSTREAM_BUSY")


def entry(step: Step, **given: Any) -> Entry:
    return Entry(key="k", digest="d", model="m", request={}, step=step, **given)


@pytest.mark.parametrize(
    ("found", "action"),
    [
        (None, Submit()),
        (entry(Step.INTENT), Submit()),
        (entry(Step.REJECTED), Submit()),
        (entry(Step.CREATED, task=RUNNING), Watch(RUNNING)),
        (entry(Step.SENDING), ReportUnknown()),
        (entry(Step.UNKNOWN), ReportUnknown()),
        (entry(Step.UNKNOWN, intent_id="i"), Recover()),
        (entry(Step.SENDING, intent_id="i"), Recover()),
        (entry(Step.DONE, task=DONE), Return(DONE)),
        (entry(Step.SAVED, task=DONE), Return(DONE)),
    ],
    ids=str,
)
def test_what_is_left_to_do_follows_from_the_entry(found: Entry | None, action: object) -> None:
    assert resume(found, index=0, retry_failed=False) == action


@pytest.mark.parametrize("retry_failed", [True, False])
@pytest.mark.parametrize("task", [FAILED, BUSY], ids=["for good", "busy"])
def test_a_failed_task_is_sent_again_only_if_asked_for_and_worth_it(task: Task, retry_failed: bool) -> None:
    action = resume(entry(Step.FAILED, task=task), index=0, retry_failed=retry_failed)

    if retry_failed and task is BUSY:
        assert action == Submit(retries=1)
    else:
        assert isinstance(action, Report)
        assert isinstance(action.error, GenerationFailedError)


@pytest.mark.parametrize("task", [None, DONE, FAILED])
def test_what_was_abandoned_is_reported_as_not_sent(task: Task | None) -> None:
    action = resume(entry(Step.ABANDONED, task=task), index=7, retry_failed=True)

    assert isinstance(action, Report)
    assert isinstance(action.error, NotSubmittedError)
    assert str(action.error) == "request 7 was not sent: it was abandoned"


@pytest.mark.parametrize(
    ("task", "error", "billed"),
    [
        (DONE, None, True),
        (RUNNING, WaitTimeoutError("late", task=RUNNING), True),
        (RUNNING, AttributeError("foreign"), True),
        (DONE, DownloadError("not saved"), True),
        (FAILED, GenerationFailedError("no", task=FAILED), False),
        (FAILED, SubmissionUnknownError("the second try"), True),
        (None, SubmissionUnknownError("lost"), True),
        (None, LedgerError("not written", task_id="t"), True),
        (None, LedgerError("not written"), False),
        (None, ConnectionFailedError("refused"), False),
        (None, NotSubmittedError("stopped"), False),
        (None, ValueError("no picture"), False),
        (None, APIError("400", status=400), False),
    ],
    ids=repr,
)
def test_whatever_may_have_been_accepted_counts_as_billed(
    task: Task | None, error: Exception | None, billed: bool
) -> None:
    assert is_billed(task, error) is billed


def test_what_was_set_aside_is_settled_once_when_the_flight_ends() -> None:
    accounts = Accounts(1.0)
    item = Item(0, GenerationRequest("p", model="grok-image/grok-4.2-image"))
    item.cost = accounts.budget.commit(item.request, "grok-image/grok-4.2-image")
    for phase, figures in ((Phase.IN_FLIGHT, (1, 0)), (Phase.SAVING, (0, 1)), (Phase.READ, (0, 0))):
        accounts.move(item, phase)
        assert (accounts.in_flight, accounts.saving) == figures

    assert accounts.budget.spent == pytest.approx(0.03)
    assert item.cost == 0.0


@pytest.mark.parametrize(
    ("error", "stops"),
    [
        (LedgerError("full"), True),
        (ConfigurationError("HTTPS_PROXY"), True),
        (InsufficientCreditsError("402", status=402), True),
        (AuthenticationError("401", status=401), True),
        (APIError("413", status=413), False),
        (SubmissionUnknownError("lost"), False),
        (ValueError("no picture"), False),
    ],
    ids=repr,
)
def test_a_create_request_stops_the_rest_only_where_none_could_do_better(error: Exception, stops: bool) -> None:
    stop = stop_after_create(error)

    assert (stop is not None) is stops
    if stop is not None:
        assert stop.cause is error


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        *(
            (name, True)
            for name in ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ENOTDIR", "EEXIST", "EACCES", "EPERM", "ESTALE")
        ),
        *((name, False) for name in ("EISDIR", "ENAMETOOLONG", "EMFILE", "ENOTEMPTY", "ECONNRESET", "EINVAL")),
    ],
)
def test_a_download_stops_the_sending_only_if_the_folder_takes_nothing_any_more(name: str, stops: bool) -> None:
    error = DownloadError("not saved", task_id="t")
    number = getattr(errno, name)
    error.__cause__ = OSError(number, os.strerror(number))

    stop = stop_after_download(error, "out")

    assert (stop is not None) is stops
    assert stop is None or "out" in stop.reason


def test_a_download_that_failed_for_the_network_stops_nothing() -> None:
    assert stop_after_download(DownloadError("HTTP 500"), "out") is None


def test_a_refused_key_is_told_for_each_task_with_its_id() -> None:
    error = AuthenticationError("401", status=401, code=401, msg="revoked", request_id="r", body="{}")

    own = key_refused(RUNNING, error)

    assert (own.task_id, own.status, own.msg, own.request_id, own.__cause__) == ("t", 401, "revoked", "r", error)
