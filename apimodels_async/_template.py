"""Text with fields in braces, as ``{line:04}-{prompt}``: for the names of files and for prompts. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import NamedTuple

_SPEC = r"(.?[<>=^])?[-+ ]?[#,_]?0?\d{0,3}[,_]?(\.\d{1,3})?[a-zA-Z%]?"
"""Format specifications that are taken: no nested fields, and no width that fills the memory."""


class TemplateError(ValueError):
    """A template that cannot be read, or that does not fit its values."""


class Part(NamedTuple):
    """A piece of a template.

    Attributes:
        literal: text that stands before the field.
        field: its name in lower case; ``None`` at the end of the template.
        spec: how its value is written, as for `format`.
    """

    literal: str
    field: str | None
    spec: str = ""


class Template:
    """A text whose fields are looked up by their whole names: no attributes, no items, no conversions.

    Args:
        text: the template; ``{{`` and ``}}`` are braces.

    Raises:
        TemplateError: it is not one; the message says why.
    """

    def __init__(self, text: str) -> None:
        self.parts: tuple[Part, ...] = tuple(_parts(text))

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its fields, in order, each once."""
        return tuple(dict.fromkeys(part.field for part in self.parts if part.field is not None))

    def with_spec(self, field: str, spec: str) -> "Template":
        """The same template, with `spec` for a field where it has none."""
        changed = Template("")
        changed.parts = tuple(
            part._replace(spec=spec) if part.field == field and not part.spec else part for part in self.parts
        )
        return changed

    def render(self, values: Mapping[str, object], clean: Callable[[str], str] = str) -> str:
        """The text with its fields filled in.

        Args:
            values: of the fields; ``None`` is written as nothing.
            clean: applied to each value as it is written, and not to the text around it.

        Raises:
            KeyError: there is no value for a field.
            TemplateError: a value does not fit its format.
        """
        return "".join(
            part.literal + ("" if part.field is None else clean(_written(part, values[part.field])))
            for part in self.parts
        )

    def fill(self, values: Mapping[str, object], clean: Callable[[str], str] = str) -> str:
        """The text of a template with those fields filled in that `values` has.

        Raises:
            TemplateError: a value does not fit its format.
        """
        return "".join(
            _escaped(part.literal) + ("" if part.field is None else _filled(part, part.field, values, clean))
            for part in self.parts
        )


def _filled(part: Part, field: str, values: Mapping[str, object], clean: Callable[[str], str]) -> str:
    if field in values:
        return _escaped(clean(_written(part, values[field])))
    return f"{{{field}:{part.spec}}}" if part.spec else f"{{{field}}}"


def _parts(text: str) -> Iterator[Part]:
    try:
        pieces = list(Formatter().parse(text))
    except ValueError:
        raise TemplateError("a brace stands alone: write {{ or }} for one that is text") from None
    for literal, field, spec, conversion in pieces:
        if field is None:
            yield Part(literal, None)
            continue
        if not field.strip():
            raise TemplateError("{} names no field")
        if conversion:
            raise TemplateError(f"{{{field}!{conversion}}}: leave out !{conversion}")
        if not re.fullmatch(_SPEC, spec or ""):
            raise TemplateError(f"{{{field}:{spec}}}: {spec} is no format; give one as {{{field}:04}}")
        yield Part(literal, field.strip().lower(), spec or "")


def _written(part: Part, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and re.fullmatch(r"0?\d+[dxX]?", part.spec) and re.fullmatch(r"[0-9]{1,18}", value):
        value = int(value)  # a cell of a table is text
    try:
        return format(value, part.spec)
    except (ValueError, TypeError):
        raise TemplateError(f"{{{part.field}:{part.spec}}} does not fit {str(value)[:80]!r}") from None


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
