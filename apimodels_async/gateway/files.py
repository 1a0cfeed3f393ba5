"""Files that the gateway hosts: uploaded in one request, or announced first and then put to a URL of their own."""

import asyncio
import re
import secrets
from collections.abc import Callable

import python_multipart
from attrs import evolve
from python_multipart.exceptions import FormParserError
from starlette.requests import Request
from starlette.responses import Response

from apimodels_async.gateway.create_request import json_object
from apimodels_async.gateway.envelope import success
from apimodels_async.gateway.fetch import LARGEST_BODY
from apimodels_async.gateway.inputs import content_type_of
from apimodels_async.gateway.refusals import Refusal, quoted
from apimodels_async.gateway.requests import body_of, origin_of
from apimodels_async.gateway.store import HostedFile, Store
from apimodels_async.gateway.store_thread import StoreThread
from apimodels_async.gateway.tasks import RETENTION

__all__ = ["UPLOAD_TIME", "FileHosting"]

UPLOAD_TIME = 10 * 60 * 1000
"""Milliseconds that an upload URL is valid."""

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)


def _type_of(header: str) -> str:
    return header.partition(";")[0].strip().lower()


def _parts(body: bytes, boundary: bytes) -> dict[bytes, bytes]:
    # A body that is small enough to be taken is small enough to be kept in memory, so there is no file to close.
    files: list[python_multipart.multipart.File] = []
    parser = python_multipart.FormParser(
        "multipart/form-data", None, files.append, boundary=boundary, config={"MAX_MEMORY_FILE_SIZE": LARGEST_BODY}
    )
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise Refusal(400, "the body is not valid multipart/form-data") from None
    for file in files:
        file.file_object.seek(0)
    return {file.field_name or b"": file.file_object.read() for file in files}


class FileHosting:
    """The calls on ``/files``, and the files behind them.

    Args:
        store: where the files are kept.
        now: the clock, epoch milliseconds.
    """

    def __init__(self, store: StoreThread, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now

    async def upload(self, request: Request, body: bytes) -> Response:
        """Host the file of a form, or announce one in JSON."""
        kind, options = python_multipart.multipart.parse_options_header(request.headers.get("content-type"))
        if kind != b"multipart/form-data":
            return await self._announce(request, body)
        boundary = options.get(b"boundary")
        if not boundary:
            raise Refusal(400, "the Content-Type has no boundary")
        data = (await asyncio.to_thread(_parts, body, boundary)).get(b"file")
        if data is None:
            raise Refusal(400, "file is missing: send a form field of this name with a file in it")
        file = self._new_file(content_type_of(data), len(data), data)
        await self._store.ask(Store.save_file, file)
        return success({"publicUrl": f"{origin_of(request)}/hosted/{file.id}"})

    async def _announce(self, request: Request, body: bytes) -> Response:
        fields = json_object(body)
        filename, content_type = fields.get("filename"), fields.get("contentType")
        if not isinstance(filename, str) or not filename.strip():
            raise Refusal(400, f"filename {quoted(filename)}: give text that is not empty")
        if not isinstance(content_type, str) or not _MEDIA_TYPE.fullmatch(content_type):
            raise Refusal(400, f"contentType {quoted(content_type)}: give a media type, such as image/png")
        length = fields.get("fileSize")
        if not isinstance(length, int) or isinstance(length, bool) or not 0 < length <= LARGEST_BODY:
            raise Refusal(400, f"fileSize {quoted(length)}: give the number of bytes, {LARGEST_BODY} at most")
        file = self._new_file(content_type.lower(), length, None)
        await self._store.ask(Store.save_file, file)
        origin = origin_of(request)
        return success(
            {
                "uploadUrl": f"{origin}/uploads/{file.id}",
                "publicUrl": f"{origin}/hosted/{file.id}",
                "expiresAt": file.upload_until,
            }
        )

    def _new_file(self, content_type: str, length: int, data: bytes | None) -> HostedFile:
        now = self._now()
        return HostedFile(
            id=secrets.token_hex(16),
            content_type=content_type,
            length=length,
            upload_until=now + UPLOAD_TIME,
            expires=now + RETENTION,
            data=data,
        )

    async def put(self, request: Request) -> Response:
        """Take the bytes of a file that was announced. Needs no key: the URL is one."""
        body = await body_of(request)
        file = await self._store.ask(Store.file, request.path_params["id"])
        if file is None or self._now() >= file.upload_until:
            raise Refusal(404, "there is no such upload, or its 10 minutes are over")
        content_type = request.headers.get("content-type", "")
        if _type_of(content_type) != file.content_type:
            raise Refusal(400, f"Content-Type {quoted(content_type)}: it was announced as {file.content_type}")
        if body is None or len(body) != file.length:
            raise Refusal(400, f"the body is not as long as announced: fileSize was {file.length}")
        uploaded = evolve(file, expires=self._now() + RETENTION, data=body)
        await self._store.ask(Store.save_file, uploaded)
        return success({"publicUrl": f"{origin_of(request)}/hosted/{file.id}"})

    async def content(self, file_id: str) -> bytes:
        """The bytes of a hosted file.

        Raises:
            Refusal: there is none, not yet or not any more.
        """
        file = await self._store.ask(Store.file, file_id)
        if file is None or file.data is None or self._now() >= file.expires:
            raise Refusal(404, "there is no such file: files are hosted for 7 days")
        return file.data

    async def get(self, request: Request) -> Response:
        """Serve a file as the picture it is, or as bytes: never as anything that a browser would run."""
        data = await self.content(request.path_params["id"])
        return Response(data, media_type=content_type_of(data), headers={"X-Content-Type-Options": "nosniff"})
