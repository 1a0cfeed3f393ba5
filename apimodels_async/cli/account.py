"""``apimodels models`` and ``apimodels balance``: the available models and the remaining credit."""

from rich.table import Table

from apimodels_async import catalogue
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
        screen.out.print(_priced(ids))
        screen.note(f"Prices in US dollars a picture, as published on {catalogue.AS_OF:%d %B %Y}.")
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


def _priced(ids: list[str]) -> Table:
    table = Table("model", "price", box=None, pad_edge=False, header_style="dim")
    for id_ in ids:
        known = catalogue.find(id_)
        prices = known.prices.items() if known is not None else ()
        table.add_row(id_, ", ".join(f"{price:g} ({resolution})" for resolution, price in prices))
    return table
