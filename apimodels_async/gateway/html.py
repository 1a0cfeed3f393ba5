"""HTML that is safe by construction: whatever is not `Html` is text, and is escaped. Pure."""

import html
from collections.abc import Iterable

from apimodels_async._text import visible

__all__ = ["Child", "Html", "element", "join"]

_VOID = frozenset({"br", "img", "input", "link", "meta"})


class Html(str):
    """Markup. Only `element` and `join` make it, from texts that they escape, and from constants of ours."""

    __slots__ = ()


Child = str | Html | None
"""What an element can hold: text, which is escaped, markup, or nothing."""


def _escaped(text: str) -> str:
    # Never by `isinstance(text, str)` alone: markup is a str as well.
    return text if isinstance(text, Html) else html.escape(visible(text))


def element(tag: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """An element.

    Args:
        tag: its name.
        *children: text or markup, in order.
        **attributes: by their names; ``_`` stands for ``-``, and a trailing one is dropped (``class_``). ``True`` is an
            attribute without a value; ``False`` and ``None`` leave it out.
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{html.escape(visible(str(value)))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Html:
    """Several children, one after another."""
    return Html("".join(_escaped(child) for child in children if child is not None))
