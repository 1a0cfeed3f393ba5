"""Saving the pictures of a batch's completed tasks, and noting what was saved."""

from functools import partial

import anyio

from apimodels_async._batch.options import Item
from apimodels_async._batch.sidecar import write_sidecar
from apimodels_async._download.destination import Place, as_paths
from apimodels_async._download.downloader import Downloader
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
        sidecar: whether a note is written beside them.
        records: the ledger's, if there is one.
    """

    def __init__(self, downloader: Downloader, directory: Place, *, sidecar: bool, records: LedgerRun | None) -> None:
        self._downloader = downloader
        self._directory = directory
        self._sidecar = sidecar
        self._records = records
        self._slots = anyio.Semaphore(DOWNLOADS)

    async def save(self, item: Item, task: Task) -> None:
        """Save the pictures of an item's task, and list them in `Item.files`.

        Raises:
            DownloadError: something could not be saved, whatever the reason; carries the task id.
        """
        async with self._slots:
            try:
                saved = await self._downloader.download(task, self._directory)
                places = [picture.path for picture in saved]
                item.files = as_paths(places)
                item.saved_bytes = sum(picture.size for picture in saved)
                if self._sidecar:
                    await THREADS.run(partial(write_sidecar, item.request, task, places))
                if self._records is not None:
                    self._records.ended(item.key, task)
                    self._records.saved(item.key, saved)
            except ApimodelsError:
                raise
            except Exception as error:
                raise DownloadError(
                    f"task {task.id}: not saved: {type(error).__name__}: {error}", task_id=task.id
                ) from error
