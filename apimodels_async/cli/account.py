"""``apimodels models`` and ``apimodels balance``: the available models and the remaining credit."""

from rich.table import Table

from apimodels_async import catalogue
from apimodels_async._settings import load_prices
from apimodels_async.catalogue import Price, PriceTable
from apimodels_async.cli.options import AsJson, ServerChoice, maybe_local, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.session import converse
from apimodels_async.client import AsyncImagesClient

__all__ = ["balance", "models"]


@takes(server=maybe_local)
def models(*, server: ServerChoice, as_json: AsJson = False) -> None:
    """List the models that the server offers.

    On a terminal, with the prices that were published when this version was made.
    """
    screen = Screen()
    with screen.busy("asking for the models"):
        ids = converse(AsyncImagesClient.models, server)
    if as_json:
        screen.json({"models": ids})
    elif screen.for_people:
        prices = load_prices()
        screen.out.print(_priced(ids, prices))
        screen.note(f"Prices in US dollars a picture, {_read(ids, prices)}.")
    else:
        screen.lines(ids)


@takes(server=maybe_local)
def balance(*, server: ServerChoice, as_json: AsJson = False) -> None:
    """Say what is left on the account, in US dollars."""
    screen = Screen()
    with screen.busy("asking for the balance"):
        dollars = converse(AsyncImagesClient.balance, server)
    if as_json:
        screen.json({"balance": dollars})
    else:
        screen.lines([f"US$ {dollars}" if screen.for_people else dollars])


def _priced(ids: list[str], prices: PriceTable) -> Table:
    table = Table("model", "price", box=None, pad_edge=False, header_style="dim")
    for id_ in ids:
        table.add_row(id_, ", ".join(map(_shown, prices.of(id_))) or "not known")
    return table


def _shown(price: Price) -> str:
    """A price and the conditions under which it holds; one for every resolution is shown as that of 1K."""
    edit = {None: None, True: "edit", False: "no edit"}[price.edit]
    pieces = f"for {price.pieces}" if price.pieces > 1 else None
    conditions = " ".join(filter(None, (price.resolution or "1K", price.quality, edit, pieces)))
    return f"{price.dollars:g} ({conditions})"


def _read(ids: list[str], prices: PriceTable) -> str:
    """When the prices were read, and where those come from that are not the catalogue's."""
    used = [price for id_ in ids for price in prices.of(id_) if price not in _CATALOGUES]
    words = f"as published on {catalogue.AS_OF:%d %B %Y}"
    others = sorted({f"{price.source} of {price.read:%d %B %Y}" for price in used})
    return f"{words}; from {', '.join(others)}" if others else words


_CATALOGUES = frozenset(price for model in catalogue.MODELS for price in model.table)
