"""Writes the blocking mirror: ``python tests/tools/generate_sync.py``, or ``--check`` to compare only.

Each public method of an async class becomes its header, its docstring and one line that delegates. These are the rules,
and there are no others:

- A header is copied, without its ``async``. The names of `RENAMED` change, as do iterators in what it returns.
- In a docstring, what stands in double backquotes or in a block after two colons loses ``await`` and ``async``, and
  takes the names of `RENAMED` and `CLASSES`. The first paragraph of a class is replaced where `OPENINGS` has one.
- An argument that may be an async iterable is read in a thread of its own if it is a plain one.
- A parameter that an async method deletes from its frame is deleted from the mirror's too: a traceback that shows
  locals must not show a key.

Anything that does not fit is an error here, not a guess. The text depends on nothing but the sources, because no
formatter runs.
"""

import argparse
import ast
import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

HERE = Path(__file__).parents[2] / "apimodels_async"
PACKAGE = "apimodels_async"
WIDTH = 120

RENAMED = {
    "aclose": "close",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}
CLASSES = {"AsyncImagesClient": "ImagesClient", "Batch": "Batch", "CallbackReceiver": "CallbackReceiver"}
"""The async classes, and what mirrors them."""
RETURNED = {"AsyncIterator": "Iterator", "AsyncIterable": "Iterable"}

OPENINGS = {
    "AsyncImagesClient": """The image API, blocking: for scripts, threads and frameworks that do not await.

    It is `AsyncImagesClient` in an event loop of its own, in a background thread that starts with the first call. Any
    number of threads may share a client. Where an event loop is running already (Jupyter, an async handler) it works
    too, and blocks that loop until the call is done. Ctrl-C cancels the call, and leaves the client usable. After a
    fork, make a new one in the new process. What is left open is closed when the interpreter exits.
""",
    "CallbackReceiver": """Receives callbacks, for programs that do not await: iterating blocks until the next has come.

    It is an ASGI app all the same: run it on a server of its own, in a thread or beside your program.
""",
}


class Output(NamedTuple):
    """A module to be written.

    Attributes:
        source: the async module, by its file.
        original: the class in it.
        target: the file below ``sync``.
        base: what the mirror inherits.
    """

    source: str
    original: str
    target: str
    base: str


OUTPUTS = (
    Output("client.py", "AsyncImagesClient", "client.py", "MirroredClient"),
    Output("_batch/batch.py", "Batch", "batch.py", "Companion"),
    Output("callbacks/receiver.py", "CallbackReceiver", "receiver.py", "MirroredReceiver"),
)

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class CannotBeMirroredError(Exception):
    """A shape that no rule covers."""


class Expression(NamedTuple):
    """A call to be written on one line or, where that is too long, on several as the formatter would."""

    function: str
    arguments: "tuple[str | Expression, ...]"

    def line(self) -> str:
        """On one line."""
        return f"{self.function}({', '.join(map(one_line, self.arguments))})"

    def lines(self, indent: int, before: str = "", after: str = "") -> Iterator[str]:
        """With what stands before and after it."""
        pad = " " * indent
        whole = f"{pad}{before}{self.line()}{after}"
        inside = f"{pad}    {', '.join(map(one_line, self.arguments))}"
        if len(whole) <= WIDTH:
            yield whole
            return
        yield f"{pad}{before}{self.function}("
        if len(inside) <= WIDTH:
            yield inside
        else:
            for argument in self.arguments:
                if isinstance(argument, Expression):
                    yield from argument.lines(indent + 4, after="," if len(self.arguments) > 1 else "")
                else:
                    yield f"{pad}    {argument},"
        yield f"{pad}){after}"


def one_line(argument: str | Expression) -> str:
    return argument.line() if isinstance(argument, Expression) else argument


# --- text


