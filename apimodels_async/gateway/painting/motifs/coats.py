"""What tells one animal from another: fur, ears, muzzle, markings, tail."""

from dataclasses import dataclass, replace
from typing import Final

from apimodels_async.gateway.painting.colour import RGB, darker, lighter, luminance, mix, rgb

_PINK = rgb("f2a3a0")
_NOSE = rgb("e57f86")
_BLACK = rgb("33303a")


@dataclass(frozen=True, slots=True)
class Coat:
    """One kind of animal."""

    fur: RGB
    belly: RGB
    mark: RGB
    ears: str
    tail: str
    muzzle: str = "cat"
    marking: str = ""
    inner: RGB = _PINK
    nose: RGB = _BLACK
    iris: RGB | None = None
    whiskers: bool = False
    limb: RGB | None = None
    paw: RGB | None = None

    @property
    def limbs(self) -> RGB:
        """The colour of body and legs."""
        return self.limb or self.fur

    @property
    def paws(self) -> RGB:
        """The colour of the paws."""
        return self.paw or self.belly

    def dyed(self, tint: RGB | None) -> "Coat":
        """Give the same animal in the prompt's colour."""
        if tint is None:
            return self
        mark = darker(tint, 0.4) if luminance(tint) > 0.3 else lighter(tint, 0.18)
        belly = lighter(tint, 0.65) if luminance(tint) > 0.3 else lighter(tint, 0.5)
        return replace(
            self, fur=tint, mark=mark, belly=belly, limb=None if self.limb is None else mix(tint, self.limb, 0.4)
        )


_CREAM = rgb("fdf0dc")

COATS: Final = {
    "cat": Coat(
        rgb("e99a4e"),
        _CREAM,
        rgb("c46f2c"),
        "pointed",
        "curl",
        marking="stripes",
        nose=_NOSE,
        iris=rgb("7db55a"),
        whiskers=True,
    ),
    "dog": Coat(rgb("c98f5c"), _CREAM, rgb("7c4d2f"), "floppy", "wag", "dog", "blaze"),
    "retriever": Coat(rgb("e0ab5a"), rgb("fae3b4"), rgb("bb7d34"), "floppy", "wag", "dog", paw=rgb("f2cd8b")),
    "fox": Coat(
        rgb("e4743a"),
        rgb("fff3e4"),
        rgb("b34f25"),
        "pointed",
        "brush",
        "cat",
        "mask",
        inner=rgb("5a3a34"),
        paw=rgb("4a322f"),
    ),
    "wolf": Coat(
        rgb("8b94a3"),
        rgb("eef0f2"),
        rgb("5d6675"),
        "pointed",
        "brush",
        "cat",
        "mask",
        inner=rgb("4e5563"),
        iris=rgb("e0b04f"),
    ),
    "rabbit": Coat(rgb("efe3d8"), rgb("fffaf4"), rgb("cdb9aa"), "long", "puff", nose=_NOSE, inner=rgb("f5b6b4")),
    "bear": Coat(rgb("9a653f"), rgb("d9ab7c"), rgb("6e4529"), "round", "puff", inner=rgb("d9ab7c"), paw=rgb("835434")),
    "panda": Coat(
        rgb("fbf8f2"),
        rgb("fbf8f2"),
        rgb("35323c"),
        "round",
        "puff",
        marking="panda",
        inner=rgb("4a4652"),
        limb=rgb("3a3741"),
        paw=rgb("2f2c35"),
    ),
    "koala": Coat(
        rgb("a3a9b5"), rgb("eceef2"), rgb("7e8492"), "large", "puff", "koala", inner=rgb("e9c9cf"), paw=rgb("8d93a0")
    ),
    "lion": Coat(rgb("ecb65b"), rgb("fbe6b8"), rgb("b8622a"), "round", "tuft", "cat", "mane", inner=rgb("d98f4e")),
    "tiger": Coat(
        rgb("f0933a"),
        rgb("fff3e0"),
        rgb("3b2b2b"),
        "round",
        "curl",
        "cat",
        "tiger",
        inner=rgb("fff3e0"),
        nose=_NOSE,
        whiskers=True,
    ),
    "mouse": Coat(
        rgb("b3adb8"), rgb("efeaee"), rgb("8a8492"), "large", "thin", nose=_NOSE, inner=rgb("f3b5b8"), whiskers=True
    ),
    "pig": Coat(
        rgb("f5b5b8"), rgb("fbd0d0"), rgb("e38f98"), "small", "thin", "snout", inner=rgb("ee919c"), paw=rgb("d9838e")
    ),
}
