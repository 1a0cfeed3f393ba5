"""The same fault for other SDKs: a paid create is accepted, and never answered. How often does each send it?

    python tests/proofs/peers.py

The peers are installed from the registry into a temporary environment of their own. Each is given the same read
timeout and otherwise its defaults, and runs against a server on this machine that takes whatever it is sent.
"""

import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.server import FaultServer, Visit, take_then

READ_TIMEOUT = 1.5
"""Seconds, for every one of them. Of replicate's, `wait=1` makes that; without it creating has no timeout at all."""
PATIENCE = 180.0
"""Seconds: nobody gets more."""

FAL = """
import fal_client.client
fal_client.client.QUEUE_URL_FORMAT = origin + "/"
fal_client.SyncClient(key="k", default_timeout=timeout).submit("owner/model", arguments={"prompt": "a cat"})
"""
REPLICATE = """
import replicate
client = replicate.Client(api_token="k", base_url=origin, timeout=timeout)
client.predictions.create(version="0" * 64, input={"prompt": "a cat"}, wait=1)
"""
OPENAI = """
import openai
client = openai.OpenAI(api_key="k", base_url=origin + "/v1", timeout=timeout)
client.images.generate(model="gpt-image-1", prompt="a cat")
"""
RUNWAYML = """
import runwayml
client = runwayml.RunwayML(api_key="k", base_url=origin, timeout=timeout)
client.text_to_image.create(model="gen4_image", prompt_text="a cat", ratio="1920:1080")
"""
OURS = """
import anyio, apimodels_async
async def main():
    async with apimodels_async.AsyncImagesClient("k", base_url=origin, timeout=timeout) as client:
        await client.create("a cat", model="m")
anyio.run(main)
"""
PEERS = {"fal-client": FAL, "replicate": REPLICATE, "openai": OPENAI, "runwayml": RUNWAYML}

CHILD = """
import sys
origin, timeout = sys.argv[1], float(sys.argv[2])
try:
    exec(sys.argv[3])
except Exception as error:
    print(type(error).__name__)
else:
    print("no error")
"""


def stay(visit: Visit) -> None:
    visit.wait_until_left()


def measure(python: str, snippet: str) -> tuple[int, str, float]:
    """POSTs counted, what the caller got, and after how many seconds."""
    with FaultServer(post=[take_then(stay)]) as server:
        began = time.monotonic()
        try:
            ended = subprocess.run(
                [python, "-c", CHILD, server.origin, str(READ_TIMEOUT), snippet],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            got = ended.stdout.strip() or (ended.stderr.strip().splitlines() or ["nothing"])[-1]
        except subprocess.TimeoutExpired:
            got = f"still trying after {PATIENCE:g} s"
        return server.counts.posts, got, time.monotonic() - began


def install(into: Path, name: str) -> str | None:
    """The installed version; ``None`` where it cannot be had."""
    pip = [str(into / "bin" / "python"), "-m", "pip"]
    if subprocess.run([*pip, "install", "--quiet", name], check=False, stderr=subprocess.DEVNULL).returncode:
        return None
    shown = subprocess.run([*pip, "show", name], check=True, capture_output=True, text=True).stdout
    return next(line.partition(": ")[2] for line in shown.splitlines() if line.startswith("Version: "))


def main() -> int:
    print(f"{'client':<24} {'POSTs':>5}  {'seconds':>7}  the caller got")
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "peers"
        venv.create(into, with_pip=True)
        for name, snippet in PEERS.items():
            version = install(into, name)
            if version is None:
                print(f"{name:<24} cannot be installed here")
                continue
            posts, got, seconds = measure(str(into / "bin" / "python"), snippet)
            print(f"{f'{name} {version}':<24} {posts:>5}  {seconds:>7.1f}  {got}", flush=True)
    posts, got, seconds = measure(sys.executable, OURS)
    print(f"{'apimodels-async':<24} {posts:>5}  {seconds:>7.1f}  {got}")
    return 0 if posts == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
