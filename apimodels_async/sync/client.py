"""`ImagesClient` without ``await``.

Generated from client.py by ``python tests/tools/generate_sync.py``: not to be edited by hand.
"""

import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from apimodels_async import _http as transport  # noqa: TC001  (annotations are read at run time too)
from apimodels_async import ledger as ledgers  # noqa: TC001  (annotations are read at run time too)
from apimodels_async._batch.feed import threaded
from apimodels_async._http.timeouts import DEFAULT_TIMEOUT, Timeout
from apimodels_async.callbacks.source import CallbackSource
from apimodels_async.client import AsyncImagesClient
from apimodels_async.models import (
    UNSET,
    BatchEvent,
    GenerationRequest,
    ImageInput,
    Outcome,
    OutputFormat,
    Picture,
    Quality,
    Task,
    Unset,
)
from apimodels_async.pacing.protocol import Pacing
from apimodels_async.sync.base import MirroredClient
from apimodels_async.sync.batch import Batch

__all__ = ["ImagesClient"]


class ImagesClient(MirroredClient):
    """The image API, blocking: for scripts, threads and frameworks that do not await.

    It is `AsyncImagesClient` in an event loop of its own, in a background thread that starts with the first call. Any
    number of threads may share a client. Where an event loop is running already (Jupyter, an async handler) it works
    too, and blocks that loop until the call is done. Ctrl-C cancels the call, and leaves the client usable. After a
    fork, make a new one in the new process. What is left open is closed when the interpreter exits.

    Close it by ``with`` or by ``client.close()``.

    Args:
        api_key: else ``APIMODELS_API_KEY``, else ``~/.apimodels/credentials`` (refused when others can read it).
        base_url: else ``APIMODELS_BASE_URL``, else ``https://apimodels.app/api/v1``.
        model: the default model of a call, else ``APIMODELS_MODEL``.
        timeout: for one HTTP exchange, in seconds or as an ``httpx.Timeout``; ``None`` switches it off. By default
            300 s for the response to a create request, because some models respond only when the picture is done,
            10 s for the response to a query, and 30 s for everything else.
        wait_timeout: for one whole wait, in seconds; ``None`` for no limit.
        max_retries: how often a create request is sent again if certainly nothing was started, within 30 s.
        http_client: an ``httpx.AsyncClient`` of your own (proxies, certificates, event hooks). It is never closed by
            this client, and its headers and cookies are never sent to the host of the pictures.
        pacing: when to query a task; by default learned from the latency of each model.
        callbacks: an `apimodels_async.callbacks.CallbackReceiver`. Every create request then asks for a callback there,
            unless it has a ``callback_url`` of its own. A wait sleeps until the callback arrives and queries once, and
            a task whose create response was lost is found by it. Without a callback, tasks are queried after three
            times the usual duration.

    Raises:
        ConfigurationError: the API key is missing or malformed, or `base_url` is not an http(s) URL.
        ValueError: a number out of range.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        model: str | None = None,
        timeout: float | Timeout | None = DEFAULT_TIMEOUT,
        wait_timeout: float | None = 600.0,
        max_retries: int = 4,
        http_client: "transport.HttpClient | None" = None,
        pacing: Pacing | None = None,
        callbacks: CallbackSource | None = None,
    ) -> None:
        try:
            self._mirror(
                AsyncImagesClient(
                    api_key,
                    base_url=base_url,
                    model=model,
                    timeout=timeout,
                    wait_timeout=wait_timeout,
                    max_retries=max_retries,
                    http_client=http_client,
                    pacing=pacing,
                    callbacks=callbacks,
                )
            )
        finally:
            del api_key

    def __enter__(self) -> Self:
        return self._portal.enter(self._async.__aenter__(), self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._portal.last(self._async.__aexit__(kind, error, traceback))

    def close(self) -> None:
        """Close the client; wait up to five seconds for create requests under way. May be called twice.

        From another event loop it is closed in its own; if that has ended, its connections are cut off. It is logged.
        """
        self._portal.last(self._async.aclose())

    @property
    def detached(self) -> list[Task]:
        """Tasks whose caller was cancelled during `create` or `generate`. They are paid for and continue.

        Use ``client.wait(task)`` to wait for one. The last thousand are kept; each is logged as well.
        """
        return self._portal.run(lambda: self._async.detached)

    def create(
        self,
        prompt: str | GenerationRequest,
        *,
        model: str | None = None,
        size: str | None = None,
        n: int | None = None,
        image: ImageInput | None = None,
        images: Sequence[ImageInput] | None = None,
        mask: ImageInput | None = None,
        callback_url: str | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        quality: Quality | None = None,
        output_format: OutputFormat | None = None,
        seed: int | None = None,
        extra_body: Mapping[str, Any] | None = None,
        ledger: "ledgers.Ledger | str | os.PathLike[str] | None" = None,
        key: str | None = None,
    ) -> Task:
        """Submit a task, and do not wait for it.

        The request is sent once, and again only if it is certain that the server started nothing: no connection, or
        429. If the caller is cancelled after the first byte was sent, the request is completed nevertheless, and its
        task is added to `detached`.

        Args:
            prompt: what to paint; or a `GenerationRequest`, whose fields the other arguments replace.
            model: the model id, ``provider/name`` or short; a model that this SDK does not know is sent unchanged.
            size: pixels, ``"1024x1024"``; some models take ``"2K"``, ``"4K"`` or ``"auto"``.
            n: number of pictures, at least 1.
            image: one picture to edit: an ``http(s)`` URL (sent as ``image_url``), a ``data:`` URI, a path, bytes, a
                binary file, or anything with Pillow's ``save`` (sent as base64).
            images: several pictures to edit or to fuse, each as `image`.
            mask: which part of the picture to replace; local, and of the same pixel size.
            callback_url: where the server POSTs once when the task has ended.
            aspect_ratio: ``"16:9"``; some models take words, as ``"auto"`` or ``"match_input_image"``.
            resolution: ``"1K"``, ``"2K"`` or ``"4K"``; some models take others, as ``"512"``.
            quality: ``"low"``, ``"medium"``, ``"high"`` or ``"auto"``; some models take others, as ``"max"``.
            output_format: ``"png"``, ``"jpeg"`` or ``"webp"``.
            seed: the same seed asks for the same picture.
            extra_body: request fields this SDK does not know, merged over the others.
            ledger: a file, or a ``postgresql://`` URL, in which each step is recorded before it is taken.
            key: your own name for this request within the ledger. A later call with the same key returns the task that
                the first one created, sends nothing if the outcome of the first is unknown, and is refused with
                another request. Without a key every call creates a new task.

        Returns:
            The task in the server's response: usually pending; completed with synchronous models.

        Raises:
            TypeError, ValueError: an invalid argument; nothing was sent.
            APIError: the server refused: `BadRequestError`, `AuthenticationError`, `InsufficientCreditsError`,
                `RateLimitError`.
            ConnectionFailedError: nothing was sent, and retries did not help.
            SubmissionUnknownError: the server may have accepted it; it was not sent again.
            LedgerError: a step could not be recorded: nothing was sent, or the error carries the task id.
        """
        return self._portal.call(
            self._async.create(
                prompt,
                model=model,
                size=size,
                n=n,
                image=image,
                images=images,
                mask=mask,
                callback_url=callback_url,
                aspect_ratio=aspect_ratio,
                resolution=resolution,
                quality=quality,
                output_format=output_format,
                seed=seed,
                extra_body=extra_body,
                ledger=ledger,
                key=key,
            )
        )

    def get(self, task_id: str) -> Task:
        """Query the state of a task once.

        Args:
            task_id: the id that `create` returned.

        Raises:
            APIError: the server refused: `TaskNotFoundError`, `AuthenticationError`, …
            ProtocolError: the response is outside the contract.
            ConnectionFailedError: there was no response; it is safe to try again.
        """
        return self._portal.call(self._async.get(task_id))

    def wait(
        self,
        task_or_id: Task | str,
        *,
        timeout: float | Unset | None = UNSET,
        pacing: Pacing | None = None,
        on_change: Callable[[Task], object] | None = None,
    ) -> Task:
        """Wait until a task has ended and return it, completed or failed.

        Network errors, 429, 5xx, pages in place of JSON, unknown states and, for a minute after the create request, 404
        do not end the wait before its timeout.

        Args:
            task_or_id: a task or its id.
            timeout: seconds; ``None`` for no limit; by default the client's `wait_timeout`.
            pacing: when to query; by default the client's.
            on_change: called with the task whenever a query shows a new state; its errors are logged.

        Raises:
            APIError: a refusal that waiting does not change, with the task id.
            ConnectionFailedError: the server's certificate was not accepted.
            WaitTimeoutError: still running; ``error.task`` can be waited for again.
            ProtocolError: the task is completed, but no response contains a link to a picture.
        """
        return self._portal.call(self._async.wait(task_or_id, timeout=timeout, pacing=pacing, on_change=on_change))

    def generate(
        self,
        prompt: str | GenerationRequest,
        *,
        model: str | None = None,
        size: str | None = None,
        n: int | None = None,
        image: ImageInput | None = None,
        images: Sequence[ImageInput] | None = None,
        mask: ImageInput | None = None,
        callback_url: str | None = None,
        aspect_ratio: str | None = None,
        resolution: str | None = None,
        quality: Quality | None = None,
        output_format: OutputFormat | None = None,
        seed: int | None = None,
        extra_body: Mapping[str, Any] | None = None,
        timeout: float | Unset | None = UNSET,
        pacing: Pacing | None = None,
    ) -> Task:
        """Call `create` and then `wait`; the arguments are theirs.

        Returns:
            The completed task.

        Raises:
            GenerationFailedError: the task failed (`ContentPolicyError`: refused by moderation); not billed.
            ApimodelsError: as `create` and `wait` raise.
        """
        return self._portal.call(
            self._async.generate(
                prompt,
                model=model,
                size=size,
                n=n,
                image=image,
                images=images,
                mask=mask,
                callback_url=callback_url,
                aspect_ratio=aspect_ratio,
                resolution=resolution,
                quality=quality,
                output_format=output_format,
                seed=seed,
                extra_body=extra_body,
                timeout=timeout,
                pacing=pacing,
            )
        )

    def batch(
        self,
        requests: Iterable[GenerationRequest | str] | AsyncIterable[GenerationRequest | str],
        *,
        max_in_flight: int = 64,
        ledger: "ledgers.Ledger | str | os.PathLike[str] | None" = None,
        download_to: str | os.PathLike[str] | None = None,
        budget: float | None = None,
        allow_unpriced: bool = False,
        retry_failed: int = 0,
        create_rate: float | None = None,
        poll_rate: float | None = None,
        wait_timeout: float | Unset | None = UNSET,
        outage_timeout: float | None = 300.0,
        on_event: Callable[[BatchEvent], object] | None = None,
        sidecar: bool = False,
        name: str | Callable[[int, GenerationRequest], str] | None = None,
        page: str | os.PathLike[str] | bool | None = None,
    ) -> "Batch":
        """Make many pictures: ``with client.batch(requests) as batch: for outcome in batch: …``.

        There is one `Outcome` for each request, whatever happens to it, in order of completion. If credits are missing,
        no further create request is sent and the tasks under way are finished. If the key is refused, waiting ends too,
        and each outcome carries its task id. A request that was never sent has a `NotSubmittedError`. If reading the
        requests raises, the tasks under way are finished first, and then ``for`` raises that error.

        Args:
            requests: prompts or `GenerationRequest`, from any iterable or async iterable. They are read lazily: at
                most `max_in_flight` + 64 beyond the outcomes that were consumed. A plain iterable may block: unless it
                is a list or similar, it is read in a thread of its own. Objects that belong to the thread that made
                them, such as the rows of an open ``sqlite3`` connection, must be passed as a list or by a generator
                that opens them.
            max_in_flight: maximum number of paid tasks that are under way, or completed and not yet saved. The number
                of connections is small and does not depend on it.
            ledger: a file, or a ``postgresql://`` URL, in which each step is recorded before it is taken. The same call
                with the same ledger continues where the last one ended, in whatever way: finished requests are returned
                from the ledger, accepted ones are only queried, provably unsent ones are sent, and unknown ones are
                returned with `SubmissionUnknownError`. Requests are matched by their content.
            download_to: a directory, or the URL of a store that fsspec knows (``s3://bucket/prefix``), in which the
                pictures of completed tasks are saved before their outcome is returned. It is tested when the batch is
                entered, before anything is sent. A full disk ends the sending, as missing credits do.
            budget: maximum cost of the batch in US dollars, by the catalogue's dated prices and those of the file that
                ``APIMODELS_PRICES`` names. A request that would exceed it is not sent, nor one without a known price.
            allow_unpriced: with a budget, also send requests without a known price; they count as free.
            retry_failed: how often a failed task is submitted again, if the vendor says that a retry may help.
            create_rate: maximum create requests a second, for the whole client.
            poll_rate: maximum queries a second, for the whole client; when it binds, the tasks most likely to be done
                are queried first.
            wait_timeout: seconds for each task; ``None`` for no limit; by default the client's.
            outage_timeout: seconds for which the server may accept no create request (no connection, 429) before the
                remaining ones end with `NotSubmittedError`; ``None`` for no limit. Until then the requests wait, and
                one at a time is sent to find out whether the server is back.
            on_event: called with each `BatchEvent`: an async function is awaited, a plain one runs in a worker
                thread. Its errors are logged, and a slow one does not delay the batch.
            sidecar: write a ``.json`` beside the pictures of each task: prompt, parameters, task id.
            name: what the pictures are called, as ``"{line:04}-{prompt}"``; by default by the ids of their tasks. The
                fields are ``line`` (of the request, from 1), ``id``, ``model``, ``key`` (of the ledger's entry),
                ``index`` (of a picture; ``-{index}`` is added where a task has several), and those of the request. No
                file is replaced: ``-2``, ``-3`` and so on are added to a name that is taken. A function is called with
                the index of a request and the request, and returns such a text.
            page: an HTML file that shows the batch, replaced by a newer one every few seconds while it runs; ``True``
                for ``index.html`` in `download_to`. It is one file that loads nothing from a network, with a thumbnail
                of each picture, made by Pillow (extra ``page``). A page that cannot be written is logged and does not
                end the batch.

        Raises:
            TypeError: `requests` is a single prompt, bytes or a mapping.
            ValueError: a number out of range.
            DownloadError: on entering, if `download_to` cannot be written to: nothing was sent.
            ConfigurationError: on entering, if an extra is missing (``storage``, ``page``), or if `page` is there and
                is no page of a batch: nothing was sent.
        """
        return Batch(
            self._portal,
            partial(
                self._async.batch,
                threaded(requests),
                max_in_flight=max_in_flight,
                ledger=ledger,
                download_to=download_to,
                budget=budget,
                allow_unpriced=allow_unpriced,
                retry_failed=retry_failed,
                create_rate=create_rate,
                poll_rate=poll_rate,
                wait_timeout=wait_timeout,
                outage_timeout=outage_timeout,
                on_event=on_event,
                sidecar=sidecar,
                name=name,
                page=page,
            ),
        )

    def generate_many(
        self,
        requests: Iterable[GenerationRequest | str] | AsyncIterable[GenerationRequest | str],
        *,
        max_in_flight: int = 64,
        ledger: "ledgers.Ledger | str | os.PathLike[str] | None" = None,
        download_to: str | os.PathLike[str] | None = None,
        budget: float | None = None,
        allow_unpriced: bool = False,
        retry_failed: int = 0,
        create_rate: float | None = None,
        poll_rate: float | None = None,
        wait_timeout: float | Unset | None = UNSET,
        outage_timeout: float | None = 300.0,
        on_event: Callable[[BatchEvent], object] | None = None,
        sidecar: bool = False,
        name: str | Callable[[int, GenerationRequest], str] | None = None,
        page: str | os.PathLike[str] | bool | None = None,
    ) -> list[Outcome]:
        """Run `batch` and return its outcomes in the order of the requests; the arguments are those of `batch`.

        If it is cancelled, or reading the requests raises, every task whose outcome is lost is added to `detached`.
        """
        return self._portal.call(
            self._async.generate_many(
                threaded(requests),
                max_in_flight=max_in_flight,
                ledger=ledger,
                download_to=download_to,
                budget=budget,
                allow_unpriced=allow_unpriced,
                retry_failed=retry_failed,
                create_rate=create_rate,
                poll_rate=poll_rate,
                wait_timeout=wait_timeout,
                outage_timeout=outage_timeout,
                on_event=on_event,
                sidecar=sidecar,
                name=name,
                page=page,
            )
        )

    def download(
        self,
        task: Task,
        directory: str | os.PathLike[str],
        *,
        max_bytes: int = 512 << 20,
        timeout: float | None = 600.0,
        min_rate: int = 1024,
        check: bool = True,
        name: str | None = None,
    ) -> list[Path]:
        """Save a completed task's pictures in `directory`, which is made if need be.

        Each is written to a part file, flushed, and renamed: it is there whole or not at all, as in a store. Without a
        `name`, the names are ours: task id, index, and the suffix of the format that its bytes show.

        Args:
            task: a completed task.
            directory: where to; or the URL of a store that fsspec knows, such as ``s3://bucket/prefix``.
            max_bytes: of one picture.
            timeout: seconds for one picture, all attempts together; ``None`` for no limit.
            min_rate: bytes a second; what is slower over ten seconds is given up and tried again.
            check: if ``False``, what the server has is saved as it is, also if it breaks off.
            name: what they are called, as ``"cat"`` or ``"{model}-{id}"``; ``-{index}`` is added where there are
                several. No file is replaced: ``-2``, ``-3`` and so on are added to a name that is taken.

        Returns:
            The paths, in the order of ``task.result_urls``; in a store, the URLs.

        Raises:
            DownloadError: a picture could not be saved; the task stays done and can be downloaded again.
            ResultExpiredError: a picture is no longer at its link, and the API gives no new one.
        """
        return self._portal.call(
            self._async.download(
                task, directory, max_bytes=max_bytes, timeout=timeout, min_rate=min_rate, check=check, name=name
            )
        )

    def fetch(
        self, task: Task, *, max_bytes: int = 512 << 20, timeout: float | None = 600.0, min_rate: int = 1024
    ) -> list[Picture]:
        """Bring a completed task's pictures into memory, checked as `download` does: for services that pass them on.

        Args:
            task: one that is completed.
            max_bytes: of one picture.
            timeout: seconds for one picture, all attempts together; ``None`` for no limit.
            min_rate: bytes a second; what is slower over ten seconds is given up and tried again.

        Raises:
            DownloadError, ResultExpiredError: as `download`.
        """
        return self._portal.call(self._async.fetch(task, max_bytes=max_bytes, timeout=timeout, min_rate=min_rate))

    def models(self) -> list[str]:
        """Return the ids of the models that the server offers.

        Raises:
            APIError, ProtocolError, ConnectionFailedError: as `get`.
        """
        return self._portal.call(self._async.models())

    def balance(self) -> float:
        """Return the remaining credit of the account, in US dollars.

        Raises:
            APIError, ProtocolError, ConnectionFailedError: as `get`.
        """
        return self._portal.call(self._async.balance())

    def upload(self, file: ImageInput) -> str:
        """Upload a picture, which the vendor then hosts for 7 days.

        A picture above 3 MB is announced first and then sent to the storage; a file is read while it is sent.

        Args:
            file: a local picture, in any form that `create` accepts as `image`.

        Returns:
            Its public URL, which `create` accepts as `image`.

        Raises:
            TypeError, ValueError: `file` is not a local picture.
            APIError, ProtocolError, ConnectionFailedError: as `get`.
        """
        return self._portal.call(self._async.upload(file))
