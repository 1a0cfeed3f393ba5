"""Files of all kinds, written by Pillow, pillow-heif, ImageMagick, ffmpeg and libheif."""

import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import Image, features

WIDTH, HEIGHT = 160, 120
"""Of a picture that has two unequal sides, and is no multiple of every block size."""

IMAGEMAGICK = {
    "png": ["", "-interlace PNG", "-depth 16", "-colorspace Gray -depth 8", "-colors 16 -type Palette", "-depth 1"],
    "jpg": ["", "-interlace JPEG", "-colorspace CMYK", "-sampling-factor 4:1:1", "-orient RightTop", "-quality 1"],
    "gif": ["", "-interlace GIF", "-colors 2"],
    "webp": ["", "-define webp:lossless=true", "-define webp:alpha-quality=10 -alpha set"],
    "bmp": ["", "-type Palette", "-monochrome", "-define bmp:format=bmp3", "-define bmp:format=bmp2", "-alpha set"],
    "tif": [*(f"-compress {each}" for each in ("none", "lzw", "zip", "rle", "jpeg")), "-monochrome -compress group4",
            "-define tiff:tile-geometry=64x64", "-endian MSB", "-depth 16", "-define tiff:rows-per-strip=1"],
    "tiff64": [""],
    "avif": ["", "-quality 20"],
    "heic": ["", "-quality 20"],
    "psd": [""],
    "ico": ["-resize 32x32"],
    "jp2": [""],
    "pdf": [""],
    "ppm": [""],
}  # fmt: skip
FFMPEG = {
    "png": ["", "-pix_fmt rgb48be", "-pix_fmt pal8", "-pred mixed"],
    "apng": ["-plays 0"],
    "jpg": ["", "-q:v 31", "-pix_fmt yuvj444p", "-huffman default"],
    "gif": ["", "-loop 0"],
    "webp": ["", "-lossless 1"],
    "bmp": ["", "-pix_fmt rgb24", "-pix_fmt gray"],
    "tiff": ["", "-compression_algo lzw", "-compression_algo raw", "-compression_algo deflate", "-pix_fmt rgb48le"],
    "avif": ["-cpu-used 8", "-still-picture 1 -cpu-used 8"],
    "jxl": [""],
    "mp4": [""],
}
HEIF_ENC = ["-q 50", "-L", "-t 64", "-q 50 -A", "-t 64 -A", "-q 50 -b 10"]
SEVERAL = {"apng", "gif", "mp4", "webp", "avif"}
"""Formats in which ffmpeg is given several pictures, but for a still AVIF."""


def by_pillow() -> Iterator[tuple[str, bytes]]:
    """Files of all kinds that Pillow writes."""
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
                yield f"Pillow: {kind} {mode} {number}", buffer.getvalue()
        buffer = io.BytesIO()
        if kind not in ("BMP", "JPEG"):
            noise.save(buffer, kind, save_all=True, append_images=[noise.rotate(180)] * 3)
            yield f"Pillow: {kind} animated", buffer.getvalue()
    buffer = io.BytesIO()
    noise.save(buffer, "MPO", save_all=True, append_images=[noise])
    yield "Pillow: MPO", buffer.getvalue()


def by_pillow_heif() -> Iterator[tuple[str, bytes]]:
    """HEIC files with one picture and several, upright and turned, with and without thumbnails."""
    noise = Image.frombytes("RGB", (WIDTH, HEIGHT), os.urandom(3 * WIDTH * HEIGHT))
    exif = Image.Exif()
    exif[0x112] = 6
    options: list[dict[str, Any]] = [{}, {"quality": -1}, {"exif": exif}, {"chroma": 444}]
    for number, chosen in enumerate(options):
        buffer = io.BytesIO()
        noise.save(buffer, "HEIF", **chosen)
        yield f"pillow-heif: {number}", buffer.getvalue()
    several = pillow_heif.from_pillow(noise)
    several.add_from_pillow(noise.rotate(180).resize((64, 80)))
    buffer = io.BytesIO()
    several.save(buffer)
    yield "pillow-heif: several", buffer.getvalue()


def by_programs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """What ImageMagick, ffmpeg and libheif write, as far as they are installed and can."""
    source = folder / "source.png"
    Image.effect_mandelbrot((WIDTH, HEIGHT), (-2, -1.5, 1, 1.5), 100).convert("RGB").save(source)
    magick = shutil.which("magick") or shutil.which("convert-im6.q16") or shutil.which("convert")
    for kind, options in IMAGEMAGICK.items():
        for each in options:
            yield from _written(magick, [str(source), *each.split(), f"{kind}:{{}}"], kind, folder, each)
    yield from _written(magick, [str(source), "-rotate", "90", str(source), "{}"], "gif", folder, "animated")
    yield from _written(magick, [str(source), "-flip", str(source), "{}"], "webp", folder, "animated")
    for kind, options in FFMPEG.items():
        for each in options:
            still = kind not in SEVERAL or "still" in each
            length = ["-frames:v", "1"] if still else ["-t", "0.4", "-r", "10"]
            command = ["-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc=size={WIDTH}x{HEIGHT}", *length,
                       *each.split(), "{}"]  # fmt: skip
            yield from _written(shutil.which("ffmpeg"), command, kind, folder, each)
    for each in HEIF_ENC:
        kind = "avif" if "-A" in each else "heic"
        yield from _written(shutil.which("heif-enc"), [*each.split(), str(source), "-o", "{}"], kind, folder, each)


def _written(
    program: str | None, arguments: list[str], kind: str, folder: Path, about: str
) -> Iterator[tuple[str, bytes]]:
    if program is None:
        return
    path = folder / f"made.{'tiff' if kind == 'tiff64' else kind}"
    path.unlink(missing_ok=True)
    command = [program, *(each.replace("{}", str(path)) for each in arguments)]
    subprocess.run(command, capture_output=True, check=False, timeout=120)
    if path.exists() and path.stat().st_size:
        yield f"{Path(program).name}: {kind} {about}".strip(), path.read_bytes()
