"""The calls of a client: `create`, `wait` and `generate` as instruments see them, and what is asked of the server."""

from collections.abc import Callable, Coroutine
from typing import Any, Literal, NoReturn

from apimodels_async._create.engine import Engine
from apimodels_async._prices import price
from apimodels_async._wire.tasks import failure, is_over, read_balance, read_models
from apimodels_async.errors import ApimodelsError
from apimodels_async.instrumentation import port
from apimodels_async.instrumentation.details import TaskDetails
from apimodels_async.models import GenerationRequest, Task, TaskState
from apimodels_async.pacing.protocol import Pacing


async def create(engine: Engine, request: GenerationRequest, work: Coroutine[Any, Any, Task]) -> Task:
    """Return the task that `work` creates."""
    return await _observed(engine, "create", request, work)


async def wait(
    engine: Engine, task: Task, pacing: Pacing, timeout: float | None, on_change: Callable[[Task], object] | None = None
) -> Task:
    """Wait until a task has ended, as `Poller.wait`. What it raises has the task's id."""

    async def work() -> Task:
        try:
            return await engine.poller.wait(task, pacing, timeout, on_change)
        except Exception as error:  # noqa: BLE001  (raised there)
            _raise_with_id(engine, error, task)

    return await _observed(engine, "wait", None, work(), task.model)


async def generate(engine: Engine, request: GenerationRequest, pacing: Pacing, timeout: float | None) -> Task:
    """Create a task, wait for it, and return it completed.

    Raises:
        GenerationFailedError: the task failed.
        ApimodelsError: as sending and waiting raise.
    """
    return await _observed(engine, "generate", request, _generate(engine, request, pacing, timeout))


async def models(engine: Engine) -> list[str]:
    """Return the ids of the models that the server offers."""
    return read_models(await engine.read("/models"))


async def balance(engine: Engine) -> float:
    """Return the remaining credit of the account, in US dollars."""
    return read_balance(await engine.read("/balance"))


async def _generate(engine: Engine, request: GenerationRequest, pacing: Pacing, timeout: float | None) -> Task:
    task = await engine.send(await engine.prepare(request), within=timeout)
    if (operation := port.current()) is not None:
        operation.note(change="submitted", task=task)
    try:
        task = await engine.poller.wait(task, pacing, timeout)
    except Exception as error:  # noqa: BLE001  (raised there)
        _raise_with_id(engine, error, task)
    except BaseException:
        engine.submitter.detach(task)  # cancelled: the caller never received the id
        raise
    if task.state == TaskState.FAILED:
        raise failure(task)
    return task


def _raise_with_id(engine: Engine, error: Exception, task: Task) -> NoReturn:
    """Raise the error that ended a wait, with the task's id or after adding the task to `detached`."""
    if not isinstance(error, ApimodelsError):
        engine.submitter.detach(task)
    elif error.task_id is None:
        error.task_id = task.id
    raise error


async def _observed(
    engine: Engine,
    call: Literal["create", "wait", "generate"],
    request: GenerationRequest | None,
    work: Coroutine[Any, Any, Task],
    model: str | None = None,
) -> Task:
    if port.active is None:
        return await work
    model = model if request is None else request.model or engine.model
    operation = port.begin(TaskDetails(call, model or "", request))
    if operation is None:
        return await work
    with port.within(operation):
        try:
            task = await work
        except BaseException as error:
            operation.note(change="failed", error=error, task=getattr(error, "task", None))
            operation.end()
            raise
        if not is_over(task):
            operation.note(change="submitted", task=task)
        elif task.state == TaskState.FAILED:
            operation.note(change="failed", task=task)
        else:
            cost = None if request is None else price(request, model or task.model or "", engine.prices)
            operation.note(change="completed", task=task, cost=cost)
        operation.end()
        return task
