"""The first thing that a newcomer runs."""

from pathlib import Path
from typing import Any

from PIL import Image

DEMO = Path(__file__).parents[2] / "docs" / "demo"


def test_the_demo_leaves_pictures_named_after_their_prompts(apimodels: Any) -> None:
    apimodels.line = (*apimodels.line[:3], str(DEMO / "demo.py"))

    done = apimodels("-o", "pictures")

    assert (done.returncode, done.stderr) == (0, "")
    prompts = (DEMO / "prompts.txt").read_text().splitlines()
    assert len(prompts) >= 6
    files = sorted((apimodels.folder / "pictures").iterdir())
    assert len(files) == len(prompts) + 3
    for file in files:
        with Image.open(file) as picture:
            picture.load()
            assert picture.size == (1024, 1024)
        assert file.name in done.stdout
    assert {"edit.png", "inpainting.png", "fusion.png"} < {file.name for file in files}
    assert "apimodels generate" in done.stdout.splitlines()[-1]
