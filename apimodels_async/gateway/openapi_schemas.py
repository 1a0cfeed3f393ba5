"""The schemas of the gateway's own description, written by hand."""

from apimodels_async.catalogue import MODELS
from apimodels_async.gateway.triggers import BEHAVIOUR_TRIGGERS, FAILURE_TRIGGERS, FAULT_TRIGGERS

__all__ = [
    "CREATE",
    "EDIT",
    "FILE",
    "HOSTED",
    "KEY",
    "OPENAI",
    "PARAMETERS",
    "PICTURE",
    "QUESTION",
    "TASK",
    "UPLOAD",
    "Json",
    "envelope_of",
    "json_of",
    "object_of",
    "path_parameter",
    "ref",
    "responses",
]

Json = dict[str, object]

_MEANINGS = {
    400: "A parameter is missing or invalid; `msg` names it.",
    401: "The API key is missing or not valid.",
    402: "The balance, less what the tasks in flight will cost, does not suffice.",
    404: "There is no such thing, or not any more.",
    421: "The host is not this gateway's.",
    429: "Too much at once: try again after Retry-After.",
    500: "A fault of the gateway itself.",
}
_EPOCH_MS: Json = {"type": "integer", "description": "Milliseconds since 1970-01-01 UTC."}
_SIDE = "(1[6-9]|[2-9][0-9]|[1-9][0-9]{2}|[1-3][0-9]{3}|40[0-8][0-9]|409[0-6])"
"""16 to 4096, as a pattern."""
KEY: list[Json] = [{"key": []}]


def ref(name: str) -> Json:
    """A reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(required: dict[str, Json], optional: dict[str, Json] | None = None) -> Json:
    """The schema of an object."""
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


def envelope_of(data: Json) -> Json:
    """The schema of a success with this data."""
    return object_of({"code": {"const": 200}, "msg": {"const": "success"}, "data": data})


def json_of(description: str, schema: Json) -> Json:
    """A response of JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def responses(success: Json, *codes: int) -> Json:
    """A success and the refusals."""
    refusals = {
        str(code): json_of(_MEANINGS[code], {"allOf": [ref("Refusal"), {"properties": {"code": {"const": code}}}]})
        for code in (*codes, 421, 429, 500)
    }
    return {"200": success, **refusals}


