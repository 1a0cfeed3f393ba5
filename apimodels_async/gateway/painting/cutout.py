"""Stickers: the prompt's subject, cut out with a white rim, laid on somebody's picture."""

from PIL import Image

from .brief import Brief


def stickers(picture: Image.Image, brief: Brief) -> None:
    """Lay the prompt's subject into a corner of the picture, in place."""
