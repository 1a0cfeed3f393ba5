"""What a motif is told besides where to draw."""

import random
from dataclasses import dataclass

from apimodels_async.gateway.painting.colour import RGB
from apimodels_async.gateway.painting.palettes import Palette


@dataclass(frozen=True, slots=True)
class Look:
    """The scene's colours, the subject's own if the prompt names one, what it wears, and dice."""

    palette: Palette
    tint: RGB | None
    wears: frozenset[str]
    rng: random.Random

    def main(self, usual: RGB) -> RGB:
        """Give the prompt's colour for the subject, or its usual one."""
        return self.tint or usual

    def accented(self) -> RGB:
        """Give the prompt's colour for the subject, or the scene's accent."""
        return self.tint or self.palette.accent
