"""Picture files of all kinds through ``create(image=)`` and ``download``: files made here, and those of a folder.

A file that Pillow can show goes in through a real HTTP server and comes back: it must arrive byte for byte. A file
that is cut must be refused going in. Prints the counts, and each file for which that is not so; ends with 1 if a file
that was made here is among them. Give folders of picture files to add them, such as ``Tests/images`` of Pillow.
"""

import argparse
import base64
import io
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
from PIL import Image, features

from apimodels_async import AsyncImagesClient, DownloadError, Task, TaskState

SUFFIXES = {
    ".png",
    ".apng",
    ".jpg",
    ".jpeg",
    ".mpo",
    ".gif",
    ".webp",
    ".bmp",
    ".dib",
    ".tif",
    ".tiff",
    ".avif",
    ".heic",
}
TAKEN = {"PNG", "JPEG", "MPO", "GIF", "WEBP", "BMP", "TIFF", "AVIF"}
CUT = 0.6
"""The part of a file that is left when it is cut."""


class Host(BaseHTTPRequestHandler):
    """Takes create requests and remembers their picture; serves the file that is set, without its length on demand."""

    protocol_version = "HTTP/1.1"
    image: bytes = b""
    file: bytes = b""
    has_length = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).image = base64.b64decode(body["image"], validate=True)
        self._send(json.dumps({"code": 200, "data": {"taskId": "t", "state": "pending"}}).encode(), length=True)

    def do_GET(self) -> None:
        self._send(type(self).file, length=type(self).has_length)

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


def made() -> Iterator[tuple[str, bytes]]:
    """Files of all kinds, written by Pillow."""
    noise = Image.frombytes("RGB", (61, 43), os.urandom(3 * 61 * 43))
    formats = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", *(["AVIF"] if features.check("avif") else [])]
    exif = Image.Exif()
    exif[0x112] = 6
    options: dict[str, list[dict[str, Any]]] = {
        "PNG": [{}, {"optimize": True}, {"exif": exif}],
        "JPEG": [
            {},
            {"progressive": True},
            {"restart_marker_blocks": 1},
            {"exif": exif},
            {"icc_profile": bytes(70_000)},
        ],
        "GIF": [{}, {"interlace": 0}, {"comment": b";" * 600}],
        "WEBP": [{}, {"lossless": True}, {"exif": exif}],
        "BMP": [{}],
        "TIFF": [{}, *({"compression": each} for each in ("tiff_lzw", "jpeg", "packbits")), {"big_tiff": True}],
        "AVIF": [{}, {"exif": exif}],
    }
    for kind in formats:
        for mode in ("RGB", "L", "P", "1", "RGBA"):
            for number, chosen in enumerate(options[kind]):
                buffer = io.BytesIO()
                try:
                    noise.convert(mode).save(buffer, kind, **chosen)
                except (OSError, ValueError):
                    continue  # the format has no such mode
                yield f"made: {kind} {mode} {number}", buffer.getvalue()
        buffer = io.BytesIO()
        if kind not in ("BMP", "JPEG"):
            noise.save(buffer, kind, save_all=True, append_images=[noise.rotate(180)] * 3)
            yield f"made: {kind} animated", buffer.getvalue()
    buffer = io.BytesIO()
    noise.save(buffer, "MPO", save_all=True, append_images=[noise])
    yield "made: MPO", buffer.getvalue()


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


async def arrives(client: AsyncImagesClient, data: bytes) -> bool:
    """Whether a picture is sent, byte for byte."""
    try:
        await client.create("a", image=data)
    except ValueError:
        return False
    return Host.image == data


async def is_saved(client: AsyncImagesClient, url: str, folder: Path, data: bytes, *, length: bool) -> bool:
    """Whether a picture is downloaded, byte for byte."""
    Host.file, Host.has_length = data, length
    task = Task(id="t", state=TaskState.COMPLETED, result_urls=(url,))
    try:
        (path,) = await client.download(task, folder)
    except DownloadError:
        return False
    return await anyio.Path(path).read_bytes() == data


async def run(files: Iterator[tuple[str, bytes]], base_url: str, folder: Path) -> int:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    async with AsyncImagesClient("sk_test", base_url=base_url, model="m") as client:
        for name, data in files:
            shown = is_shown(data)
            counts["shown by Pillow" if shown else "not shown by Pillow"] += 1
            sent = await arrives(client, data)
            counts[f"{'shown' if shown else 'not shown'}: {'sent' if sent else 'refused'}"] += 1
            if not shown:
                continue
            cut = data[: int(len(data) * CUT)]
            results = {
                "was refused": sent,
                "was not saved": await is_saved(client, f"{base_url}/a", folder, data, length=True),
                "was not saved without a length": await is_saved(client, f"{base_url}/a", folder, data, length=False),
            }
            if not is_shown(cut) and not is_several(data):
                results["was sent although it is cut"] = not await arrives(client, cut)
            for words, right in results.items():
                counts[f"shown: {words}"] += not right
                wrong += [] if right else [f"{name} {words}"]
    print(*wrong, sep="\n")
    print(*(f"{count:6} {words}" for words, count in sorted(counts.items())), sep="\n")
    return 1 if any(each.startswith("made: ") for each in wrong) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, help="folders of picture files, such as Pillow's Tests/images")
    folders: list[Path] = parser.parse_args().folders
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def files() -> Iterator[tuple[str, bytes]]:
        yield from made()
        for folder in folders:
            yield from found(folder)

    with tempfile.TemporaryDirectory() as folder:
        return anyio.run(run, files(), f"http://127.0.0.1:{server.server_port}", Path(folder))


if __name__ == "__main__":
    sys.exit(main())
