"""Files that the gateway hosts: uploaded in one request, or announced first and then PUT to a URL of their own."""

import re
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from apimodels_async.gateway.envelope import success
from apimodels_async.gateway.inputs import content_type_of
from apimodels_async.gateway.json_body import json_object, whole_number
from apimodels_async.gateway.limits import LARGEST_BODY, MAX_BODY, BodyBudget
from apimodels_async.gateway.multipart import boundary_of, form_files
from apimodels_async.gateway.refusals import Refusal, quoted
from apimodels_async.gateway.requests import RequestBody, origin_of, read_body
from apimodels_async.gateway.store import HostedFile, Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.tasks import DAY
from apimodels_async.gateway.workers import Workers

__all__ = ["UPLOAD_TIME", "FileHosting"]

PIECE = 256 << 10
"""Bytes of a file that are read from the store at a time."""
UPLOAD_TIME = 10 * 60 * 1000
"""Milliseconds that an upload URL is valid."""

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


def _type_of(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _iso(milliseconds: int) -> str:
    """A time as the vendor writes it: ``2026-05-30T09:30:00.000Z``."""
    at = datetime.fromtimestamp(milliseconds // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


class FileHosting:
    """The endpoint ``/files``, and the files behind it.

    Args:
        store: where the files are kept.
        readers: the threads to read forms in.
        budget: the memory for bodies.
        now: the clock, epoch milliseconds.
        keep: milliseconds that files are kept.
        max_body: bytes that the body of a request to the API may have, if that was configured: then the storage takes
            as much as can be configured, as another host would.
    """

    def __init__(
        self,
        *,
        store: StoreThread,
        readers: Workers,
        budget: BodyBudget,
        now: Callable[[], int],
        keep: int,
        max_body: int | None = None,
    ) -> None:
        self._max_body = max_body or MAX_BODY
        self._max_file = MAX_BODY if max_body is None else LARGEST_BODY
        self._store = store
        self._readers = readers
        self._budget = budget
        self._now = now
        self._keep = keep

    async def upload(self, request: Request, body: RequestBody) -> Response:
        """Host the file of a form, or announce one in JSON."""
        boundary = boundary_of(request)
        if boundary is None:
            return await self._announce(request, body.data)
        data = (await self._readers.run(partial(form_files, body.data, boundary))).get("file")
        if data is None:
            raise Refusal(400, "file is missing: send a form field of this name with a file in it")
        file = self._new_file(content_type_of(data), len(data), data)
        await self._store.ask(Store.save_file, file)
        return success({"publicUrl": f"{origin_of(request)}/hosted/{file.id}"})

    async def _announce(self, request: Request, body: bytes) -> Response:
        fields = await self._readers.read(body, partial(json_object, body))
        filename, content_type = fields.get("filename"), fields.get("contentType")
        if not isinstance(filename, str) or not filename.strip():
            raise Refusal(400, f"filename {quoted(filename)}: give text that is not empty")
        if not isinstance(content_type, str) or not _MEDIA_TYPE.fullmatch(content_type):
            raise Refusal(400, f"contentType {quoted(content_type)}: give a media type, such as image/png")
        length = whole_number(fields.get("fileSize"))
        if length is None:
            length = 0  # not known yet
        elif not isinstance(length, int) or isinstance(length, bool) or not 0 < length <= self._max_file:
            most = self._max_file
            raise Refusal(400, f"fileSize {quoted(length)}: give the number of bytes, {most} at most, or nothing")
        file = self._new_file(content_type.lower(), length, None)
        await self._store.ask(Store.save_file, file)
        origin = origin_of(request)
        return success(
            {
                "uploadUrl": f"{origin}/uploads/{file.id}",
                "publicUrl": f"{origin}/hosted/{file.id}",
                "expiresAt": _iso(file.upload_until),
                # Not the vendor's: clients that ask may send pictures of this size in the request itself.
                "maxBody": self._max_body,
            }
        )

    def _new_file(self, content_type: str, length: int, data: bytes | None) -> HostedFile:
        now = self._now()
        return HostedFile(
            id=secrets.token_hex(16),
            content_type=content_type,
            length=length,
            upload_until=now + UPLOAD_TIME,
            expires=now + self._keep,
            data=data,
        )

    async def put(self, request: Request) -> Response:
        """Receive the bytes of a file that was announced. Needs no key: the URL is one."""
        body = await read_body(request, self._budget, self._max_file)
        try:
            file = await self._store.ask(Store.file, request.path_params["id"])
            if file is None or self._now() >= file.upload_until:
                raise Refusal(404, "there is no such upload, or its 10 minutes are over")
            content_type = request.headers.get("content-type", "")
            if _type_of(content_type) != file.content_type:
                raise Refusal(400, f"Content-Type {quoted(content_type)}: it was announced as {file.content_type}")
            if body is None:
                raise Refusal(400, f"the body has more than {self._max_file >> 20} MB")
            if not body.data or file.length not in {0, len(body.data)}:
                raise Refusal(400, f"the body is not as long as announced: fileSize was {file.length}")
            uploaded = evolve(file, expires=self._now() + self._keep, data=body.data)
            await self._store.ask(Store.save_file, uploaded)
        finally:
            if body is not None:
                body.release()
        return success({"publicUrl": f"{origin_of(request)}/hosted/{file.id}"})

    async def _find(self, file_id: str) -> HostedFile:
        file = await self._store.ask(Store.file, file_id)
        if file is None or file.data is None or self._now() >= file.expires:
            raise Refusal(404, f"there is no such file: files are hosted for {self._keep / DAY:g} days")
        return file

    async def content(self, file_id: str) -> bytes:
        """The bytes of a hosted file.

        Raises:
            Refusal: there is none, not yet or not any more.
        """
        file = await self._find(file_id)
        return await self._store.ask(Store.file_piece, file.id, 0, file.size)

    async def get(self, request: Request) -> Response:
        """Serve a file as the picture it is, or as bytes: never as anything that a browser would run."""
        file = await self._find(request.path_params["id"])
        start = await self._store.ask(Store.file_piece, file.id, 0, PIECE)
        headers = {"X-Content-Type-Options": "nosniff", "Content-Length": str(file.size)}
        media_type = content_type_of(start)
        if file.size <= PIECE:
            return Response(start, headers=headers, media_type=media_type)
        return StreamingResponse(self._pieces(file, start), headers=headers, media_type=media_type)

    async def _pieces(self, file: HostedFile, start: bytes) -> AsyncIterator[bytes]:
        yield start
        for at in range(PIECE, file.size, PIECE):
            yield await self._store.ask(Store.file_piece, file.id, at, PIECE)
