"""A repr that cannot raise: tools that show the locals of a traceback meet objects that are half made."""

from typing import Any, cast

from attrs import NOTHING, AttrsInstance, fields


def safe_repr(self: Any) -> str:
    """The repr of an attrs object. Fields that are not set yet are left out; a value whose repr raises is named."""
    shown: list[str] = []
    for each in fields(cast("type[AttrsInstance]", type(self))):
        value = getattr(self, each.name, NOTHING)
        if each.repr is False or value is NOTHING:
            continue
        try:
            text = each.repr(value) if callable(each.repr) else repr(value)
        except Exception as error:  # noqa: BLE001  (of a caller's object)
            text = f"<{type(value).__name__}: its repr raises {type(error).__name__}>"
        shown.append(f"{each.name}={text}")
    return f"{type(self).__name__}({', '.join(shown)})"
