"""The colours of a picture, chosen by mood and place, steered by the colours a prompt names."""

import random
from dataclasses import dataclass, replace

from .colour import RGB, lighter, luminance, mix, rgb, turned, washed
from .words import Reading


@dataclass(frozen=True, slots=True)
class Palette:
    """Everything a scene may need, from the sky down."""

    sky: tuple[RGB, RGB, RGB]
    light: RGB
    far: RGB
    mid: RGB
    near: RGB
    water: RGB
    accent: RGB
    ink: RGB
    paper: RGB

    @property
    def dark(self) -> bool:
        """Whether the sky is dark enough for stars."""
        return luminance(self.sky[0]) < 0.36


def _palette(codes: str) -> Palette:
    c = [rgb(code) for code in codes.split()]
    return Palette((c[0], c[1], c[2]), c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10])


# sky top, middle, horizon; light; land far, middle, near; water; accent; ink; paper
_ALL = {
    "day": _palette("6fbfe2 b4e0ec fdf1d8 fff0b8 a4cdb4 64a987 2c6f60 3d93b5 f0694f 22323f fbf6ea"),
    "noon": _palette("4fa8d8 9ad4e6 eaf6ea fff6cf 9dc7a0 6fb072 3b7d54 2f86b0 f4a23c 1f2f42 fbf7ec"),
    "peach": _palette("f4b8a0 fad9bd fff3dd fffbe6 dba58e b5776e 6f4757 7fa9b0 e2604a 3b2838 fdf5ea"),
    "sunset": _palette("3d2c63 d9576c ffc27c ffe9b4 a8506f 6c2f5f 2e1b40 a8546c ffb14e 241433 fff1df"),
    "ember": _palette("2b2e5c c4506a ff9d5c fff0c0 8f4468 58305f 28203f 8f4a66 ffd166 1d1733 fff2e2"),
    "dawn": _palette("8ba5d6 eec0cc ffe8cd fff8e4 b9aaca 8482af 4c5484 8aa5c9 ef7f6d 2c3152 fdf6f0"),
    "night": _palette("0b1438 20306a 50629f f6f0d0 2e4479 1c2d5a 0e1838 1c3e70 ffcf6b 080e24 eef0fa"),
    "teal night": _palette("06202e 0f4556 3f8a8c fbeebf 1f5964 123f4c 082530 155566 ff9f68 04151d eef6f4"),
    "fog": _palette("bccacd d9e0df f1f1ea fffdf2 bac9ca 8ca1a6 566f78 9db4b9 d9775d 2d3c43 f8f7f2"),
    "desert": _palette("ef9f5f f9cf92 fdebc9 fff7dd e2995d c86d42 86402f 4fa3a5 2f8f8a 44201c fdf3e2"),
    "space": _palette("0a0a26 241a55 6a3688 ffe4b8 7d6cb4 9a8cc9 c9c2e4 3a2f7d ff8a5c 0a0820 f1eefb"),
    "deep space": _palette("050d22 0d2b52 1f6f8b ffeec9 4f7ea6 7da3c0 b7d0dc 1b4a73 ffb454 040a18 eef5f8"),
    "snow": _palette("8fb8de cfe0ef fbf3ee fffbe8 c3d4e6 dde9f3 fbfdff 7fb0d0 e2574c 26364d fafbfd"),
    "snow night": _palette("101c44 2c4580 8fa6d0 fdf6dc 5b75ac 8ea8d2 d6e3f4 2c4f88 ffc65c 0b1330 f2f5fc"),
    "forest": _palette("bcdcc0 e2edcb fcf4d4 fffbe0 a5c7a0 5c936b 214f3e 5fa5a0 e9863f 18332b f8f7ea"),
    "autumn": _palette("e8b878 f6dcae fdf1da fff7e0 d69a5b b8643a 6e3327 7d9ba0 c23b2b 3a1d19 fdf5e6"),
    "spring": _palette("a7d8e8 dcefe8 fff1ef fff9e2 bfdcb4 8cc28a 4f9163 7cc0d0 f27ea0 2e4240 fefaf5"),
    "neon": _palette("150a38 561b8c ff5ea3 ffd6f2 5c2ca0 36197a 150b40 3a1f8f 36e4ff 0d0628 f6eefe"),
    "electric": _palette("071233 1a3f9c 2fd6d0 e9fff4 2752a8 17357c 0a1842 1f56b0 ff5fa8 050c24 eef4fe"),
    "pastel": _palette("b5c9f2 e6d3f0 ffe8e6 fff8e0 d3c3e8 b2a6dc 8a86c4 a9d3e6 f58fa8 46406b fffaf7"),
    "sherbet": _palette("f7bcd0 fde0d2 fff7e0 fffbea c7e0cb 9cccc0 6ba8a8 a3d8e0 f0796c 4a4560 fffaf4"),
    "vintage": _palette("c9b58c e4d3a8 f4e8c8 fff6d8 b8a078 8f7d5c 54513f 7f9a8c c2593a 35302a f7efdb"),
    "mono": _palette("3c3d42 86878c d8d7d3 ffffff a3a3a6 6c6d72 2c2d31 7e8086 f0eee8 161719 f6f5f2"),
    "reef": _palette("0f6f9c 1f9db5 8fe0d0 f4ffe6 2b86a0 1a6580 0c3f5c 1f8fae ff8a5c 08283c f2faf7"),
    "deep": _palette("0a3f6e 145f8c 3fa8b0 eafff2 1d5c84 124468 082a48 16608c ffb14e 061c34 eff7f8"),
}

