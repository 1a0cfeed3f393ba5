import re
from datetime import date

import pytest

from apimodels_async.catalogue import (
    AS_OF,
    MODELS,
    CatalogueModel,
    Price,
    find,
    inline_limit,
    resolution_of,
    similar,
    tier_of,
)


def test_every_id_full_or_short_belongs_to_one_model() -> None:
    full = [model.id for model in MODELS]
    short = [model.short_id for model in MODELS]

    assert len(set(full)) == len(set(short)) == len(MODELS)
    assert len({*full, *short}) == len(MODELS) + sum("/" in id_ for id_ in full)
    assert all(re.fullmatch(r"([a-z0-9.-]+/)?[a-z0-9.-]+", id_) for id_ in full)


def test_the_models_that_the_page_names_are_there() -> None:
    assert {
        "grok-image/grok-4.2-image",
        "grok-imagine/grok-imagine-image",
        "grok-imagine-pro/grok-imagine-image-pro",
        "gpt-image-2-lite",
        "sparkpix-image-edit",
    } <= {model.id for model in MODELS}


@pytest.mark.parametrize(
    ("model", "resolution", "dollars"),
    [
        ("grok-4.2-image", None, 0.03),
        ("grok-4.2-image", "4K", 0.03),
        ("grok-imagine-image", None, 0.03),
        ("grok-imagine-image-pro", None, 0.08),
        ("grok-imagine-image-pro", "1K", 0.08),
        ("grok-imagine-image-pro", "2k", 0.12),
        ("grok-imagine-image-pro", "4K", None),
        ("gpt-image-2-lite", None, 0.008),
        ("gpt-image-2-lite", "2K", 0.015),
        ("gpt-image-2-lite", "4k", 0.025),
        ("gpt-image-2-lite", "8K", None),
        ("sparkpix-image", None, 0.008),
        ("sparkpix-image-edit", None, 0.013),
        ("gpt-image-2-all", None, 0.025),
        ("gpt-image-2-all", "4k", 0.06),
        ("gpt-image-2", None, None),
    ],
)
def test_the_published_prices(model: str, resolution: str | None, dollars: float | None) -> None:
    found = find(model)

    assert found is not None
    assert found.price(resolution) == dollars


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_model_is_found_by_its_full_and_by_its_short_id(model: CatalogueModel) -> None:
    assert find(model.id) is model
    assert find(model.short_id) is model
    assert model.id in (model.short_id, f"{model.id.partition('/')[0]}/{model.short_id}")


def test_a_short_id_has_no_provider() -> None:
    assert CatalogueModel("grok-image/grok-4.2-image").short_id == "grok-4.2-image"
    assert CatalogueModel("gpt-image-2-lite").short_id == "gpt-image-2-lite"


@pytest.mark.parametrize("model", ["", "grok-image", "nobody/knows", "GROK-4.2-IMAGE", "/grok-4.2-image"])
def test_a_model_nobody_listed_is_not_found(model: str) -> None:
    assert find(model) is None


def test_prices_are_small_change_and_grow_with_the_resolution() -> None:
    for model in MODELS:
        prices = [model.prices[resolution] for resolution in ("1K", "2K", "4K") if resolution in model.prices]
        assert len(prices) == len(model.prices)
        assert all(0 < price < 1 for price in prices)
        assert prices == sorted(prices)


def test_the_figures_are_dated() -> None:
    assert isinstance(AS_OF, date)


@pytest.mark.parametrize(
    ("size", "resolution"),
    [
        *(((1024, 1024), "1K"), ((1536, 16), "1K"), ((16, 1537), "2K"), ((1600, 1600), "2K"), ((2048, 2048), "2K")),
        *(((2049, 16), "4K"), ((2560, 1440), "4K"), ((3840, 2160), "4K"), ((4096, 4096), "4K")),
    ],
)
def test_the_longer_side_decides_what_a_picture_is_billed_as(size: tuple[int, int], resolution: str) -> None:
    assert resolution_of(size) == resolution
    assert resolution_of(size[::-1]) == resolution


@pytest.mark.parametrize(
    ("quality", "prices"),
    [
        ("low", (0.005, 0.01, 0.015)),
        *((quality, (0.025, 0.04, 0.06)) for quality in ("medium", "auto", None, "max")),
        ("high", (0.07, 0.10, 0.23)),
    ],
)
def test_a_price_may_depend_on_the_quality(quality: str | None, prices: tuple[float, ...]) -> None:
    model = find("gpt-image-2-all")
    assert model is not None
    assert tuple(model.price(resolution, quality=quality) for resolution in ("1K", "2K", "4K")) == prices


@pytest.mark.parametrize(
    ("resolution", "tier"),
    [
        *(("1k", "1K"), ("512", "1K"), ("0.5K", "1K"), ("1.5k", "1K"), ("2048", "2K"), ("2K", "2K"), ("2049", "4K")),
        *(("4k", "4K"), ("8K", "8K"), ("auto", "AUTO"), ("", "")),
    ],
)
def test_a_word_for_the_resolution_is_billed_by_the_pixels_that_it_stands_for(resolution: str, tier: str) -> None:
    assert tier_of(resolution) == tier


@pytest.mark.parametrize(("n", "dollars"), [(1, 0.09), (3, 0.09), (4, 0.18)])
def test_a_price_for_several_pictures_is_paid_as_a_whole(n: int, dollars: float) -> None:
    assert Price(0.09, pieces=3).cost(n) == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("base_url", "limit"),
    [
        ("https://apimodels.app/api/v1", 4_500_000),
        ("https://api.apimodels.app/v1", 100_000_000),
        ("https://API.apimodels.app/v1/", 100_000_000),
        ("https://api.apimodels.app/v2", 4_500_000),
        ("http://127.0.0.1:8787/api/v1", 4_500_000),
    ],
)
def test_an_address_takes_4_5_megabytes_unless_it_is_known_to_take_more(base_url: str, limit: int) -> None:
    assert inline_limit(base_url) == limit


def test_a_price_may_depend_on_pictures_to_work_on_and_pay_for_several() -> None:
    model = CatalogueModel("new", table=(Price(0.09, edit=True, pieces=3), Price(0.01, "1K"), Price(0.02, "2K")))
    assert model.price(edit=True) == pytest.approx(0.03)
    assert (model.price(), model.price("2k"), model.price("4K")) == (0.01, 0.02, None)


def test_every_price_says_where_and_when_it_was_read() -> None:
    prices = [price for model in MODELS for price in model.table]
    assert len(prices) > 15
    assert all(price.source and price.read <= AS_OF for price in prices)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_the_short_price_list_is_that_of_medium_quality(model: CatalogueModel) -> None:
    assert {resolution: model.price(resolution) for resolution in model.prices} == model.prices
    assert (model.price() is None) == (not model.prices)


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("grok-4.2-imgae", "grok-4.2-image"),
        ("GROK-4.2-IMAGE", "grok-4.2-image"),
        ("grok-image/grok-4.2-image ", "grok-image/grok-4.2-image"),
        ("grok-4.2-image", None),
        ("nobody/nothing", None),
        ("", None),
    ],
)
def test_a_model_that_is_not_listed_is_like_the_one_that_was_meant(model: str, meant: str | None) -> None:
    assert similar(model) == meant
