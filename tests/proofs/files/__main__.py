"""Picture files of all kinds through ``generate(image=)``, ``batch`` and ``download``: made here, and of a folder.

A file that can be shown goes in through a real HTTP server, which gives it back as the result: it must arrive, and be
saved, byte for byte. One that is cut must be refused going in. Prints the counts, and each file for which that is not
so; ends with 1 if a file that was made here is among them. ImageMagick, ffmpeg and heif-enc are used where they are
installed. Give folders of picture files to add them, such as ``Tests/images`` of Pillow's source.
"""

import argparse
import base64
import io
import itertools
import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import anyio
import pillow_heif
from PIL import Image

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))

from apimodels_async import AsyncImagesClient, DownloadError, GenerationRequest, Task, TaskState
from apimodels_async.pacing import FixedPacing
from tests.proofs.files.made import by_pillow, by_pillow_heif, by_programs

SUFFIXES = {".png", ".apng", ".jpg", ".jpeg", ".mpo", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".avif",
            ".heic", ".heif", ".hif"}  # fmt: skip
TAKEN = {"PNG", "JPEG", "MPO", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"}
CUT = 0.6
"""The part of a file that is left when it is cut."""
pillow_heif.register_heif_opener()


class Host(BaseHTTPRequestHandler):
    """An API whose results are the pictures that it was given, its storage for large ones, and the host of the results.

    ``/whole/ID`` is sent with its length, ``/open/ID`` without.
    """

    protocol_version = "HTTP/1.1"
    numbers = itertools.count()
    pictures: ClassVar[dict[str, bytes]] = {}

    def do_POST(self) -> None:
        body = json.loads(self._body())
        name = f"t{next(self.numbers)}"
        if self.path.endswith("/files"):
            origin = f"http://{self.headers['Host']}"
            self._send_json({"uploadUrl": f"{origin}/whole/{name}", "publicUrl": f"{origin}/whole/{name}"})
            return
        image = body.get("image") or body["image_url"]
        given = self.pictures.pop(image.rpartition("/")[2], None) if image.startswith("http") else None
        self.pictures[name] = base64.b64decode(image, validate=True) if given is None else given
        self._send_json({"taskId": name, "state": "pending"})

    def do_PUT(self) -> None:
        self.pictures[self.path.rpartition("/")[2]] = self._body()
        self._send(b"", length=True)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.query:
            [name] = parse_qs(parts.query)["task_id"]
            link = f"http://{self.headers['Host']}/whole/{name}"
            self._send_json({"taskId": name, "state": "completed", "resultUrls": [link]})
        else:
            _, kind, name = parts.path.split("/")
            self._send(self.pictures[name], length=kind == "whole")

    def _send_json(self, data: object) -> None:
        self._send(json.dumps({"code": 200, "data": data}).encode(), length=True)

    def _send(self, body: bytes, *, length: bool) -> None:
        self.send_response(200)
        if length:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def found(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def is_shown(data: bytes) -> bool:
    """Whether Pillow reads all of a file of a format that is taken."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                image.load()
            return image.format in TAKEN
    except Exception:  # noqa: BLE001  (whatever a decoder raises)
        return False


def is_several(data: bytes) -> bool:
    """Whether a file is a photo with further pictures behind it: the first one is enough to be sent."""
    with Image.open(io.BytesIO(data)) as image:
        return image.format == "MPO"


async def is_refused(client: AsyncImagesClient, data: bytes) -> bool:
    """Whether a picture is refused before anything is sent."""
    before = len(Host.pictures)
    try:
        await client.create("a", image=data)
    except ValueError:
        return len(Host.pictures) == before
    return False


async def comes_back(client: AsyncImagesClient, data: bytes, folder: Path) -> dict[str, bool]:
    """Whether a picture is sent and saved, byte for byte, with and without a length."""
    try:
        task = await client.generate("a", image=data)
    except ValueError:
        return {"was refused": False}
    right = {"did not arrive byte for byte": Host.pictures[task.id or ""] == data}
    open_link = task.result_urls[0].replace("/whole/", "/open/")
    for words, link in (("was not saved", task.result_urls[0]), ("was not saved without a length", open_link)):
        try:
            (path,) = await client.download(Task(id=task.id, state=TaskState.COMPLETED, result_urls=(link,)), folder)
        except DownloadError:
            right[words] = False
        else:
            right[words] = await anyio.Path(path).read_bytes() == data
    return right


async def in_a_batch(client: AsyncImagesClient, paths: list[Path], folder: Path) -> list[str]:
    """The paths whose pictures do not come back from one batch, byte for byte."""
    requests = [GenerationRequest("a", image=path) for path in paths]
    outcomes = await client.generate_many(requests, download_to=folder, max_in_flight=16)
    wrong: list[str] = []
    for path, outcome in zip(paths, outcomes, strict=True):
        (saved,) = outcome.files or (Path(),)
        if not outcome.ok or await anyio.Path(saved).read_bytes() != await anyio.Path(path).read_bytes():
            wrong.append(f"{path.stem} did not come back from the batch: {outcome.error}")
    return wrong


async def run(files: Iterator[tuple[str, bytes]], base_url: str, folder: Path) -> int:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    batch: list[Path] = []
    kept = folder / "in"
    kept.mkdir()
    async with AsyncImagesClient("sk_test", base_url=base_url, model="m", pacing=FixedPacing(0.001)) as client:
        for name, data in files:
            source = name.partition(":")[0] if ": " in name else "folder"
            if not is_shown(data):
                refused = await is_refused(client, data)
                counts[f"{source}: not shown, {'refused' if refused else 'sent'}"] += 1
                continue
            counts[f"{source}: shown"] += 1
            results = await comes_back(client, data, folder)
            cut = data[: int(len(data) * CUT)]
            if not is_shown(cut) and not is_several(data):
                results["was sent although it is cut"] = await is_refused(client, cut)
            for words, right in results.items():
                counts[f"{source}: shown, {words}"] += not right
                wrong += [] if right else [f"{name} {words}"]
            if all(results.values()):
                batch.append(kept / f"{len(batch)} {name.replace('/', '_')[:60]}")
                batch[-1].write_bytes(data)
        lost = await in_a_batch(client, batch, folder / "out")
    counts["in one batch"] = len(batch)
    counts["in one batch, did not come back"] = len(lost)
    print(*wrong, *lost, sep="\n")
    print(*(f"{count:6} {words}" for words, count in sorted(counts.items())), sep="\n")
    return 1 if lost or any(": " in each for each in wrong) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, help="folders of picture files, such as Pillow's Tests/images")
    folders: list[Path] = parser.parse_args().folders
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def files(scratch: Path) -> Iterator[tuple[str, bytes]]:
        yield from by_pillow()
        yield from by_pillow_heif()
        yield from by_programs(scratch)
        for folder in folders:
            yield from found(folder)

    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as folder:
        return anyio.run(run, files(Path(scratch)), f"http://127.0.0.1:{server.server_port}", Path(folder))


if __name__ == "__main__":
    sys.exit(main())
