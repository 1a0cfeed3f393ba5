"""Draws what the README and the pages show: four pictures, the screen of a batch, and both pages. ``nox -s drawings``.

Everything is made by the project itself: the pictures by the gateway's painter, the screen by the command's own
progress display, the pages in the Chromium that is installed.
"""

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import anyio
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

from apimodels_async import AsyncImagesClient, BatchStats, GenerationRequest
from apimodels_async.cli.batch.progress import BatchProgress
from apimodels_async.gateway import LocalGateway, painter

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "docs" / "_static"
PICTURES = {
    "cat": "A cute cat wearing a space helmet",
    "lighthouse": "A lighthouse on a cliff at sunset",
    "fox": "A red fox in a snowy forest under the aurora",
    "balloon": "A hot air balloon over green hills at sunrise",
}
MODEL = "grok-image/grok-4.2-image"


def draw_pictures() -> None:
    """Four pictures, as the gateway paints them."""
    for name, prompt in PICTURES.items():
        data = painter.paint(prompt=prompt, model=MODEL, seed=1, index=0, size=(1024, 1024), output_format="png")
        with Image.open(io.BytesIO(data)) as picture:
            small = picture.convert("RGB").resize((480, 480), Image.Resampling.LANCZOS)
        small.save(PLACE / f"picture-{name}.jpg", quality=85, optimize=True)


class Steady(BatchProgress):
    """A batch at a steady rate."""

    def _rate(self, now: float) -> float:
        return 9.4


def draw_screen() -> None:
    """The screen of a batch at 100 columns, in its middle and at its end."""
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print("$ [bold]apimodels batch prompts.txt -o pictures --page[/bold]")
    stats = BatchStats(in_flight=58, saving=6, spent=12.27)
    console.print(Steady(1000, stats=lambda: stats, done=412, failed=3))
    console.print("[dim]…[/dim]")
    console.print("1000 of 1000 requests done, 994 pictures saved (702.1 MB), 6 failed, 0:01:47, about US$ 29.82")
    console.print("  6 ContentPolicyError, the first for line 88: task clq7…: Content policy violation")
    console.print("  to look at: pictures/index.html")
    svg = console.export_svg(title="apimodels batch", unique_id="batch")
    # rich would have the fonts fetched from a network.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    (PLACE / "batch-screen.svg").write_text(svg, encoding="utf-8")


async def make_batch(gateway: LocalGateway, folder: Path) -> None:
    """A batch with a page."""
    prompts = (ROOT / "docs" / "demo" / "prompts.txt").read_text(encoding="utf-8").splitlines()
    requests = [GenerationRequest(prompt, size="1024x1024", seed=1) for prompt in prompts]
    requests.insert(3, GenerationRequest("A crate of contraband in the harbour", seed=1))
    async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL) as client:
        await client.generate_many(requests, download_to=folder, page=True)


def looks(browser: Browser, url: str) -> Iterator[tuple[str, bytes]]:
    """The page at `url` by day and by night."""
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        page.goto(url)
        # Playwright's own waiting would be refused by the page's policy.
        while not page.evaluate("document.images.length > 5 && [...document.images].every(i => i.complete)"):
            page.wait_for_timeout(50)
        yield scheme, page.screenshot()
        context.close()


def draw_pages() -> None:
    """Both pages."""
    with tempfile.TemporaryDirectory() as temporary, LocalGateway(latency="0.3/0.6") as gateway:
        folder = Path(temporary) / "pictures"
        anyio.run(make_batch, gateway, folder)
        site = gateway.base_url.removesuffix("/api/v1")
        pages = {"batch-page": (folder / "index.html").as_uri(), "gateway-page": f"{site}/"}
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            for name, url in pages.items():
                for scheme, shot in looks(browser, url):
                    with Image.open(io.BytesIO(shot)) as opened:
                        few = opened.convert("RGB").quantize(256, dither=Image.Dither.NONE)
                    few.save(PLACE / f"{name}-{scheme}.png", optimize=True)
            browser.close()


def main(names: list[str]) -> None:
    drawings = {"pictures": draw_pictures, "screen": draw_screen, "pages": draw_pages}
    for name in names or drawings:
        drawings[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
