"""Forms with files in them."""

import python_multipart
from python_multipart.exceptions import FormParserError
from starlette.requests import Request

from apimodels_async.gateway.limits import LARGEST_BODY, MAX_PARTS
from apimodels_async.gateway.refusals import Refusal

__all__ = ["boundary_of", "form_files", "form_parts"]

_PIECE = 256 << 10


def boundary_of(request: Request) -> bytes | None:
    """The boundary of a form; ``None`` if the body is not a form.

    Raises:
        Refusal: it is a form without a boundary.
    """
    kind, options = python_multipart.multipart.parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refusal(400, "the Content-Type has no boundary")
    return boundary


def form_parts(body: bytes, boundary: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, bytes]]]:
    """The fields and the files of a form, in order, by their names.

    Raises:
        Refusal: it is not a valid form, or has too many parts.
    """
    if body.count(boundary) > MAX_PARTS:
        raise Refusal(400, f"the form has more than {MAX_PARTS} parts")
    # A body within the limits is small enough to stay in memory, so there is no file to close.
    fields: list[python_multipart.multipart.Field] = []
    files: list[python_multipart.multipart.File] = []
    parser = python_multipart.FormParser(
        "multipart/form-data",
        fields.append,
        files.append,
        boundary=boundary,
        config={"MAX_MEMORY_FILE_SIZE": LARGEST_BODY},
    )
    try:
        for at in range(0, len(body), _PIECE):  # other threads get their turn in between
            parser.write(body[at : at + _PIECE])
        parser.finalize()
        named = [(field.field_name or b"").decode() for field in fields]
        texts = [(field.value or b"").decode() for field in fields]
        file_names = [(file.field_name or b"").decode() for file in files]
    except (FormParserError, UnicodeDecodeError):
        raise Refusal(400, "the body is not valid multipart/form-data") from None
    for file in files:
        file.file_object.seek(0)
    contents = [file.file_object.read() for file in files]
    return list(zip(named, texts, strict=True)), list(zip(file_names, contents, strict=True))


def form_files(body: bytes, boundary: bytes) -> dict[str, bytes]:
    """The files of a form, by their names.

    Raises:
        Refusal: it is not a valid form, or has too many parts.
    """
    return dict(form_parts(body, boundary)[1])
