"""The engine behind one client's public methods. The client and its batches hold the same one."""

import time
from collections.abc import Callable
from functools import cached_property, partial

from apimodels_async import catalogue
from apimodels_async._arguments import ArgumentError
from apimodels_async._clock import loop_time
from apimodels_async._create import inputs
from apimodels_async._create.background import BackgroundJobs, Job
from apimodels_async._create.create_request import Caller, CreateRequest
from apimodels_async._create.hold import Brake, Hold
from apimodels_async._create.journal import Journal
from apimodels_async._create.open_files import read_awaited_pictures
from apimodels_async._create.prepare import PreparedRequest, prepare
from apimodels_async._create.quick_slots import QuickSlots
from apimodels_async._create.recovery import AFTER_THE_LONGEST, CALLED_WITHIN, recover_by_callback
from apimodels_async._create.submitter import Submitter
from apimodels_async._create.uploads import OnUpload, Uploads
from apimodels_async._http.error_mapping import closed
from apimodels_async._http.trace import RequestFailed
from apimodels_async._http.transport import Http
from apimodels_async._limits import Rate, RetryQuota
from apimodels_async._poll.poller import Poller
from apimodels_async._threads import FILES, WorkerThreads, imported
from apimodels_async._wire.answer import RawResponse, object_of
from apimodels_async.callbacks.expected import ExpectedCallbacks
from apimodels_async.callbacks.source import CallbackSource
from apimodels_async.errors import ConfigurationError, ConnectionFailedError
from apimodels_async.models import GenerationRequest, Task
from apimodels_async.pacing.guard import guarded
from apimodels_async.pacing.protocol import Pacing, longest

_NEEDED = ("apimodels_async._create.warm",)
"""What is imported before the first call."""
_PREPARING = WorkerThreads("preparing", 4)
"""For requests with pictures. Few, because each thread keeps its own memory for data of that size."""


