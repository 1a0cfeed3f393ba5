"""Colours as plain tuples, and the few operations the painter needs."""

import colorsys
from typing import TypeAlias

RGB: TypeAlias = tuple[int, int, int]
RGBA: TypeAlias = tuple[int, int, int, int]
Fill: TypeAlias = RGB | RGBA

WHITE: RGB = (255, 255, 255)
BLACK: RGB = (0, 0, 0)


def rgb(text: str) -> RGB:
    """Read `rrggbb`."""
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def mix(a: RGB, b: RGB, t: float) -> RGB:
    """Go from `a` (t=0) to `b` (t=1)."""
    return (
        round(a[0] + (b[0] - a[0]) * t),
        round(a[1] + (b[1] - a[1]) * t),
        round(a[2] + (b[2] - a[2]) * t),
    )


def lighter(colour: RGB, t: float = 0.25) -> RGB:
    """Mix with white."""
    return mix(colour, WHITE, t)


def darker(colour: RGB, t: float = 0.25) -> RGB:
    """Mix with a deep blue rather than black: shadows stay alive."""
    return mix(colour, (18, 14, 40), t)


def veil(colour: RGB, alpha: float) -> RGBA:
    """Make a translucent fill; alpha from 0 to 1."""
    return (*colour, max(0, min(255, round(alpha * 255))))


def luminance(colour: RGB) -> float:
    """Perceived lightness, 0 to 1."""
    return (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 255


def turned(colour: RGB, degrees: float, saturation: float = 1.0) -> RGB:
    """Turn the hue and scale the saturation."""
    h, lum, s = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
    r, g, b = colorsys.hls_to_rgb((h + degrees / 360) % 1, lum, min(1.0, s * saturation))
    return round(r * 255), round(g * 255), round(b * 255)


def washed(colour: RGB, towards: RGB, strength: float) -> RGB:
    """Take the hue of `towards` but keep the lightness of `colour`, so that a palette keeps its depth."""
    _, lum, _ = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
    h, towards_lum, s = colorsys.rgb_to_hls(*(channel / 255 for channel in towards))
    r, g, b = colorsys.hls_to_rgb(h, lum * 0.75 + towards_lum * 0.25, s * 0.85)
    return mix(colour, (round(r * 255), round(g * 255), round(b * 255)), strength)
