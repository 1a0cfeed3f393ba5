"""The pictures of a request: read, checked, and made ready to send.

Everything here but `has_local` and `is_remote` may read files and encode megabytes, so callers run it in a worker
thread.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias, cast

from apimodels_async._create.format_check import LocalPicture, check_same_size
from apimodels_async._create.sources import inspect_picture, read_picture
from apimodels_async._wire.data_uris import is_data_uri
from apimodels_async.models import GenerationRequest, ImageInput

Sent: TypeAlias = str | bytes
"""A picture as it is sent: its URL, or its bytes, which go as base64."""
_UNKNOWN = 16 << 20
"""Assumed bytes of a picture whose size is known only after reading or rendering it."""


def is_remote(image: ImageInput) -> bool:
    """Whether a picture is given as an ``http(s)`` URL, which the server fetches itself."""
    return isinstance(image, str) and image.lstrip()[:8].lower().startswith(("http://", "https://"))


def has_local(request: GenerationRequest) -> bool:
    """Whether a request has any picture that must be read here."""
    return any(True for _ in _local_pictures(request))


def _local_pictures(request: GenerationRequest) -> Iterator[tuple[str, ImageInput]]:
    """The pictures that are not URLs, each with the name of its argument."""
    if request.image is not None:
        yield from _if_local("image", request.image)
    for at, image in enumerate(request.images or ()):
        yield from _if_local(f"images[{at}]", image)
    if request.mask is not None:
        yield "mask", request.mask


def _if_local(argument: str, image: ImageInput) -> Iterator[tuple[str, ImageInput]]:
    if not is_remote(image):
        yield argument, image


def request_fields(request: GenerationRequest) -> dict[str, Sent | list[Sent]]:
    """Return the picture fields of a create body: ``image_url(s)`` for URLs, ``image(s)`` and ``mask`` for the rest.

    A mix of both kinds is sent as ``images``, each element as its bytes or its URL.

    Raises:
        TypeError, ValueError: as `read_picture`; also an image and a mask of different pixel sizes.
    """
    fields: dict[str, Sent | list[Sent]] = {}
    first: LocalPicture | None = None
    if request.image is not None:
        if is_remote(request.image):
            fields["image_url"] = _url(request.image)
        else:
            first = read_picture(request.image, "image")
            fields["image"] = first.data
    elif request.images is not None:
        remote = [is_remote(image) for image in request.images]
        sent: list[Sent] = []
        for at, image in enumerate(request.images):
            if remote[at]:
                sent.append(_url(image))
            else:
                picture = read_picture(image, f"images[{at}]")
                first = picture if at == 0 else first
                sent.append(picture.data)
        fields["image_urls" if all(remote) else "images"] = sent
    if request.mask is not None:
        mask = read_picture(request.mask, "mask")
        if first is not None:
            check_same_size(first.size, mask.size)
        fields["mask"] = mask.data
    return fields


def _url(image: ImageInput) -> str:
    """Return a URL without surrounding white space, as browsers do."""
    return cast("str", image).strip()


def check_pictures(request: GenerationRequest) -> None:
    """Check the pictures of a request that are paths or ``data:`` URIs, without keeping them.

    Only the first bytes of each file are read, unless there is a mask: then whole files are read to compare sizes.

    Raises:
        ValueError: as `request_fields`, as far as the pictures were read.
    """
    sizes: dict[str, tuple[int, int] | None] = {}
    for argument, image in _local_pictures(request):
        if isinstance(image, (str, Path)):
            found = inspect_picture(image, argument, whole=request.mask is not None)
            sizes[argument] = None if found is None else found.upright_size
    check_same_size(sizes.get("image", sizes.get("images[0]")), sizes.get("mask"))


def weight(request: GenerationRequest) -> int:
    """Estimate the bytes of memory that building a create body takes: the pictures read here and their encoded form.

    A file that cannot be read counts as 0; the error is raised when it is read.
    """
    return sum(_weight(image) for _, image in _local_pictures(request))


def _weight(image: ImageInput) -> int:
    match image:
        case bytes() | bytearray() | memoryview():
            return memoryview(image).nbytes * 4 // 3  # the bytes themselves are the caller's
        case str() if is_data_uri(image):
            return 2 * len(image)
        case str() | Path():
            try:
                return Path(image).stat().st_size * 7 // 3
            except (OSError, ValueError):
                return 0
        case _:
            return _UNKNOWN
