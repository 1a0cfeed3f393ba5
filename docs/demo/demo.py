"""The main job, with no key, no network and no bill: prompts become pictures; one is edited, one patched, two fused.

python docs/demo/demo.py [-o pictures]
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

import anyio
from attrs import define, field
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from apimodels_async import AsyncImagesClient, GenerationRequest
from apimodels_async.gateway import LocalGateway

HERE = Path(__file__).resolve().parent
PROMPTS = (HERE / "prompts.txt").read_text(encoding="utf-8").splitlines()
PICTURES = HERE.parents[1] / "pictures"


@define
class Studio:
    """Makes pictures, calls them by their prompts, and shows how far they are."""

    client: AsyncImagesClient
    folder: Path
    progress: Progress
    made: dict[str, Path] = field(factory=dict)

    async def make(self, title: str, request: GenerationRequest) -> None:
        row = self.progress.add_task(title, state="painting", total=1)
        task = await self.client.generate(request)  # submits it, and waits until it is done
        [saved] = await self.client.download(task, self.folder)
        self.made[title] = saved.replace(self.folder / f"{re.sub(r'[^a-z0-9]+', '-', title.lower())}{saved.suffix}")
        self.progress.update(row, completed=1, state="saved")
        if self.progress.disable:
            print(f"saved {title}", flush=True)

    async def make_all(self, requests: dict[str, GenerationRequest]) -> None:
        async with anyio.create_task_group() as group:  # all at once
            for title, request in requests.items():
                group.start_soon(self.make, title, request)


def mask_of_the_sky(picture: Path) -> Image.Image:
    """White is painted anew, black stays as it is."""
    with Image.open(picture) as opened:
        width, height = opened.size
    mask = Image.new("L", (width, height), "black")
    ImageDraw.Draw(mask).ellipse((width * 0.56, height * 0.08, width * 0.92, height * 0.44), fill="white")
    return mask


async def work(folder: Path, progress: Progress) -> list[Path]:
    with LocalGateway(latency="1.2/2.5") as gateway:
        async with AsyncImagesClient(
            gateway.api_key, base_url=gateway.base_url, model="grok-image/grok-4.2-image"
        ) as client:
            studio = Studio(client, folder, progress)
            await studio.make_all({prompt: GenerationRequest(prompt, size="1024x1024", seed=1) for prompt in PROMPTS})

            cat, lighthouse, sailboat = (studio.made[prompt] for prompt in PROMPTS[:3])
            balloon = GenerationRequest("A hot air balloon", image=sailboat, mask=mask_of_the_sky(sailboat), seed=1)
            await studio.make_all(
                {
                    "Edit": GenerationRequest("Make it a rainy night with neon light", image=lighthouse, seed=1),
                    "Inpainting": balloon,
                    "Fusion": GenerationRequest("Both in one dreamy picture", images=[cat, sailboat], seed=1),
                }
            )
            return list(studio.made.values())


def command() -> str:
    """The command `apimodels` of this environment, as it can be typed in this folder."""
    found = shutil.which("apimodels", path=str(Path(sys.executable).parent))
    if found is None:
        return f'"{sys.executable}" -m apimodels_async.cli'
    path = Path(found)
    typed = str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    return f'"{typed}"' if " " in typed else typed


def main() -> None:
    parser = argparse.ArgumentParser(description="Make pictures with the local gateway.")
    parser.add_argument(
        "-o", "--output", type=Path, default=PICTURES, help="a folder (default: pictures/ in the clone)"
    )
    folder: Path = parser.parse_args().output

    watched = sys.stdout.isatty()
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), TextColumn("{task.fields[state]}"))
    console = Console(force_terminal=watched)
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=not watched) as progress:
        made = anyio.run(work, folder, progress)

    print(f"\n{len(made)} pictures in {folder}:", *(path.name for path in made), sep="\n  ")
    print(f'\nTry your own next:\n{command()} generate "A panda playing the guitar" --local')


if __name__ == "__main__":
    main()
