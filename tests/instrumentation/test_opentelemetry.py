"""Spans and metrics, as the in-memory exporters of the OpenTelemetry SDK receive them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from apimodels_async import AsyncImagesClient, BadRequestError, GenerationRequest, ImagesClient
from apimodels_async.gateway import LocalGateway, ReceivedRequest
from apimodels_async.instrumentation import get_instruments, opentelemetry
from apimodels_async.pacing import FixedPacing
from tests.support.served import receiving

pytestmark = pytest.mark.anyio

MODEL = "grok-image/grok-4.2-image"
SMALL = "64x64"


class Telemetry:
    """The providers of one test and what they received."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.exporter.get_finished_spans()

    def named(self, name: str) -> list[ReadableSpan]:
        return [each for each in self.spans if each.name == name]

    def children(self, span: ReadableSpan) -> list[str]:
        context = span.get_span_context()
        assert context is not None
        return [each.name for each in self.spans if each.parent is not None and each.parent.span_id == context.span_id]

    def metrics(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    opentelemetry.instrument(made.tracers, made.meters)
    yield made
    opentelemetry.uninstrument()
    made.meters.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def settings(gateway: LocalGateway) -> dict[str, Any]:
    return {"base_url": gateway.base_url, "model": MODEL, "pacing": FixedPacing(0.05)}


async def test_a_batch_of_three_with_one_that_fails(
    gateway: LocalGateway, telemetry: Telemetry, tmp_path: Path, lane: str
) -> None:
    prompts = ["A boat", "A crate of contraband", "A cat"]
    with telemetry.tracers.get_tracer("mine").start_as_current_span("nightly"):
        async with AsyncImagesClient(gateway.api_key, **settings(gateway)) as client:
            await client.generate_many(
                [GenerationRequest(prompt, size=SMALL, seed=at) for at, prompt in enumerate(prompts)],
                download_to=tmp_path / "out",
                ledger=tmp_path / "ledger",
            )

    assert len({each.context.trace_id for each in telemetry.spans if each.context}) == 1
    [nightly] = telemetry.named("nightly")
    assert telemetry.children(nightly) == [f"generate {MODEL}"] * 3
    items = sorted(telemetry.named(f"generate {MODEL}"), key=lambda each: attributes(each)["apimodels.batch.item"])
    assert [each.status.status_code for each in items] == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET]
    for at, item in enumerate(items):
        told = attributes(item)
        assert item.kind is SpanKind.CLIENT
        assert told["gen_ai.operation.name"] == "generate_content"
        assert told["gen_ai.provider.name"] == "apimodels"
        assert told["gen_ai.request.model"] == MODEL
        assert told["gen_ai.output.type"] == "image"
        assert told["gen_ai.request.seed"] == at
        assert told["gen_ai.response.id"]
        children = telemetry.children(item)
        assert {"POST /api/v1/images/generations", "poll", "ledger write"} <= set(children)
        assert ("download" in children) is (at != 1)
        assert not item.events or "exception" not in {each.name for each in item.events}
    assert attributes(items[1])["error.type"] == "ContentPolicyError"
    assert attributes(items[0])["apimodels.cost"] == pytest.approx(0.03)
    for poll in telemetry.named("poll"):
        assert "GET /api/v1/images/generations" in telemetry.children(poll), lane
    for download in telemetry.named("download"):
        assert telemetry.children(download) == ["GET"]


async def test_the_metrics_of_a_batch(gateway: LocalGateway, telemetry: Telemetry, tmp_path: Path) -> None:
    async with AsyncImagesClient(gateway.api_key, **settings(gateway)) as client:
        outcomes = await client.generate_many(
            [GenerationRequest(prompt, size=SMALL) for prompt in ("A boat", "contraband", "A cat")],
            download_to=tmp_path,
        )

    metrics = telemetry.metrics()
    states = {point.attributes["apimodels.task.state"]: point.value for point in metrics["apimodels.tasks"]}
    assert states.pop("processing", 0) <= 3
    assert states == {"pending": 3, "completed": 2, "failed": 1}
    assert [point.value for point in metrics["apimodels.cost"]] == [pytest.approx(0.06)]
    size = sum(path.stat().st_size for each in outcomes for path in each.files)
    assert [point.value for point in metrics["apimodels.picture.size"]] == [size]
    [lag], [queries] = metrics["apimodels.task.lag"], metrics["apimodels.task.queries"]
    assert (lag.count, queries.count) == (2, 3)  # the gateway does not say when a task has failed
    assert 0.0 <= lag.min <= lag.max
    assert queries.sum == len(telemetry.named("poll"))
    durations = {
        point.attributes.get("error.type"): point.count for point in metrics["gen_ai.client.operation.duration"]
    }
    assert durations == {None: 2, "ContentPolicyError": 1}


@pytest.fixture
def seen() -> list[ReceivedRequest]:
    return []


@pytest.fixture
def recording(seen: list[ReceivedRequest]) -> Iterator[LocalGateway]:
    def note(request: ReceivedRequest) -> None:
        seen.append(request)

    with LocalGateway(latency="0.05/0.1", on_request=note) as running:
        yield running


