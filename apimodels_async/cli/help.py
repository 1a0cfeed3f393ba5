"""The help of the commands: paragraphs that fill the line, lists that stay lists, a table for each kind of option.

A docstring is read as text: lines of a paragraph are joined, except those that begin with ``- ``, which are the items
of a list, and those that are indented, which are shown as they are.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from apimodels_async.cli import exit_codes
from apimodels_async.cli.screen import Screen

__all__ = ["Command", "Commands", "paragraphs"]

_WIDEST = 100
"""Columns of a line of text: longer ones are hard to read."""
_LEFT = 26
"""Columns for the names of options. Under a longer one, its text begins on the next line."""


class Command(TyperCommand):
    """A command with this help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        del formatter
        _print(_command_help(self, ctx))


class Commands(TyperGroup):
    """A group of commands with this help; that of the whole program ends in the exit codes."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        del formatter
        parts = [*_command_help(self, ctx), *_commands(self)]
        if ctx.parent is None:
            parts += _section("Exit codes", ((str(row.code).rjust(3), row.meaning) for row in exit_codes.TABLE), left=3)
        _print(parts)


def _print(parts: Iterable[RenderableType]) -> None:
    console: Console = Screen().out
    with console.capture() as printed:
        console.print(Group(*parts), width=min(console.width, _WIDEST))
    for line in printed.get().splitlines():
        typer.echo(line.rstrip())


def _command_help(command: Any, ctx: Any) -> Iterator[RenderableType]:
    arguments = [each for each in command.get_params(ctx) if each.param_type_name == "argument" and not each.hidden]
    options = [each for each in command.get_params(ctx) if each.param_type_name == "option" and not each.hidden]
    last = ["COMMAND"] if isinstance(command, TyperGroup) else [_usage(each) for each in arguments]
    yield Text.assemble(("Usage: ", "dim"), (" ".join([ctx.command_path, "[OPTIONS]", *last]), "bold"))
    for paragraph in paragraphs(command.help or ""):
        yield Text()
        yield Padding(paragraph, (0, 0, 0, 2))
    rows = [(each.metavar or each.name, each.help) for each in arguments if each.help]
    yield from _section("Arguments", rows)
    titles = dict.fromkeys(each.rich_help_panel for each in options if each.rich_help_panel is not None)
    for title in [*titles, "Options"]:
        found = (each for each in options if (each.rich_help_panel or "Options") == title)
        yield from _section(title, ((_names(each), _explained(each)) for each in found))


def _usage(argument: Any) -> str:
    name = str(argument.metavar or argument.name) + ("…" if argument.nargs != 1 else "")
    return name if argument.required else f"[{name}]"


def _commands(group: TyperGroup) -> Iterator[RenderableType]:
    rows = [(name, _first_line(each)) for name, each in group.commands.items() if not each.hidden]
    return _section("Commands", rows, left=max(len(name) for name, _ in rows))


def _first_line(command: Any) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())


def _section(title: str, rows: Iterable[tuple[str, str]], *, left: int = _LEFT) -> Iterator[RenderableType]:
    rows = list(rows)
    if not rows:
        return
    left = min(left, max(len(name) for name, _ in rows))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=left, no_wrap=True)
    table.add_column(ratio=1)
    yield Text()
    yield Text(title, style="bold")
    # Rows whose names are too long stand alone, so that a table is begun again after them.
    for name, text in rows:
        if len(name) > left:
            yield from _table(table)
            table = Table.grid(padding=(0, 2, 0, 0))
            table.add_column(width=left, no_wrap=True)
            table.add_column(ratio=1)
            yield Padding(Text(name, style="cyan"), (0, 0, 0, 2))
            table.add_row("", text)
        else:
            table.add_row(Text(name, style="cyan"), text)
    yield from _table(table)


def _table(table: Table) -> Iterator[RenderableType]:
    if table.row_count:
        yield Padding(table, (0, 0, 0, 2))


def _names(option: Any) -> str:
    short = sorted(option.opts, key=len)
    names = ", ".join([*short, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar}"


def _explained(option: Any) -> str:
    facts: list[str] = []
    if isinstance(option.show_default, str):
        facts.append(f"default: {option.show_default}")
    elif option.show_default and option.default not in {None, False, ""} and not option.is_flag:
        facts.append(f"default: {_shown(option.default)}")
    if option.envvar:
        facts.append(f"or {option.envvar}")
    return " ".join([option.help or "", *([f"[{'; '.join(facts)}]"] if facts else [])])


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def paragraphs(text: str) -> Iterator[RenderableType]:
    """The paragraphs of a docstring, its lists and its indented lines."""
    for paragraph in text.split("\n\n"):
        lines = paragraph.splitlines()
        if any(line.startswith("- ") for line in lines):
            yield _list(lines)
        elif all(line.startswith("  ") for line in lines if line):
            yield Text(paragraph, no_wrap=True)
        else:
            yield Text(" ".join(line.strip() for line in lines))


def _list(lines: list[str]) -> RenderableType:
    items: list[str] = []
    for line in lines:
        if line.startswith("- ") or not items:
            items.append(line.removeprefix("- "))
        else:
            items[-1] += " " + line.strip()
    named = [item.partition(": ") for item in items]
    table = Table.grid(padding=(0, 2, 0, 0))
    if all(text for _, _, text in named):
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        for name, _, text in named:
            table.add_row(Text(name, style="cyan"), text)
    else:
        table.add_column(ratio=1)
        for item in items:
            table.add_row(item)
    return table
