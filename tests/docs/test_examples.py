"""Every Python block of the README and of the documentation runs, as it stands, against a gateway."""

import ast
import asyncio
import contextlib
import importlib
import inspect
import logging
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser

import apimodels_async
from apimodels_async.gateway import LocalGateway

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts)]
WITH_CODE = [
    page
    for page in PAGES
    if "\n```python\n" in (text := page.read_text(encoding="utf-8"))
    and ("\nfrom mcp import" not in text or find_spec("mcp") is not None)  # an extra with dependencies of its own
]


def run(source: str, name: str) -> None:
    """Run a block as ``python -m asyncio`` would: a whole program, or lines that await at the top level."""
    code = compile(source, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    ending = eval(code, {"__name__": "__main__"})
    if inspect.iscoroutine(ending):
        asyncio.run(ending)


def run_by_pytest(source: str, name: str) -> None:
    """Run a block that is a test file."""
    Path("test_block.py").write_text(source, encoding="utf-8")
    Path("pytest.ini").write_text("[pytest]\n", encoding="utf-8")  # or a folder above might have other ideas
    plugins = ["-p", "anyio.pytest_plugin", "-p", "apimodels_async.pytest_plugin", "-p", "no:cacheprovider"]
    options = ["-q", "-W", "error", *plugins, "--rootdir=."]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_block.py"],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # some of ours take seconds to load
        check=False,
        capture_output=True,
        text=True,
        timeout=300,  # a hang, not a slow machine
    )
    assert done.returncode == 0, f"{name}\n{done.stdout}{done.stderr}"
    assert f"{source.count('def test_')} passed" in done.stdout


def evaluate(example: Example) -> None:
    source = str(example.parsed)
    name = f"{example.path}:{example.line}"
    (run_by_pytest if "\ndef test_" in source or "\nasync def test_" in source else run)(source, name)


def examples(page: Path) -> list[Example]:
    return list(Document.parse(str(page), CodeBlockParser("python", evaluate)).examples())


def lay_out_three_files() -> None:
    """What the page about pictures to work on says is there."""
    room = Image.new("RGB", (320, 240), "#d8cbb0")
    ImageDraw.Draw(room).rectangle((0, 170, 320, 240), fill="#7a5a3c")
    room.save("room.png")
    mask = Image.new("RGBA", room.size, "black")
    ImageDraw.Draw(mask).ellipse((100, 150, 220, 230), fill=(255, 255, 255, 0))
    mask.save("mask.png")
    Image.new("RGB", (160, 160), "#333344").save("cat.png")


def load_all() -> None:
    for module in pkgutil.walk_packages(apimodels_async.__path__, "apimodels_async."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ImportError):  # of an extra that is not installed
                importlib.import_module(module.name)


def run_page(page: Path) -> None:
    for example in examples(page):
        example.evaluate()


@pytest.fixture(scope="module")
def runs(gateway: LocalGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, "Future[None]"]]:
    """Every page run from top to bottom, in one folder, with what the guide's first page says is set.

    The pages run side by side, because they mostly wait; but the one that mocks httpx does so for the whole process.
    """
    load_all()  # while nothing else parses: Python 3.11 raises SystemError where two threads do, as pytest makes them
    mocking = [page for page in WITH_CODE if "respx.mock" in page.read_text(encoding="utf-8")]
    loggers = [logging.getLogger(name) for name in ("", "httpx", "apimodels_async")]
    levels = [each.level for each in loggers]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(WITH_CODE)) as threads:
        patch.setenv("APIMODELS_BASE_URL", gateway.base_url)
        patch.setenv("APIMODELS_API_KEY", gateway.api_key)
        patch.setenv("APIMODELS_MODEL", "grok-image/grok-4.2-image")
        patch.setenv("PUBLIC_URL", "http://127.0.0.1:8000")
        patch.setenv("CALLBACK_KEY", "a secret of 16 bytes or more")
        patch.chdir(tmp_path_factory.mktemp("pages"))
        lay_out_three_files()
        futures = {page: threads.submit(run_page, page) for page in WITH_CODE if page not in mocking}
        wait(futures.values())
        for page in mocking:
            futures[page] = threads.submit(run_page, page)
            wait(futures.values())
    yield futures
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_code_of_a_page_runs_from_top_to_bottom(page: Path, runs: dict[Path, "Future[None]"]) -> None:
    runs[page].result()


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_python_block_of_a_page_is_missed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(examples(page)) == len(re.findall(r"^\s*`{3,}\{?(?:code-block\} )?python", text, re.MULTILINE))


def test_the_pages_with_code_are_found() -> None:
    names = {page.relative_to(ROOT).as_posix() for page in WITH_CODE}
    assert {"README.md", "docs/index.md", "docs/guide/first-picture.md", "docs/guide/testing.md"} <= names
