import copy
import pickle
import re
from collections.abc import Iterator

import pytest

from apimodels_async import errors
from apimodels_async.errors import (
    APIError,
    ApimodelsError,
    ContentPolicyError,
    GenerationFailedError,
    ProtocolError,
    ServerError,
    SubmissionUnknownError,
    WaitTimeoutError,
)
from apimodels_async.models import Task, TaskState

TASK = Task(id="clx1", state=TaskState.FAILED, fail_code="UPSTREAM_BUSY", raw={"taskId": "clx1", "odd": [1]})


def every_class() -> list[type[ApimodelsError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, ApimodelsError)]
    return sorted(found, key=lambda kind: kind.__name__)


def example(kind: type[ApimodelsError]) -> ApimodelsError:
    """An error with every attribute of its class set to something."""
    if issubclass(kind, APIError):
        return kind(
            "no",
            status=500,
            code=503,
            msg="busy",
            request_id="r1",
            task_id="clx1",
            body='{"code": 503}',
            retry_after=1.5,
        )
    if issubclass(kind, ProtocolError):
        return kind("no", body="<html>", status=200, task_id="clx1")
    if issubclass(kind, GenerationFailedError | WaitTimeoutError):
        return kind("no", task=TASK)
    return kind("no", task_id="clx1")


def drawn() -> Iterator[tuple[str, str]]:
    """Each class of the drawing, and the one it hangs from."""
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"((?:│   |    )*(?:[├└]── )?)([A-Z]\w*Error)\b", line)
        if found:
            depth = len(found[1]) // 4
            assert len(found[1]) % 4 == 0
            assert depth <= len(above)
            del above[depth:]
            yield found[2], above[-1] if above else "Exception"
            above.append(found[2])


def test_the_drawn_tree_is_the_real_one() -> None:
    tree = list(drawn())
    real = {kind.__name__: kind.__base__.__name__ for kind in every_class() if kind.__base__}

    assert dict(tree) == real
    assert len(tree) == len(real) == 21


def test_every_class_of_the_tree_is_offered() -> None:
    assert sorted(kind.__name__ for kind in every_class()) == sorted(errors.__all__)


def test_the_root_is_an_exception_and_nothing_that_is_caught_by_accident() -> None:
    assert ApimodelsError.__mro__[1] is Exception
    assert not any(issubclass(kind, OSError | ValueError | TypeError | RuntimeError) for kind in every_class())


@pytest.mark.parametrize("kind", every_class())
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickling_with_all_it_knows(kind: type[ApimodelsError], protocol: int) -> None:
    error = example(kind)

    twin = pickle.loads(pickle.dumps(error, protocol))

    assert type(twin) is kind
    assert (str(twin), twin.args, twin.task_id) == ("no (task clx1)", ("no (task clx1)",), "clx1")
    assert vars(twin) == vars(error)


@pytest.mark.parametrize("kind", every_class())
def test_an_error_survives_copying_with_all_it_knows(kind: type[ApimodelsError]) -> None:
    error = example(kind)

    for twin in (copy.copy(error), copy.deepcopy(error)):
        assert twin is not error
        assert type(twin) is kind
        assert (str(twin), twin.task_id) == ("no (task clx1)", "clx1")
        assert vars(twin) == vars(error)


def test_a_pickled_error_keeps_the_tasks_raw_answer_and_its_notes() -> None:
    error = ContentPolicyError("refused", task=TASK)
    error.add_note("row 7 of the file")

    twin = pickle.loads(pickle.dumps(error))

    assert twin.task.raw == {"taskId": "clx1", "odd": [1]}
    assert twin.__notes__ == ["row 7 of the file"]


def test_a_copy_goes_its_own_way() -> None:
    error = SubmissionUnknownError("who knows", task_id="clx1")
    twin = copy.copy(error)

    twin.task_id = "clx2"

    assert error.task_id == "clx1"


@pytest.mark.parametrize("kind", [kind for kind in every_class() if not issubclass(kind, APIError)])
def test_a_task_id_is_known_where_it_was_given_and_none_elsewhere(kind: type[ApimodelsError]) -> None:
    assert example(kind).task_id == "clx1"
    if not issubclass(kind, GenerationFailedError | WaitTimeoutError):
        assert kind("no").task_id is None


@pytest.mark.parametrize("kind", [GenerationFailedError, ContentPolicyError, WaitTimeoutError])
def test_an_error_about_a_task_holds_the_task_and_its_id(
    kind: type[GenerationFailedError | WaitTimeoutError],
) -> None:
    error = kind("no", task=TASK)

    assert error.task is TASK
    assert error.task_id == TASK.id


def test_a_refusal_keeps_status_code_words_request_id_body_and_pause() -> None:
    error = example(ServerError)

    assert isinstance(error, ServerError)
    assert (error.status, error.code, error.msg, error.request_id) == (500, 503, "busy", "r1")
    assert (error.body, error.retry_after) == ('{"code": 503}', 1.5)


def test_a_refusal_that_says_little_says_so() -> None:
    error = APIError("no", status=418)

    assert (error.code, error.msg, error.request_id, error.task_id, error.body, error.retry_after) == (
        None,
        "",
        None,
        None,
        "",
        None,
    )


@pytest.mark.parametrize("kind", every_class())
def test_an_error_can_be_made_from_its_message_alone_and_the_message_names_the_task(kind: type[ApimodelsError]) -> None:
    error = example(kind)

    rebuilt = kind(*error.args)  # as Celery does from JSON

    assert type(rebuilt) is kind
    assert str(rebuilt) == str(error) == "no (task clx1)"
    assert rebuilt.task_id is None
    assert isinstance(repr(rebuilt), str)
    assert kind().task_id is None


def test_an_id_that_is_learned_later_comes_into_the_message_once() -> None:
    error = ApimodelsError("the client was closed")
    error.task_id = "clx1"
    error.task_id = "clx1"

    assert str(error) == "the client was closed (task clx1)"
    assert str(ApimodelsError("task clx1 is gone", task_id="clx1")) == "task clx1 is gone"


def test_an_id_of_absurd_length_stays_out_of_the_message() -> None:
    error = ApimodelsError("gone", task_id="x" * 100_000)

    assert str(error) == "gone"
    assert error.task_id == "x" * 100_000


def test_an_error_that_was_made_from_its_message_has_no_task() -> None:
    assert ContentPolicyError("refused").task is None
    assert WaitTimeoutError("late").task is None


def test_a_message_holds_nothing_that_a_terminal_would_obey() -> None:
    error = ApimodelsError("a\nb\x1b[31m", task_id="x\r\n2026-01-01 forged")
    assert str(error) == r"a\nb\x1b[31m (task x\r\n2026-01-01 forged)"
    assert error.task_id == "x\r\n2026-01-01 forged"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
