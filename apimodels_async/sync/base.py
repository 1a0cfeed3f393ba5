"""The base classes of the generated ones: they hold the async object and the portal to its event loop."""

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar, cast

# Its names are imported when they are used first; annotations are resolved by it at run time.
from apimodels_async import callbacks  # noqa: TC001
from apimodels_async._batch.batch import Batch
from apimodels_async.client import AsyncImagesClient
from apimodels_async.errors import ConfigurationError
from apimodels_async.models import Outcome, Task
from apimodels_async.sync.host import Manager, TaskHost
from apimodels_async.sync.portal import Portal

if TYPE_CHECKING:
    from apimodels_async.callbacks import CallbackReceiver

M = TypeVar("M", bound=Manager)
T = TypeVar("T")


class MirroredClient:
    """A client that runs in an event loop of its own."""

    _async: AsyncImagesClient
    _portal: Portal

    def _mirror(self, client: AsyncImagesClient) -> None:
        self._async = client
        self._portal = Portal(client.aclose, partial(_keep_tasks, client))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds the API key and open connections: make one in each process, and do not copy it")

    def __repr__(self) -> str:
        if "_async" not in vars(self):  # its constructor failed, and a traceback shows it
            return object.__repr__(self)
        return repr(self._async).replace(type(self._async).__name__, type(self).__name__, 1)


class Companion(Generic[M]):
    """A context manager that a client makes, such as a batch; it runs in the client's loop, in a task of its own."""

    def __init__(self, portal: Portal, make: Callable[[], M]) -> None:
        self._async = portal.run(make)
        self._portal = TaskHost(portal, self._async, partial(_give_back, self._async))


class _Iterating(Portal):
    """A portal to a receiver: closing it ends the iterations without an error."""

    def __init__(self, receiver: "CallbackReceiver") -> None:
        super().__init__(receiver.aclose, partial(_take_back, receiver))
        self._receiver = receiver

    def step(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """See `Portal.step`."""
        try:
            return super().step(coroutine)
        except ConfigurationError:
            if self._receiver.is_closed:
                raise StopIteration from None
            raise


class MirroredReceiver:
    """A receiver that is iterated in an event loop of its own. It can still be mounted as an ASGI app."""

    _async: "callbacks.CallbackReceiver"
    _portal: Portal

    def __reduce__(self) -> NoReturn:
        raise TypeError("a receiver holds signing keys: make one in each process, and do not copy it")

    def _mirror(self, receiver: "CallbackReceiver") -> None:
        self._async = receiver
        self._portal = _Iterating(receiver)

    @property
    def signer(self) -> "callbacks.CallbackSigner":
        """The signer that makes and verifies the URLs."""
        return self._async.signer

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one ASGI connection."""
        await self._async(scope, receive, send)

    def __repr__(self) -> str:
        return repr(self._async) if "_async" in vars(self) else object.__repr__(self)


# A call can be interrupted when its result already exists: Ctrl-C arrives in one thread, the result in another. The
# async side cannot notice that, so these functions put back the result that would otherwise be lost.


def _keep_tasks(client: AsyncImagesClient, result: object) -> None:
    """Add paid tasks that no caller received to ``client.detached``."""
    for each in cast("Iterable[Any]", result) if isinstance(result, list) else (result,):
        task = each.task if isinstance(each, Outcome) else each
        if isinstance(task, Task):
            client._engine.submitter.detach(task)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _give_back(mirrored: object, result: object) -> None:
    """Put an outcome that no caller received back as the batch's next one."""
    if isinstance(mirrored, Batch) and isinstance(result, Outcome):
        mirrored._outcomes.appendleft(result)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _take_back(receiver: "CallbackReceiver", result: object) -> None:
    """Put a callback that no caller received back as the receiver's next one."""
    from apimodels_async.callbacks.parsing import Callback  # noqa: PLC0415  (already loaded if there is a receiver)

    if isinstance(result, Callback):
        receiver.put_back(result)
