"""The handler on the vendor's page, word for word, run by Node and called by the gateway."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from apimodels_async.gateway import LocalGateway

NODE = shutil.which("node") or ""
HERE = Path(__file__).parent / "express"
HANDLER = (HERE / "handler.js").read_text(encoding="utf-8")

AROUND = """
const express = require(%s)
const app = express()
%s
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
"""

pytestmark = pytest.mark.skipif(not NODE, reason="there is no node on the path")


def the_real_one() -> bool:
    command = [NODE, "-e", "require.resolve('express')"]
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0


@pytest.fixture(params=["stand-in", "express"])
def app(request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    """The page's handler in an app of its own, on Express where it is installed, and on a stand-in for it."""
    if request.param == "express" and not the_real_one():
        pytest.skip("express is not installed where node looks for it (NODE_PATH)")
    module = "express" if request.param == "express" else str(HERE / "stand_in.js")
    program = AROUND % (json.dumps(module), HANDLER)
    with subprocess.Popen([NODE, "-e", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_it_prints_the_pictures_url(app: "subprocess.Popen[str]", gateway: LocalGateway, client: httpx.Client) -> None:
    assert app.stdout is not None
    assert app.stderr is not None
    url = f"http://127.0.0.1:{app.stdout.readline().strip()}/webhook/image"

    def create(prompt: str) -> str:
        body = {"model": "grok-image/grok-4.2-image", "prompt": prompt, "callback_url": url}
        task_id: str = client.post("/images/generations", json=body).raise_for_status().json()["data"]["taskId"]
        return task_id

    task_id = create("a cute cat wearing a space helmet")
    line = app.stdout.readline().split()
    told = client.get("/images/generations", params={"task_id": task_id}).json()["data"]
    assert line == ["image", "ready", task_id, *told["resultUrls"]]
    assert client.get(line[-1]).headers["content-type"] == "image/png"

    failed = create("contraband")
    assert app.stderr.readline() == f"image failed {failed} Content policy violation\n"
