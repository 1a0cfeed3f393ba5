"""The webhook that reports the end of a task, as the gateway's OpenAPI document describes it."""

__all__ = ["CALLBACK"]

Json = dict[str, object]

_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_EPOCH_MS: Json = {"type": "integer", "description": "Milliseconds since 1970-01-01 UTC."}

_DATA: dict[str, Json] = {
    "taskId": {"type": "string"},
    "model": {"type": "string"},
    "state": {"type": "string", "enum": ["completed", "failed"]},
    "param": {"type": "string", "description": "JSON: the request, without the pictures in it."},
    "resultJson": {
        **_TEXT_OR_NULL,
        "description": "JSON: an object with resultUrls; of a failed task null or an empty list.",
    },
    "failCode": _TEXT_OR_NULL,
    "failMsg": _TEXT_OR_NULL,
    "costTime": {"type": "integer", "description": "Milliseconds from createTime to completeTime."},
    "completeTime": _EPOCH_MS,
    "createTime": _EPOCH_MS,
}

_BODY: Json = {
    "type": "object",
    "required": ["code", "msg", "data"],
    "properties": {
        "code": {"const": 200},
        "msg": {"const": "success"},
        "data": {"type": "object", "required": list(_DATA), "properties": _DATA},
    },
}

CALLBACK: Json = {
    "ended": {
        "{$request.body#/callback_url}": {
            "post": {
                "summary": "The task has ended.",
                "description": "Sent once, and again until a 2xx answers within 10 s: after 1, 2 and 4 s, then about "
                "every 30 s for 30 minutes. Not signed.",
                "requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}},
                "responses": {
                    "2XX": {"description": "Taken: it is not sent again."},
                    "default": {"description": "Not taken, and neither is a redirect: it is sent again."},
                },
            }
        }
    }
}
