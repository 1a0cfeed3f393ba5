"""Both pages in the Chromium that is installed. Run by ``nox -s tests-web``, and never with the other tests."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    sync_playwright,
)

PATIENCE = 60_000
"""Milliseconds that a test waits for something on a page."""
REBOUND = "evil.example"
"""A name of another site's that leads to this machine."""
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
LOOKS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found is not None, "install the distribution's Chromium: apt-get install chromium"
    # Chromium's own sandbox does not work for root, as whom many build machines run.
    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    options.append(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=options)
        yield running
        running.close()


class Visit:
    """A page that is open, and everything that went wrong or left the machine while it was.

    Attributes:
        page: the page.
        troubles: errors of scripts, refusals of the policy, dialogs.
        foreign: requests that went elsewhere than to `home`.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.troubles: list[str] = []
        self.foreign: list[str] = []
        home = "file://" if url.startswith("file://") else "/".join(url.split("/")[:3])
        self._own = (home, "data:")
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._sent)
        self.page.set_default_timeout(PATIENCE)
        self.page.goto(url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(message.text)

    def _sent(self, request: Request) -> None:
        if not request.url.startswith(self._own):
            self.foreign.append(request.url)

    def _dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def until(self, expression: str, argument: object = None) -> None:
        """Wait until an expression is true. (Playwright's own waiting is refused by the pages' policy.)"""
        deadline = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(expression, argument):
            assert time.monotonic() < deadline, f"never: {expression}"
            self.page.wait_for_timeout(20)

    def check(self) -> None:
        """Nothing went wrong, and nothing was fetched from elsewhere."""
        assert self.troubles == []
        assert self.foreign == []

    def check_accessible(self) -> None:
        """axe finds nothing serious."""
        found = Axe().run(self.page).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in serious] == []

    def overflows(self) -> bool:
        """Whether the page is wider than its window."""
        wider: bool = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        return wider


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens a page: ``visit(url, size="phone", color_scheme="dark", java_script_enabled=False)``."""
    with ExitStack() as stack:

        def opened(url: str, *, size: str = "desktop", **options: Any) -> Visit:
            width, height = SIZES[size]
            context = browser.new_context(viewport={"width": width, "height": height}, **options)
            stack.callback(context.close)
            return Visit(context, url)

        yield opened