def in_words(text: str) -> str:
    """A docstring's text for the mirror."""

    def spoken(found: re.Match[str]) -> str:
        code = re.sub(r"\b(?:await|async) ", "", found[0])
        return re.sub(r"\b\w+\b", lambda word: RENAMED.get(word[0], CLASSES.get(word[0], word[0])), code)

    return re.sub(r"``.*?``|(?<=::\n\n) +\S.*?(?=\n\n\s*[A-Z])", spoken, text, flags=re.DOTALL)


def docstring(node: Function | ast.ClassDef, source: str) -> str | None:
    """The docstring as it stands in the source, quotes and all."""
    first = node.body[0]
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return None
    return ast.get_source_segment(source, first.value) if isinstance(first.value.value, str) else None


def class_docstring(node: ast.ClassDef, source: str) -> str:
    text = docstring(node, source) or '""""""'
    opening = OPENINGS.get(node.name)
    if opening is not None:
        text = f'"""{opening}\n{text.partition(chr(10) * 2)[2]}'
    return in_words(text)


def header(node: Function, source: str) -> list[str]:
    """From the first decorator to the colon."""
    lines = source.splitlines()[node.lineno - 1 : node.body[0].lineno - 1]
    if not lines:
        raise CannotBeMirroredError(f"{node.name}: its body stands on the line of its header")
    text = "\n".join(lines).replace("    async def ", "    def ", 1)
    name = RENAMED.get(node.name, node.name)
    text = text.replace(f"def {node.name}(", f"def {name}(", 1)
    head, arrow, returned = text.rpartition("->")
    returned = returned.replace("batches.", "")  # the mirror has a batch of its own
    text = head + arrow + re.sub(r"\w+", lambda word: RETURNED.get(word[0], word[0]), returned)
    joined = re.sub(r"\s*\n\s*", " ", text.rstrip()).replace("( ", "(").replace(" )", ")")
    fits = len("    " + joined.lstrip()) <= WIDTH and ",)" not in joined
    decorators = [f"    @{ast.unparse(each)}" for each in node.decorator_list]
    return [*decorators, *(["    " + joined.lstrip()] if fits else text.splitlines())]


# --- methods


def arguments(node: Function) -> Iterator[str]:
    """The arguments of a call that passes on what `node` takes."""
    taken = node.args
    if taken.vararg or taken.kwarg:
        raise CannotBeMirroredError(f"{node.name}: *args and **kwargs hide what it takes")
    for each in [*taken.posonlyargs, *taken.args][1:]:
        yield passed(each)
    for each in taken.kwonlyargs:
        yield f"{each.arg}={passed(each)}"


def passed(argument: ast.arg) -> str:
    is_read = argument.annotation is not None and "AsyncIterable" in ast.unparse(argument.annotation)
    return f"threaded({argument.arg})" if is_read else argument.arg


WAYS = {"__aenter__": "enter", "__aexit__": "last", "aclose": "last", "__anext__": "step"}
"""Which way of the portal's a coroutine function takes; ``call`` if it is none of these."""


def delegate(node: Function) -> str | Expression:
    """The one line."""
    mirrored = f"self._async.{node.name}"
    if node.decorator_list:
        if [ast.unparse(each) for each in node.decorator_list] != ["property"]:
            raise CannotBeMirroredError(f"{node.name}: the only decorator with a mirror is property")
        return f"self._portal.run(lambda: {mirrored})"
    if isinstance(node, ast.AsyncFunctionDef):
        if any(isinstance(inner, ast.Yield) for inner in ast.walk(node)):
            raise CannotBeMirroredError(f"{node.name}: an async generator; let it return an object of its own")
        call = Expression(mirrored, tuple(arguments(node)))
        way = WAYS.get(node.name, "call")
        return Expression(f"self._portal.{way}", (call, "self") if way == "enter" else (call,))
    if node.name == "__aiter__":
        does_more = len(node.body) > 1
        return Expression("self._portal.begin", (mirrored, "self")) if does_more else "self"
    return delegate_plain(node, mirrored)


