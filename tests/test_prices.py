"""Prices from a file of the user's."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import GenerationRequest
from apimodels_async._create.prepare import view_of
from apimodels_async._prices import price, price_as_sent
from apimodels_async._settings import load_prices
from apimodels_async.catalogue import MODELS, PUBLISHED, parse_prices
from apimodels_async.errors import ConfigurationError
from apimodels_async.gateway import create_app

FILE = """
read = 2026-12-01
source = "console"

[prices]
"gpt-image-2" = 0.04
"grok-4.2-image" = 0.0075
"gpt-image-2-lite" = { 1K = 0.009, 2K = 0.016, 4K = 0.026 }
"of/our-own" = [
  { dollars = 0.03, resolution = "1K", quality = "high" },
  { dollars = 0.05, edit = true, pieces = 2 },
  { dollars = 1 },
]
"""


def test_a_file_gives_prices_in_three_forms() -> None:
    prices = parse_prices(FILE)
    assert prices.cost("gpt-image-2", 3) == pytest.approx(0.12)
    assert [prices.cost("gpt-image-2-lite", resolution=tier) for tier in ("1K", "2k", "4K")] == [0.009, 0.016, 0.026]
    assert prices.cost("of/our-own", quality="high") == 0.03
    assert prices.cost("of/our-own", 3, edit=True) == pytest.approx(0.10)
    assert prices.cost("of/our-own", 2) == 2


def test_a_model_of_the_file_has_no_other_prices_under_either_of_its_names() -> None:
    prices = parse_prices(FILE)
    for name in ("grok-4.2-image", "grok-image/grok-4.2-image"):
        assert prices.cost(name, resolution="4K") == 0.0075
    assert parse_prices('[prices]\n"gpt-image-2-lite" = { 1K = 0.1 }').cost("gpt-image-2-lite", resolution="2K") is None


def test_other_models_keep_the_prices_of_the_catalogue() -> None:
    assert parse_prices(FILE).cost("sparkpix-image") == PUBLISHED.cost("sparkpix-image") == 0.008
    assert parse_prices(FILE).cost("some/other") is None


def test_every_price_says_where_and_when_it_was_read() -> None:
    assert {(price.source, price.read) for price in parse_prices(FILE).of("of/our-own")} == {
        ("console", date(2026, 12, 1))
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prices", "Expected"),
        ("", r"no table \[prices\]"),
        ("prices = 3", r"no table \[prices\]"),
        ("price = 3", "unknown name 'price'"),
        ('read = "today"\n[prices]', "give read as a date"),
        ("source = 3\n[prices]", "source as text"),
        ('[prices]\na = "free"', "a: dollars = 'free': give US dollars"),
        ("[prices]\na = -1", "a: dollars = -1"),
        ("[prices]\na = nan", "a: dollars = nan"),
        ("[prices]\na = true", "a: dollars = True"),
        ("[prices]\na = [3]", "a: dollars = None"),
        ("[prices]\na = { 3K = 0.1 }", "a: resolution = '3K': give one of 1K, 2K, 4K"),
        ('[prices]\na = { dollars = 1, quality = "best" }', "a: quality = 'best': give one of low, medium, high"),
        ("[prices]\na = { dollars = 1, edit = 1 }", "a: edit = 1: give true or false"),
        ("[prices]\na = { dollars = 1, pieces = 0 }", "a: pieces = 0: give a whole number from 1"),
        ("[prices]\na = { dollars = 1, size = 3 }", "a: unknown name 'size': there are dollars, resolution"),
    ],
)
def test_what_is_no_price_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_prices(text)


def named(path: Path) -> Callable[[str], str | None]:
    return lambda name: str(path) if name == "APIMODELS_PRICES" else None


def test_the_variable_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(FILE, encoding="utf-8")
    assert load_prices(named(path)) == parse_prices(FILE)
    assert load_prices(lambda _: None) is PUBLISHED


@pytest.mark.parametrize("content", [None, "prices", "\ud800"])
def test_a_file_that_cannot_be_used_is_named_with_the_variable(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "prices.toml"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigurationError, match=r"APIMODELS_PRICES: .*prices\.toml: "):
        load_prices(named(path))


def test_the_gateway_uses_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIMODELS_PRICES", str(tmp_path / "prices.toml"))
    with pytest.raises(ConfigurationError, match=r"APIMODELS_PRICES: .*prices\.toml: No such file"):
        create_app()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n": 3},
        {"resolution": "4K"},
        {"size": "2048x2048", "quality": "high"},
        {"size": "2K", "n": 2},
        {"quality": "low", "image": "https://pictures.example/a.png"},
        {"images": ["https://pictures.example/a.png", "https://pictures.example/b.png"]},
        {"extra_body": {}},
        {"extra_body": {"n": 2, "resolution": "2K"}},
        {"extra_body": {"image_url": "https://pictures.example/a.png", "quality": "high"}},
    ],
)
def test_a_request_has_the_price_of_what_a_ledger_keeps_of_it(fields: dict[str, Any]) -> None:
    request = GenerationRequest("a fox", **fields)

    for prices in (PUBLISHED, parse_prices(FILE)):
        for model in [*(listed.id for listed in MODELS), "of/our-own", "unknown"]:
            assert price(request, model, prices) == price_as_sent(view_of(request, model), model, prices)
