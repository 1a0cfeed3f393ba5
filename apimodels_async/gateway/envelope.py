"""The envelope around every answer."""

import json
from collections.abc import Mapping

from starlette.responses import Response

__all__ = ["envelope", "plain_json", "refused"]


def plain_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON."""
    return Response(json.dumps(value, separators=(",", ":")), status, headers, media_type="application/json")


def envelope(data: object) -> Response:
    """A success."""
    return plain_json({"code": 200, "msg": "success", "data": data})


def refused(
    code: int, message: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A refusal; `status` where the HTTP status is to differ from the envelope's code."""
    return plain_json({"code": code, "msg": message, "data": None}, status or code, headers)
