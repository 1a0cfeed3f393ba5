"""Uploads of pictures that are too large for the body of a create request: announced first, then PUT to the storage."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

import anyio

from apimodels_async._arguments import ArgumentError
from apimodels_async._create.draft import Draft, LargePicture, large_pictures
from apimodels_async._create.inputs import is_remote, local_picture
from apimodels_async._create.open_files import read_awaited
from apimodels_async._http.trace import RequestFailed
from apimodels_async._http.transport import Http
from apimodels_async._threads import FILES
from apimodels_async._urls import check_link
from apimodels_async._wire.answer import payload_of
from apimodels_async._wire.bodies import StreamedBody
from apimodels_async._wire.tasks import Announcement, read_announcement, read_public_url
from apimodels_async.catalogue import inline_limit
from apimodels_async.errors import ConnectionFailedError, ProtocolError
from apimodels_async.models import ImageInput

AT_ONCE = 4
"""Uploads of one client at once: more would share the same line, and each would take longer."""
STEPS = 20
"""How often, at most, the progress of an upload is told."""


class UploadProgress(NamedTuple):
    """How far a large picture is on its way to the server.

    Attributes:
        argument: the argument that the picture came in.
        sent: bytes so far.
        size: bytes in all; of the whole request if the picture goes into it.
    """

    argument: str
    sent: int
    size: int


OnUpload: TypeAlias = Callable[[UploadProgress], object]


class Uploads:
    """Uploads for one client.

    Args:
        http: the transports.
    """

    def __init__(self, http: Http) -> None:
        self._http = http
        self._learned = 0
        self._asked = False

    @cached_property
    def _places(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(AT_ONCE)

    @property
    def limit(self) -> int:
        """Bytes of a request's body that the server takes, as the catalogue or the server itself says."""
        return max(inline_limit(self._http.base_url), self._learned)

    async def complete(self, draft: Draft, on_upload: OnUpload | None) -> StreamedBody:
        """Upload what is too large for the body of a create request, and return the body.

        Raises:
            ValueError: the mask is too large, or a file was changed.
            APIError, ProtocolError, ConnectionFailedError: a picture could not be uploaded. No request was sent.
        """
        while True:
            try:
                missing = draft.missing(self.limit)
            except ArgumentError:
                if self._asked:
                    raise
                await self._announce(next(each for each in large_pictures(draft.pictures) if each.argument == "mask"))
                continue
            if not missing:
                break
            url = await self._upload(missing[0], on_upload, or_inline=True)
            if url is not None:
                draft.note_uploaded(missing[0], url)
        body = draft.body()
        inline = draft.inline()
        if on_upload is not None and inline:
            body.on_sent = _Steps(on_upload, inline[0].argument, len(body))
        return body

    async def upload_file(self, file: ImageInput) -> str:
        """Upload a local picture, a small one in a form, and return its public URL.

        Raises:
            TypeError, ValueError: `file` is not a local picture, or was changed meanwhile.
            APIError, ProtocolError, ConnectionFailedError: it could not be uploaded.
        """
        if is_remote(file):
            raise ArgumentError("file", "is a URL, so it is hosted already", hint=": give it to create as it is")
        file = await read_awaited(file, "file")
        picture = await FILES.run(partial(local_picture, file, "file"), abandon=True)
        if isinstance(picture, LargePicture):
            return await self._upload(picture, None, or_inline=False) or ""
        name = f"upload{picture.format.suffix}"
        try:
            answer = await self._http.storage.upload(name, picture.data, picture.format.media_type)
        except RequestFailed as failure:
            raise ConnectionFailedError(f"the upload got no answer ({failure})") from failure.__cause__
        return read_public_url(answer)

    async def _upload(self, picture: LargePicture, on_upload: OnUpload | None, *, or_inline: bool) -> str | None:
        """Upload a picture; with `or_inline` return ``None`` if the server says that it takes larger bodies."""
        async with self._places:
            known = self.limit
            announcement = await self._announce(picture)
            if or_inline and self.limit > known:
                return None
            await self._put(picture, announcement, on_upload)
            return announcement.public_url

    async def _announce(self, picture: LargePicture) -> Announcement:
        fields: dict[str, Any] = {
            "filename": f"upload{picture.format.suffix}",
            "contentType": picture.format.media_type,
            "fileSize": picture.source.size,
        }
        try:
            answer = await self._http.storage.announce(fields)
        except RequestFailed as failure:
            raise _unsent(picture, failure) from failure.__cause__
        announcement = read_announcement(answer)
        self._asked = True
        self._learned = max(self._learned, announcement.max_body)
        try:
            check_link(announcement.upload_url, base_url=self._http.base_url)
        except ValueError as error:
            raise ProtocolError(f"the server's URL for an upload is {error}", body=answer.text, status=200) from None
        return announcement

    async def _put(self, picture: LargePicture, announcement: Announcement, on_upload: OnUpload | None) -> None:
        steps = None if on_upload is None else _Steps(on_upload, picture.argument, picture.source.size)
        try:
            answer = await self._http.storage.put(
                announcement.upload_url, picture.source, picture.format.media_type, on_sent=steps
            )
        except RequestFailed as failure:
            if isinstance(failure.__cause__, ArgumentError):
                raise failure.__cause__ from None
            raise _unsent(picture, failure) from failure.__cause__
        if answer.status // 100 != 2:
            payload_of(answer._replace(url="the URL that the server gave for an upload"))
            raise ProtocolError(
                f"{picture.argument}: the upload was answered HTTP {answer.status}",
                body=answer.text,
                status=answer.status,
            )


def _unsent(picture: LargePicture, failure: RequestFailed) -> ConnectionFailedError:
    return ConnectionFailedError(
        f"{picture.argument}: the upload got no answer ({failure})", certificate=failure.certificate
    )


class _Steps:
    """Tells the progress in a bounded number of steps."""

    def __init__(self, on_upload: OnUpload, argument: str, size: int) -> None:
        self._on_upload = on_upload
        self._argument = argument
        self._size = size
        self._told = -1

    def __call__(self, sent: int) -> None:
        step = STEPS if sent >= self._size else sent * STEPS // self._size
        if step != self._told:
            self._told = step
            self._on_upload(UploadProgress(self._argument, sent, self._size))
