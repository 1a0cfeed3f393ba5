"""For Schemathesis: what no schema can say. Which base64 is a picture, where one is, and which URL is this machine's.

The schema names these as formats; here is what is generated for them. The environment says where a picture is.
"""

import base64
import io
import os
from typing import Any, cast

import schemathesis
from hypothesis import strategies as st
from PIL import Image
from schemathesis.transport.serialization import Binary

from apimodels_async.gateway.create_request import LINKS
from apimodels_async.gateway.limits import MAX_ANSWERED_PIXELS
from apimodels_async.gateway.openai_shape import EDITS
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.sizes import check_resolution, check_size

MOST_INPUTS = 16
OWN_SIZES = "gpt-image-2-all"
"""A model with rules of its own for sizes."""


def _picture(kind: str) -> str:
    written = io.BytesIO()
    Image.new("L", (16, 16), 128).save(written, kind)
    return base64.b64encode(written.getvalue()).decode()


_PICTURES = [_picture(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]
_sides = st.integers(1, 64)

schemathesis.openapi.format(
    "picture", st.sampled_from([*_PICTURES, *(f"data:image/png;base64,{each}" for each in _PICTURES)])
)
schemathesis.openapi.format("picture-file", st.sampled_from([Binary(base64.b64decode(each)) for each in _PICTURES]))
schemathesis.openapi.format("picture-url", st.just(os.environ["PICTURE_URL"]))
schemathesis.openapi.format(
    "callback-url",
    st.builds(
        "http{}://{}:9/{}".format,
        st.sampled_from(["", "s"]),
        st.sampled_from(["127.0.0.1", "localhost", "[::1]"]),
        st.text("abc/?=", max_size=9),
    ),
)
schemathesis.openapi.format("aspect-ratio", st.builds("{}:{}".format, _sides, _sides) | st.sampled_from(["auto"]))


def _pixels(fields: dict[str, Any]) -> int:
    """Of all the pictures that are asked for, as far as they can be told from the fields."""
    size, n = str(fields.get("size")), fields.get("n", 1)
    try:
        across, down = check_size(size) if "x" in size else (check_resolution(size),) * 2
    except Refusal:
        return 0
    return n * across * down if isinstance(n, int) else 0


def _fits_a_form(fields: dict[str, Any]) -> bool:
    """Whether the fields arrive as what they are: a form has texts and files, and everything else becomes one."""
    known = {name: value for name, value in fields.items() if name not in {"image[]", "n"}}
    return all(isinstance(value, str | Binary) for value in known.values()) and not isinstance(fields.get("n"), str)


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out what breaks a rule across fields: a sum of pictures, a mask of none, and the sizes of one model.

    And pictures that are too large to stand in one answer, and what no form can hold.
    """
    if not isinstance(case.body, dict):
        return True
    fields = cast("dict[str, Any]", case.body)
    edit = case.path.endswith(EDITS)
    if not _fits_a_form(fields if edit else {"file": fields.get("file", "")}):
        return False
    several = [fields.get(name) for name in ("images", "image_urls")]
    inputs = sum(len(each) for each in several if isinstance(each, list))
    inputs += sum(fields.get(name) is not None for name in ("image", "image_url"))
    if inputs > MOST_INPUTS or (not inputs and fields.get("mask") is not None):
        return False
    if edit and fields.get("response_format") != LINKS and _pixels(fields) > MAX_ANSWERED_PIXELS:
        return False
    return OWN_SIZES not in str(fields.get("model")) or "size" not in fields
