"""`ImagesClient` without ``await``.

Generated from client.py by ``python tests/tools/generate_sync.py``: not to be edited by hand.
"""

import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from apimodels_async import ledger as ledgers  # noqa: TC001  (annotations are read at run time too)
from apimodels_async._batch.feed import threaded
from apimodels_async._http.transport import DEFAULT_TIMEOUT, HttpClient, Timeout
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

    Ended by ``with`` or by ``client.close()``.

    Args:
        api_key: else ``APIMODELS_API_KEY``, else ``~/.apimodels/credentials`` (refused when others can read it).
        base_url: else ``APIMODELS_BASE_URL``, else ``https://apimodels.app/api/v1``.
        model: the model for calls that name none, else ``APIMODELS_MODEL``.
        timeout: for one HTTP exchange, in seconds or as an ``httpx.Timeout``; ``None`` switches it off. By default
            a create's answer is read for 300 s, because some models answer only when the picture is done, and
            the answer to a query for 10 s, and everything else for 30 s.
        wait_timeout: for one whole wait, in seconds; ``None`` for no limit.
        max_retries: how often a create is sent again, where it is certain that nothing was started, within 30 s.
        http_client: an ``httpx.AsyncClient`` of your own (proxies, certificates, event hooks); it is never closed
            here, and its headers and cookies never reach the host of the pictures.
        pacing: when to ask whether a task is done; by default, as each model's latency teaches.
        callbacks: an `apimodels_async.callbacks.CallbackReceiver`. Every create then orders a callback there, unless
            it is given a ``callback_url`` of its own; a wait sleeps until it comes and asks once, and a create whose
            answer is lost is found by it. When none comes, tasks are asked about after three times the usual time.

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
        http_client: HttpClient | None = None,
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
        """Close the client. Creates under way get five seconds for their answers; may be called twice."""
        self._portal.last(self._async.aclose())

    @property
    def detached(self) -> list[Task]:
        """Tasks whose caller was cancelled in the middle of `create` or `generate`: paid for, not lost.

        ``client.wait(task)`` takes one up again. The last thousand are kept; each is logged as well.
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
        ledger: "ledgers.SqliteLedger | str | os.PathLike[str] | None" = None,
        key: str | None = None,
    ) -> Task:
        """Submit a task, and do not wait for it.

        It is sent once. It is sent again only when it is certain that the server started nothing: no connection, or
        429. If the caller is cancelled after the first byte has left, the create is finished all the same, and its
        task is found in `detached`.

        Args:
            prompt: what to paint; or a `GenerationRequest`, whose fields the other arguments replace.
            model: the model id, ``provider/name`` or short; a model this SDK has not heard of is sent as it is.
            size: pixels, ``"1024x1024"``.
            n: number of pictures, at least 1.
            image: one picture to edit: an ``http(s)`` URL (sent as ``image_url``), a ``data:`` URI, a path, bytes, a
                binary file, or anything with Pillow's ``save`` (sent as base64).
            images: several pictures to edit or to fuse, each as `image`.
            mask: which part of the picture to replace; local, and of the same pixel size.
            callback_url: where the server POSTs once when the task has ended.
            aspect_ratio: ``"16:9"``.
            resolution: ``"1K"``, ``"2K"`` or ``"4K"``.
            quality: ``"low"``, ``"medium"``, ``"high"`` or ``"auto"``.
            output_format: ``"png"``, ``"jpeg"`` or ``"webp"``.
            seed: the same seed asks for the same picture.
            extra_body: request fields this SDK does not know, merged over the others.
            ledger: a file in which each step is written down before it is taken.
            key: your own name for this request within the ledger. A later call with the same key gives the task that
                the first one created, sends nothing where it is not known what came of the first, and is refused
                with another request. Without a key every call is new work.

        Returns:
            The task as the server answered: pending as a rule, completed at once by synchronous models.

        Raises:
            TypeError, ValueError: a bad argument; nothing was sent.
            APIError: the server refused: `BadRequestError`, `AuthenticationError`, `InsufficientCreditsError`,
                `RateLimitError`.
            ConnectionFailedError: nothing was sent, and trying again did not help.
            SubmissionUnknownError: the server may have accepted it; it was not sent again.
            LedgerError: it could not be written down: nothing was sent, or the error carries the task id.
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
        """Ask once how a task is doing.

        Args:
            task_id: the id that `create` brought.

        Raises:
            APIError: the server refused: `TaskNotFoundError`, `AuthenticationError`, …
            ProtocolError: the answer is outside the contract.
            ConnectionFailedError: there was no answer; ask again.
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
        """Ask until a task has ended, and give it: completed or failed, as its state says.

        Network errors, 429, 5xx, pages in place of JSON, unknown states and, for a minute after the create, 404 do not
        end the wait before its time is up.

        Args:
            task_or_id: a task or its id.
            timeout: seconds; ``None`` for no limit; left out, the client's `wait_timeout`.
            pacing: when to ask, in place of the client's.
            on_change: called with the task whenever a query shows it in another state; what it raises is logged.

        Raises:
            APIError: a refusal that waiting does not change, with the task id.
            ConnectionFailedError: the server's certificate is refused.
            WaitTimeoutError: still running; ``error.task`` can be waited for again.
            ProtocolError: the task is completed, but no answer brings a link to a picture.
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
        """`create` and `wait` in one call; the arguments are theirs.

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
        ledger: "ledgers.SqliteLedger | str | os.PathLike[str] | None" = None,
        download_to: str | os.PathLike[str] | None = None,
        budget: float | None = None,
        retry_failed: int = 0,
        create_rate: float | None = None,
        poll_rate: float | None = None,
        wait_timeout: float | Unset | None = UNSET,
        outage_timeout: float | None = 300.0,
        on_event: Callable[[BatchEvent], object] | None = None,
        sidecar: bool = False,
    ) -> "Batch":
        """Make many pictures: ``with client.batch(requests) as batch: for outcome in batch: …``.

        There is one `Outcome` for each request, whatever happens to it, in order of completion. Refused for want of
        credits, no further create is sent and what is under way is finished; with the key refused, waiting ends too,
        and each outcome carries its task id. What was never sent has a `NotSubmittedError`. If reading the requests
        raises, the tasks under way are finished first, and then ``for`` raises it.

        Args:
            requests: prompts or `GenerationRequest`, from any iterable or async iterable. They are read lazily: at
                most `max_in_flight` + 64 beyond the outcomes that were taken. A plain iterable may block: unless it
                is a list or the like, it is read in a thread of its own. What belongs to the thread it was made in,
                such as the rows of an open ``sqlite3`` connection, comes as a list or from a generator that opens it.
            max_in_flight: how many paid tasks may be under way, or completed and not yet saved, at once. Connections
                are few whatever this is.
            ledger: a file in which each step is written down before it is taken. The same call with the same ledger
                goes on where the last one ended, however that was: what is finished comes from the ledger, what was
                accepted is only asked about, what was provably never sent is sent, and what is not known comes back
                as `SubmissionUnknownError`. Requests are matched by their content.
            download_to: a directory; completed tasks' pictures are saved there, and an outcome comes when they are. It
                is made and tried when the batch is entered, before anything is sent; ``~`` is the home directory. A
                disk that is full or cannot be written to any more ends the sending, as missing credits do.
            budget: US dollars that the batch may cost, by the catalogue's dated prices: nothing is sent that would
                exceed it, nor for a model without a known price.
            retry_failed: how often a task that failed is submitted again, where the vendor says it is worth it.
            create_rate: creates a second, for all of this client's.
            poll_rate: queries a second, for all of this client's; when it binds, the tasks most likely to be done
                are asked about first.
            wait_timeout: seconds for each task; ``None`` for no limit; left out, the client's.
            outage_timeout: seconds for which the server may take no create request (no connection, 429) before the rest
                ends as `NotSubmittedError`; ``None`` for no limit. Until then the requests wait together, and one at a
                time finds out whether the server is back.
            on_event: called with each `BatchEvent`: an async function is awaited, a plain one runs in a worker
                thread. What it raises is logged, and it may be slow without holding the batch up.
            sidecar: write a ``.json`` beside the pictures of each task: prompt, parameters, task id.

        Raises:
            TypeError: `requests` is a single prompt, bytes or a mapping.
            ValueError: a number out of range.
            DownloadError: on entering, if `download_to` cannot be written to: nothing was sent.
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
                retry_failed=retry_failed,
                create_rate=create_rate,
                poll_rate=poll_rate,
                wait_timeout=wait_timeout,
                outage_timeout=outage_timeout,
                on_event=on_event,
                sidecar=sidecar,
            ),
        )

    def generate_many(
        self,
        requests: Iterable[GenerationRequest | str] | AsyncIterable[GenerationRequest | str],
        *,
        max_in_flight: int = 64,
        ledger: "ledgers.SqliteLedger | str | os.PathLike[str] | None" = None,
        download_to: str | os.PathLike[str] | None = None,
        budget: float | None = None,
        retry_failed: int = 0,
        create_rate: float | None = None,
        poll_rate: float | None = None,
        wait_timeout: float | Unset | None = UNSET,
        outage_timeout: float | None = 300.0,
        on_event: Callable[[BatchEvent], object] | None = None,
        sidecar: bool = False,
    ) -> list[Outcome]:
        """`batch` in one call, its outcomes in the order of the requests; the arguments are those of `batch`.

        When it is cancelled, or reading the requests raises, every task whose outcome is lost by that is found in
        `detached`.
        """
        return self._portal.call(
            self._async.generate_many(
                threaded(requests),
                max_in_flight=max_in_flight,
                ledger=ledger,
                download_to=download_to,
                budget=budget,
                retry_failed=retry_failed,
                create_rate=create_rate,
                poll_rate=poll_rate,
                wait_timeout=wait_timeout,
                outage_timeout=outage_timeout,
                on_event=on_event,
                sidecar=sidecar,
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
    ) -> list[Path]:
        """Save a completed task's pictures in `directory`, which is made if need be.

        Each is written to a part file, flushed, and renamed: it is there whole or not at all. The names are ours:
        task id, index, and the suffix of the format that its bytes show.

        Args:
            task: a completed task.
            directory: where to.
            max_bytes: of one picture.
            timeout: seconds for one picture, all attempts together; ``None`` for no limit.
            min_rate: bytes a second; what is slower over ten seconds is given up and tried again.
            check: if ``False``, what the server has is saved as it is, also if it breaks off.

        Returns:
            The paths, in the order of ``task.result_urls``.

        Raises:
            DownloadError: a picture could not be saved; the task stays done and can be downloaded again.
            ResultExpiredError: a picture is no longer at its link, and the API gives no new one.
        """
        return self._portal.call(
            self._async.download(task, directory, max_bytes=max_bytes, timeout=timeout, min_rate=min_rate, check=check)
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
        """The ids of the models that the server offers.

        Raises:
            APIError, ProtocolError, ConnectionFailedError: as `get`.
        """
        return self._portal.call(self._async.models())

    def balance(self) -> float:
        """What is left on the account, in US dollars.

        Raises:
            APIError, ProtocolError, ConnectionFailedError: as `get`.
        """
        return self._portal.call(self._async.balance())

    def upload(self, file: ImageInput) -> str:
        """Have a picture hosted by the vendor for 7 days.

        Args:
            file: a local picture, as `create`'s `image` takes it.

        Returns:
            Its public URL, which `create` takes as `image`.

        Raises:
            TypeError, ValueError: no local picture.
            APIError, ProtocolError, ConnectionFailedError: as `get`.
        """
        return self._portal.call(self._async.upload(file))