_MOODS = {
    "mono": ("mono",),
    "neon": ("neon", "electric"),
    "vintage": ("vintage",),
    "night": ("night", "teal night"),
    "sunset": ("sunset", "ember"),
    "dawn": ("dawn", "peach"),
    "fog": ("fog",),
    "rain": ("fog", "teal night"),
    "autumn": ("autumn",),
    "spring": ("spring",),
    "pastel": ("pastel", "sherbet", "spring"),
}
_PLACES = {
    "space": ("space", "deep space"),
    "underwater": ("reef", "deep"),
    "desert": ("desert", "peach"),
    "forest": ("forest", "dawn", "autumn"),
    "city": ("dawn", "sunset", "teal night"),
    "sea": ("day", "peach", "noon"),
    "mountains": ("dawn", "day", "peach"),
    "studio": ("sherbet", "peach", "spring", "day"),
    "snowfield": ("snow",),
}
_ANY = ("day", "peach", "dawn", "spring", "noon")
_ABSTRACT = ("sunset", "dawn", "teal night", "peach", "electric", "ember", "sherbet", "vintage", "neon", "forest")


def choose(reading: Reading, theme: random.Random, index: int) -> Palette:
    """Choose by the theme's dice, so that neighbouring indexes differ whenever the mood leaves a choice."""
    names = _candidates(reading)
    palette = _ALL[names[(theme.randrange(len(names)) + index) % len(names)]]
    palette = _steered(palette, reading.colours)
    if reading.overhead:
        top, middle, horizon = (washed(tone, reading.overhead, 0.8) for tone in palette.sky)
        palette = replace(palette, sky=(top, middle, horizon))
    if "mono" in reading.moods:
        return palette
    return _drifted(palette, theme.uniform(-6, 6) + 5 * (index % 3))


def _candidates(reading: Reading) -> tuple[str, ...]:
    if reading.setting == "space" and not reading.moods & {"mono", "vintage"}:
        return (*_PLACES["space"], *(("neon",) if "neon" in reading.moods else ()))
    if "snow" in reading.moods:
        return ("snow night",) if "night" in reading.moods else ("snow",)
    if reading.setting == "underwater" and "mono" not in reading.moods:
        return _PLACES["underwater"]
    for mood, names in _MOODS.items():
        if mood in reading.moods:
            return names
    if reading.skies & {"moon", "stars", "aurora"}:
        return _MOODS["night"]
    return _PLACES.get(reading.setting, _ANY) if reading.setting else _ABSTRACT


def _steered(palette: Palette, colours: tuple[RGB, ...]) -> Palette:
    if not colours:
        return palette
    first, second = colours[0], colours[1 % len(colours)]
    top, middle, horizon = palette.sky
    return replace(
        palette,
        sky=(washed(top, first, 0.8), washed(middle, mix(first, second, 0.5), 0.75), washed(horizon, second, 0.5)),
        far=washed(palette.far, first, 0.7),
        mid=washed(palette.mid, second, 0.7),
        near=washed(palette.near, second, 0.7),
        water=washed(palette.water, first, 0.6),
        accent=mix(palette.accent, second, 0.85),
        light=mix(palette.light, lighter(second, 0.6), 0.4),
    )


def _drifted(palette: Palette, degrees: float) -> Palette:
    top, middle, horizon = palette.sky
    return replace(
        palette,
        sky=(turned(top, degrees), turned(middle, degrees), turned(horizon, degrees * 0.6)),
        far=turned(palette.far, degrees),
        mid=turned(palette.mid, degrees),
        near=turned(palette.near, degrees),
        water=turned(palette.water, degrees),
    )
