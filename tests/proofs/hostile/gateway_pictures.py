"""Pictures that cost a gateway memory or time."""

import base64
import io
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from tests.proofs.hostile.hostile_server import Repeated, streamed
from tests.proofs.hostile.processes import MOST_MEMORY, Answer, Gateway, SmallRequests, memory, peak_memory
from tests.proofs.hostile.row import Row, unless
from tests.support.picture_server import PictureServer, head

MOST_SECONDS = 120.0
"""For one create request, or one picture, of the largest ones: a busy machine needs many."""


@contextmanager
def attacked(row: Row, *options: str) -> Iterator[Gateway]:
    """A gateway that must stay small, and answer small requests meanwhile."""
    with tempfile.TemporaryDirectory() as folder, Gateway(Path(folder), *options) as gateway:
        with SmallRequests(gateway) as small:
            yield gateway
        peak, now = peak_memory(gateway.process.pid), memory(gateway.process.pid)
        row.judge("small requests", *small.wrong(), unless(small.count > 0, "none was sent"))
        row.judge("memory", unless(peak < MOST_MEMORY, f"{peak} MB"))
        row.judge("log", unless("Traceback" not in gateway.log, gateway.log[-300:]))
        row.notes.append(f"peak {peak} MB, then {now} MB; small {small.slowest * 1000:.0f} ms of {small.count}")


def refused_well(answer: Answer) -> str:
    """Whether an answer is one of the API, and no fault of the gateway; in words, if it is not."""
    return unless(answer.status in (200, 400, 402, 404, 413, 429), f"{answer.status}: {answer.body[:200]!r}")


def photo(width: int, height: int, kind: str, **options: object) -> bytes:
    """A file of so many pixels, which takes as much to be decoded as a photo."""
    tile = Image.effect_noise((256, 256), 60).convert("L")
    image = Image.new("RGB" if kind != "PNG" else "L", (width, height))
    for left in range(0, min(width, 2048), 256):
        image.paste(tile, (left, 0))
    written = io.BytesIO()
    image.save(written, kind, **options)
    return written.getvalue()


def inputs(row: Row) -> None:
    """16 pictures of 48 or 64 megapixels in one create request, two at the same time, and what is painted of them."""
    cases = {
        "48 MP JPEG": (photo(8000, 6000, "JPEG"), 16),
        "64 MP PNG": (photo(8000, 8000, "PNG"), 16),
        "48 MP WebP": (photo(8000, 6000, "WEBP", quality=1, method=0), 4),
        "64 MP progressive": (photo(8000, 8000, "JPEG", progressive=True), 4),
    }
    with attacked(row) as gateway, ThreadPoolExecutor(2) as threads:
        for wrong in threads.map(lambda case: _fused(gateway, *case), list(cases.values())[: row.count(len(cases))]):
            row.judge("fused", wrong)


def _fused(gateway: Gateway, data: bytes, number: int) -> str:
    began = time.monotonic()
    answer = gateway.create("fused", images=[base64.b64encode(data).decode()] * number)
    wrong = _fetched(gateway, answer) if answer.status == 200 else refused_well(answer)
    took = time.monotonic() - began
    return wrong or unless(took < MOST_SECONDS, f"{took:.0f} s for {number} pictures")


def _fetched(gateway: Gateway, answer: Answer) -> str:
    task = answer.data["taskId"]
    data = gateway.ask("GET", f"/api/v1/images/generations?task_id={task}").data
    if data["state"] != "completed":
        return f"the task is {data['state']}"
    url = data["resultUrls"][0].removeprefix(gateway.origin)
    return unless(gateway.ask("GET", url).status == 200, "the picture is not there")


def fetched(row: Row) -> None:
    """Three create requests at a time of 16 links, each to 49 MB; and links to what never ends."""
    size = row.count(49 << 20)
    with PictureServer() as server, attacked(row) as gateway, ThreadPoolExecutor(6) as threads:
        url = server.play(
            "/large", streamed(Repeated(b"\xff\xd8\xff\xe0", size), start=head(200, ("Connection", "close")))
        )
        png = photo(16, 16, "PNG")
        padded = server.play("/padded", streamed(Repeated(bytes(4096), size, png), start=head(200)))
        endless = server.play("/endless", streamed(Repeated(bytes(4096), 1 << 30, png), start=head(200)))
        jobs = [threads.submit(gateway.create, "links", image_urls=[each] * 16) for each in [url, padded, endless] * 3]
        for job in jobs:
            answer = job.result()
            row.judge("16 links", refused_well(answer))


def scans(row: Row) -> None:
    """Progressive JPEGs with more scans than any picture needs, other bombs, and files of all formats that lie."""
    whole = photo(8000, 8000, "JPEG", progressive=True, quality=10)
    small = photo(64, 64, "JPEG", progressive=True)
    medium = photo(1000, 1000, "JPEG", progressive=True)

    def with_scans(data: bytes, count: int) -> bytes:
        last = data.rfind(b"\xff\xda")
        return data[:-2] + data[last:-2] * count + data[-2:]

    frames = io.BytesIO()
    first = Image.new("P", (4000, 4000))
    first.save(frames, "GIF", save_all=True, append_images=[Image.new("P", (4000, 4000), n) for n in range(1, 20)])
    tiff = photo(6000, 6000, "TIFF", compression="tiff_lzw")
    png = photo(64, 64, "PNG")
    cases = {
        "400 scans of 64 MP": with_scans(whole, 400),
        "16 scans of 64 MP": with_scans(whole, 6),
        "1,000 scans of 1 MP": with_scans(medium, 1000),
        "20,000 scans of 64 x 64": with_scans(small, 20_000),
        "GIF with 20 frames of 16 MP": frames.getvalue(),
        "TIFF of 36 MP": tiff,
        "PNG that says 65,535 x 65,535": png[:16] + b"\0\0\xff\xff" * 2 + png[24:],
        "JPEG that says 65,500 x 65,500": whole.replace((8000).to_bytes(2) * 2, (65500).to_bytes(2) * 2),
        "JPEG of empty segments": b"\xff\xd8" + b"\xff\xe0\0\2" * row.count(9 << 20),
        "GIF of noise": b"GIF89a" + b"\xff" * row.count(36 << 20),
        "PNG of empty chunks": png[:33] + b"\0\0\0\0tEXt\xd7\x59\x82\x27" * row.count(3 << 20),
        "TIFF of noise": b"II*\0\x08\0\0\0" + b"\xff" * row.count(36 << 20),
        "PNG cut": png[:-20],
        "JPEG cut": whole[: len(whole) // 2],
        "a page": b"<html>" * 1000,
        "nothing": b"",
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9000 9000\n",
    }
    with attacked(row) as gateway:
        lock = threading.Lock()

        def attempt(case: tuple[str, bytes]) -> None:
            began = time.monotonic()
            answer = gateway.create("scans", image=base64.b64encode(case[1]).decode())
            took = time.monotonic() - began
            with lock:
                row.judge(case[0], refused_well(answer), unless(took < MOST_SECONDS, f"{took:.0f} s"))

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(attempt, list(cases.items())[: row.count(len(cases))] * 2))
