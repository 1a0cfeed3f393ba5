"""What a create request leaves in memory."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from apimodels_async._create.create_request import CreateRequest
from apimodels_async._secret import Secret
from apimodels_async.models import Task, TaskState


@pytest.fixture
def without_collector() -> Iterator[None]:
    """The garbage collector is off."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
def test_a_request_that_has_ended_is_freed_with_its_task_at_once() -> None:
    request = CreateRequest(Secret(b"{}"), "m", keep=lambda _: None)
    trace = request.new_trace()
    request.task = Task(id="t", state=TaskState.COMPLETED, result_urls=("data:image/png;base64,AAAA",))
    freed = weakref.ref(request)
    del request
    assert freed() is None
    assert not trace.may_have_left
