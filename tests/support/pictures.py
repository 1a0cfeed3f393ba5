"""Small pictures as files: drawn by Pillow, or built byte by byte where Pillow must not be loaded."""

import io
import random
import struct
import zlib
from typing import Any


def png(width: int = 4, height: int = 3, kind: str = "PNG", *, colour: Any = "red", **options: Any) -> bytes:
    """A picture of one colour, in any format that Pillow writes."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, kind, **options)
    return out.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, rows: bytes, *, colour_type: int = 2) -> bytes:
    """A PNG of 8 bits a sample; every row of `rows` begins with its filter byte."""
    head = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def noise(seed: str, width: int, height: int) -> bytes:
    """A PNG that compresses by nothing (three bytes a pixel), another one for each seed."""
    row = 3 * width
    data = random.Random(seed).randbytes(row * height)
    return png_of(width, height, b"".join(b"\0" + data[at : at + row] for at in range(0, len(data), row)))


PNG = png_of(1, 1, b"\0\x80", colour_type=0)
_APP0 = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_FRAME = b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00"
_SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
JPEG = b"\xff\xd8" + _APP0 + _FRAME + _SCAN + bytes(2000) + b"\xff\xd9"
WEBP = b"RIFF" + struct.pack("<I", 2012) + b"WEBPVP8L" + struct.pack("<I", 2000) + bytes(2000)
_SUB_BLOCKS = (b"\xff" + bytes(255)) * 8 + b"\x00"
GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02" + _SUB_BLOCKS + b";"
