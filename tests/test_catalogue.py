import re
from datetime import date

import pytest

from apimodels_async.catalogue import AS_OF, MODELS, CatalogueModel, find


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
        ("gpt-image-2-all", None, None),
        ("gpt-image-2-all", "1K", None),
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
