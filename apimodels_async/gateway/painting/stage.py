"""What every part of a scene is given to work with."""

import random
from dataclasses import dataclass, field
from typing import Final

from .canvas import Canvas, Pen
from .palettes import Palette
from .words import Reading

_GOLDEN: Final = 0.618
_LONGEST: Final = 40


@dataclass(slots=True)
class Stage:
    """A canvas with its colours, its dice and the prompt's words."""

    canvas: Canvas
    palette: Palette
    reading: Reading
    rng: random.Random
    index: int
    theme: int
    pen: Pen = field(init=False)
    width: int = field(init=False)
    height: int = field(init=False)
    unit: float = field(init=False)

    def __post_init__(self) -> None:
        self.pen = self.canvas.pen()
        self.width, self.height = self.canvas.size
        # Things are sized by the shorter side; in a thread of a picture by a little more, or they would be dust.
        self.unit = max(min(self.width, self.height), max(self.width, self.height) / _LONGEST)

    @property
    def breadth(self) -> float:
        """How many units wide the picture is, as far as it is worth filling."""
        return min(self.width / self.unit, 8.0)

    @property
    def area(self) -> float:
        """How many square units there are to sprinkle things on."""
        return min(self.width * self.height / self.unit**2, 8.0)

    @property
    def horizon(self) -> float:
        """Where the ground begins."""
        return self.height * _GOLDEN

    def somewhere(self, low: float, high: float) -> float:
        """Throw the dice."""
        return self.rng.uniform(low, high)
