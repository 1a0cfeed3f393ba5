"""Operations of Pillow whose annotations are partial or need numpy; here they have plain ones."""

from collections.abc import Callable, Sequence

from PIL import Image, ImageCms

_LARGE = 4_300_000


def resized(
    picture: Image.Image,
    size: tuple[int, int],
    how: Image.Resampling,
    box: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """Scale a picture, or the part of it in the box."""
    return picture.resize(size, how, box)  # pyright: ignore[reportUnknownMemberType]


def mapped(picture: Image.Image, table: Sequence[int]) -> Image.Image:
    """Look every pixel up in a table of 256 entries a channel."""
    return picture.point(table)  # pyright: ignore[reportUnknownMemberType]


def scaled_values(picture: Image.Image, scale: float, offset: float) -> Image.Image:
    """Multiply and shift the values of a picture in mode F."""
    return picture.point(lambda value: value * scale + offset)  # pyright: ignore[reportUnknownMemberType]


def from_lab(picture: Image.Image) -> Image.Image:
    """Convert a picture in mode LAB, which needs colour management."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
    return converted or picture


def sparingly(picture: Image.Image, work: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Do costly work on a very large picture at half its size: what it blurs or tints needs no finer detail."""
    if picture.width * picture.height <= _LARGE:
        return work(picture)
    return resized(work(picture.reduce(2)), picture.size, Image.Resampling.BICUBIC)
