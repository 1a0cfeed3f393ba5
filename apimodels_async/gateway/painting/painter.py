"""The one thing the gateway asks for: a picture for a task."""

from collections.abc import Sequence

from .brief import Brief
from .editing import edited
from .encoding import encode
from .framing import framed
from .fusing import fused
from .inputs import opened
from .masking import masked
from .scenes import scene


def paint(
    *,
    prompt: str,
    model: str,
    seed: int,
    index: int,
    size: tuple[int, int],
    output_format: str,
    images: Sequence[bytes] = (),
    mask: bytes | None = None,
) -> bytes:
    """Paint one picture and encode it; the same arguments give the same bytes.

    Args:
        prompt: What to paint.
        model: Who is said to paint; it moves the dice.
        seed: Moves the dice.
        index: Which of the n pictures of a task this is.
        size: Width and height in pixels.
        output_format: `png`, `jpeg` or `webp`.
        images: Encoded inputs: one is edited, several are fused.
        mask: Encoded mask for a single image: where it is transparent, else white, is what may change.

    Raises:
        ValueError: An input is not a picture, or the format is unknown.
    """
    brief = Brief(prompt, model, seed, index)
    exact = False
    inputs = [opened(data) for data in images]
    if not inputs:
        picture = framed(size, brief, lambda room: scene(room, brief))
    elif len(inputs) > 1:
        picture = framed(size, brief, lambda room: fused(room, brief, inputs))
    elif mask is not None:
        picture = masked(size, brief, inputs[0], opened(mask))
        exact = True
    else:
        picture = framed(size, brief, lambda room: edited(room, brief, inputs[0]))
    return encode(picture, output_format, prompt=prompt, model=model, seed=seed, exact=exact)
