"""The gateway's own description, served at ``/openapi.json``: by hand, as a second account of what the code does."""

from apimodels_async.catalogue import AS_OF, MODELS
from apimodels_async.gateway.openapi_callback import CALLBACK
from apimodels_async.gateway.triggers import BEHAVIOUR_TRIGGERS, FAILURE_TRIGGERS

__all__ = ["DOCUMENT"]

Json = dict[str, object]

_MEANINGS = {
    400: "A parameter is missing or invalid; `msg` names it.",
    401: "The API key is missing or not valid.",
    402: "The balance, less what the tasks in flight will cost, does not suffice.",
    404: "There is no such thing, or not any more.",
    500: "A fault of the gateway itself.",
}
_EPOCH_MS: Json = {"type": "integer", "description": "Milliseconds since 1970-01-01 UTC."}
_SIDE = "(1[6-9]|[2-9][0-9]|[1-9][0-9]{2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])"
"""16 to 4096, as a pattern."""
_KEY: list[Json] = [{"key": []}]


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: dict[str, Json], optional: dict[str, Json] | None = None) -> Json:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def _envelope(data: Json) -> Json:
    return _object({"code": {"const": 200}, "msg": {"const": "success"}, "data": data})


def _json(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _responses(success: Json, *codes: int) -> Json:
    refusals = {
        str(code): _json(_MEANINGS[code], {"allOf": [_ref("Refusal"), {"properties": {"code": {"const": code}}}]})
        for code in (*codes, 500)
    }
    return {"200": success, **refusals}


def _path_parameter(name: str, description: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1, "pattern": r"^[\w.-]+$"},
    }


_ENCODED: Json = {
    "type": "string",
    "contentEncoding": "base64",
    "description": "A picture in base64; a data: URI's head and white space are passed over. 64 megapixels at most.",
}
_URL: Json = {
    "type": "string",
    "format": "uri",
    "description": "A picture by its URL: one of this gateway's own, or an http URL on this machine.",
}

_CREATE = _object(
    {
        "model": {
            "type": "string",
            "enum": sorted({name for model in MODELS for name in (model.id, model.short_id)}),
        },
        "prompt": {
            "type": "string",
            "pattern": r"\S",
            "description": "What to paint. These words make the task fail: "
            + ", ".join(f"`{word}` ({failure.code})" for word, failure in FAILURE_TRIGGERS.items())
            + ". These have other effects: "
            + ", ".join(f"`{word}` ({oddity.value})" for word, oddity in BEHAVIOUR_TRIGGERS.items())
            + ".",
        },
    },
    {
        "size": {
            "type": "string",
            "pattern": f"^{_SIDE}x{_SIDE}$",
            "description": "Width and height in pixels, each 16 to 4096. It wins over aspect_ratio and resolution. "
            "Without any of the three, the first picture's own size, else 1024x1024.",
        },
        "aspect_ratio": {
            "type": "string",
            "pattern": "^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$",
            "description": "Width to height, 64:1 at the widest.",
        },
        "resolution": {
            "type": "string",
            "pattern": "^[124][Kk]$",
            "description": "The longer side: 1K is 1024 pixels (the default with aspect_ratio), 2K 2048, 4K 4096.",
        },
        "n": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "image": _ENCODED,
        "images": {"type": "array", "items": {"anyOf": [_ENCODED, _URL]}, "maxItems": 16},
        "image_url": _URL,
        "image_urls": {"type": "array", "items": _URL, "maxItems": 16},
        "mask": {
            **_ENCODED,
            "description": "Which part to replace: what is transparent where it has transparency, else what is white.",
        },
        "quality": {"enum": ["low", "medium", "high", "auto"], "description": "Checked, and without effect."},
        "output_format": {"enum": ["png", "jpeg", "webp"], "default": "png"},
        "seed": {
            "type": "integer",
            "minimum": -(2**63),
            "maximum": 2**63 - 1,
            "description": "The same seed, prompt and model make the same picture.",
        },
        "callback_url": {
            "type": "string",
            "format": "uri",
            "pattern": "^https?://",
            "description": "Where the end of the task is to be told: an http or https URL without user and password "
            "on this machine, or where the gateway's options allow.",
        },
    },
)

_STATES = ["pending", "processing", "completed", "failed"]

_TASK: Json = {
    **_object(
        {"taskId": {"type": "string", "pattern": "^cl[a-z0-9]{23}$"}, "state": {"enum": _STATES}},
        {
            "model": {"type": "string"},
            "modelType": {"type": "string"},
            "resultUrls": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "uri"}},
            "createTime": _EPOCH_MS,
            "completeTime": _EPOCH_MS,
            "failMsg": {"type": "string"},
            "failCode": {"type": "string"},
            "retryable": {"type": "boolean"},
        },
    ),
    "allOf": [
        {
            "if": {"properties": {"state": {"const": "completed"}}},
            "then": {"required": ["resultUrls", "createTime", "completeTime"]},
        },
        {"if": {"properties": {"state": {"const": "failed"}}}, "then": {"required": ["failMsg", "failCode"]}},
    ],
}

_OPENAI = _object(
    {
        "created": {"type": "integer", "description": "Seconds since 1970-01-01 UTC."},
        "data": {
            "type": "array",
            "items": _object({"b64_json": {"type": "string"}, "url": {"type": "string", "format": "uri"}}),
        },
    }
)

