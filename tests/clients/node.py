"""Packages of npm, each in a program of its own."""

import json
import subprocess
from pathlib import Path

import httpx

from tests.clients.workplace import MODEL, PATIENCE, Workplace

HERE = Path(__file__).parent / "node"
HANDLER = Path(__file__).parents[1] / "gateway" / "express" / "handler.js"
AROUND = """
const express = require('express')
const app = express()
%s
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
"""


def _run(place: Workplace, script: str) -> None:
    # A module is looked for from where the file is, whatever NODE_PATH says.
    program = place.folder / script
    program.write_bytes((HERE / script).read_bytes())
    place.picture("cat.png")
    place.run(place.program("node"), str(program), environment={"MODEL": MODEL})


def check_openai(place: Workplace) -> str:
    """Generate, edit and list, with nothing but ``baseURL`` changed."""
    _run(place, "openai.mjs")
    return place.npm_version("openai")


def check_ai_sdk(place: Workplace) -> str:
    """Vercel's AI SDK, by its provider for addresses that speak OpenAI's shape."""
    _run(place, "ai_sdk.mjs")
    return f"{place.npm_version('ai')}, {place.npm_version('@ai-sdk/openai-compatible')}"


def check_express(place: Workplace) -> str:
    """The handler of the vendor's page, which the gateway calls."""
    program = AROUND % HANDLER.read_text(encoding="utf-8")
    command = [place.program("node"), "-e", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=place.environment, cwd=place.folder
    ) as process:
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{process.stdout.readline().strip()}/webhook/image"
            body = {"model": "grok-image/grok-4.2-image", "prompt": "a kite", "callback_url": url}
            headers = {"Authorization": f"Bearer {place.gateway.api_key}"}
            address = f"{place.gateway.base_url}/images/generations"
            answer = httpx.post(address, json=body, headers=headers, trust_env=False, timeout=PATIENCE)
            task_id = answer.raise_for_status().json()["data"]["taskId"]
            line = process.stdout.readline()
            assert line.startswith(f"image ready {task_id} http://127.0.0.1:"), line
        finally:
            process.kill()
    manifest = json.loads((place.folder / "node_modules" / "express" / "package.json").read_text())
    return str(manifest["version"])
