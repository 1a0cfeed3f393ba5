"""Trees, flowers and what grows beside them."""

from ..canvas import Pen
from ..colour import RGB, darker, lighter, mix, veil
from ..geometry import oval, rounded, smooth


def round_tree(pen: Pen, leaves: RGB) -> None:
    """Draw a small background tree with a round crown."""
    pen.box(-0.09, 0.1, 0.09, 1.0, darker(leaves, 0.35))
    pen.shaded(oval(0, -0.2, 0.62, 0.72), lighter(leaves, 0.14), darker(leaves, 0.12))


def pine(pen: Pen, needles: RGB) -> None:
    """Draw a small background fir."""
    pen.box(-0.07, 0.6, 0.07, 1.0, darker(needles, 0.35))
    pen.shaded(
        [
            (0, -1.15),
            (0.3, -0.4),
            (0.18, -0.42),
            (0.45, 0.15),
            (0.27, 0.12),
            (0.6, 0.75),
            (-0.6, 0.75),
            (-0.27, 0.12),
            (-0.45, 0.15),
            (-0.18, -0.42),
            (-0.3, -0.4),
        ],
        lighter(needles, 0.12),
        darker(needles, 0.1),
    )
