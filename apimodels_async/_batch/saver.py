"""Saving the pictures of a batch's completed tasks, and noting what was saved."""

from functools import partial

import anyio

from apimodels_async._batch.options import BatchOptions, Item
from apimodels_async._batch.sidecar import write_sidecar
from apimodels_async._download.destination import Place, as_paths
from apimodels_async._download.downloader import Downloader, GivenName
from apimodels_async._download.names import PictureName, split_suffix
from apimodels_async._download.reserved import ReservedNames
from apimodels_async._download.writer import THREADS
from apimodels_async.errors import ApimodelsError, DownloadError
from apimodels_async.ledger.run import LedgerRun
from apimodels_async.models import Task

DOWNLOADS = 8
"""Tasks whose pictures are saved at once."""


class Saver:
    """Saves the pictures of one batch.

    Args:
        downloader: what fetches them.
        directory: where to.
        options: what they are called, and whether a note is written beside them.
        records: the ledger's, if there is one.
    """

    def __init__(
        self, downloader: Downloader, directory: Place, options: BatchOptions, records: LedgerRun | None
    ) -> None:
        self._downloader = downloader.waiting_for(options.outage_timeout)
        self._directory = directory
        self._options = options
        self._reserved = ReservedNames(directory)
        self._records = records
        self._slots = anyio.Semaphore(DOWNLOADS, fast_acquire=True)

    async def save(self, item: Item, task: Task) -> None:
        """Save the pictures of an item's task, and list them in `Item.files`.

        Raises:
            DownloadError: something could not be saved, whatever the reason; carries the task id.
        """
        async with self._slots:
            name: PictureName | None = None
            try:
                name = await self._name(item, task)
                given = None if name is None else GivenName(name, again=item.found)
                saved = await self._downloader.download(task, self._directory, None, given)
                places = [picture.path for picture in saved]
                item.files = as_paths(places)
                item.saved_bytes = sum(picture.size for picture in saved)
                if self._options.sidecar:
                    common = None if name is None else name.common
                    await THREADS.run(partial(write_sidecar, item.request, task, places, common))
                if self._records is not None:
                    self._records.ended(item.key, task)
                    self._records.saved(item.key, saved, None if name is None else str(name))
            except ApimodelsError:
                raise
            except Exception as error:
                raise DownloadError(
                    f"task {task.id}: not saved: {type(error).__name__}: {error}", task_id=task.id
                ) from error
            finally:
                if name is not None and not item.found:
                    self._reserved.release(name)

    async def _name(self, item: Item, task: Task) -> PictureName | None:
        """What the pictures of an item are called. An earlier run's choice stands: its pictures may be there."""
        if item.name is not None:
            return PictureName(*split_suffix(item.name))
        if self._options.naming is None:
            return None
        wanted = self._options.naming.name(task, index=item.index, request=item.request, key=item.key)
        if item.found:  # what is there may be its own: the bytes tell
            return wanted
        name = await THREADS.run(partial(self._reserved.reserve, wanted, len(task.result_urls)))
        if self._records is not None and task.id is not None:
            self._records.named(item.key, str(name))
        return name
