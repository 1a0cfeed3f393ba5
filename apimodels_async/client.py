"""`AsyncImagesClient`, the public class. Its rules are implemented in the private packages below it."""

import os
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

# What these offer is imported when it is used first: many programs name the class and make no client, and many clients
# never make a batch. Annotations name it in quotes.
from apimodels_async import _batch as batches
from apimodels_async import _create as creates
from apimodels_async import _download as downloads
from apimodels_async import _http as transport
from apimodels_async import ledger as ledgers
from apimodels_async._arguments import ArgumentError, ArgumentTypeError, check_functions, limit, seconds, whole
from apimodels_async._create.arguments import (
    check_key,
    check_ledger,
    check_requests,
    check_task,
    checked_id,
    request_of,
)
from apimodels_async._http.timeouts import DEFAULT_TIMEOUT, Timeout
from apimodels_async._secret import Secret
from apimodels_async._settings import resolve
from apimodels_async._urls import server_identity
from apimodels_async.callbacks.source import CallbackSource
from apimodels_async.errors import TaskNotFoundError
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
from apimodels_async.pacing.guard import guarded
from apimodels_async.pacing.protocol import Pacing

if TYPE_CHECKING:
    from apimodels_async.ledger.opened import OpenLedgers
    from apimodels_async.ledger.run import LedgerRun

__all__ = ["AsyncImagesClient"]


