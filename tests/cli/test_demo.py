"""The first thing that a newcomer runs."""

import shlex
import subprocess
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

    typed = shlex.split(done.stdout.splitlines()[-1])
    assert typed[-3:] == ["generate", "A panda playing the guitar", "--local"]
    own = subprocess.run(typed, cwd=apimodels.folder, capture_output=True, text=True, timeout=120, check=False)
    assert own.returncode == 0, own.stderr
    assert len(own.stdout.splitlines()) == 1
