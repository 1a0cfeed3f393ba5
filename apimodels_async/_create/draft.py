"""A create request with pictures that may be too large for its body: which of them are uploaded first. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from attrs import field, frozen

from apimodels_async._arguments import ArgumentError
from apimodels_async._wire.bodies import MemorySource, PictureSource, StreamedBody
from apimodels_async._wire.picture_formats import PictureFormat

RESERVED = 500_000
"""Bytes of a body for everything but its pictures."""


def room_for_pictures(limit: int) -> int:
    """Bytes of pictures that a body of `limit` bytes can hold, in base64. Of 4.5 MB it is 3 MB."""
    return max(0, limit - RESERVED) * 3 // 4


@frozen(eq=False)
class LargePicture:
    """A local picture that goes into the body, or is uploaded first.

    Attributes:
        argument: the argument that it came in, for messages.
        source: its bytes.
        format: of the file.
        sha256: of the file, in hexadecimal.
    """

    argument: str
    source: PictureSource = field(repr=False)
    format: PictureFormat
    sha256: str = ""


Sent: TypeAlias = str | bytes | LargePicture
"""A picture as it is sent: its URL, or its bytes, which go as base64."""
Pictures: TypeAlias = Mapping[str, Sent | Sequence[Sent]]
"""The picture fields of a request by name."""


def large_pictures(pictures: Pictures) -> Iterator[LargePicture]:
    """The large pictures of a request, in order."""
    for value in pictures.values():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, LargePicture):
                yield each


def to_upload(pictures: Pictures, limit: int) -> list[LargePicture]:
    """The pictures that must not go into a body of `limit` bytes: the largest ones, as many as it takes.

    Raises:
        ValueError: the mask alone is too large, and the API takes a mask in the body only.
    """
    room = room_for_pictures(limit)
    masks = [each for each in large_pictures(pictures) if each.argument == "mask"]
    others = sorted(
        (each for each in large_pictures(pictures) if each.argument != "mask"), key=lambda each: each.source.size
    )
    taken = sum(each.source.size for each in masks)
    if taken > room:
        raise ArgumentError(
            "mask",
            f"it has {taken / 1e6:.1f} MB, and a mask goes into the request itself, of which this address takes "
            f"{limit / 1e6:.1f} MB: save it as a PNG with one bit a pixel",
            hint=", or use base_url='https://api.apimodels.app/v1', which takes 100 MB",
        )
    kept = 0
    for each in others:
        taken += each.source.size
        if taken > room:
            break
        kept += 1
    return others[kept:][::-1]


class Draft:
    """A create request before it is known which of its pictures are uploaded.

    Args:
        pictures: its picture fields.
        write: its body with these picture fields.
    """

    def __init__(self, pictures: Pictures, write: Callable[[Pictures], StreamedBody]) -> None:
        self.pictures: Pictures = pictures
        self._write = write
        self._urls: dict[LargePicture, str] = {}

    @property
    def held(self) -> int:
        """Bytes of its pictures that are in memory."""
        return sum(each.source.size for each in large_pictures(self.pictures) if isinstance(each.source, MemorySource))

    def forget(self) -> None:
        """Let go of the pictures: an error that was raised where they were at hand may live long."""
        self.pictures = {}
        self._urls = {}
        del self._write

    def note_uploaded(self, picture: LargePicture, url: str) -> None:
        """A picture is hosted at `url` now: it is not uploaded again when the request is."""
        self._urls[picture] = url

    def missing(self, limit: int) -> list[LargePicture]:
        """The pictures that must be uploaded before there is a body of `limit` bytes at most.

        Raises:
            ValueError: as `to_upload`.
        """
        return [each for each in to_upload(self.pictures, limit) if each not in self._urls]

    def inline(self) -> list[LargePicture]:
        """The pictures that go into the body as they are."""
        return [each for each in large_pictures(self.pictures) if each not in self._urls]

    def body(self) -> StreamedBody:
        """The body, with URLs in place of the pictures that were uploaded."""
        return self._write(with_urls(self.pictures, self._urls))


def with_urls(pictures: Pictures, urls: Mapping[LargePicture, str]) -> Pictures:
    """The picture fields with URLs in place of some pictures, under the names that go with URLs."""
    fields: dict[str, Sent | Sequence[Sent]] = {}
    for name, value in pictures.items():
        if isinstance(value, (list, tuple)):
            sent = [_with_url(each, urls) for each in value]
            fields["image_urls" if _all_urls(sent) else name] = sent
        else:
            single = _with_url(cast("Sent", value), urls)
            fields["image_url" if name == "image" and isinstance(single, str) else name] = single
    return fields


def _with_url(picture: Sent, urls: Mapping[LargePicture, str]) -> Sent:
    return urls.get(picture, picture) if isinstance(picture, LargePicture) else picture


def _all_urls(pictures: Iterable[Sent]) -> bool:
    return all(isinstance(each, str) for each in pictures)
