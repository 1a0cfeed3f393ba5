"""What stands behind the generated classes: what they mirror, and the way there."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Generic, TypeVar, cast

from apimodels_async._batch import Batch
from apimodels_async.client import AsyncImagesClient
from apimodels_async.models import Outcome, Task
from apimodels_async.sync._portal import Portal
from apimodels_async.sync._room import Manager, Room

M = TypeVar("M", bound=Manager)


class MirroredClient:
    """A client in a loop of its own."""

    _async: AsyncImagesClient
    _portal: Portal

    def _mirror(self, client: AsyncImagesClient) -> None:
        self._async = client
        self._portal = Portal(client.aclose, partial(_keep_tasks, client))

    def __repr__(self) -> str:
        return repr(self._async).replace(type(self._async).__name__, type(self).__name__, 1)


class Companion(Generic[M]):
    """Something that a client makes, entered and left by ``with``; in the client's loop, in a task of its own."""

    def __init__(self, portal: Portal, make: Callable[[], M]) -> None:
        self._async = portal.run(make)
        self._portal = Room(portal, self._async, partial(_give_back, self._async))


# An interrupted call may have had its result all the same: Ctrl-C comes in one thread, the answer in another. The async
# side cannot know, because there nothing lies between the two. So these two put back what would be lost.


def _keep_tasks(client: AsyncImagesClient, result: object) -> None:
    """Make paid tasks that nobody took part of ``client.detached``."""
    for each in cast("Iterable[Any]", result) if isinstance(result, list) else (result,):
        task = each.task if isinstance(each, Outcome) else each
        if isinstance(task, Task):
            client._submitter.detach(task)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _give_back(mirrored: object, result: object) -> None:
    """Make an outcome that nobody took the batch's next."""
    if isinstance(mirrored, Batch) and isinstance(result, Outcome):
        mirrored._outcomes.appendleft(result)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
