"""What can be told about a picture from its bytes alone, and how it is written in JSON. No file is opened.

The signatures are those of the formats' own specifications: PNG (ISO/IEC 15948), JPEG (ITU-T T.81), GIF89a,
WebP (RFC 9649), BMP, TIFF 6.0, and the ISO base media "ftyp" brands of AVIF and HEIC.
"""

import base64
import binascii
import re
from enum import Enum
from typing import Literal, TypeAlias
from urllib.parse import unquote_to_bytes

_Order: TypeAlias = Literal["big", "little"]

HEAD = 64
"""Bytes from the start that `sniff` needs to see."""
TAIL = 1024
"""Bytes from the end that `is_whole` needs to see: some writers leave a little after the end marker."""


class Kind(Enum):
    """A picture format: its file suffix and its media type."""

    PNG = (".png", "image/png")
    JPEG = (".jpg", "image/jpeg")
    GIF = (".gif", "image/gif")
    WEBP = (".webp", "image/webp")
    BMP = (".bmp", "image/bmp")
    TIFF = (".tiff", "image/tiff")
    AVIF = (".avif", "image/avif")
    HEIC = (".heic", "image/heic")

    @property
    def suffix(self) -> str:
        """With its dot."""
        return self.value[0]

    @property
    def media_type(self) -> str:
        """As in a Content-Type header."""
        return self.value[1]


_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
    (b"BM", Kind.BMP),
    (b"II*\x00", Kind.TIFF),
    (b"MM\x00*", Kind.TIFF),
)
_BRANDS = {b"avif": Kind.AVIF, b"avis": Kind.AVIF, b"heic": Kind.HEIC, b"heix": Kind.HEIC, b"mif1": Kind.HEIC}


def sniff(head: bytes) -> Kind | None:
    """The format that the first bytes show (`HEAD` of them suffice), or ``None``."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Kind.WEBP
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)


def is_whole(kind: Kind, length: int, head: bytes, tail: bytes) -> bool:
    """Whether a picture of `length` bytes ends as its format says (`True` where no end is marked).

    `head` and `tail` are its first `HEAD` and its last `TAIL` bytes.
    """
    match kind:
        case Kind.PNG:
            return b"IEND\xaeB`\x82" in tail
        case Kind.JPEG:
            return b"\xff\xd9" in tail
        case Kind.GIF:
            return tail.rstrip(b"\x00").endswith(b"\x00;")  # the end of a block, then the trailer
        case Kind.WEBP:
            return length >= int.from_bytes(head[4:8], "little") + 8
        case Kind.BMP:
            return length >= int.from_bytes(head[2:6], "little")
        case Kind.TIFF | Kind.AVIF | Kind.HEIC:
            return True


def pixel_size(data: bytes) -> tuple[int, int] | None:
    """Width and height as the header says, or ``None`` where this function cannot tell."""
    match sniff(data[:HEAD]):
        case Kind.PNG if len(data) >= 24:
            return _pair(data[16:24], 4, "big")
        case Kind.GIF if len(data) >= 10:
            return _pair(data[6:10], 2, "little")
        case Kind.JPEG:
            return _jpeg_size(data)
        case Kind.WEBP:
            return _webp_size(data)
        case _:
            return None


def _pair(data: bytes, width: int, order: _Order) -> tuple[int, int]:
    return int.from_bytes(data[:width], order), int.from_bytes(data[width : 2 * width], order)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Walk the segments up to the frame header (SOF0-SOF15 without DHT, JPG and DAC), with the size."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _pair(data[at + 5 : at + 9], 2, "big")
            return width, height
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8X" if len(data) >= 30:
            return (
                int.from_bytes(data[24:27], "little") + 1,
                int.from_bytes(data[27:30], "little") + 1,
            )
        case b"VP8L" if len(data) >= 25:
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if len(data) >= 30:
            width, height = _pair(data[26:30], 2, "little")
            return width & 0x3FFF, height & 0x3FFF
        case _:
            return None


def to_base64(data: bytes) -> str:
    """Plain base64 with no ``data:`` prefix, as the contract's ``image`` and ``mask`` fields want it."""
    return base64.b64encode(data).decode("ascii")


def to_data_uri(b64: str) -> str:
    """A ``data:`` URI for a picture given as base64, its type sniffed (octet-stream where unknown)."""
    if b64.startswith("data:"):
        return b64
    try:
        kind = sniff(base64.b64decode(b64[: HEAD // 3 * 4]))
    except ValueError:  # binascii.Error, and a plain one where a character is not ASCII
        kind = None
    return f"data:{kind.media_type if kind else 'application/octet-stream'};base64,{b64}"


_DATA_URI = r"(?i)data:(?P<type>[^,]*?)(?P<b64>;\s*base64)?,"


def from_data_uri(uri: str) -> bytes:
    """The bytes in a ``data:`` URI (RFC 2397).

    Raises:
        ValueError: it is none, or its base64 is broken.
    """
    found = re.match(_DATA_URI, uri)
    if found is None:
        raise ValueError("a data: URI has a comma before its data")
    data = uri[found.end() :]
    if not found["b64"]:
        return unquote_to_bytes(data)
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the data: URI's base64 is broken ({error})") from None