def delegate_plain(node: Function, mirrored: str) -> Expression:
    returned = "" if node.returns is None else ast.unparse(node.returns).strip("'\"").removeprefix("batches.")
    given = tuple(arguments(node))
    make = Expression("partial", (mirrored, *given)) if given else mirrored
    if returned in CLASSES:
        return Expression(CLASSES[returned], ("self._portal", make))
    if any(word in returned for word in ("Async", "Awaitable", "Coroutine")):
        raise CannotBeMirroredError(f"{node.name}: returns {returned}, which has no mirror")
    return Expression("self._portal.run", (make,))


def deleted(node: Function) -> list[str]:
    """The parameters that a method deletes from its frame."""
    targets = [ast.unparse(target) for each in node.body if isinstance(each, ast.Delete) for target in each.targets]
    return [name for name in targets if name in {each.arg for each in [*node.args.args, *node.args.kwonlyargs]}]


def method(node: Function, source: str, original: str) -> Iterator[str]:
    yield from header(node, source)
    text = docstring(node, source)
    if text is not None:
        yield from f"        {in_words(text)}".splitlines()
    if node.name == "__init__":
        line: str | Expression = Expression("self._mirror", (Expression(original, tuple(arguments(node))),))
    else:
        line = delegate(node)
    before = "return " if returns_something(node) else ""
    hidden = deleted(node)
    indent = 12 if hidden else 8
    if hidden:
        yield "        try:"
    yield from line.lines(indent, before) if isinstance(line, Expression) else [f"{' ' * indent}{before}{line}"]
    if hidden:
        yield "        finally:"
        yield from (f"            del {name}" for name in hidden)


def returns_something(node: Function) -> bool:
    return node.returns is None or ast.unparse(node.returns) != "None"


SPOKEN = frozenset({*RENAMED, "__init__"})
"""The special methods that are mirrored for a client; the others are inherited."""


def mirrored_methods(node: ast.ClassDef, base: str) -> Iterator[Function]:
    for each in node.body:
        if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if each.name == "__init__" and base == "Companion":
            continue  # it is made by its client
        if each.name in SPOKEN or not each.name.startswith("_"):
            yield each


# --- modules