class Engine:
    """Prepares and sends create requests, and holds what they share.

    Attributes:
        http: the transports.
        jobs: the background jobs that outlive their callers.
        poller: queries tasks.
        submitter: sends create requests.
        create_rate: limits the create requests a second.
        model: the default model of a request.
        prices: what pictures cost.
        uploads: uploads pictures that are too large for a request.
        on_upload: called with the progress of large pictures, unless `send` is given another function. The command line
            sets it.
        server_identity: the service that a ledger is bound to. The command line sets it for a gateway of its own, whose
            port is another in each run.
    """

    def __init__(
        self,
        http: Http,
        *,
        server_identity: str,
        model: str | None,
        pacing: Pacing | None,
        callbacks: CallbackSource | None,
        max_retries: int,
        prices: catalogue.PriceTable = catalogue.PUBLISHED,
    ) -> None:
        self.http: Http = http
        self.prices: catalogue.PriceTable = prices
        self.server_identity: str = server_identity
        self.model: str | None = model
        self._pacing = None if pacing is None else guarded(pacing)
        self.jobs: BackgroundJobs = BackgroundJobs()
        quota = RetryQuota()
        self._callbacks = None if callbacks is None else ExpectedCallbacks(callbacks, self.jobs.call_soon)
        self.poller: Poller = Poller(http, quota, self._callbacks, clock=self.jobs.clock)
        self.create_rate: Rate = Rate()
        self.uploads: Uploads = Uploads(http)
        self.on_upload: OnUpload | None = None
        self.submitter: Submitter = Submitter(
            http,
            self.jobs,
            quota,
            max_retries=max_retries,
            poller=self.poller,
            rate=self.create_rate,
            uploads=self.uploads,
        )
        self._brake = Brake(self._query_something)

    async def ready(self, task_id: str | None = None) -> None:
        """Load what every call needs, beside the event loop, and bind to that loop.

        Args:
            task_id: the task that the call is about, for the error.

        Raises:
            ConfigurationError: as `BackgroundJobs.bind`, or closed meanwhile.
        """
        was_open = not self.jobs.closed
        await imported(*_NEEDED)
        if was_open and self.jobs.closed:
            error = closed()
            error.task_id = task_id
            raise error
        self.jobs.bind()

    async def load(self, *modules: str) -> None:
        """Import what one kind of call needs, beside the event loop."""
        await imported(*modules)

    @cached_property
    def quick_slots(self) -> QuickSlots:
        """How many create requests of batches are under way at once, in all batches together."""
        return QuickSlots()

    @cached_property
    def pacing(self) -> Pacing:
        """Decides when to query."""
        return self._pacing or guarded(None)

    def model_of(self, request: GenerationRequest) -> str:
        """The model of a request, or the client's.

        Raises:
            ValueError: no model is given.
        """
        model = request.model or self.model
        if model is None:
            known = ", ".join(each.id for each in catalogue.MODELS)
            raise ArgumentError("model", f"name one here, for the client, or in APIMODELS_MODEL; known are {known}")
        return model

    async def weigh(self, request: GenerationRequest) -> int:
        """Estimate the bytes that local pictures add to the body of a request."""
        return await FILES.run(partial(inputs.weight, request), abandon=True) if inputs.has_local(request) else 0

    async def prepare(self, request: GenerationRequest, *, for_ledger: bool = False) -> PreparedRequest:
        """Read a request's pictures and build its body. A cancellation does not wait for a file that hangs.

        Raises:
            TypeError, ValueError: a picture or a parameter that cannot be sent.
        """
        if has_local := inputs.has_local(request):
            self.jobs.bind()  # before anything is read for a client that is closed
            request = await read_awaited_pictures(request)
        ordered = self._callbacks is not None and request.callback_url is None
        order = self._callbacks.order() if self._callbacks is not None and ordered else None
        ready = partial(prepare, request, self.model_of(request), for_ledger=for_ledger, order=order)
        if not has_local:
            return ready()
        return await _PREPARING.run(ready, abandon=True)

    def hold(self, outage_timeout: float | None) -> Hold:
        """Return the `Hold` of a batch that starts now."""
        return Hold(self._brake, outage_timeout, loop_time())

    async def send(
        self,
        prepared: PreparedRequest,
        keep: Callable[[Task], object] | None = None,
        journal: Journal | None = None,
        *,
        within: float | None = None,
        hold: Hold | None = None,
        on_upload: OnUpload | None = None,
        caller: Caller | None = None,
        job: Job[None] | None = None,
    ) -> Task:
        """Send a create request, in its turn of `create_rate`, and return its task.

        Args:
            prepared: the request.
            keep: called with the task if the caller is cancelled but the server still accepts the request.
            journal: notified of each step before it is taken.
            within: maximum seconds to wait for the callback if the response is lost.
            hold: of the batch that the request belongs to: if the server takes nothing, it waits with the others.
            on_upload: called with the progress of large pictures.
            caller: what waits for it, if that waits for others as well.
            job: the background job that this is called in, if it is one.

        Raises:
            ApimodelsError: as `Submitter.submit` raises.
        """
        try:
            self.jobs.bind()
            call = None
            if self._callbacks is not None and prepared.intent_id is not None:
                call = self._callbacks.open(prepared.intent_id)
            create = CreateRequest(
                prepared.body,
                prepared.model,
                keep=keep or self.submitter.detach,
                journal=journal,
                call=call,
                patience=0.0 if call is None else self._patience(prepared.model, within),
                retries=None if hold is None else hold.retries(),
                on_upload=on_upload or self.on_upload,
                caller=caller,
            )
        except BaseException:
            if journal is not None:
                journal.ended()
            raise
        return await self.submitter.submit(create, job)

    def _patience(self, model: str, within: float | None = None) -> float:
        """Return the maximum seconds to wait for the callback of a create request whose response was lost."""
        patience = longest(self.pacing, model) + AFTER_THE_LONGEST
        return patience if within is None else min(patience, within)

    async def recover(self, intent_id: str | None, model: str, since: float) -> Task | None:
        """Return the task of a create request of an earlier run whose response was lost, if its callback arrives.

        Args:
            intent_id: of the callback that it asked for.
            model: of the request.
            since: epoch seconds when it was sent.
        """
        if self._callbacks is None or intent_id is None:
            return None
        call = self._callbacks.open(intent_id)
        task = None
        try:
            patience = self._patience(model)
            if time.time() - since > patience + CALLED_WITHIN:
                patience = 1.0  # no further call comes: it is in the receiver's store, or nowhere
            task = await recover_by_callback(call, model, patience, self.poller.query)
        finally:
            self._callbacks.settle(call, task)
        return task

    async def read(self, path: str) -> RawResponse:
        """The answer to a GET without parameters.

        Raises:
            ConnectionFailedError: there is no answer.
        """
        self.jobs.bind()
        try:
            return await self.http.query(path)
        except RequestFailed as failure:
            raise ConnectionFailedError(f"{path[1:]}: no answer ({failure})") from failure.__cause__
        except UnicodeError as error:  # httpx cannot make sense of the name of the host
            raise ConfigurationError(f"base_url: the name of its host is malformed ({error})") from error

    async def _query_something(self) -> None:
        """Ask the server something that costs nothing.

        Raises:
            ApimodelsError: there is no answer, or one that says that the server is in trouble.
        """
        answer = await self.read("/balance")
        # A redirect, or a page that says 200, is a portal's: a create request would be unknown. Other 4xx cost nothing.
        is_page = answer.status // 100 == 3 or (answer.status // 100 == 2 and not object_of(answer))
        if answer.status >= 500 or answer.status == 429 or is_page:
            raise ConnectionFailedError(f"balance: HTTP {answer.status}")
