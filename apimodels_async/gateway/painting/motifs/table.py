"""Every motif by its name, and how it stands in a scene."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from apimodels_async.gateway.painting.canvas import Pen
from apimodels_async.gateway.painting.colour import rgb

from . import birds, buildings, creatures, people, plants, shapes, things, vehicles
from .coats import COATS
from .critters import critter
from .look import Look


@dataclass(frozen=True, slots=True)
class Motif:
    """How to draw a thing, how large it is beside others, and whether it stands, floats or flies."""

    draw: Callable[[Pen, Look], None]
    size: float = 1.0
    stance: str = "stands"


def _tree(pen: Pen, look: Look) -> None:
    plants.tree(pen, look.main(rgb("d07a35") if look.palette.accent == rgb("c23b2b") else rgb("5f9f58")))


def _blossom(pen: Pen, look: Look) -> None:
    plants.tree(pen, look.main(rgb("f6b3c6")), fruit=rgb("fff0f4"), trunk=rgb("6d4a48"))


def _pine(pen: Pen, look: Look) -> None:
    plants.large_pine(pen, look.main(rgb("2f7357")))


def _palm(pen: Pen, look: Look) -> None:
    plants.palm(pen, look.main(rgb("4b9a5e")))


def _cactus(pen: Pen, look: Look) -> None:
    plants.cactus(pen, look.main(rgb("4f9a62")), rgb("f0699a"))


def _flower(pen: Pen, look: Look) -> None:
    plants.flower(pen, look.accented(), rgb("4f9152"))


def _sunflower(pen: Pen, look: Look) -> None:
    plants.flower(pen, look.main(rgb("f5bb3a")), rgb("5a9148"), petals=15, heart=rgb("7a4a2b"), wide=0.1)


def _tulip(pen: Pen, look: Look) -> None:
    plants.tulip(pen, look.accented(), rgb("4f9152"))


def _mushroom(pen: Pen, look: Look) -> None:
    plants.mushroom(pen, look.main(rgb("d9473f")))


def _leaf(pen: Pen, look: Look) -> None:
    plants.leaf(pen, look.main(rgb("4f9a62")))


MOTIFS: Final[dict[str, Motif]] = {
    **{name: Motif(partial(critter, name=name)) for name in COATS},
    "owl": Motif(birds.owl),
    "penguin": Motif(birds.penguin),
    "bird": Motif(birds.bird, 0.8),
    "duck": Motif(birds.duck, 0.85, "floats"),
    "fish": Motif(creatures.fish, 0.95, "flies"),
    "whale": Motif(creatures.whale, 1.15, "swims"),
    "jellyfish": Motif(creatures.jellyfish, 1.0, "flies"),
    "butterfly": Motif(creatures.butterfly, 0.95, "flies"),
    "astronaut": Motif(people.astronaut),
    "person": Motif(people.person, 1.1),
    "robot": Motif(people.robot),
    "tree": Motif(_tree, 1.15),
    "blossom": Motif(_blossom, 1.15),
    "pine": Motif(_pine, 1.15),
    "palm": Motif(_palm, 1.1),
    "cactus": Motif(_cactus),
    "flower": Motif(_flower, 0.95),
    "sunflower": Motif(_sunflower, 1.05),
    "tulip": Motif(_tulip, 0.9),
    "mushroom": Motif(_mushroom, 0.8),
    "leaf": Motif(_leaf, 0.9),
    "house": Motif(buildings.house),
    "castle": Motif(buildings.castle, 1.15),
    "lighthouse": Motif(buildings.lighthouse, 1.15),
    "windmill": Motif(buildings.windmill, 1.15),
    "tent": Motif(buildings.tent, 0.8),
    "boat": Motif(vehicles.boat, 1.0, "floats"),
    "car": Motif(vehicles.car, 0.95),
    "rocket": Motif(vehicles.rocket, 1.05, "flies"),
    "ufo": Motif(vehicles.ufo, 1.0, "flies"),
    "balloon": Motif(vehicles.balloon, 1.0, "flies"),
    "cup": Motif(things.cup, 0.85),
    "book": Motif(things.book, 0.9),
    "guitar": Motif(things.guitar),
    "lamp": Motif(things.lamp, 0.9),
    "heart": Motif(shapes.heart, 0.85, "flies"),
    "star": Motif(shapes.star_shape, 0.8, "flies"),
    "planet": Motif(shapes.planet, 0.85, "flies"),
    "gem": Motif(shapes.gem, 0.85, "flies"),
    "umbrella": Motif(things.umbrella, 0.9),
    "cake": Motif(things.cake, 0.9),
    "apple": Motif(things.apple, 0.8),
    "vase": Motif(things.vase, 0.9),
}