def imported(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """Where the names of a module come from: name → (module, name there); ("os", "") for ``import os``."""
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({alias.asname or alias.name.partition(".")[0]: (alias.name, "") for alias in node.names})
        elif isinstance(node, ast.ImportFrom):
            found.update({alias.asname or alias.name: (node.module or "", alias.name) for alias in node.names})
    return found


def for_type_checkers(tree: ast.Module) -> set[str]:
    """The names that a module imports below ``if TYPE_CHECKING``."""
    guarded = [each for each in tree.body if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"]
    return {name for each in guarded for name in imported(ast.Module(each.body, []))}


def used(nodes: Iterable[Function]) -> set[str]:
    """The names in headers."""
    found: set[str] = set()
    for node in nodes:
        for part in (node.args, node.returns):
            for inner in ast.walk(part) if part is not None else ():
                if isinstance(inner, ast.Name):
                    found.add(inner.id)
                elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    found.update(re.findall(r"\w+", inner.value))
    return found


def import_lines(names: dict[str, tuple[str, str]]) -> list[str]:
    """Sorted as the linter sorts them: what the language brings, then what is ours."""
    plain = sorted(module for module, name in names.values() if not name)
    modules: dict[str, list[str]] = {}
    for here, (module, name) in names.items():
        if name:
            modules.setdefault(module, []).append(name if here == name else f"{name} as {here}")
    blocks: list[list[str]] = [[f"import {module}" for module in plain], []]
    for module in sorted(modules):
        line = f"from {module} import "
        each = sorted(modules[module], key=lambda name: (not name.isupper(), name[0].islower(), name))
        joined = line + ", ".join(each)
        if module == PACKAGE:
            lines = [f"{line}{name}  # noqa: TC001  (annotations are read at run time too)" for name in each]
        else:
            lines = [joined] if len(joined) <= WIDTH else [f"{line}(", *(f"    {name}," for name in each), ")"]
        blocks[module.startswith(PACKAGE)].extend(lines)
    return "\n\n".join("\n".join(block) for block in blocks if block).splitlines()


def render(output: Output, package: Path) -> str:
    """The whole text of one module of the mirror.

    Raises:
        CannotBeMirroredError: the async class has a shape that no rule covers.
    """
    source = (package / output.source).read_text(encoding="utf-8")
    tree = ast.parse(source)
    node = next(each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == output.original)
    methods = list(mirrored_methods(node, output.base))
    mirror = CLASSES[output.original]
    mirrored = f"Async{mirror}" if mirror == output.original else output.original
    base = f"{output.base}[{mirrored}]" if output.base == "Companion" else output.base
    body: list[str] = []
    for each in methods:
        body += ["", *method(each, source, mirrored)]
    text = "\n".join(body)

    wanted = used(methods)
    here = imported(tree)
    names = {name: here[name] for name in sorted(wanted) if name in here and name not in {*CLASSES, "batches"}}
    for old, new in RETURNED.items():
        if names.get(old) == ("collections.abc", old) and not re.search(rf"\b{old}\b", text):
            del names[old]
            names[new] = ("collections.abc", new)
    names[mirrored] = (f"{PACKAGE}.{output.source.removesuffix('.py').replace('/', '.')}", output.original)
    names[output.base] = (f"{PACKAGE}.sync.base", output.base)
    if "partial(" in text:
        names["partial"] = ("functools", "partial")
    if "threaded(" in text:
        names["threaded"] = (f"{PACKAGE}._batch.feed", "threaded")
    for other in OUTPUTS:
        if other.original in wanted and other != output:
            name = CLASSES[other.original]
            names[name] = (f"{PACKAGE}.sync.{other.target.removesuffix('.py')}", name)

    only_types = {name: names.pop(name) for name in (for_type_checkers(tree) - CLASSES.keys()) & names.keys()}
    guarded = [f"    {line}" for line in import_lines(only_types)]
    if guarded:
        names["TYPE_CHECKING"] = ("typing", "TYPE_CHECKING")
        guarded = ["", "if TYPE_CHECKING:", *guarded]

    front = [
        f'"""`{mirror}` without ``await``.',
        "",
        f"Generated from {output.source} by ``python tests/tools/generate_sync.py``: not to be edited by hand.",
        '"""',
        "",
        *import_lines(names),
        *guarded,
        "",
        f'__all__ = ["{mirror}"]',
        "",
        "",
        f"class {mirror}({base}):",
        f"    {class_docstring(node, source)}",
    ]
    return "\n".join(front) + "\n" + text + "\n"


def rendered(package: Path = HERE) -> dict[Path, str]:
    """The text of each generated file of a package."""
    return {package / "sync" / output.target: render(output, package) for output in OUTPUTS}


def main(words: Sequence[str] | None = None) -> int:
    """Write the mirror, or compare it with what is there; the exit code."""
    parser = argparse.ArgumentParser(description="Write the blocking mirror.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 and a diff if it would differ")
    parser.add_argument("--package", type=Path, default=HERE, help="the package to read and to write")
    options = parser.parse_args(words)
    check: bool = options.check
    differs = False
    for path, text in rendered(options.package).items():
        there = path.read_text(encoding="utf-8") if path.exists() else ""
        if there == text:
            continue
        differs = True
        if check:
            old, new = there.splitlines(keepends=True), text.splitlines(keepends=True)
            sys.stdout.writelines(difflib.unified_diff(old, new, f"{path.name} (there)", f"{path.name} (generated)"))
        else:
            path.write_text(text, encoding="utf-8", newline="\n")
    return int(check and differs)


if __name__ == "__main__":
    sys.exit(main())
