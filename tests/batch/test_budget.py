"""What a batch costs: the estimate, the gateway's bill and the published rule, and requests without a price."""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from apimodels_async import AsyncImagesClient, GenerationRequest
from apimodels_async._batch.accounts import Accounts
from apimodels_async._batch.budget import Budget, BudgetExceededError, UnpricedModelError
from apimodels_async._batch.creator import Creator
from apimodels_async._batch.options import BatchOptions, Item
from apimodels_async._prices import price
from apimodels_async.catalogue import parse_prices
from apimodels_async.errors import BadRequestError, NotSubmittedError
from apimodels_async.gateway import LocalGateway
from apimodels_async.instrumentation import Details, Instrument, TaskDetails, add_instrument, remove_instrument
from apimodels_async.pacing import FixedPacing
from tests.support.picture_server import KEY, PictureServer, as_json, picture

LITE = "gpt-image-2-lite"


@contextmanager
def observed() -> Iterator[list[float | None]]:
    """What instruments are told that each task has cost."""
    costs: list[float | None] = []

    class Costs(Instrument):
        def end(self, details: Details, begun: object) -> None:
            if isinstance(details, TaskDetails):
                costs.append(details.cost)

    instrument = Costs()
    add_instrument(instrument)
    yield costs
    remove_instrument(instrument)


@pytest.mark.parametrize(
    ("fields", "dollars"),
    [
        ({}, 0.008),
        ({"size": "1536x1024"}, 0.008),
        ({"size": "1600x1600"}, 0.015),
        ({"size": "2560x1440"}, 0.025),
        ({"size": "3840x2160"}, 0.025),
        ({"size": "2048*2048"}, 0.015),
        ({"size": "2K"}, 0.015),
        ({"size": "4k", "n": 3}, 0.075),
        ({"size": "auto"}, 0.008),
        ({"resolution": "512"}, 0.008),
        ({"resolution": "2K", "size": "3840x2160"}, 0.015),
        ({"extra_body": {"n": 4}}, 0.032),
        ({"n": 2, "extra_body": {"size": "3840x2160", "n": None}}, 0.05),
        ({"resolution": "8K"}, None),
        ({"extra_body": {"n": 4.0}}, 0.032),
        ({"extra_body": {"n": "4"}}, None),
        ({"extra_body": {"n": 2.5}}, None),
        ({"extra_body": {"n": True}}, None),
        ({"extra_body": {"n": [4]}}, None),
        ({"extra_body": {"n": None}}, 0.008),
        ({"extra_body": {"model": "grok-image/grok-4.2-image"}}, 0.03),
        ({"extra_body": {"model": "nobody-knows"}}, None),
        ({"extra_body": {"model": 7}}, None),
        ({"extra_body": {"model": None}}, 0.008),
    ],
)
def test_the_estimate_follows_the_pixels_and_what_is_sent(fields: dict[str, object], dollars: float | None) -> None:
    found = price(GenerationRequest("a", **fields), LITE)  # type: ignore[arg-type]
    assert found == (None if dollars is None else pytest.approx(dollars))


def test_a_price_may_depend_on_quality_and_on_pictures_to_work_on() -> None:
    prices = parse_prices('[prices]\n"m" = [{ dollars = 0.1, edit = true }, { dollars = 0.5, quality = "high" }]')
    for edit in ({"image": "https://a/1"}, {"images": [b"x"]}, {"extra_body": {"image_urls": ["https://a/1"]}}):
        assert price(GenerationRequest("a", **edit), "m", prices) == 0.1
    assert price(GenerationRequest("a", quality="high"), "m", prices) == 0.5
    assert price(GenerationRequest("a", extra_body={"quality": "high"}), "m", prices) == 0.5
    assert price(GenerationRequest("a"), "m", prices) is None


def test_a_model_without_a_price_is_refused_unless_that_is_allowed() -> None:
    request = GenerationRequest("a")
    with pytest.raises(UnpricedModelError, match=r"no price is known for 'm'; allow_unpriced=True .* APIMODELS_PRICES"):
        Budget(1.0).commit(request, "m")
    for budget in (Budget(None), Budget(1.0, allow_unpriced=True)):
        assert [budget.commit(request, "m"), budget.commit(request, "m")] == [0.0, 0.0]
        assert budget.unpriced == {"m": 2}
    with pytest.raises(BudgetExceededError):
        Budget(0.01, allow_unpriced=True).commit(GenerationRequest("a", size="3840x2160"), LITE)


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "dollars"), [("1600x1600", 0.015), ("2560x1440", 0.025), ("3840x2160", 0.025)])
async def test_the_estimate_the_bill_and_the_published_rule_agree(size: str, dollars: float) -> None:
    with LocalGateway(latency="0/0", paint=lambda **_: b"paint", balance=1.0) as gateway:
        async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=LITE) as client:
            async with client.batch([GenerationRequest("a", size=size)]) as batch:
                assert [outcome.ok async for outcome in batch] == [True]
            assert batch.stats.spent == pytest.approx(dollars)
            assert 1.0 - await client.balance() == pytest.approx(dollars)