def path_parameter(name: str, description: str) -> Json:
    """A parameter in the path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": {"type": "string", "minLength": 1, "pattern": r"^[\w.-]+$"},
    }


_TEXT = r"[^\s\x1c-\x1f\x85]"
"""Something to be seen, as a pattern."""
_MODEL = r"^[A-Za-z0-9_./:@-]{1,200}$"
_ENCODED: Json = {
    "type": "string",
    "format": "picture",
    "description": "A picture in base64; a data: URI's head and white space are passed over. 64 megapixels at most.",
}
_URL: Json = {
    "type": "string",
    "format": "picture-url",
    "description": "A picture by its URL: one of this gateway's own, or an http URL on this machine.",
}

_NEEDED: dict[str, Json] = {
    "model": {
        "type": "string",
        "pattern": _MODEL,
        "description": "One of those that GET /models lists, by its full or short id; with --any-model any.",
        "examples": sorted({name for model in MODELS for name in (model.id, model.short_id)}),
    },
    "prompt": {
        "type": "string",
        "pattern": _TEXT,
        "maxLength": 100_000,
        "description": "What to paint. These words make the task fail: "
        + ", ".join(f"`{word}` ({failure.code})" for word, failure in FAILURE_TRIGGERS.items())
        + ". These make the request fail: "
        + ", ".join(f"`{word}` ({fault.value})" for word, fault in FAULT_TRIGGERS.items())
        + ". These have other effects: "
        + ", ".join(f"`{word}` ({oddity.value})" for word, oddity in BEHAVIOUR_TRIGGERS.items())
        + ".",
    },
}

_OPTIONAL: dict[str, Json] = {
    "size": {
        "type": "string",
        "pattern": f"^({_SIDE}x{_SIDE}|[124][Kk]|auto)$",
        "examples": ["1024x1024"],
        "description": "Width and height in pixels, each 16 to 4096, or the longer side, or auto. In pixels "
        "it wins over aspect_ratio and resolution. "
        "Without any of the three, the first picture's own size, else 1024x1024.",
    },
    "aspect_ratio": {
        "type": "string",
        "format": "aspect-ratio",
        "pattern": r"^([1-9][0-9]{0,3}(\.[0-9])?:[1-9][0-9]{0,3}|auto|match_input_image|custom)$",
        "description": "Width to height, 64:1 at the widest. custom takes `width` and `height`, 256 to 1440.",
    },
    "resolution": {
        "type": "string",
        "pattern": "^([124][Kk]|512)$",
        "description": "The longer side: 512, or 1K, which is 1024 pixels (the default with aspect_ratio), "
        "2K 2048, 4K 4096.",
    },
    "n": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
    "image": _ENCODED,
    "images": {"type": "array", "items": {"anyOf": [_ENCODED, _URL]}, "maxItems": 16},
    "image_url": _URL,
    "image_urls": {"type": "array", "items": _URL, "maxItems": 16},
    "mask": {
        **_ENCODED,
        "description": "Which part of the first picture to replace: what is transparent where it has transparency, "
        "else what is white.",
    },
    "quality": {
        "enum": ["low", "medium", "high", "auto", "max", "standard", "hd"],
        "description": "Has an effect on the price alone.",
    },
    "response_format": {
        "enum": ["b64_json", "url"],
        "description": "For an answer in OpenAI's shape; without it, both.",
    },
    "output_format": {"enum": ["png", "jpeg", "webp"], "default": "png"},
    "seed": {
        "type": "integer",
        "minimum": -(2**63),
        "maximum": 2**63 - 1,
        "description": "The same seed, prompt and model make the same picture.",
    },
    "callback_url": {
        "type": "string",
        "format": "callback-url",
        "description": "Where the end of the task is to be told: an http or https URL without user and password "
        "on this machine, or where the gateway's options allow.",
    },
}

PARAMETERS: dict[str, Json] = {**_NEEDED, **_OPTIONAL}
"""Those of a create request."""
CREATE = object_of(
    _NEEDED,
    # One that is null counts as left out.
    {name: {"anyOf": [schema, {"type": "null"}]} for name, schema in _OPTIONAL.items()},
)

_PICTURE_FILE: Json = {"type": "string", "format": "picture-file", "contentMediaType": "application/octet-stream"}

EDIT = object_of(
    {
        **_NEEDED,
        "image[]": {"type": "array", "items": _PICTURE_FILE, "minItems": 1, "maxItems": 16},
    },
    {
        "mask": _PICTURE_FILE,
        **{name: _OPTIONAL[name] for name in ("size", "quality", "output_format", "response_format", "n")},
    },
)
_PART_OF_TEXT = object_of({"text": {"type": "string"}})
_PART_OF_PICTURE = object_of({"image_url": object_of({"url": _ENCODED})})
_PARTS: Json = {"type": "array", "items": {"anyOf": [_PART_OF_TEXT, _PART_OF_PICTURE]}}


def _message(content: Json) -> Json:
    return object_of({"content": content}, {"role": {"description": "Not looked at."}})


QUESTION = object_of(
    {
        "model": {"type": "string", "minLength": 1},
        "messages": {
            "type": "array",
            "minItems": 1,
            "description": "A text and a picture, in base64 or by its URL, in the content of any of them.",
            "items": _message({"anyOf": [{"type": "string"}, _PARTS]}),
            "contains": _message({**_PARTS, "prefixItems": [_PART_OF_TEXT, _PART_OF_PICTURE], "minItems": 2}),
        },
    }
)

_STATES = ["pending", "processing", "completed", "failed"]

TASK: Json = {
    **object_of(
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

OPENAI = object_of(
    {
        "created": {"type": "integer", "description": "Seconds since 1970-01-01 UTC."},
        "data": {
            "type": "array",
            "items": object_of({}, {"b64_json": {"type": "string"}, "url": {"type": "string", "format": "uri"}}),
        },
    }
)

FILE = object_of({"publicUrl": {"type": "string", "format": "uri"}})
UPLOAD = object_of(
    {
        "publicUrl": {"type": "string", "format": "uri"},
        "uploadUrl": {
            "type": "string",
            "format": "uri",
            "description": "PUT the bytes here, with the same Content-Type; valid for 10 minutes.",
        },
        "expiresAt": {"type": "string", "format": "date-time", "description": "When uploadUrl stops working."},
        "maxBody": {"type": "integer", "description": "Bytes that the body of a request may have; not the vendor's."},
    }
)

PICTURE: Json = {
    "description": "The picture.",
    "content": {kind: {} for kind in ("image/png", "image/jpeg", "image/webp")},
}
HOSTED: Json = {
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
            "image/avif",
            "application/octet-stream",
        )
    },
}
