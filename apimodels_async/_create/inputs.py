"""The pictures of a request: read, checked, and made ready to send.

Everything here but `has_local` and `is_remote` may read files and encode megabytes, so callers run it in a worker
thread.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias, cast

from apimodels_async._create.draft import RESERVED, LargePicture, Sent, room_for_pictures
from apimodels_async._create.format_check import LocalPicture, check_same_size
from apimodels_async._create.sources import check_large_file, inspect_picture, read_picture
from apimodels_async._wire.bodies import MemorySource
from apimodels_async._wire.data_uris import is_data_uri
from apimodels_async.catalogue import inline_limit
from apimodels_async.models import GenerationRequest, ImageInput

LARGE = room_for_pictures(inline_limit(""))
"""Bytes of all pictures of a request, 3 MB, that go into its body everywhere. More may be uploaded first."""
_PIECES = RESERVED
"""Assumed bytes of a picture that is read while it is sent."""
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


Fields: TypeAlias = dict[str, Sent | list[Sent]]
"""The picture fields of a create body."""


def request_fields(request: GenerationRequest) -> dict[str, str | bytes | list[str | bytes]]:
    """Return the picture fields of a create body: ``image_url(s)`` for URLs, ``image(s)`` and ``mask`` for the rest.

    A mix of both kinds is sent as ``images``, each element as its bytes or its URL. Every picture is read whole.

    Raises:
        TypeError, ValueError: as `read_picture`; also an image and a mask of different pixel sizes.
    """
    return cast("dict[str, str | bytes | list[str | bytes]]", large_fields(request, above=None))


def large_fields(request: GenerationRequest, *, above: int | None = LARGE, digest: bool = False) -> Fields:
    """Return the picture fields as `request_fields`, but with `LargePicture` where that may be needed.

    Args:
        request: the request.
        above: if all local pictures together have more bytes, each is a `LargePicture`, and no file that is larger is
            kept in memory; ``None`` for never.
        digest: whether the digests of those files are needed.

    Raises:
        TypeError, ValueError: as `request_fields`.
    """
    if request.image is request.images is request.mask is None:
        return {}
    fields: dict[str, str | _Local | list[str | _Local]] = {}
    first: str | _Local | None = None
    if request.image is not None:
        first = _read(request.image, "image", above, digest=digest)
        fields["image_url" if isinstance(first, str) else "image"] = first
    elif request.images is not None:
        sent = [_read(image, f"images[{at}]", above, digest=digest) for at, image in enumerate(request.images)]
        first = sent[0]
        fields["image_urls" if all(isinstance(each, str) for each in sent) else "images"] = sent
    if request.mask is not None:
        fields["mask"] = mask = _read(request.mask, "mask", above, digest=digest)
        if isinstance(first, _Local) and isinstance(mask, _Local):
            check_same_size(first.pixels, mask.pixels)
    read = [each for value in fields.values() for each in (value if isinstance(value, list) else [value])]
    large = above is not None and sum(each.picture.source.size for each in read if isinstance(each, _Local)) > above
    return {
        name: [_sent(each, large=large) for each in value] if isinstance(value, list) else _sent(value, large=large)
        for name, value in fields.items()
    }


def local_picture(image: ImageInput, argument: str) -> LocalPicture | LargePicture:
    """Read one local picture; one of more than `LARGE` bytes comes as a `LargePicture`.

    Raises:
        TypeError, ValueError: as `read_picture`.
    """
    found = check_large_file(image, argument, above=LARGE, digest=False)
    if found is not None:
        return LargePicture(argument, found.file, found.format)
    picture = read_picture(image, argument)
    if len(picture.data) > LARGE:
        return LargePicture(argument, MemorySource(picture.data), picture.format)
    return picture


class _Local(NamedTuple):
    """A local picture that was read, or checked if it is a large file."""

    picture: LargePicture
    data: bytes | None
    pixels: tuple[int, int] | None


def _read(image: ImageInput, argument: str, above: int | None, *, digest: bool) -> str | _Local:
    if argument != "mask" and is_remote(image):
        return _url(image)
    if above is not None:
        found = check_large_file(image, argument, above=above, digest=digest)
        if found is not None:
            return _Local(LargePicture(argument, found.file, found.format, found.sha256), None, found.size)
    data, format_, pixels = read_picture(image, argument)
    return _Local(LargePicture(argument, MemorySource(data), format_), data, pixels)


def _sent(picture: str | _Local, *, large: bool) -> Sent:
    if isinstance(picture, str):
        return picture
    return picture.picture if large or picture.data is None else picture.data


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
                size = Path(image).stat().st_size
            except (OSError, ValueError):
                return 0
            return size * 7 // 3 if size <= LARGE else _PIECES
        case _:
            return _UNKNOWN
