"""The form of the gateway's page that tries every parameter, drawn from the API's own schema, and what it sends. Pure.

Every field is sent as it was typed where it is not what the API wants, so that the API itself says what is wrong.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import cast

from attrs import frozen

from apimodels_async.catalogue import MODELS
from apimodels_async.gateway.html import Html, element, join
from apimodels_async.gateway.json_body import json_object
from apimodels_async.gateway.openapi_schemas import PARAMETERS, Json

__all__ = ["FIELDS", "OTHER", "FormField", "body_of", "form", "values_of"]

OTHER = "other"
"""The field for parameters that the schema does not name, as JSON."""
_FIRST = ("model", "prompt", "size", "n")
_DEFAULT = {"model": "grok-image/grok-4.2-image", "prompt": "A cute cat wearing a space helmet", "size": "1024x1024"}
_HINTS = {
    "size": "1024x1024, 2K or auto",
    "aspect_ratio": "16:9",
    "resolution": "1K, 2K or 4K",
    "seed": "a whole number",
}

_FILE, _FILES, _LINES = "A picture file.", "Picture files.", "Pictures by their URLs, one a line."


@frozen
class FormField:
    """One field of the form.

    Attributes:
        name: of the parameter.
        kind: ``text``, ``long``, ``number``, ``choice``, ``lines``, ``file`` or ``files``.
        choices: of a choice.
        about: what it means.
    """

    name: str
    kind: str
    choices: tuple[str, ...] = ()
    about: str = ""


def _field(name: str, schema: Json) -> FormField:
    about = str(schema.get("description", "")).replace("`", "")
    items = cast("Json", schema.get("items", {}))
    if "enum" in schema:
        return FormField(name, "choice", tuple(cast("list[str]", schema["enum"])), about)
    if name == "prompt":
        return FormField(name, "long", about=about)
    if schema["type"] == "integer":
        return FormField(name, "number", about=about)
    if schema["type"] == "array":
        files = "anyOf" in items
        return FormField(name, "files" if files else "lines", about=_FILES if files else _LINES)
    if schema.get("format") == "picture":
        return FormField(name, "file", about=about if name == "mask" else _FILE)
    return FormField(name, "text", about=about)


FIELDS = tuple(_field(name, schema) for name, schema in PARAMETERS.items())
"""Every parameter of the schema."""


def body_of(fields: Iterable[tuple[str, str]], files: Iterable[tuple[str, bytes]]) -> bytes:
    """The body of the create request for what was entered. What was left empty is left out.

    Raises:
        Refusal: the other parameters are not a JSON object.
    """
    kinds = {each.name: each.kind for each in FIELDS}
    body: dict[str, object] = {}
    other: dict[str, object] = {}
    for name, value in fields:
        text = value.replace("\r\n", "\n").strip()
        if not text:
            continue
        if name == OTHER:
            other = json_object(text.encode())
        elif name in kinds:
            body[name] = _typed(kinds[name], text)
    for name, data in files:
        if not data:
            continue
        encoded = base64.b64encode(data).decode()
        if kinds.get(name) == "files":
            cast("list[str]", body.setdefault(name, [])).append(encoded)
        elif name in kinds:
            body[name] = encoded
    return json.dumps(body | other).encode()


def _typed(kind: str, text: str) -> object:
    if kind == "lines":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if kind == "number":
        try:
            return int(text) if text.isascii() else text
        except ValueError:
            return text
    return text


def values_of(request: str) -> dict[str, str]:
    """What to fill the form with, for the request of a task. Pictures have to be chosen again."""
    given = cast("dict[str, object]", json.loads(request))
    values: dict[str, str] = {}
    other: dict[str, object] = {}
    kinds = {each.name: each.kind for each in FIELDS}
    for name, value in given.items():
        kind = kinds.get(name)
        if kind in {"file", "files"}:
            continue
        if kind is None:
            other[name] = value
        elif isinstance(value, list):
            values[name] = "\n".join(str(each) for each in cast("list[object]", value))
        else:
            values[name] = str(value)
    if other:
        values[OTHER] = json.dumps(other, ensure_ascii=False)
    return values


def form(action: str, values: Mapping[str, str] | None = None) -> Html:
    """The form.

    Args:
        action: where it is posted.
        values: what it is filled with; by default with an example.
    """
    filled = _DEFAULT if values is None else values
    by_name = {each.name: each for each in FIELDS}
    rest = [each for each in FIELDS if each.name not in _FIRST]
    models = element("datalist", *(element("option", value=each.id) for each in MODELS), id="models")
    other = FormField(OTHER, "long", about="Other parameters of the request, as a JSON object.")
    return element(
        "form",
        *(_row(by_name[name], filled.get(name, "")) for name in _FIRST),
        models,
        element(
            "details",
            element("summary", "All other parameters"),
            *(_row(each, filled.get(each.name, "")) for each in (*rest, other)),
            id="more",
            open=any(filled.get(each.name) for each in (*rest, other)),
        ),
        element("button", "Create", type="submit", class_="primary"),
        method="post",
        action=action,
        enctype="multipart/form-data",
        class_="create",
    )


def _row(field: FormField, value: str) -> Html:
    name, at = field.name, f"field-{field.name}"
    about = None if name == "prompt" or not field.about else f"{at}-about"
    label = element("label", name, for_=at)
    hint = None if about is None else element("span", field.about, id=about, class_="about")
    return element("div", label, _control(field, value, at, about), hint, class_="field")


def _control(field: FormField, value: str, at: str, about: str | None) -> Html:
    name = field.name
    match field.kind:
        case "choice":
            options = [element("option", "", value="")]
            options += [element("option", each, value=each, selected=each == value) for each in field.choices]
            return element("select", *options, id=at, name=name, aria_describedby=about)
        case "long" | "lines":
            rows = 4 if name == "prompt" else 2
            spell = "true" if name == "prompt" else "false"
            # A line end at the start would be dropped.
            text = join(["\n", value])
            return element(
                "textarea", text, id=at, name=name, rows=rows, dir="auto", spellcheck=spell, aria_describedby=about
            )
        case "file" | "files":
            several = field.kind == "files"
            return element(
                "input", type="file", id=at, name=name, accept="image/*", multiple=several, aria_describedby=about
            )
        case _:
            return element(
                "input",
                type="text",
                id=at,
                name=name,
                value=value,
                list="models" if name == "model" else None,
                inputmode="numeric" if field.kind == "number" else None,
                placeholder=_HINTS.get(name),
                autocomplete="off",
                spellcheck="false",
                aria_describedby=about,
            )
