"""Pictures whose tags list far more values than a picture has, and pictures of one endless row."""

import base64
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

from tests.proofs.hostile.gateway_pictures import attacked, photo, refused_well
from tests.proofs.hostile.row import Row
from tests.support.pictures import chunk

LONG, RATIONAL = 4, 5
ORIENTATION, RESOLUTION, EXIF = 0x112, 0x11A, 0x8769


def _tagged(entries: list[tuple[int, int, int]], size: int) -> bytes:
    """A TIFF structure with these tags, types and numbers of values, which all stand behind the directory."""
    start = 10 + 12 * len(entries) + 4
    rows = b"".join(struct.pack("<HHII", *entry, start) for entry in sorted(entries))
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + rows + bytes(4) + b"\x78\x56\x34\x12" * (size // 4)


def _with_exif(png: bytes, exif: bytes, *, late: bool = False) -> bytes:
    at = len(png) - 12 if late else 33
    return png[:at] + chunk(b"eXIf", exif) + png[at:]


def _row(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes((width + 7) // 8 * height + height), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tags(row: Row) -> None:
    """Millions of strips, tiles and EXIF values, and pictures a pixel wide: two at a time, and in questions too."""
    size = row.count(36 << 20)
    png = photo(64, 64, "PNG")
    out = io.BytesIO()
    Image.new("L", (8000, 8000)).save(out, "PNG")
    plain = [(0x100, LONG, 1), (0x101, LONG, 1), (0x102, 3, 1), (0x106, 3, 1)]
    cases = {
        "strips": _tagged([*plain, (0x111, LONG, size // 8), (0x117, LONG, size // 8)], size),
        "tiles": _tagged([*plain, (0x144, LONG, size // 8), (0x145, LONG, size // 8)], size),
        "resolutions": _tagged([*plain, (RESOLUTION, RATIONAL, size // 8)], size),
        "orientations in EXIF": _with_exif(png, _tagged([(ORIENTATION, LONG, size // 4)], size)),
        "resolutions in EXIF": _with_exif(png, _tagged([(ORIENTATION, 3, 1), (RESOLUTION, RATIONAL, size // 8)], size)),
        "directories in EXIF": _with_exif(png, _tagged([(EXIF, LONG, size // 4)], size)),
        "EXIF behind the pixels": _with_exif(png, _tagged([(ORIENTATION, RATIONAL, size // 8)], size), late=True),
        "EXIF of 64 MP": _with_exif(out.getvalue(), _tagged([(RESOLUTION, RATIONAL, size // 8)], size)),
        "a pixel wide": _row(1, row.count(64_000_000)),
        "a pixel high": _row(row.count(64_000_000), 1),
    }

    def attempt(case: tuple[str, bytes]) -> tuple[str, str]:
        given = base64.b64encode(case[1]).decode()
        parts = [
            {"type": "text", "text": "a cat"},
            {"type": "image_url", "image_url": {"url": f"data:;base64,{given}"}},
        ]
        asked = gateway.ask(
            "POST", "/api/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": parts}]}
        )
        return case[0], refused_well(gateway.create("tags", image=given)) or refused_well(asked)

    with attacked(row) as gateway, ThreadPoolExecutor(2) as threads:
        for name, wrong in threads.map(attempt, list(cases.items()) * 2):
            row.judge(name, wrong)
