"""The columns of a prompt file: the fields of a request, and those that a template turns into a prompt or a name."""

import difflib
from collections.abc import Iterator
from typing import Any

import attrs
from attrs import define, field

from apimodels_async._download.names import FIELDS as OF_A_NAME
from apimodels_async._download.names import split_suffix
from apimodels_async._template import Template, TemplateError
from apimodels_async._text import shorten
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, one_line
from apimodels_async.models import GenerationRequest

__all__ = ["PLAIN", "Columns", "NotARequestError", "columns_of"]

_FIELDS = tuple(each.name for each in attrs.fields(GenerationRequest))
_KNOWN = frozenset(_FIELDS)
_NONE: dict[str, object] = {}


class NotARequestError(ValueError):
    """Why a line is no request, without its number."""


def _template_of(option: str, text: str | None) -> Template | None:
    """The template that was given to an option.

    Raises:
        CommandFailed: it is none.
    """
    if text is None:
        return None
    try:
        return Template(text)
    except TemplateError as error:
        raise CommandFailed(f"{option} {text!r}: {error}", exit_codes.USAGE) from error


@define
class Columns:
    """What is made of the columns.

    Attributes:
        prompt: the template of the prompts, if they are not a column themselves.
        name: the template of the names, if there is one.
        used: the names of columns that were seen and are used.
        unused: of columns that nothing uses.
    """

    prompt: Template | None = None
    name: Template | None = None
    used: set[str] = field(factory=set[str])
    unused: dict[str, None] = field(factory=dict[str, None])

    @property
    def wanted(self) -> tuple[str, ...]:
        """The columns that a table must have."""
        prompt = ("prompt",) if self.prompt is None else self.prompt.fields
        return tuple(dict.fromkeys([*prompt, *self.of_names]))

    @property
    def of_names(self) -> tuple[str, ...]:
        """The columns that only names use."""
        return () if self.name is None else tuple(each for each in self.name.fields if each not in OF_A_NAME)

    @property
    def _templated(self) -> tuple[str, ...]:
        """The columns that templates use."""
        return (*(() if self.prompt is None else self.prompt.fields), *self.of_names)

    def check(self, name: str) -> None:
        """Note a column, or refuse it.

        Raises:
            NotARequestError: nothing uses it. With a template for the prompts, other columns are passed over, unless
                one looks like a field of a request.
        """
        if name in _FIELDS or name in self.wanted:
            self.used.add(name)
            return
        close = difflib.get_close_matches(name[:80].lower(), _FIELDS, 1, 0.6)
        if self.prompt is None or (close and _is_slip(name, close[0])):
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_FIELDS)}"
            raise NotARequestError(f"unknown field {shorten(one_line(name))!r}; {hint}")
        self.unused.setdefault(name)

    def request_fields(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Those of a line that are fields of its request.

        Raises:
            NotARequestError: a column that nothing uses, or one that the template needs and the line does not have.
        """
        if self.prompt is None and not self.of_names and fields.keys() <= _KNOWN:
            return fields
        for name in fields:
            self.check(name.lower() if name.lower() in self._templated else name)
        found = {name: value for name, value in fields.items() if name in _FIELDS}
        if self.prompt is not None:
            values = _lowered(fields)
            missing = next((each for each in self.prompt.fields if values.get(each) is None), None)
            if missing is not None:
                raise NotARequestError(f"there is no {missing}, which --prompt asks for")
            try:
                found["prompt"] = self.prompt.render(values)
            except TemplateError as error:
                raise NotARequestError(f"--prompt: {error}") from None
        return found

    def for_names(self, fields: dict[str, Any]) -> dict[str, object]:
        """Those of a line that its name uses and its request does not have."""
        if not self.of_names:
            return _NONE
        values = _lowered(fields)
        return {name: values.get(name) for name in self.of_names}

    def missing(self) -> Iterator[str]:
        """The columns that a template uses and no line had, once all lines are read."""
        return (name for name in self._templated if name not in self.used)


def _is_slip(name: str, field_name: str) -> bool:
    """Whether a column looks like the misspelt name of a field, and not like one of the many others of a table."""
    likeness = difflib.SequenceMatcher(None, name.lower(), field_name).ratio()
    return likeness >= 0.75 and abs(len(name) - len(field_name)) <= 1


PLAIN = Columns()
"""Each column is a field of a request."""


def _lowered(fields: dict[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in fields.items()}


def columns_of(prompt: str | None, name: str | None) -> Columns:
    """What is made of the columns with these options.

    Raises:
        CommandFailed: a template that cannot be read.
    """
    stem = None if name is None else split_suffix(name)[0]
    return Columns(_template_of("--prompt", prompt), _template_of("--name", stem))
