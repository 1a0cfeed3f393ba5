"""The envelope that the contract puts every answer in."""

from typing import Any


def wrapped(data: object, code: int = 200, msg: str = "success") -> dict[str, Any]:
    """The envelope of `data`."""
    return {"code": code, "msg": msg, "data": data}


def envelope(code: int = 200, msg: str = "success", **data: object) -> dict[str, Any]:
    """The same with the fields of ``data`` as arguments, and without ``data`` if there are none."""
    return wrapped(data, code, msg) if data else {"code": code, "msg": msg}
