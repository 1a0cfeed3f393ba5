"""The gateway's own description, served at ``/openapi.json``: by hand, as a second account of what the code does."""

from apimodels_async.catalogue import AS_OF
from apimodels_async.gateway.openapi_callback import CALLBACK
from apimodels_async.gateway.openapi_schemas import (
    CREATE,
    EDIT,
    FILE,
    HOSTED,
    KEY,
    OPENAI,
    PICTURE,
    QUESTION,
    TASK,
    UPLOAD,
    Json,
    envelope_of,
    json_of,
    object_of,
    path_parameter,
    ref,
    responses,
)

__all__ = ["DOCUMENT"]


def _query(operation: str, summary: str) -> Json:
    return {
        "operationId": operation,
        "summary": summary,
        "security": KEY,
        "parameters": [
            {"name": "task_id", "in": "query", "required": True, "schema": {"type": "string", "minLength": 1}}
        ],
        "responses": responses(json_of("The task.", envelope_of(ref("Task"))), 400, 401, 404),
    }


def _synchronous(operation: str) -> Json:
    return {
        "operationId": operation,
        "summary": "Create a task of any model, and answer when it has ended.",
        "security": KEY,
        "requestBody": {"required": True, "content": {"application/json": {"schema": CREATE}}},
        "responses": responses(
            json_of("The task, or its pictures.", {"oneOf": [envelope_of(ref("Task")), ref("Pictures")]}),
            400,
            401,
            402,
        ),
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
                "description": "Most models answer at once with a pending task. sparkpix-image, sparkpix-image-edit "
                "and gpt-image-2-lite answer when the task has ended, with its end. gpt-image-2-all does so when size "
                "or response_format is given, and completes in OpenAI's shape.",
                "security": KEY,
                "requestBody": {"required": True, "content": {"application/json": {"schema": CREATE}}},
                "responses": responses(
                    json_of("The task, or its pictures.", {"oneOf": [envelope_of(ref("Task")), ref("Pictures")]}),
                    400,
                    401,
                    402,
                ),
                "callbacks": CALLBACK,
            },
            "get": _query("query", "Return the state of a task."),
        },
        "/api/v1/video/generations": {"get": _query("queryVideo", "The same: a task is looked up by its id alone.")},
        "/api/v1/audio/generations": {"get": _query("queryAudio", "The same.")},
        "/api/v1/images/generations-sync": {"post": _synchronous("createSync")},
        "/api/v1/images/edit": {"post": _synchronous("createEdit")},
        "/api/v1/images/edits": {
            "post": {
                "operationId": "edit",
                "summary": "Edit pictures, in OpenAI's shape.",
                "security": KEY,
                "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": EDIT}}},
                "responses": responses(json_of("The pictures.", ref("Pictures")), 400, 401, 402),
            }
        },
        "/api/v1/models": {
            "get": {
                "operationId": "models",
                "summary": "List the models.",
                "security": KEY,
                "responses": responses(
                    json_of(
                        "The models, with US dollars a picture by resolution.",
                        object_of(
                            {
                                "data": {
                                    "type": "array",
                                    "items": object_of(
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
        "/api/v1/chat/completions": {
            "post": {
                "operationId": "review",
                "summary": "Compare a picture with a brief.",
                "description": "Answers the vendor's MCP server; other questions are refused.",
                "security": KEY,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": QUESTION}},
                },
                "responses": responses(
                    json_of(
                        "The answer, in the shape of a chat.", object_of({"choices": {"type": "array", "items": {}}})
                    ),
                    400,
                    401,
                ),
            }
        },
        "/api/v1/balance": {
            "get": {
                "operationId": "balance",
                "summary": "Tell the balance.",
                "description": "US dollars, less what the completed tasks cost.",
                "security": KEY,
                "responses": responses(
                    json_of("The balance.", envelope_of(object_of({"balance": {"type": "number"}}))), 401
                ),
            }
        },
        "/api/v1/files": {
            "post": {
                "operationId": "upload",
                "summary": "Host a file for 7 days.",
                "description": "Either the file itself in a form, or its announcement in JSON.",
                "security": KEY,
                "requestBody": {
                    "required": True,
                    "content": {
                        "multipart/form-data": {
                            "schema": object_of(
                                {
                                    "file": {
                                        "contentMediaType": "application/octet-stream",
                                        "not": {"type": ["array", "null"]},
                                    }
                                }
                            )
                        },
                        "application/json": {
                            "schema": object_of(
                                {
                                    "filename": {"type": "string", "pattern": r"\S"},
                                    "contentType": {
                                        "type": "string",
                                        "pattern": r"^[A-Za-z0-9_.+-]+/[A-Za-z0-9_.+-]+$",
                                    },
                                },
                                {"fileSize": {"type": ["integer", "null"], "minimum": 1, "maximum": 50 * 1024 * 1024}},
                            )
                        },
                    },
                },
                "responses": responses(
                    json_of("Where the file is, or where to put it.", envelope_of({"anyOf": [UPLOAD, FILE]})), 400, 401
                ),
            }
        },
        "/uploads/{id}": {
            "put": {
                "operationId": "put",
                "summary": "Upload a file that was announced.",
                "parameters": [path_parameter("id", "As in uploadUrl.")],
                "requestBody": {
                    "required": True,
                    "content": {"application/octet-stream": {"schema": {}}, "image/png": {"schema": {}}},
                },
                "responses": responses(json_of("Where the file is.", envelope_of(FILE)), 400, 404),
            }
        },
        "/hosted/{id}": {
            "get": {
                "operationId": "hosted",
                "summary": "Fetch a hosted file.",
                "parameters": [path_parameter("id", "As in publicUrl.")],
                "responses": responses(HOSTED, 404),
            }
        },
        "/results/{name}": {
            "get": {
                "operationId": "result",
                "summary": "Fetch a picture of a completed task; kept for 7 days.",
                "parameters": [path_parameter("name", "As in resultUrls.")],
                "responses": responses(PICTURE, 404),
            }
        },
    },
    "components": {
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        "schemas": {
            "Task": TASK,
            "Pictures": OPENAI,
            "Refusal": object_of({"code": {"type": "integer"}, "msg": {"type": "string"}, "data": {"type": "null"}}),
        },
    },
}
