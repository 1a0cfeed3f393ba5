"""What is to be painted: the prompt understood, its colours chosen, and dice that always fall the same."""

import hashlib
import random
from dataclasses import dataclass, field

from .palettes import Palette, choose
from .words import Reading, read


@dataclass(slots=True)
class Brief:
    """One picture's order."""

    prompt: str
    model: str
    seed: int
    index: int
    reading: Reading = field(init=False)
    palette: Palette = field(init=False)
    theme: int = field(init=False)

    def __post_init__(self) -> None:
        self.reading = read(self.prompt)
        shared = _dice(self.prompt, self.model, self.seed)
        self.palette = choose(self.reading, shared, self.index)
        # Shared by all n pictures; with the index added, neighbours never choose the same.
        self.theme = shared.randrange(1 << 16)

    def dice(self, purpose: str) -> random.Random:
        """Give fresh dice for one purpose, so that parts do not disturb one another."""
        return _dice(self.prompt, self.model, self.seed, self.index, purpose)


def _dice(*facts: object) -> random.Random:
    digest = hashlib.sha256("\0".join(map(str, facts)).encode("utf-8", "surrogatepass")).digest()
    return random.Random(int.from_bytes(digest))  # noqa: S311 - decoration, not secrets
