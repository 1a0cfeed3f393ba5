"""What every program here needs: pictures, refusals, and a last line for the proof to read."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from apimodels_async import AsyncImagesClient, ConfigurationError, ImagesClient

FOLDER = Path("pictures")
SIZE = "256x256"
AT_ONCE = 10.0
"""Seconds within which a refusal must come, on a machine that is busy with other programs."""


def picture(client: ImagesClient, prompt: str) -> list[Path]:
    """One picture, made and saved."""
    return client.download(client.generate(prompt, size=SIZE), FOLDER)


async def awaited_picture(client: AsyncImagesClient, prompt: str) -> list[Path]:
    """The same, awaited."""
    return await client.download(await client.generate(prompt, size=SIZE), FOLDER)


def refusal(call: Callable[[], object]) -> str:
    """The message with which a call is refused, at once."""
    begun = time.monotonic()
    try:
        call()
    except ConfigurationError as error:
        assert time.monotonic() - begun < AT_ONCE
        return str(error)
    raise AssertionError("it was not refused")


def tell(files: Iterable[Path], refused: int = 0) -> None:
    """The last line of a program."""
    print(json.dumps({"files": [str(path.resolve()) for path in files], "refused": refused}), flush=True)
