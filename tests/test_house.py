"""The structural rules of the package: import order, purity, size, names, and what its public modules offer."""

import ast
import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

import apimodels_async
from apimodels_async.client import AsyncImagesClient

ROOT = "apimodels_async"
HOME = Path(apimodels_async.__file__).parent

ORDER = (
    "_lazy _text _logs _arguments _validators errors models catalogue _secret _settings _version _urls _limits "
    "_threads _cancellation _clock _sqlite _postgres _group_commit _reprs _json_values _prices _template _thumbnails "
    "instrumentation",
    "_wire",
    "_http",
    "pacing",
    "callbacks",
    "_poll",
    "_create",
    "_download",
    "ledger",
    "_page",
    "_batch",
    "client",
    "sync",
    "shards",
    "gateway dask pytest_plugin",
    "cli",
    "__main__",
)
"""Each line imports only from lines above it, and from its own."""

PLACE = {name: place for place, names in enumerate(ORDER) for name in names.split()} | {"": len(ORDER)}
"""The package's own front comes last: no module imports from it."""

PURE = (
    "_limits",
    "_wire",
    "pacing",
    "_create.verdict",
    "_create.gate",
    "_create.journal",
    "_batch.accounts",
    "_batch.budget",
    "_batch.resume",
    "_batch.stops",
    "_download.tally",
    "_download.words",
    "_page.rows",
    "_page.document",
    "_download.names",
    "ledger.entries",
    "callbacks.signing",
    "callbacks.parsing",
    "_urls",
    "_text",
    "_prices",
    "instrumentation.details",
    "_template",
    "catalogue",
)
"""Modules and packages without any I/O: the clock and chance are arguments."""

NOT_PURE = {
    *("anyio", "asyncio", "httpx", "os", "pathlib", "random", "secrets", "shutil", "socket", "ssl", "subprocess"),
    *("tempfile", "threading", "time", "trio", "uuid"),
}
"""What a pure rule may not even import."""


def source_files() -> dict[str, Path]:
    """Every module by its name below the package: ``""``, ``models``, ``gateway``, ``gateway.app``."""
    found: dict[str, Path] = {}
    for path in HOME.rglob("*.py"):
        parts = path.relative_to(HOME).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


FILES = source_files()
PACKAGES = {name for name, path in FILES.items() if path.name == "__init__.py"}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def top(module: str) -> str:
    """The package or module below the root to which a module belongs."""
    return module.partition(".")[0]


def for_type_checkers_only(tree: ast.AST) -> set[ast.AST]:
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    return {inner for guard in guards for statement in guard.body for inner in ast.walk(statement)}


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """The full names of what a module imports anywhere in it, each as far down as the statement says."""
    ignored = for_type_checkers_only(tree)
    for node in ast.walk(tree):
        if node in ignored:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = [ROOT, *package.split(".")] if package else [ROOT]
                base = ".".join([*above[: len(above) - node.level + 1], *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def package_of(module: str) -> str:
    return module if module in PACKAGES else module.rpartition(".")[0]


def own_imports(module: str) -> set[str]:
    """The modules of this package that a module imports."""
    found: set[str] = set()
    for full in imports(TREES[module], package_of(module)):
        if full.partition(".")[0] != ROOT:
            continue
        name = full.partition(".")[2]
        while name not in FILES:
            name = name.rpartition(".")[0]
        found.add(name)
    return found


def foreign_imports(module: str) -> set[str]:
    """The top names of what a module imports from elsewhere."""
    return {full.partition(".")[0] for full in imports(TREES[module], package_of(module))} - {ROOT}


MODULES = sorted(FILES)


def is_pure(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in PURE)


# --- the order


def test_every_module_has_its_place_in_the_order() -> None:
    assert {top(module) for module in MODULES} <= set(PLACE)


def test_the_table_of_the_design_is_this_order() -> None:
    text = (Path(__file__).parents[1] / "docs" / "design.md").read_text(encoding="utf-8")
    table = text.partition("## Where things are")[2].partition("\n\n| change")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)

    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == [set(names.split()) for names in ORDER]


def test_no_import_runs_against_the_order() -> None:
    wrong = [(m, other) for m in MODULES for other in own_imports(m) if PLACE[top(other)] > PLACE[top(m)]]

    assert wrong == []


def test_there_are_no_import_cycles() -> None:
    # A package's own front is left out of it when a file of that package is imported: Python sees to that.
    graph = {module: {other for other in own_imports(module) if other != module} for module in MODULES}

    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"an import cycle: {error.args[1]}")
    assert len(order) == len(MODULES)


