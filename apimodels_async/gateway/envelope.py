"""The JSON envelope of every answer."""

import json
from collections.abc import Mapping

from starlette.responses import Response

__all__ = ["json_reply", "refusal", "success"]


def json_reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON, without an envelope."""
    return Response(json.dumps(value, separators=(",", ":")), status, headers, media_type="application/json")


def success(data: object) -> Response:
    """The envelope of a success."""
    return json_reply({"code": 200, "msg": "success", "data": data})


def refusal(
    code: int,
    message: str,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    error: object = None,
) -> Response:
    """The envelope of a refusal.

    Args:
        code: the envelope's code.
        message: the reason.
        status: the HTTP status, if it is to differ from the code.
        headers: headers of the answer.
        error: an error in OpenAI's shape, for its clients.
    """
    fields = {"code": code, "msg": message, "data": None}
    return json_reply(fields if error is None else {"error": error, **fields}, status or code, headers)
