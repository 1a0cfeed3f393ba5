"""The mirror is what its generator makes of the async side, and says what that side says: three ways to look."""

import ast
import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "apimodels_async"
GENERATOR = ROOT / "tests" / "tools" / "generate_sync.py"


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- three ways to look


def by_check(package: Path) -> str:
    """What ``--check`` has to say about a copy of the package."""
    done = subprocess.run(
        [sys.executable, str(GENERATOR), "--check", "--package", str(package)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert not done.stderr
    assert (done.returncode == 1) == bool(done.stdout)
    return done.stdout


def by_text(package: Path) -> str:
    """Which file of a copy is not what the generator makes of its sources."""
    generator = load(GENERATOR, "a_generator")
    return " ".join(path.name for path, text in generator.rendered(package).items() if path.read_text("utf-8") != text)


RENAMED = {"aclose": "close", "aenter": "enter", "aexit": "exit", "aiter": "iter", "anext": "next"}


def renamed(name: str) -> str:
    core = name.strip("_")
    return name.replace(core, RENAMED.get(core, core))


def public(cls: type[Any]) -> dict[str, Any]:
    special = {f"__{name}__" for name in RENAMED} | {f"__{name}__" for name in RENAMED.values()} | {"__init__"}
    return {
        name: member
        for name, member in vars(cls).items()
        if (inspect.isfunction(member) or isinstance(member, property)) and (name[0] != "_" or name in special)
    }


def spoken(text: str | None) -> str | None:
    """What a blocking program reads where an async one reads `text`."""
    if text is None:
        return None
    codes = re.split(r"(``[^`]*``|::\n\n(?: {4,}\S.*\n|\n)+)", text)
    for at in range(1, len(codes), 2):
        codes[at] = re.sub(r"\b(await|async)\s", "", codes[at])
        codes[at] = codes[at].replace("AsyncImagesClient", "ImagesClient").replace("aclose", "close")
    return "".join(codes)


def function_of(member: Any) -> Callable[..., Any]:
    found: Callable[..., Any] | None = member.fget if isinstance(member, property) else member
    assert found is not None
    return found


def signature(member: Any) -> inspect.Signature:
    plain = inspect.signature(function_of(member))
    blocking = re.sub(r"\bAsync(Iterator|Iterable)\b", r"\1", str(plain.return_annotation)).removeprefix("batches.")
    return plain.replace(return_annotation=blocking)


def by_words(original: type[Any], mirror: type[Any], *, made_by_hand: bool) -> list[str]:
    """Where two classes differ in names, parameters, types or docstrings."""
    theirs = {renamed(name): member for name, member in public(original).items()}
    ours = public(mirror)
    if not made_by_hand:
        theirs.pop("__init__")
    wrong = [f"{name} is on one side only" for name in theirs.keys() ^ ours.keys()]
    for name in theirs.keys() & ours.keys():
        if isinstance(theirs[name], property) != isinstance(ours[name], property):
            wrong.append(f"{name}: a property on one side only")
        elif signature(theirs[name]) != signature(ours[name]):
            wrong.append(f"{name}: {signature(ours[name])}")
        elif spoken(theirs[name].__doc__) != ours[name].__doc__:
            wrong.append(f"{name}: its docstring")
        elif not isinstance(ours[name], property) and inspect.iscoroutinefunction(ours[name]):
            wrong.append(f"{name}: has to be awaited")
    their_class, our_class = spoken(original.__doc__), mirror.__doc__
    if (their_class or "").partition("\n\n")[2] not in (our_class or ""):
        wrong.append("the docstring of the class")
    return wrong


def words_of(package: Path, *targets: str) -> str:
    """The third way, for a copy: the classes as Python reads them there."""
    wrong: list[str] = []
    for source, target, name, mirror in (
        ("client", "client", "AsyncImagesClient", "ImagesClient"),
        ("_batch.batch", "batch", "Batch", "Batch"),
        ("callbacks", "receiver", "CallbackReceiver", "CallbackReceiver"),
    ):
        if targets and target not in targets:
            continue
        original = getattr(importlib.import_module(f"apimodels_async.{source}"), name)
        try:
            module = load(package / "sync" / f"{target}.py", f"a_mirror_{target}")
            wrong += by_words(original, getattr(module, mirror), made_by_hand=name != "Batch")
        except (SyntaxError, AttributeError) as error:
            wrong.append(repr(error))
    return ", ".join(wrong)


# --- the mirror as it is


def test_nothing_has_drifted() -> None:
    assert by_check(SOURCE) == ""
    assert by_text(SOURCE) == ""
    assert words_of(SOURCE) == ""


def test_the_command_is_there_by_the_name_that_the_files_give() -> None:
    subprocess.run([sys.executable, "tests/tools/generate_sync.py", "--check"], cwd=ROOT, timeout=30, check=True)


def test_the_installed_mirror_is_the_one_in_the_checkout() -> None:
    installed = importlib.import_module("apimodels_async.sync.client").__file__
    assert installed is not None
    for name in ("client.py", "batch.py", "receiver.py"):
        assert Path(installed).with_name(name).read_text("utf-8") == (SOURCE / "sync" / name).read_text("utf-8")


def test_each_method_is_a_docstring_and_one_line() -> None:
    for name in ("client.py", "batch.py", "receiver.py"):
        tree = ast.parse((SOURCE / "sync" / name).read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                body = [each for each in node.body if not isinstance(each, ast.Expr) or node.body.index(each) > 0]
                body = body or node.body
                [line] = body[0].body if isinstance(body[0], ast.Try) else body
                assert isinstance(line, ast.Return | ast.Expr)


# --- a mirror that is broken

Break = Callable[[str], str]


def truncated(text: str) -> str:
    return text[: text.rindex("    def ")].rstrip() + "\n"


def with_a_line_more(text: str) -> str:
    return text + "\n    def one_more(self) -> None:\n        return None\n"


def with_another_parameter(text: str) -> str:
    return text.replace("task_id: str", "identity: str").replace("kind: type", "sort: type")


def with_another_word(text: str) -> str:
    changes = {
        "and do not wait for it": "and wait",
        "How far the batch is": "How far it is",
        "Stop accepting": "Start accepting",
    }
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def with_another_type(text: str) -> str:
    text = text.replace("-> tuple[str, str]", "-> tuple[str, bytes]")
    return text.replace("-> list[Path]", "-> list[str]").replace("-> BatchStats", "-> object")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    copy = tmp_path / "apimodels_async"
    shutil.copytree(
        SOURCE, copy, ignore=lambda _, names: {name for name in names if name in {"gateway", "cli", "__pycache__"}}
    )
    return copy


@pytest.mark.parametrize(
    "broken", [truncated, with_a_line_more, with_another_parameter, with_another_word, with_another_type]
)
def test_a_broken_copy_is_seen_by_each(package: Path, broken: Break) -> None:
    paths = [package / "sync" / name for name in ("batch.py", "client.py", "receiver.py")]
    for path in paths:
        path.write_text(broken(path.read_text("utf-8")), "utf-8")
    said = by_check(package)
    assert all(f"{path.name} (there)" in said for path in paths)
    assert sorted(by_text(package).split()) == [path.name for path in paths]
    for path in paths:
        assert words_of(package, path.stem)


def test_a_file_that_is_gone_or_differs_by_its_last_byte_is_seen(package: Path) -> None:
    path = package / "sync" / "batch.py"
    text = path.read_text("utf-8")
    generator = load(GENERATOR, "a_generator")
    for other in (text + "\n", text[:-1], text.replace("\n", "\n\n", 1), ""):
        path.write_text(other, "utf-8")
        assert generator.main(["--check", "--package", str(package)]) == 1
    path.unlink()
    assert generator.main(["--check", "--package", str(package)]) == 1
    path.write_text(text, "utf-8")
    assert generator.main(["--check", "--package", str(package)]) == 0


# --- the generator


def regenerated(package: Path, old: str, new: str) -> str:
    """The client's mirror after a change of the async client."""
    path = package / "client.py"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    result: str = load(GENERATOR, "a_generator").rendered(package)[package / "sync" / "client.py"]
    return result


NEW_METHOD = '''    async def {name}:
        """Cancels; ``await client.aclose()`` afterwards."""
        {body}

    async def models('''


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cancel(self, task: Task, *, hard: bool = False) -> bool", "call(self._async.cancel(task, hard=hard))"),
        ("cancel(self) -> None", "call(self._async.cancel())"),
        ("cancel(self, tasks: AsyncIterable[Task] | Iterable[Task]) -> None", "cancel(threaded(tasks)))"),
    ],
)
def test_a_new_method_is_mirrored_by_itself(package: Path, name: str, expected: str) -> None:
    text = regenerated(package, "    async def models(", NEW_METHOD.format(name=name, body="..."))
    assert f"    def {name}:" in text
    assert expected in text
    assert '"""Cancels; ``client.close()`` afterwards."""' in text


def test_a_new_parameter_is_mirrored_by_itself(package: Path) -> None:
    text = regenerated(package, "        max_in_flight: int = 64,\n", "        ledger: Mapping[str, int],\n")
    assert text.count("ledger: Mapping[str, int],") == 1
    assert "ledger=ledger," in text


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("cancel(self, *tasks: Task) -> None", "..."),
        ("cancel(self, **tasks: Task) -> None", "..."),
        ("events(self) -> AsyncIterator[Task]", "yield"),
    ],
)
def test_what_no_rule_covers_is_an_error(package: Path, name: str, body: str) -> None:
    with pytest.raises(Exception, match=r"^(cancel|events): "):
        regenerated(package, "    async def models(", NEW_METHOD.format(name=name, body=body))


def test_the_drift_is_written_away(package: Path) -> None:
    path = package / "sync" / "client.py"
    text = path.read_text("utf-8")
    path.write_text(truncated(text), "utf-8")
    generator = load(GENERATOR, "a_generator")
    assert generator.main(["--package", str(package)]) == 0
    assert path.read_text("utf-8") == text
    assert generator.main(["--check", "--package", str(package)]) == 0


def test_the_annotations_of_the_mirror_can_be_resolved() -> None:
    from apimodels_async.sync import Batch, ImagesClient

    for cls in (ImagesClient, Batch):
        for member in public(cls).values():
            assert "return" in typing.get_type_hints(function_of(member))
    assert typing.get_type_hints(ImagesClient.batch)["return"] is Batch
