"""Public names that are imported when they are used first: what is not used costs nothing, and needs no extra."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

Find: TypeAlias = Callable[[str], Any]
"""What finds the value of a name."""


def names(package: str, homes: Mapping[str, str]) -> Find:
    """Return the ``__getattr__`` of a package.

    Args:
        package: its full name.
        homes: the module of each name, below the package; with a dot before it, beside the package.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f".{homes[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return find
