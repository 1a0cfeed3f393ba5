"""The formats of picture files, and how the first bytes of a file show its format. Pure: no file is opened.

The signatures are those of the formats' own specifications: PNG (ISO/IEC 15948), JPEG (ITU-T T.81), GIF89a, WebP
(RFC 9649), BMP, TIFF 6.0 and BigTIFF, and the "ftyp" brands of the ISO base media file format (ISO/IEC 14496-12,
23008-12, AV1 Image File Format).
"""

import re
from enum import Enum

HEAD = 256
"""Number of bytes from the start of a file that `recognise` uses at most."""


class PictureFormat(Enum):
    """A file format: its name, file suffix and media type, and whether `PictureWalker` can follow its structure."""

    PNG = ("PNG", ".png", "image/png", True)
    JPEG = ("JPEG", ".jpg", "image/jpeg", True)
    GIF = ("GIF", ".gif", "image/gif", True)
    WEBP = ("WebP", ".webp", "image/webp", True)
    BMP = ("BMP", ".bmp", "image/bmp", True)
    TIFF = ("TIFF", ".tiff", "image/tiff", True)
    AVIF = ("AVIF", ".avif", "image/avif", True)
    HEIC = ("HEIC", ".heic", "image/heic", True)
    # Known by name only, so that a message can say what a file is.
    JXL = ("JPEG XL", ".jxl", "image/jxl", False)
    JP2 = ("JPEG 2000", ".jp2", "image/jp2", False)
    ICO = ("ICO", ".ico", "image/vnd.microsoft.icon", False)
    PSD = ("Photoshop (PSD)", ".psd", "image/vnd.adobe.photoshop", False)
    SVG = ("SVG", ".svg", "image/svg+xml", False)
    EPS = ("PostScript (EPS)", ".eps", "application/postscript", False)
    PNM = ("PNM (PPM, PGM, PBM)", ".pnm", "image/x-portable-anymap", False)
    QOI = ("QOI", ".qoi", "image/qoi", False)
    EXR = ("OpenEXR", ".exr", "image/x-exr", False)
    PDF = ("PDF", ".pdf", "application/pdf", False)
    MP4 = ("MP4 video", ".mp4", "video/mp4", False)
    WEBM = ("WebM video", ".webm", "video/webm", False)

    @property
    def label(self) -> str:
        """The name of the format, for messages."""
        return self.value[0]

    @property
    def suffix(self) -> str:
        """The file suffix, with its dot."""
        return self.value[1]

    @property
    def media_type(self) -> str:
        """The value of a Content-Type header."""
        return self.value[2]

    @property
    def is_checked(self) -> bool:
        """Whether `PictureWalker` can distinguish a complete file of this format from a truncated one."""
        return self.value[3]


_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", PictureFormat.PNG),
    (b"\xff\xd8\xff", PictureFormat.JPEG),
    (b"GIF87a", PictureFormat.GIF),
    (b"GIF89a", PictureFormat.GIF),
    (b"II*\x00", PictureFormat.TIFF),
    (b"MM\x00*", PictureFormat.TIFF),
    (b"II+\x00\x08\x00\x00\x00", PictureFormat.TIFF),
    (b"MM\x00+\x00\x08\x00\x00", PictureFormat.TIFF),
    (b"\xff\x0a", PictureFormat.JXL),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", PictureFormat.JXL),
    (b"\xff\x4f\xff\x51", PictureFormat.JP2),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", PictureFormat.JP2),
    (b"8BPS", PictureFormat.PSD),
    (b"%PDF-", PictureFormat.PDF),
    (b"%!PS-Adobe", PictureFormat.EPS),
    (b"\xc5\xd0\xd3\xc6", PictureFormat.EPS),  # with a preview
    (b"qoif", PictureFormat.QOI),
    (b"v/1\x01", PictureFormat.EXR),
    (b"\x1aE\xdf\xa3", PictureFormat.WEBM),
)
_AVIF = {b"avif", b"avis", b"avio", b"MA1A", b"MA1B"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1", b"miaf"}
_MP4 = re.compile(rb"iso[m0-9]|mp4[12]|avc1|M4V |qt  |dash|3g[p2].|MSNV")
_ICON = re.compile(rb"\x00\x00[\x01\x02]\x00[^\x00]\x00")  # also a cursor, which is an icon with a hot spot
_BMP = re.compile(rb"BM.{12}[\x0c-\x7c]\x00\x00\x00", re.DOTALL)  # as long as the header that follows is a known one
_PNM = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+\d+\s")
_SVG = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:svg[\s>]|(?:\?xml|!--|!DOCTYPE\s+svg).*?<?svg[\s>])", re.DOTALL)

_PATTERNS = (
    (_BMP, PictureFormat.BMP),
    (_ICON, PictureFormat.ICO),
    (_PNM, PictureFormat.PNM),
    (_SVG, PictureFormat.SVG),
)


def recognise(head: bytes) -> PictureFormat | None:
    """The format of a file that begins with `head` (`HEAD` bytes suffice), or ``None`` if it is not known."""
    head = head[:HEAD]
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return PictureFormat.WEBP
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    for signature, known in _SIGNATURES:
        if head.startswith(signature):
            return known
    return next((known for pattern, known in _PATTERNS if pattern.match(head)), None)


_COMPRESSIONS = ((b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))


def compression(head: bytes) -> str | None:
    """The content coding that the first bytes show, whatever a header says; brotli has no signature, and shows none."""
    return next((name for signature, name in _COMPRESSIONS if head.startswith(signature)), None)


def brands(head: bytes) -> list[bytes]:
    """The major brand and the compatible brands of an ISO base media file."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    return [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]


def _by_brand(head: bytes) -> PictureFormat | None:
    found = brands(head)
    if not _AVIF.isdisjoint(found):  # before HEIC: an AVIF file names the brands of all HEIF files as well
        return PictureFormat.AVIF
    if not _HEIC.isdisjoint(found):
        return PictureFormat.HEIC
    return PictureFormat.MP4 if any(_MP4.fullmatch(brand) for brand in found) else None