def test_pure_modules_touch_neither_clock_nor_chance_nor_disk_nor_network() -> None:
    pure = [module for module in MODULES if is_pure(module)]
    imported = {module: foreign_imports(module) & NOT_PURE for module in pure}
    called = {
        module: {
            name
            for node in ast.walk(TREES[module])
            if isinstance(node, ast.Call)
            and ((name := ast.unparse(node.func)) == "open" or name.endswith((".now", ".utcnow", ".today")))
        }
        for module in pure
    }

    assert pure
    assert {module: names for module, names in imported.items() if names} == {}
    assert {module: names for module, names in called.items() if names} == {}


def test_only_one_package_imports_httpx() -> None:
    known = {
        (top(module), name.partition(".")[0])
        for module in MODULES
        for name in foreign_imports(module)
        if name.startswith(("httpx", "httpcore"))
    }

    # The gateway's own requests (webhooks, pictures by URL) go through httpcore, for its network backend.
    assert {package for package, _ in known} == {"_http", "gateway"}
    assert {name for package, name in known if package == "gateway"} == {"httpcore"}


def test_the_gateway_shares_no_wire_code_with_the_client() -> None:
    shared = {other for m in MODULES if top(m) == "gateway" for other in own_imports(m) if top(other) != "gateway"}

    floor = {"_arguments", "_settings", "_urls", "_sqlite", "_group_commit", "_logs", "_reprs", "_text", "_thumbnails"}
    assert shared <= {"catalogue", *floor}


def test_one_wire_has_one_converter() -> None:
    assert [module for module in MODULES if "cattrs" in foreign_imports(module)] == ["_wire.converter"]


# --- modules


def test_nothing_prints() -> None:
    prints = {
        f"{module}:{node.lineno}"
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "breakpoint")
    }

    assert prints == set()


def test_every_file_says_what_it_is_for() -> None:
    assert [module for module, tree in TREES.items() if tree.body and not ast.get_docstring(tree)] == []


MAXIMUM_LINES = 350
LONGER = {"client": 700, "gateway.painter": 400}
"""Modules that may be longer, and how long: the client is mostly docstrings. One that is shorter leaves the list."""


def is_generated(module: str) -> bool:
    return "Generated from" in (ast.get_docstring(TREES[module]) or "")


def test_no_module_is_too_long() -> None:
    lines = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()}
    allowed = {module: LONGER.get(module, MAXIMUM_LINES) for module in MODULES if not is_generated(module)}

    assert {module: lines[module] for module, most in allowed.items() if lines[module] > most} == {}
    assert {module for module in LONGER if lines[module] <= MAXIMUM_LINES} == set()


def test_the_fronts_of_private_packages_load_nothing() -> None:
    """Each is empty, or imports what it names when that is used first."""
    fronts = {module: TREES[module] for module in MODULES if top(module)[:1] == "_" and module in PACKAGES}
    defined_in = {
        module: [node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
        for module, tree in fronts.items()
    }

    assert fronts
    assert {module: own for module in fronts if (own := own_imports(module) - {"_lazy"})} == {}
    assert {module: names for module, names in defined_in.items() if names not in ([], ["__getattr__"])} == {}


def test_a_class_name_means_one_class() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for module, tree in TREES.items():
        if not is_generated(module):  # the mirror's classes are named as what they mirror
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(module)

    assert len(homes) > 100
    assert {name: modules for name, modules in homes.items() if len(modules) > 1} == {}


# --- the tests


UNCHECKED = re.compile(r"(?<!process)(?<!child)\.wait(\([\d.A-Z_]+\)|, [\d.A-Z_]+\))$")
"""Waiting for an event up to a time; waiting for a process raises an exception instead."""


def test_no_test_waits_for_an_event_without_looking_whether_it_came() -> None:
    here = Path(__file__).parent
    ignored = [
        f"{path.relative_to(here)}:{node.lineno}: {ast.unparse(node)}"
        for path in here.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Expr) and UNCHECKED.search(ast.unparse(node))
    ]

    assert ignored == []