async def test_the_server_gets_the_context_of_the_request(
    recording: LocalGateway, seen: list[ReceivedRequest], telemetry: Telemetry, tmp_path: Path, lane: str
) -> None:
    async with AsyncImagesClient(recording.api_key, **settings(recording)) as client:
        task = await client.generate("A boat", size=SMALL)
        await client.download(task, tmp_path)

    contexts = [each.context for each in telemetry.spans if each.name.endswith("/images/generations")]
    wanted = {f"00-{each.trace_id:032x}-{each.span_id:016x}" for each in contexts if each is not None}
    assert {each.headers["traceparent"].rpartition("-")[0] for each in seen} == wanted, lane
    assert len(wanted) == len(seen)


async def test_a_task_whose_callback_came_is_one_query(telemetry: Telemetry) -> None:
    with receiving() as receiver, LocalGateway(latency="0.3/0.4") as gateway:
        async with AsyncImagesClient(gateway.api_key, **settings(gateway), callbacks=receiver) as client:
            await client.generate("A boat", size=SMALL)
            [outcome] = await client.generate_many([GenerationRequest("A cat", size=SMALL)])

    assert outcome.ok
    spans = telemetry.named(f"generate {MODEL}")
    assert len(spans) == 2
    for span in spans:
        assert attributes(span)["apimodels.task.called_back"] is True
        assert attributes(span)["apimodels.task.queries"] == telemetry.children(span).count("poll") == 1


def test_the_mirror_is_traced_in_the_context_of_its_caller(
    gateway: LocalGateway, telemetry: Telemetry, tmp_path: Path
) -> None:
    with (
        telemetry.tracers.get_tracer("mine").start_as_current_span("a view"),
        ImagesClient(gateway.api_key, **settings(gateway)) as client,
    ):
        task = client.generate("A boat", size=SMALL)
        client.download(task, tmp_path)
        with client.batch([GenerationRequest("A cat", size=SMALL)]) as batch:
            assert [outcome.ok for outcome in batch] == [True]

    [view] = telemetry.named("a view")
    assert sorted(telemetry.children(view)) == ["download", f"generate {MODEL}", f"generate {MODEL}"]
    for span in telemetry.named(f"generate {MODEL}"):
        assert {"POST /api/v1/images/generations", "poll"} <= set(telemetry.children(span))


async def test_nothing_of_a_prompt_is_told_unless_it_is_asked_for(gateway: LocalGateway, telemetry: Telemetry) -> None:
    async with AsyncImagesClient(gateway.api_key, **settings(gateway)) as client:
        await client.generate("A secret boat", size=SMALL)
        with pytest.raises(BadRequestError):
            await client.create("A secret boat", model="A secret model")
    told = "".join(each.to_json() for each in telemetry.spans if "secret model" not in each.name)
    assert "secret boat" not in told
    assert "ecret" not in "".join(str(each.events) for each in telemetry.spans)


async def test_prompts_and_messages_are_told_when_they_are_asked_for(gateway: LocalGateway) -> None:
    telemetry = Telemetry()
    opentelemetry.instrument(telemetry.tracers, telemetry.meters, capture_prompts=True)
    try:
        async with AsyncImagesClient(gateway.api_key, **settings(gateway)) as client:
            with pytest.raises(BadRequestError):
                await client.create("A secret boat", model="unheard-of")
    finally:
        opentelemetry.uninstrument()
        telemetry.meters.shutdown()

    [span] = telemetry.named("create unheard-of")
    [message] = json.loads(attributes(span)["gen_ai.input.messages"])
    assert message == {"role": "user", "parts": [{"type": "text", "content": "A secret boat"}]}
    assert [each.name for each in span.events][-1] == "exception"
    assert attributes(span)["error.type"] == "400"


async def test_a_retry_is_an_event_and_is_counted(telemetry: Telemetry) -> None:
    faults = ["429"]
    with LocalGateway(
        latency="0.05/0.1", on_request=lambda request: faults.pop() if request.method == "POST" and faults else None
    ) as gateway:
        async with AsyncImagesClient(gateway.api_key, **settings(gateway)) as client:
            await client.generate("A boat", size=SMALL)

    [span] = telemetry.named(f"generate {MODEL}")
    [retry] = [each for each in span.events if each.name == "retry"]
    assert dict(retry.attributes or {})["error.type"] == "429"
    [point] = telemetry.metrics()["apimodels.retries"]
    assert (point.value, point.attributes["apimodels.retry.of"]) == (1, "create")


def test_without_the_extra_the_error_names_it() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import apimodels_async.instrumentation.opentelemetry"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "apimodels-async[otel]"' in ran.stderr.splitlines()[-1]


def test_uninstrument_removes_what_instrument_added() -> None:
    made = opentelemetry.instrument()
    assert get_instruments() == (made,)
    opentelemetry.uninstrument()
    assert get_instruments() == ()
