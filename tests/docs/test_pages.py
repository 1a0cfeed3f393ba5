"""What the pages say about the project is so: commands, sessions, links, tables, names."""

import ast
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import typer

from apimodels_async import AsyncImagesClient, catalogue, errors
from apimodels_async.cli import exit_codes
from apimodels_async.cli.app import app
from apimodels_async.gateway import create_app
from apimodels_async.gateway.create_request import OPENAI_SHAPED
from apimodels_async.gateway.generations import SYNCHRONOUS
from apimodels_async.gateway.triggers import BEHAVIOUR_TRIGGERS, FAILURE_TRIGGERS, FAULT_TRIGGERS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *(page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts)]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    part = text.split(f"\n{heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def codes(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# --- the README's beginning


def test_the_first_block_of_the_readme_is_two_commands_of_one_line() -> None:
    first = re.search(r"^```\w*\n(.*?)^```$", text_of("README.md"), re.MULTILINE | re.DOTALL)
    assert first is not None
    assert first[1].splitlines() == [
        f"python3 -m venv .venv && .venv/bin/python -m pip install --quiet nox && .venv/bin/nox -s {session}"
        for session in ("demo", "tests")
    ]


# --- sessions, links, commands


def sessions() -> set[str]:
    tree = ast.parse(text_of("noxfile.py"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("nox.session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def test_no_page_installs_what_no_index_has_yet() -> None:
    """From a clone, as the README says, until the first release is out."""
    for page in PAGES:
        assert not re.search(r"pip install [^`\n]*apimodels[-_]async\b", page.read_text(encoding="utf-8")), page


def test_every_nox_session_that_is_named_exists() -> None:
    asked = {session for page in PAGES for session in re.findall(r"nox -s (\w+)", page.read_text(encoding="utf-8"))}
    assert {"demo", "tests", "docs", "bench"} <= asked <= sessions()


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(text: str) -> set[str]:
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {anchor(heading) for heading in headings} | set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if "://" not in target:
                yield page, target


@pytest.mark.parametrize(
    ("page", "target"), [pytest.param(*link, id=f"{named(link[0])}-{link[1]}") for link in links()]
)
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, fragment = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    assert there.is_file()
    if fragment:
        assert fragment in anchors(there.read_text(encoding="utf-8"))


def command_lines() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
        for line in [*lines, *codes(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))]:
            if line.startswith("apimodels ") and not line.endswith("…"):
                yield named(page), shlex.split(line.partition(" | ")[0], comments=True)


def test_every_command_line_is_understood() -> None:
    command = typer.main.get_command(app)
    seen: set[str] = set()
    for page, words in command_lines():
        assert words[1] in command.commands, (page, words)  # type: ignore[attr-defined]
        called = command.commands[words[1]]  # type: ignore[attr-defined]
        called = getattr(called, "commands", {}).get(words[2], called) if len(words) > 2 else called
        options = {name for each in called.params for name in each.opts}
        used = {word.partition("=")[0] for word in words[2:] if word.startswith("-") and word != "-"}
        assert used <= options | {"--help", "-h"}, (page, words)
        seen.add(words[1])
    assert seen == set(command.commands)  # type: ignore[attr-defined]


# --- tables


def error_classes() -> list[type[errors.ApimodelsError]]:
    return [getattr(errors, name) for name in errors.__all__]


def test_the_readme_has_a_row_for_each_error_and_no_other() -> None:
    first_cells = [codes(row[0])[0] for row in rows(text_of("README.md"), "## Errors")]
    assert sorted(first_cells) == sorted(errors.__all__)


def test_the_reference_draws_the_tree_of_errors_as_it_is() -> None:
    [tree] = blocks(text_of("docs/reference.md"), "text")
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in tree.splitlines():
        found = re.search(r"\w+", line)
        assert found is not None
        depth = found.start() // 4
        above[depth:] = [found[0]]
        drawn[found[0]] = above[depth - 1] if depth else "Exception"
    assert drawn == {each.__name__: each.__base__.__name__ for each in error_classes() if each.__base__}


def test_the_exit_codes_are_those_of_the_command_line() -> None:
    told = [
        (int(row[0]), row[1], codes(row[2])) for row in rows(text_of("docs/guide/command-line.md"), "## Exit codes")
    ]
    real = [(each.code, each.meaning, [error.__name__ for error in each.errors]) for each in exit_codes.TABLE]
    assert told == real


def test_the_words_in_prompts_are_those_of_the_gateway() -> None:
    told = {
        codes(word)[0]: (codes(code)[0], retryable == "yes")
        for word, code, retryable, _ in rows(text_of("docs/guide/gateway.md"), "## Words in prompts")
    }
    assert told == {word: (failure.code, failure.retryable) for word, failure in FAILURE_TRIGGERS.items()}


def test_the_words_for_odd_calls_are_those_of_the_gateway() -> None:
    table = rows(text_of("docs/guide/gateway.md"), "### Odd calls on request")
    told = {codes(word)[0]: what for word, what in table}
    assert told == {word: how.value for word, how in BEHAVIOUR_TRIGGERS.items()}


def test_the_words_for_faults_are_those_of_the_gateway() -> None:
    assert {codes(row[0])[0] for row in rows(text_of("docs/guide/gateway.md"), "## Faults")} == set(FAULT_TRIGGERS)


def test_every_option_of_the_gateway_is_listed() -> None:
    told = {name.rstrip("=") for row in rows(text_of("docs/guide/gateway.md"), "## Options") for name in codes(row[0])}
    assert told == set(inspect.signature(create_app).parameters)


def test_the_synchronous_models_are_those_of_the_gateway() -> None:
    told = {codes(row[0])[0] for row in rows(text_of("docs/guide/gateway.md"), "## How tasks go")}
    assert told == SYNCHRONOUS | OPENAI_SHAPED


def test_the_prices_are_those_of_the_catalogue() -> None:
    page = text_of("docs/guide/gateway.md")
    told = {
        codes(row[0])[0]: [float(cell) if cell else None for cell in row[1:]] for row in rows(page, "## Pretend money")
    }
    assert told == {each.id: [each.price(size) for size in ("1K", "2K", "4K")] for each in catalogue.MODELS}
    assert f"{catalogue.AS_OF.day} {catalogue.AS_OF:%B %Y}" in page


def test_the_configuration_lists_every_argument_of_the_client() -> None:
    told = [codes(row[0])[0] for row in rows(text_of("README.md"), "## Configuration")]
    assert told == [name for name in inspect.signature(AsyncImagesClient).parameters if name != "self"]


def test_the_guide_lists_every_argument_of_create() -> None:
    told = {name for row in rows(text_of("docs/guide/first-picture.md"), "## Parameters") for name in codes(row[0])}
    assert told == set(inspect.signature(AsyncImagesClient.create).parameters) - {"self", "prompt"}


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads(text_of("pyproject.toml"))
    listed = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(each for extra in project["project"]["optional-dependencies"].values() for each in extra),
        *(each for group in project["dependency-groups"].values() for each in group if isinstance(each, str)),
    ]
    names = {re.split(r"[^\w-]", each)[0] for each in listed} - {"apimodels-async"}
    assert names <= set(codes(text_of("docs/design.md").split("\n## Dependencies\n")[1]))


# --- the reference


MODULES = (
    *("", ".errors", ".models", ".sync", ".ledger", ".callbacks", ".pacing", ".catalogue", ".gateway"),
    ".instrumentation",
)


def documented() -> list[str]:
    """The names in the reference, in full."""
    found: list[str] = []
    module = ""
    for directive, name in re.findall(r"^\.\. (\w+):: (\S+)$", text_of("docs/reference.md"), re.MULTILINE):
        if directive == "module":
            module = name
        else:
            found.append(f"{module}.{name.removesuffix('()')}")
    return found


def test_every_public_name_stands_in_the_reference_once() -> None:
    names = documented()
    assert len(names) == len(set(names))
    for name in MODULES:
        module = import_module(f"apimodels_async{name}")
        public = getattr(module, "__all__", None) or ["AS_OF", "CatalogueModel", "MODELS", "find"]
        here = {each.rpartition(".")[2] for each in names if each.rpartition(".")[0] == module.__name__}
        if name:
            assert here == set(public)
        else:
            elsewhere = {
                *errors.__all__,
                "BatchEvent",
                "BatchStats",
                "GenerationRequest",
                "ImagesClient",
                "Outcome",
                "Picture",
                "Task",
                "TaskState",
            }
            assert here == set(public) - elsewhere
            assert elsewhere <= set(public)


def test_the_changelog_begins_with_what_is_coming_and_this_version() -> None:
    version = import_module("apimodels_async").__version__
    assert re.findall(r"^## (\S+)", text_of("docs/changelog.md"), re.MULTILINE)[:2] == ["Unreleased", version]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_holds_no_path_of_any_machine(page: Path) -> None:
    assert not re.search(r"/(home|Users|work|root|tmp)/", page.read_text(encoding="utf-8"))
