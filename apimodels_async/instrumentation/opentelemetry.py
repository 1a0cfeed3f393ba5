"""Traces and metrics for OpenTelemetry; needs the extra ``otel``.

Spans: ``generate {model}`` (or ``create``, ``wait``) for a task, and in it ``poll``, ``download``, ``ledger write`` and
one span for each HTTP request. Names of attributes are those of the GenAI semantic conventions where these have one.
"""

import json
from collections.abc import Mapping
from contextvars import Token
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from apimodels_async._version import __version__
from apimodels_async.errors import APIError
from apimodels_async.instrumentation.details import (
    Details,
    DownloadDetails,
    LedgerWriteDetails,
    PollDetails,
    RequestDetails,
    RetryDetails,
    TaskDetails,
)
from apimodels_async.instrumentation.port import Instrument, add_instrument, get_instruments, remove_instrument

try:
    from opentelemetry import context, metrics, propagate, trace
except ModuleNotFoundError as _error:
    raise ImportError(
        'this needs opentelemetry-api, which comes with an extra: pip install "apimodels-async[otel]"'
    ) from _error

__all__ = ["OpenTelemetryInstrument", "instrument", "uninstrument"]

PROVIDER = "apimodels"
"""The value of ``gen_ai.provider.name``."""

_Value = str | bool | int | float
_Attributes = dict[str, _Value]


class _Begun(NamedTuple):
    """A span, and the token with which it was made the current one, where it was."""

    span: trace.Span
    token: Token[context.Context] | None


class OpenTelemetryInstrument(Instrument):
    """Makes spans and metrics of what clients do.

    Args:
        tracer_provider: by default the global one.
        meter_provider: by default the global one.
        capture_prompts: whether prompts become attributes (``gen_ai.input.messages``), and messages of errors, which
            may quote a prompt, events. Otherwise nothing of a prompt is in a span, and of an error only its type.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        *,
        capture_prompts: bool = False,
    ) -> None:
        self._tracer = trace.get_tracer("apimodels_async", __version__, tracer_provider)
        self._capture_prompts = capture_prompts
        meter = metrics.get_meter("apimodels_async", __version__, meter_provider)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration", "s", "How long a call took, from its beginning to its end"
        )
        self._tasks = meter.create_counter("apimodels.tasks", "{task}", "Tasks that came to a state")
        self._lag = meter.create_histogram(
            "apimodels.task.lag", "s", "From a task's end at the server until a query showed it"
        )
        self._queries = meter.create_histogram("apimodels.task.queries", "{query}", "Queries until a task had ended")
        self._bytes = meter.create_counter("apimodels.picture.size", "By", "Bytes of pictures that were fetched")
        self._cost = meter.create_counter("apimodels.cost", "{USD}", "Estimated cost of completed tasks, in US dollars")
        self._retries = meter.create_counter("apimodels.retries", "{retry}", "What was tried again")

    def begin(self, details: Details, within: _Begun | None) -> _Begun:
        """Start a span. That of a request, poll, download or ledger write is also the current one until it ends."""
        parent = None if within is None else trace.set_span_in_context(within.span)
        is_request = isinstance(details, RequestDetails | TaskDetails)
        span = self._tracer.start_span(
            _name_of(details),
            parent,
            kind=trace.SpanKind.CLIENT if is_request else trace.SpanKind.INTERNAL,
            attributes={**_known_at_first(details), **self._prompt_of(details)},
        )
        if isinstance(details, TaskDetails):  # it may end in another task of the event loop
            return _Begun(span, None)
        return _Begun(span, context.attach(trace.set_span_in_context(span)))

    def note(self, details: Details, within: _Begun | None) -> None:
        """Count a change of a task, or a retry, and add it to the span as an event."""
        span = trace.INVALID_SPAN if within is None else within.span
        match details:
            case TaskDetails():
                state = _state_of(details)
                if details.change != "downloaded":
                    self._tasks.add(1, {**_model_of(details), "apimodels.task.state": state})
                if state in ("completed", "failed") and details.change == state:
                    self._count_ended(details)
                span.add_event(f"task.{details.change}", {"apimodels.task.state": state})
            case RetryDetails():
                self._retries.add(1, {"apimodels.retry.of": details.what, "error.type": _error_type(details.error)})
                told: _Attributes = {"apimodels.retry.of": details.what, "apimodels.retry.number": details.number}
                if details.pause is not None:
                    told["apimodels.retry.pause"] = details.pause
                span.add_event("retry", {**told, "error.type": _error_type(details.error)})
            case LedgerWriteDetails():
                span.add_event("ledger.post", {"apimodels.ledger.steps": details.steps})
            case _:
                pass

    def end(self, details: Details, begun: _Begun | None) -> None:
        """End the span, with what has become known and the error, if there was one."""
        if begun is None:
            return
        if begun.token is not None:
            context.detach(begun.token)
        span = begun.span
        span.set_attributes(_known_at_last(details))
        error = None if isinstance(details, RetryDetails) else details.error
        if error is not None:
            span.set_attribute("error.type", _error_type(error))
            span.set_status(trace.StatusCode.ERROR)
            if self._capture_prompts:  # a message may quote the prompt
                span.record_exception(error)
        if isinstance(details, TaskDetails):
            self._duration.record(
                details.seconds or 0.0,
                {
                    **_model_of(details),
                    "gen_ai.operation.name": _operation_of(details),
                    **({} if error is None else {"error.type": _error_type(error)}),
                },
            )
        elif isinstance(details, DownloadDetails) and details.size is not None:
            self._bytes.add(details.size, {"gen_ai.request.model": details.model or ""})
        span.end()

    def headers(self, details: Details, begun: _Begun | None) -> Mapping[str, str]:
        """Return ``traceparent``, or what else the process propagates contexts by."""
        carrier: dict[str, str] = {}
        if begun is not None and isinstance(details, RequestDetails):
            propagate.inject(carrier, trace.set_span_in_context(begun.span))
        return carrier

    def _count_ended(self, details: TaskDetails) -> None:
        model = _model_of(details)
        if details.lag is not None:
            self._lag.record(details.lag, model)
        if details.queries:
            self._queries.record(details.queries, model)
        if details.cost is not None:
            self._cost.add(details.cost, model)

    def _prompt_of(self, details: Details) -> _Attributes:
        if not self._capture_prompts or not isinstance(details, TaskDetails) or details.request is None:
            return {}
        parts = [{"type": "text", "content": details.request.prompt}]
        return {"gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}], ensure_ascii=False)}


def instrument(
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
    *,
    capture_prompts: bool = False,
) -> OpenTelemetryInstrument:
    """Trace and measure what all clients of this process do, and return the instrument.

    Args:
        tracer_provider: by default the global one.
        meter_provider: by default the global one.
        capture_prompts: whether prompts, and messages of errors, are kept in spans.
    """
    made = OpenTelemetryInstrument(tracer_provider, meter_provider, capture_prompts=capture_prompts)
    add_instrument(made)
    return made


def uninstrument() -> None:
    """Undo every `instrument`."""
    for each in get_instruments():
        if isinstance(each, OpenTelemetryInstrument):
            remove_instrument(each)


_NAMES: Mapping[type, str] = {
    PollDetails: "poll",
    DownloadDetails: "download",
    LedgerWriteDetails: "ledger write",
    RetryDetails: "retry",
}


def _name_of(details: Details) -> str:
    match details:
        case TaskDetails():
            return f"{details.operation} {details.model}".strip()
        case RequestDetails():
            return f"{details.method} {urlsplit(details.url).path}".strip()
        case PollDetails() | DownloadDetails() | LedgerWriteDetails() | RetryDetails():
            return _NAMES[type(details)]


def _operation_of(details: TaskDetails) -> str:
    """``generate_content`` is the conventions' name for making anything but text; they have none for waiting."""
    return "wait" if details.operation == "wait" else "generate_content"