class AsyncImagesClient:
    """The async client of the image API, for one event loop of asyncio or trio.

    Close it by ``async with`` or by ``await client.aclose()``.

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

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds the API key and open connections: make one in each process, and do not copy it")

    # For a repr in the middle of an `__init__` that fails.
    _base_url: str = ""
    _model: str | None = None

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
        secret = None if api_key is None else Secret(api_key)
        del api_key  # a traceback that shows this frame's locals must not show the key
        if not isinstance(timeout, Timeout):
            timeout = seconds("timeout", timeout, above=0.0)
        max_retries = whole("max_retries", max_retries, least=0)
        self._wait_timeout = seconds("wait_timeout", wait_timeout, least=0.0)
        settings = resolve(secret, base_url, model)
        self._base_url, self._model = settings.base_url, settings.model
        if callbacks is not None and not callable(getattr(callbacks, "issue", None)):
            raise ArgumentTypeError(
                "callbacks", "give an apimodels_async.callbacks.CallbackReceiver", value=type(callbacks).__name__
            )
        self._engine = creates.Engine(
            transport.Http(settings.api_key, settings.base_url, timeout, http_client),
            server_identity=server_identity(settings.base_url),
            model=settings.model,
            pacing=pacing,
            callbacks=callbacks,
            max_retries=max_retries,
            prices=settings.prices,
        )
        self._ledgers: OpenLedgers | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._base_url!r}, model={self._model!r})"

    async def __aenter__(self) -> Self:
        await self._engine.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client; wait up to five seconds for create requests under way. May be called twice.

        From another event loop it is closed in its own; if that has ended, its connections are cut off. It is logged.
        """
        await creates.close(self._engine, None if self._ledgers is None else self._ledgers.aclose)

    @property
    def detached(self) -> list[Task]:
        """Tasks whose caller was cancelled during `create` or `generate`. They are paid for and continue.

        Use ``await client.wait(task)`` to wait for one. The last thousand are kept; each is logged as well.
        """
        return list(self._engine.submitter.detached)

    async def create(
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
        request = request_of(prompt, locals())
        check_key(key, ledger)
        await self._engine.ready()
        return await creates.create(self._engine, request, self._create(request, ledger, key))

    async def _create(
        self,
        request: GenerationRequest,
        ledger: "ledgers.Ledger | str | os.PathLike[str] | None",
        key: str | None,
    ) -> Task:
        """Create a task; with a ledger, one that an earlier call with this key created is not created again."""
        engine = self._engine
        if ledger is None:
            return await engine.send(await engine.prepare(request))
        records = await self._open(ledger, match=False)
        from apimodels_async.ledger.once import create_once  # noqa: PLC0415  (many have no ledger)

        task = await create_once(records, await engine.prepare(request, for_ledger=True), key, engine)
        if self._ledgers is not None and key is not None:
            self._ledgers.note_entry(task, records, key)
        return task

    async def _open(self, ledger: "ledgers.Ledger | str | os.PathLike[str]", *, match: bool) -> "LedgerRun":
        if self._ledgers is None:
            await self._engine.load(*(f"apimodels_async.ledger.{name}" for name in ("once", "opened", "sqlite")))
            from apimodels_async.ledger.opened import OpenLedgers  # noqa: PLC0415  (many have none)

            self._ledgers = OpenLedgers(self._engine.jobs)
        return await self._ledgers.records(ledger, identity=self._engine.server_identity, match=match)

    async def get(self, task_id: str) -> Task:
        """Query the state of a task once.

        Args:
            task_id: the id that `create` returned.

        Raises:
            APIError: the server refused: `TaskNotFoundError`, `AuthenticationError`, …
            ProtocolError: the response is outside the contract.
            ConnectionFailedError: there was no response; it is safe to try again.
        """
        task_id = checked_id(task_id)
        await self._engine.ready(task_id)
        return await self._engine.poller.query(task_id)

    async def wait(
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
        bound = self._bound("timeout", timeout)
        task = task_or_id if isinstance(task_or_id, Task) else Task(id=checked_id(task_or_id), state="")
        await self._engine.ready(task.id)
        paced = self._engine.pacing if pacing is None else guarded(pacing)
        try:
            return await creates.wait(self._engine, task, paced, bound, on_change)
        except TaskNotFoundError as error:
            if self._ledgers is not None and task.id is not None:
                self._ledgers.note_not_found(task.id, error)
            raise

    def _bound(self, argument: str, given: float | Unset | None) -> float | None:
        return self._wait_timeout if isinstance(given, Unset) else seconds(argument, given, least=0.0)

    async def generate(
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
        request = request_of(prompt, locals())
        await self._engine.ready()
        bound = self._bound("timeout", timeout)
        paced = self._engine.pacing if pacing is None else guarded(pacing)
        return await creates.generate(self._engine, request, paced, bound)

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
    ) -> "batches.Batch":
        """Make many pictures: ``async with client.batch(requests) as batch: async for outcome in batch: …``.

        There is one `Outcome` for each request, whatever happens to it, in order of completion. If credits are missing,
        no further create request is sent and the tasks under way are finished. If the key is refused, waiting ends too,
        and each outcome carries its task id. A request that was never sent has a `NotSubmittedError`. If reading the
        requests raises, the tasks under way are finished first, and then ``async for`` raises that error.

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
        check_requests(requests)
        check_ledger(ledger)
        check_functions(on_event=on_event)
        directory = None if download_to is None else downloads.place_of(download_to, "download_to")
        naming = None if name is None else downloads.Naming(name, requests=requests)
        if naming is not None and (directory is None or (naming.needs_key and ledger is None)):
            missing = "download_to" if directory is None else "a ledger, whose keys {key} stands for,"
            raise ArgumentError("name", f"give {missing} as well")
        options = batches.BatchOptions(
            max_in_flight=whole("max_in_flight", max_in_flight, least=1),
            download_to=directory,
            budget=limit("budget", budget, above=0.0),
            allow_unpriced=allow_unpriced,
            retry_failed=whole("retry_failed", retry_failed, least=0),
            create_rate=limit("create_rate", create_rate, above=0.0),
            poll_rate=limit("poll_rate", poll_rate, above=0.0),
            wait_timeout=self._bound("wait_timeout", wait_timeout),
            on_event=on_event,
            sidecar=sidecar,
            outage_timeout=seconds("outage_timeout", outage_timeout, least=0.0),
            naming=naming,
            page=batches.checked_page(page, directory),
        )
        open_ledger = None if ledger is None else partial(self._open, ledger, match=True)
        return batches.Batch(self._engine, lambda: self._downloader, requests, options, open_ledger)

    async def generate_many(
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
        outcomes: list[Outcome] = []
        batch = self.batch(
            requests,
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
        try:
            async with batch:
                async for outcome in batch:
                    outcomes.append(outcome)  # noqa: PERF401  (what was received must be there when it is cancelled)
        except BaseException:
            for task in [outcome.task for outcome in outcomes if outcome.task is not None]:
                self._engine.submitter.detach(task)
            batch._pass_on(self._engine.submitter.detach)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            raise
        return sorted(outcomes, key=lambda outcome: outcome.index)

    async def download(
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
        check_task(task)
        limits = downloads.checked_limits(max_bytes, timeout, min_rate, check=check)
        place = downloads.place_of(directory, "directory")
        await self._engine.ready(task.id)
        await self._engine.load(downloads.DOWNLOADER)
        given = None
        if name is not None:
            given = downloads.GivenName(downloads.Naming(name, fields=downloads.OF_A_TASK).name(task))
        saved = await self._downloader.download(task, place, limits, given)
        return list(downloads.as_paths(picture.path for picture in saved))

    async def fetch(
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
        check_task(task)
        limits = downloads.checked_limits(max_bytes, timeout, min_rate)
        await self._engine.ready(task.id)
        await self._engine.load(downloads.DOWNLOADER)
        return await self._downloader.fetch(task, limits)

    @cached_property
    def _downloader(self) -> "downloads.Downloader":
        return downloads.Downloader(self._engine.http, self._engine.poller)

    async def models(self) -> list[str]:
        """Return the ids of the models that the server offers.

        Raises:
            APIError, ProtocolError, ConnectionFailedError: as `get`.
        """
        await self._engine.ready()
        return await creates.models(self._engine)

    async def balance(self) -> float:
        """Return the remaining credit of the account, in US dollars.

        Raises:
            APIError, ProtocolError, ConnectionFailedError: as `get`.
        """
        await self._engine.ready()
        return await creates.balance(self._engine)

    async def upload(self, file: ImageInput) -> str:
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
        await self._engine.ready()
        return await self._engine.uploads.upload_file(file)