# --- what is offered

OFFERED = [
    module for module in MODULES if not any(part.startswith("_") for part in module.split(".")) and "." not in module
]
"""The modules that users import from: neither private ones nor those inside a package."""


def defined(module: str) -> dict[str, bool]:
    """The public names that a module defines, or that a front takes from inside; and whether each has a docstring."""
    found: dict[str, bool] = {}
    front = module in PACKAGES
    body = [
        statement
        for outer in TREES[module].body
        for statement in (outer.body if isinstance(outer, ast.Try | ast.If) else [outer])
    ]
    for statement, following in zip(body, [*body[1:], None], strict=True):
        documented = (
            isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        )
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found[statement.name] = bool(ast.get_docstring(statement))
        elif isinstance(statement, ast.Assign):
            found.update({name.id: documented for name in statement.targets if isinstance(name, ast.Name)})
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found[statement.target.id] = documented
        elif front and isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(ROOT):
            found.update(
                {alias.asname or alias.name: taken(statement.module or "", alias.name) for alias in statement.names}
            )
    return {name: told for name, told in found.items() if not name.startswith("_") or name == "__version__"}


def taken(module: str, name: str) -> bool:
    """Whether `name` has a docstring in the module that a front takes it from."""
    inside = module.partition(".")[2]
    return name == "__version__" or (f"{inside}.{name}" if inside else name) in FILES or defined(inside)[name]


def offered(module: str) -> list[str]:
    names: list[str] = importlib.import_module(f"{ROOT}.{module}" if module else ROOT).__all__
    return names


def test_what_a_module_offers_is_what_it_defines() -> None:
    wrong = {module: set(offered(module)) ^ set(defined(module)) for module in OFFERED}

    assert OFFERED
    assert {module: names for module, names in wrong.items() if names} == {}


def test_what_a_module_offers_is_there_and_in_order() -> None:
    wrong = []
    for module in OFFERED:
        if module.startswith("dask") and find_spec("distributed") is None:  # an extra that the tests go without
            continue
        names = offered(module)
        loaded = importlib.import_module(f"{ROOT}.{module}" if module else ROOT)
        if names != sorted(set(names), key=lambda name: (not name.isupper(), name)):
            wrong.append(f"{module}: not sorted, or twice")
        wrong += [f"{module}.{name} is not there" for name in names if not hasattr(loaded, name)]

    assert wrong == []


def test_everything_that_is_offered_is_explained() -> None:
    assert [
        f"{module}.{name}"
        for module in OFFERED
        for name, documented in defined(module).items()
        if name in offered(module) and not documented
    ] == []


# --- the client's methods

METHODS = [name for name, member in vars(AsyncImagesClient).items() if inspect.isfunction(member) and name[0] != "_"]


def explained(method: str) -> str:
    """A method's docstring, and those of the methods whose arguments it says it takes."""
    own = inspect.getdoc(getattr(AsyncImagesClient, method)) or ""
    others = [
        name for name in re.findall(r"`(\w+)`", own.partition("Returns:")[0]) if name in METHODS and name != method
    ]
    return "\n".join([own, *(inspect.getdoc(getattr(AsyncImagesClient, name)) or "" for name in others)])


def test_the_clients_methods_are_found() -> None:
    assert {"create", "get", "wait", "generate", "download", "models", "balance", "upload", "aclose"} <= set(METHODS)


def test_a_method_explains_each_of_its_parameters() -> None:
    missing = []
    for method in METHODS:
        text = explained(method)
        parameters = [
            each for each in inspect.signature(getattr(AsyncImagesClient, method)).parameters if each != "self"
        ]
        missing += [f"{method}: {each}" for each in parameters if not re.search(rf"^ +{each}: ", text, re.MULTILINE)]
        missing += [] if text else [method]

    assert missing == []