def _model_of(details: TaskDetails) -> _Attributes:
    model = details.model or (details.task.model if details.task is not None else None)
    return {"gen_ai.provider.name": PROVIDER, **({"gen_ai.request.model": model} if model else {})}


def _state_of(details: TaskDetails) -> str:
    """The task's state; where the call failed although the task did not, that it ended ``without_result``."""
    task = details.task
    if details.change == "failed" and (task is None or task.state != "failed"):
        return "without_result"
    return "" if task is None else str(task.state)


def _known_at_first(details: Details) -> Mapping[str, Any]:
    match details:
        case TaskDetails(request=request):
            known: _Attributes = {
                **_model_of(details),
                "gen_ai.operation.name": _operation_of(details),
                "gen_ai.output.type": "image",
            }
            if request is not None:
                wanted = {
                    "gen_ai.request.choice.count": request.n,
                    "gen_ai.request.seed": request.seed,
                    "apimodels.request.size": request.size,
                    "apimodels.request.resolution": request.resolution,
                    "apimodels.request.quality": request.quality,
                }
                known |= {name: value for name, value in wanted.items() if value is not None}
            return known if details.item is None else {**known, "apimodels.batch.item": details.item}
        case RequestDetails():
            address = urlsplit(details.url)
            port = address.port or (443 if address.scheme == "https" else 80)
            return {
                "http.request.method": details.method,
                "url.full": details.url,
                "server.address": address.hostname or "",
                "server.port": port,
            }
        case PollDetails():
            return {"gen_ai.response.id": details.task_id}
        case DownloadDetails():
            return {"gen_ai.response.id": details.task_id or "", "apimodels.picture.index": details.picture}
        case LedgerWriteDetails():
            return {"apimodels.ledger.steps": details.steps}
        case RetryDetails():
            return {}


def _known_at_last(details: Details) -> _Attributes:
    known: dict[str, _Value | None] = {}
    match details:
        case TaskDetails(task=task):
            known = {
                "gen_ai.response.id": None if task is None else task.id,
                "gen_ai.response.model": None if task is None else task.model,
                "apimodels.task.state": None if task is None else str(task.state),
                "apimodels.task.queries": details.queries or None,
                "apimodels.task.lag": details.lag,
                "apimodels.task.called_back": details.called_back or None,
                "apimodels.cost": details.cost,
            }
        case RequestDetails():
            known = {"http.response.status_code": details.status, "apimodels.request_id": details.request_id}
        case PollDetails():
            known = {"apimodels.task.state": details.state}
        case DownloadDetails():
            known = {"apimodels.picture.size": details.size, "apimodels.download.attempts": details.attempts}
        case LedgerWriteDetails() | RetryDetails():
            pass
    return {name: value for name, value in known.items() if value is not None}


def _error_type(error: BaseException) -> str:
    """The HTTP status of a refusal, as the conventions have it; else the name of the class."""
    return str(error.status) if isinstance(error, APIError) else type(error).__qualname__
