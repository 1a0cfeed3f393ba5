"""What the clients share: the gateway, a folder for packages, and running commands."""

import io
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from apimodels_async.gateway import LocalGateway

MODEL = "gpt-image-2-all"
"""The model of which the vendor says that OpenAI's own clients work with it."""
PATIENCE = 120.0
"""Seconds that a command may take."""


class Workplace(NamedTuple):
    """Where a client is tried.

    Attributes:
        gateway: the server.
        folder: holds ``node_modules``.
    """

    gateway: LocalGateway
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command: the address and the key as the vendor's own clients read them."""
        return {
            **os.environ,
            "APIMODELS_BASE_URL": self.gateway.base_url,
            "APIMODELS_API_KEY": self.gateway.api_key,
            "NODE_PATH": str(self.folder / "node_modules"),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a command, and return what it prints.

        Raises:
            AssertionError: it fails; with all that it printed.
        """
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        printed = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {printed}"
        return done.stdout

    def program(self, name: str) -> str:
        """The path of a program that the machine must have.

        Raises:
            FileNotFoundError: it is not there.
        """
        found = shutil.which(name)
        if found is None:
            raise FileNotFoundError(f"{name} is not installed")
        return found

    def npm_version(self, package: str) -> str:
        """The version of a package of npm that is installed here."""
        manifest: dict[str, Any] = json.loads((self.folder / "node_modules" / package / "package.json").read_text())
        return str(manifest["version"])

    def picture(self, name: str, size: tuple[int, int] = (96, 64), colour: Any = "teal") -> Path:
        """A PNG in the folder."""
        path = self.folder / name
        Image.new("RGBA", size, colour).save(path)
        return path


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a picture."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.size