_FILE = _object({"publicUrl": {"type": "string", "format": "uri"}})
_UPLOAD = _object(
    {
        "publicUrl": {"type": "string", "format": "uri"},
        "uploadUrl": {
            "type": "string",
            "format": "uri",
            "description": "PUT the bytes here, with the same Content-Type; valid for 10 minutes.",
        },
        "expiresAt": {**_EPOCH_MS, "description": "When uploadUrl stops working, epoch milliseconds."},
    }
)

_PICTURE: Json = {
    "description": "The picture.",
    "content": {kind: {} for kind in ("image/png", "image/jpeg", "image/webp")},
}
_HOSTED: Json = {
    "description": "The file, as the picture it is or as plain bytes.",
    "content": {
        kind: {}
        for kind in (
            "image/png",
            "image/jpeg",
            "image/webp",
            "image/gif",
            "image/bmp",
            "image/tiff",
            "application/octet-stream",
        )
    },
}

DOCUMENT: Json = {
    "openapi": "3.1.0",
    "info": {
        "title": "apimodels_async embedded gateway",
        "version": "1",
        "description": "Image generation by tasks, on this machine: create one, ask for it until it is completed or "
        "failed, fetch its pictures. The API is served below /api/v1 and, the same, below /v1. Every refusal is an "
        "envelope whose code says what the HTTP status says; a gateway with errors_in_envelope answers refusals of "
        f"the API with HTTP 200. Model ids and prices are those published on {AS_OF}.",
    },
    "servers": [{"url": "/"}],
    "paths": {
        "/api/v1/images/generations": {
            "post": {
                "operationId": "create",
                "summary": "Create an image generation task.",
                "description": "Most models answer at once with a pending task. sparkpix-image answers when the task "
                "has ended, with its end. gpt-image-2-all does so when size is given, and completes in OpenAI's shape.",
                "security": _KEY,
                "requestBody": {"required": True, "content": {"application/json": {"schema": _CREATE}}},
                "responses": _responses(
                    _json("The task, or its pictures.", {"oneOf": [_envelope(_ref("Task")), _ref("Pictures")]}),
                    400,
                    401,
                    402,
                ),
                "callbacks": CALLBACK,
            },
            "get": {
                "operationId": "query",
                "summary": "Ask what has become of a task.",
                "security": _KEY,
                "parameters": [
                    {"name": "task_id", "in": "query", "required": True, "schema": {"type": "string", "minLength": 1}}
                ],
                "responses": _responses(_json("The task.", _envelope(_ref("Task"))), 400, 401, 404),
            },
        },
        "/api/v1/models": {
            "get": {
                "operationId": "models",
                "summary": "List the models.",
                "security": _KEY,
                "responses": _responses(
                    _json(
                        "The models, with US dollars a picture by resolution.",
                        _object(
                            {
                                "data": {
                                    "type": "array",
                                    "items": _object(
                                        {"id": {"type": "string"}},
                                        {"prices": {"type": "object", "additionalProperties": {"type": "number"}}},
                                    ),
                                }
                            }
                        ),
                    ),
                    401,
                ),
            }
        },
        "/api/v1/balance": {
            "get": {
                "operationId": "balance",
                "summary": "Tell the balance.",
                "description": "US dollars, less what the completed tasks cost.",
                "security": _KEY,
                "responses": _responses(
                    _json("The balance.", _envelope(_object({"balance": {"type": "number"}}))), 401
                ),
            }
        },
        "/api/v1/files": {
            "post": {
                "operationId": "upload",
                "summary": "Host a file for 7 days.",
                "description": "Either the file itself in a form, or its announcement in JSON.",
                "security": _KEY,
                "requestBody": {
                    "required": True,
                    "content": {
                        "multipart/form-data": {
                            "schema": _object(
                                {"file": {"type": "string", "contentMediaType": "application/octet-stream"}}
                            )
                        },
                        "application/json": {
                            "schema": _object(
                                {
                                    "filename": {"type": "string", "pattern": r"\S"},
                                    "contentType": {
                                        "type": "string",
                                        "pattern": r"^[A-Za-z0-9_.+-]+/[A-Za-z0-9_.+-]+$",
                                    },
                                    "fileSize": {"type": "integer", "minimum": 1, "maximum": 50 * 1024 * 1024},
                                }
                            )
                        },
                    },
                },
                "responses": _responses(
                    _json("Where the file is, or where to put it.", _envelope({"anyOf": [_UPLOAD, _FILE]})), 400, 401
                ),
            }
        },
        "/uploads/{id}": {
            "put": {
                "operationId": "put",
                "summary": "Upload a file that was announced.",
                "parameters": [_path_parameter("id", "As in uploadUrl.")],
                "requestBody": {
                    "required": True,
                    "content": {"application/octet-stream": {"schema": {}}, "image/png": {"schema": {}}},
                },
                "responses": _responses(_json("Where the file is.", _envelope(_FILE)), 400, 404),
            }
        },
        "/hosted/{id}": {
            "get": {
                "operationId": "hosted",
                "summary": "Fetch a hosted file.",
                "parameters": [_path_parameter("id", "As in publicUrl.")],
                "responses": _responses(_HOSTED, 404),
            }
        },
        "/results/{name}": {
            "get": {
                "operationId": "result",
                "summary": "Fetch a picture of a completed task; kept for 7 days.",
                "parameters": [_path_parameter("name", "As in resultUrls.")],
                "responses": _responses(_PICTURE, 404),
            }
        },
    },
    "components": {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Task": _TASK,
            "Pictures": _OPENAI,
            "Refusal": _object({"code": {"type": "integer"}, "msg": {"type": "string"}, "data": {"type": "null"}}),
        },
    },
}
