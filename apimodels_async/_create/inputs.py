"""Pictures going in: read from wherever the caller has them, checked, and made ready to send.

Everything here may read files and encode megabytes, so callers run it in a worker thread.
"""

import io
import os
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from apimodels_async._arguments import ArgumentError, ArgumentTypeError
from apimodels_async._wire import pictures
from apimodels_async.models import GenerationRequest, ImageInput

Sent: TypeAlias = str | bytes
"""A picture as it is sent: its URL, or its bytes, which go as base64."""
_UNKNOWN = 16 << 20
"""Bytes that a picture is taken for that must be read, or painted, to be measured."""


class Picture(NamedTuple):
    """A picture that is here, as bytes."""

    data: bytes
    kind: pictures.Kind


def is_remote(image: ImageInput) -> bool:
    """Whether a picture is given as an ``http(s)`` URL, which the server fetches itself."""
    return isinstance(image, str) and image[:8].lower().startswith(("http://", "https://"))


def has_local(request: GenerationRequest) -> bool:
    """Whether a request has any picture that must be read here."""
    given = (request.image, request.mask, *(request.images or ()))
    return any(image is not None and not is_remote(image) for image in given)


def read_picture(image: ImageInput, argument: str) -> Picture:
    """Read one picture that is not a URL. A binary file is read from where it stands to its end.

    Raises:
        TypeError: a text file, or nothing a picture can be read from.
        ValueError: no such file, a broken ``data:`` URI, or no picture in the bytes; names `argument`.
    """
    data = _read(image, argument)
    kind = pictures.sniff(data[: pictures.HEAD])
    if kind is None:
        raise ArgumentError(
            argument, f"no picture in these {len(data)} bytes; give a PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
        )
    return Picture(data, kind)


def _read(image: ImageInput, argument: str) -> bytes:
    match image:
        case bytes():
            return image
        case bytearray() | memoryview():
            return bytes(image)
        case str() if image[:5].lower() == "data:":
            try:
                return pictures.from_data_uri(image)
            except ValueError as error:
                raise ArgumentError(argument, str(error)) from None
        case str() | os.PathLike():
            return _read_file(image, argument)
        case _:
            return _read_object(image, argument)


def _read_object(image: Any, argument: str) -> bytes:
    # An upload of some web frameworks has both read and save; only read means the bytes as they are.
    if not hasattr(image, "read"):
        return _save_as_png(image, argument)
    try:
        data = image.read()
    except (OSError, ValueError) as error:
        raise ArgumentError(argument, f"the file cannot be read ({error})") from error
    if not isinstance(data, bytes):
        raise ArgumentTypeError(argument, f"the file gives {type(data).__name__}; open it in binary mode")
    return data


def _save_as_png(image: Any, argument: str) -> bytes:
    if not hasattr(image, "save"):
        raise ArgumentTypeError(
            argument,
            f"is a {type(image).__name__}: give a data: URI, a path, bytes, a binary file or a Pillow image",
        )
    buffer = io.BytesIO()
    try:
        image.save(buffer, "PNG")
    except (OSError, ValueError) as error:
        raise ArgumentError(
            argument, str(error), hint="; convert it first, such as with image.convert('RGB')"
        ) from error
    return buffer.getvalue()


def _read_file(path: str | os.PathLike[str], argument: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        shown = os.fspath(path)
        if len(shown) > 80:
            shown = f"{shown[:60]}…({len(shown)} characters)"
        hint = (
            "" if isinstance(path, os.PathLike) else
            "; raw base64 goes as 'data:image/png;base64,…' or as base64.b64decode(text)"
        )  # fmt: skip
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"{error.__class__.__name__}: unreadable"
        raise ArgumentError(argument, reason, value=repr(shown), hint=hint) from None


def request_fields(request: GenerationRequest) -> dict[str, Sent | list[Sent]]:
    """The picture fields of a create's body: ``image_url(s)`` for URLs, ``image(s)`` and ``mask`` for the rest.

    Several pictures of both sorts go as ``images``, each as it is: its bytes, or its URL.

    Raises:
        TypeError, ValueError: as `read_picture`; also an image and a mask of different pixel sizes.
    """
    fields: dict[str, Sent | list[Sent]] = {}
    first: Picture | None = None
    if request.image is not None:
        if is_remote(request.image):
            fields["image_url"] = cast("str", request.image)
        else:
            first = read_picture(request.image, "image")
            fields["image"] = first.data
    elif request.images is not None:
        remote = [is_remote(image) for image in request.images]
        sent: list[Sent] = []
        for at, image in enumerate(request.images):
            if remote[at]:
                sent.append(cast("str", image))
            else:
                picture = read_picture(image, f"images[{at}]")
                first = picture if at == 0 else first
                sent.append(picture.data)
        fields["image_urls" if all(remote) else "images"] = sent
    if request.mask is not None:
        mask = read_picture(request.mask, "mask")
        if first is not None:
            _check_same_size(first, mask)
        fields["mask"] = mask.data
    return fields


def weight(request: GenerationRequest) -> int:
    """About how many bytes making the body of a create takes: what is read here, and what it becomes.

    A file that cannot be read weighs nothing: that is found out when it is read.
    """
    given = (request.image, request.mask, *(request.images or ()))
    return sum(_weight(image) for image in given if image is not None and not is_remote(image))


def _weight(image: ImageInput) -> int:
    match image:
        case bytes() | bytearray() | memoryview():
            return memoryview(image).nbytes * 4 // 3  # the bytes themselves are the caller's
        case str() if image[:5].lower() == "data:":
            return 2 * len(image)
        case str() | os.PathLike():
            try:
                return Path(image).stat().st_size * 7 // 3
            except (OSError, ValueError):
                return 0
        case _:
            return _UNKNOWN


def _check_same_size(image: Picture, mask: Picture) -> None:
    sizes = pictures.pixel_size(image.data), pictures.pixel_size(mask.data)
    if None not in sizes and sizes[0] != sizes[1]:
        (width, height), (mask_width, mask_height) = cast("tuple[tuple[int, int], tuple[int, int]]", sizes)
        raise ArgumentError(
            "mask",
            f"it is {mask_width}x{mask_height} pixels and its image {width}x{height}; give both in the same size",
        )
