"""Whether bytes are a picture that the server takes, and whether all of it is there. Pure."""

from typing import NamedTuple

from apimodels_async._arguments import ArgumentError
from apimodels_async._wire.picture_formats import HEAD, PictureFormat, compression, recognise
from apimodels_async._wire.picture_structure import Completeness, PictureVerdict, examine

_LABELS = [each.label for each in PictureFormat if each.is_checked]
TAKEN = f"{', '.join(_LABELS[:-1])} or {_LABELS[-1]}"
"""The formats that are sent."""


class LocalPicture(NamedTuple):
    """A picture that is here.

    Attributes:
        data: the file.
        format: of the file.
        size: width and height in pixels as a viewer shows it; ``None`` if the file does not say.
    """

    data: bytes
    format: PictureFormat
    size: tuple[int, int] | None


def check_head(head: bytes, argument: str, length: int | None = None) -> PictureFormat:
    """The format that the first bytes of a file show.

    Args:
        head: `HEAD` bytes, or all if there are fewer.
        argument: the name for messages.
        length: of the file, where it is known.

    Raises:
        ValueError: they are those of no picture, or of one that is not sent.
    """
    if not head:
        raise ArgumentError(argument, f"no picture in these 0 bytes; give a {TAKEN}")
    found = recognise(head)
    if found is not None and found.is_checked:
        return found
    if found is not None:
        raise ArgumentError(argument, f"{found.label} is not taken; give a {TAKEN}")
    packed = compression(head)
    if packed is not None:
        raise ArgumentError(argument, f"is compressed with {packed}: give the picture that is inside")
    length = len(head) if len(head) < HEAD else length
    where = f"its first {HEAD} bytes" if length is None else f"these {length} bytes"
    raise ArgumentError(argument, f"no picture in {where}; give a {TAKEN}")


def check_verdict(verdict: PictureVerdict, argument: str) -> None:
    """Refuse a picture of which a part is missing: it would be paid for.

    Raises:
        ValueError: it breaks off.
    """
    if verdict.completeness == Completeness.CUT_OFF and verdict.format is not None:
        raise ArgumentError(
            argument,
            f"this {verdict.format.label} breaks off after {verdict.length} bytes: it is cut off or damaged",
            hint="; if a viewer shows it, save it anew",
        )


def check_picture(data: bytes, argument: str) -> LocalPicture:
    """A whole picture, with its format and size.

    Raises:
        ValueError: the bytes are no picture that is sent, or a part of one.
    """
    found = check_head(data[:HEAD], argument, len(data))
    verdict = examine(data)
    check_verdict(verdict, argument)
    return LocalPicture(data, found, verdict.upright_size)


def check_same_size(image: tuple[int, int] | None, mask: tuple[int, int] | None) -> None:
    """Compare an image with its mask, both as a viewer shows them.

    Raises:
        ValueError: they have different sizes; where one is not known, the server decides.
    """
    if image is not None and mask is not None and image != mask:
        raise ArgumentError(
            "mask",
            f"it is {mask[0]}x{mask[1]} pixels and its image {image[0]}x{image[1]}; give both in the same size",
        )