@pytest.mark.anyio
async def test_a_file_of_prices_counts_for_the_estimate_and_the_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('[prices]\n"gpt-image-2" = 0.07\n', encoding="utf-8")
    monkeypatch.setenv("APIMODELS_PRICES", str(path))
    with LocalGateway(latency="0/0", paint=lambda **_: b"paint", balance=1.0) as gateway:
        async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model="gpt-image-2") as client:
            page = tmp_path / "page.html"
            with observed() as costs:
                async with client.batch(["a", "b", "c"], budget=0.15, max_in_flight=1, page=page) as batch:
                    outcomes = [outcome async for outcome in batch]
            assert batch.stats.spent == pytest.approx(0.14)
            assert costs == [0.07, 0.07, None]
            assert re.findall(r'"cost":([0-9.]+)', page.read_text(encoding="utf-8")) == ["0.07", "0.07", "0.0"]
            assert 1.0 - await client.balance() == pytest.approx(0.14)
    assert isinstance(outcomes[2].error, NotSubmittedError)


@pytest.mark.anyio
async def test_what_is_within_the_budget_is_sent_although_the_next_request_is_not() -> None:
    """Between its reservation and its sending a request may be overtaken by one that is too dear."""
    async with AsyncImagesClient("sk_test", model="grok-image/grok-4.2-image") as client:
        options = BatchOptions(2, None, 0.05, 0, None, None, None, None, sidecar=False)
        creator = Creator(client._engine, options, Accounts(0.05), None, lambda _: None, on_upload=lambda *_: None)
        first, second, third = (Item(number, GenerationRequest("a")) for number in range(3))

        assert creator.commit(first) is None
        assert isinstance(creator.commit(second), NotSubmittedError)

        assert creator.stopped(first) is None
        assert not creator.may_begin
        assert isinstance(creator.refused(third), NotSubmittedError)


@pytest.mark.anyio
async def test_a_batch_says_once_that_a_model_has_no_price_and_sends_it_where_that_is_allowed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with LocalGateway(latency="0/0", paint=lambda **_: b"paint", balance=1.0) as gateway:
        async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model="gpt-image-2") as client:
            refused = await client.generate_many(["a", "b"], budget=1.0)
            assert all(isinstance(outcome.error, NotSubmittedError) for outcome in refused)
            with caplog.at_level(logging.WARNING, "apimodels_async"):
                async with client.batch(["a", "b"], budget=1.0, allow_unpriced=True) as batch:
                    assert [outcome.ok async for outcome in batch] == [True, True]
    said = [record for record in caplog.messages if "no price is known for 'gpt-image-2'" in record]
    assert len(said) == 1
    assert (batch.stats.unpriced, batch.stats.spent) == (2, 0.0)


async def a_run(server: PictureServer, ledger: Path, prompts: object, budget: float) -> tuple[list[Any], float]:
    async with (
        AsyncImagesClient(KEY, base_url=server.base_url, model=LITE, pacing=FixedPacing(0.01)) as client,
        client.batch(cast("Any", prompts), ledger=ledger, budget=budget, max_in_flight=1) as batch,
    ):
        errors = {outcome.index: outcome.error async for outcome in batch}
        return [errors[index] for index in sorted(errors)], batch.stats.spent


@pytest.mark.anyio
async def test_what_an_earlier_run_has_spent_further_down_a_list_is_counted_from_the_start(tmp_path: Path) -> None:
    with PictureServer() as server:
        server.create(as_json({"code": 400, "msg": "size"}, 400), server.accepted())
        server.query(server.completed(server.play("/a.png", picture())))
        errors, spent = await a_run(server, tmp_path / "l.db", ["a", "b", "c"], 0.016)
        assert [type(error) for error in errors] == [BadRequestError, type(None), type(None)]
        assert spent == pytest.approx(0.016)

        errors, spent = await a_run(server, tmp_path / "l.db", ["a", "b", "c"], 0.016)
        assert [type(error) for error in errors] == [NotSubmittedError, type(None), type(None)]
        assert spent == pytest.approx(0.016)
        assert server.posts == 3

        errors, spent = await a_run(server, tmp_path / "l.db", ["x", "b", "y", "c"], 0.025)
        assert [type(error) for error in errors] == [type(None), type(None), NotSubmittedError, type(None)]
        assert spent == pytest.approx(0.024)
        assert server.posts == 4


@pytest.mark.anyio
async def test_what_reads_ahead_is_counted_as_a_list_is(tmp_path: Path) -> None:
    class Requests:
        def __init__(self, *prompts: str) -> None:
            self.prompts = prompts

        async def __aiter__(self) -> AsyncIterator[str]:
            for prompt in self.prompts:
                yield prompt

        def read_ahead(self) -> Iterator[str]:
            yield from self.prompts
            raise ValueError("a line that is none")

    with PictureServer() as server:
        server.generate()
        await a_run(server, tmp_path / "l.db", Requests("b"), 0.008)
        errors, spent = await a_run(server, tmp_path / "l.db", Requests("a", "b"), 0.008)

    assert [type(error) for error in errors] == [NotSubmittedError, type(None)]
    assert spent == pytest.approx(0.008)
