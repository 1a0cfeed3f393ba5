"""A request's body as a JSON object, within limits that hold before and after it is parsed."""

import json
import math
from typing import cast

from apimodels_async.gateway.limits import MAX_DEPTH, MAX_VALUES
from apimodels_async.gateway.refusals import Refusal

__all__ = ["json_object"]


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")  # it would be written as Infinity, which is not JSON
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (list, dict))
            for inner in (
                cast("dict[str, object]", outer).values() if isinstance(outer, dict) else cast("list[object]", outer)
            )
        ]
        if not level:
            return
    raise Refusal(400, f"the body is nested more than {MAX_DEPTH} levels deep")


def json_object(body: bytes) -> dict[str, object]:
    """Parse the body of a request. A field that is ``null`` counts as left out.

    Raises:
        Refusal: it is not a JSON object, or too large a one.
    """
    # Counted before it is parsed: a list of a million lists is small, but large in memory.
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise Refusal(400, f"the body is JSON of more than {MAX_VALUES} values")
    try:
        value = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise Refusal(400, "the body is not a JSON object")
    fields = cast("dict[str, object]", value)
    _check_depth(fields)
    return {name: given for name, given in fields.items() if given is not None}
