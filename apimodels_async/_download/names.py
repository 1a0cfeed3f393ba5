"""The names of pictures: from a template and the facts about a task to a name that every file system takes. Pure."""

import logging
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sized
from itertools import count
from typing import NamedTuple, TypeAlias

from apimodels_async._arguments import ArgumentError, ArgumentTypeError
from apimodels_async._download.links import safe_id
from apimodels_async._template import Template, TemplateError
from apimodels_async._text import is_blank
from apimodels_async.models import GenerationRequest, Task

logger = logging.getLogger("apimodels_async")

NameGiver: TypeAlias = str | Callable[[int, GenerationRequest], str]
"""A template, or a function that returns one for the request at an index."""

OF_A_TASK = ("id", "index", "model")
"""The fields for which a task alone is enough."""
OF_A_REQUEST = ("prompt", "size", "n", "aspect_ratio", "resolution", "quality", "output_format", "seed")
FIELDS = ("line", "key", *OF_A_TASK, *OF_A_REQUEST)
"""The fields of a name in a batch."""

OF_A_SHARD = tuple(each for each in FIELDS if each != "line")
"""Those of them that a run knows which makes one part of a batch."""

DIGITS = 4
"""Of ``{line}``, if the input is no longer than that: so that names sort as lines do."""
UNKNOWN_DIGITS = 6
"""Of ``{line}``, where the length of the input is not known."""

_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')
"""What some file system refuses in a name, or takes for the end of a folder's."""
_SUFFIX = re.compile(r"\.(png|jpe?g|webp|gif|avif|bmp|tiff?|heic)", re.IGNORECASE)
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_MARK = re.compile(r"\{index(?::([^{}]*))?\}")
"""Where the number of a picture goes."""
_LAST_MARK = re.compile(rf"-{_MARK.pattern}$")
_LONGEST_FIELD = 80
_LONGEST = 160
"""Bytes: a name has 255 on most file systems, and the ends of names and of part files come to it."""


def safe(text: str) -> str:
    """Text as a part of a file name: letters, marks, digits, ``-`` and ``_``; anything else is one ``_``."""
    signs = [each if _is_kept(each) else "_" for each in unicodedata.normalize("NFC", text[: 10 * _LONGEST_FIELD])]
    return _cut(re.sub("__+", "_", "".join(signs)).strip("_"), _LONGEST_FIELD).rstrip("_")


def _is_kept(sign: str) -> bool:
    return sign in "-_" or (unicodedata.category(sign)[0] in "LMN" and not is_blank(sign))


def _cut(text: str, most: int) -> str:
    """The beginning of a text that takes no more than that many bytes."""
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


class PictureName(NamedTuple):
    """What the pictures of one task are called, without the ends that show their formats.

    Attributes:
        text: the name; ``{index}`` or ``{index:02}`` stands where the number of a picture goes, if anywhere.
        suffix: of the files, with its dot; if empty, the one of the format that their bytes show.
    """

    text: str
    suffix: str = ""

    def __str__(self) -> str:
        return self.text + self.suffix

    def stems(self, index: int, number: int = 1) -> Iterator[str]:
        """The names to try for a picture, one after another: ``-2``, ``-3`` and so on are added to what is taken.

        Args:
            index: of the picture among those of its task.
            number: where to begin.
        """
        for each in count(number):
            yield self.numbered(each).stem(index)

    def stem(self, index: int) -> str:
        """The name of one picture."""
        return _MARK.sub(lambda mark: format(index, mark[1] or ""), self.text)

    def numbered(self, number: int) -> "PictureName":
        """The name with a number, which stands before that of a picture at its end; 1 is the name itself."""
        if number == 1:
            return self
        found = _LAST_MARK.search(self.text)
        at = len(self.text) if found is None else found.start()
        return self._replace(text=f"{self.text[:at]}-{number}{self.text[at:]}")

    @property
    def common(self) -> str:
        """The name without what tells the pictures apart: for a note about all of them."""
        return _tidy(_MARK.sub("", self.text)) or "task"


def split_suffix(text: str) -> tuple[str, str]:
    """A name without the suffix of a picture, and that suffix; empty, if it has none."""
    at = text.rfind(".")
    return (text[:at], text[at:]) if at > 0 and _SUFFIX.fullmatch(text, at) else (text, "")


class Naming:
    """Gives the pictures of tasks their names.

    Args:
        given: a template, or a function that returns one.
        requests: of the batch; ``{line}`` has as many digits as it takes to number them.
        fields: what a template may use.

    Raises:
        ArgumentError: a template that cannot be used; the message says why.
    """

    def __init__(self, given: NameGiver, *, requests: object = None, fields: tuple[str, ...] = FIELDS) -> None:
        self._fields = fields
        length = len(requests) if isinstance(requests, Sized) else None
        self._line = f"0{UNKNOWN_DIGITS if length is None else max(DIGITS, len(str(length)))}"
        self._checked = None if callable(given) else self._check(given)
        self._given = given

    def _check(self, text: object) -> tuple[Template, str]:
        if not isinstance(text, str):
            raise ArgumentTypeError("name", 'give a text as "{line}-{prompt}"', value=type(text).__name__)
        stem, suffix = split_suffix(text)
        return check_name(stem, self._fields).with_spec("line", self._line), suffix

    @property
    def needs_key(self) -> bool:
        """Whether the template asks for the key of a ledger's entry."""
        return self._checked is not None and "key" in self._checked[0].fields

    def name(
        self, task: Task, *, index: int = 0, request: GenerationRequest | None = None, key: str = ""
    ) -> PictureName:
        """The name of a task's pictures.

        What is paid for is saved in any case: where a template does not fit, the name is the task's id.

        Args:
            task: the task.
            index: of its request.
            request: what was asked for.
            key: of the ledger's entry.
        """
        suffix = ""
        try:
            template, suffix = self._checked or self._check(self._of(index, request))
            text = _rendered(template, task, index, request, key)
            text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (a user's function may raise anything)
            logger.warning("task %s: its pictures are named by its id, because the name failed: %s", task.id, error)
            text = ""
        if not _MARK.sub("", text):
            text = safe_id(task.id or "picture")
        last = len(task.result_urls) - 1
        if last > 0 and not _MARK.search(text):
            text += "-{index}" if last < 10 else f"-{{index:0{len(str(last))}}}"
        return PictureName(text, suffix)

    def _of(self, index: int, request: GenerationRequest | None) -> str:
        return self._given(index, request) if callable(self._given) and request is not None else ""


def check_name(text: str, fields: tuple[str, ...] = FIELDS) -> Template:
    """The template of a name.

    Raises:
        ArgumentError: it cannot be used; the message says why.
    """
    try:
        template = Template(text)
    except TemplateError as error:
        raise ArgumentError("name", str(error), value=repr(text)) from None
    for part in template.parts:
        found = _FORBIDDEN.search(part.literal)
        if found is not None:
            what = "/ and \\ are for folders" if found[0] in "/\\" else f"{found[0]!r} is not for names"
            raise ArgumentError("name", f"give the name of a file: {what}", value=repr(text))
        if "{" in part.literal or "}" in part.literal:
            raise ArgumentError("name", "braces are for fields", value=repr(text))
        if part.field is not None and part.field not in fields:
            known = ", ".join(f"{{{each}}}" for each in fields)
            raise ArgumentError("name", f"there is no {{{part.field}}}; there are {known}", value=repr(text))
    if not text.strip():
        raise ArgumentError("name", "is empty")
    return template


def _rendered(template: Template, task: Task, index: int, request: GenerationRequest | None, key: str) -> str:
    values: dict[str, object] = {"line": index + 1, "key": key, "model": task.model}
    if request is not None:
        values |= {name: getattr(request, name) for name in OF_A_REQUEST}
        values["model"] = task.model or request.model
    named = Template(template.fill({"id": None if task.id is None else safe_id(task.id)}))
    # The place of the index is kept: one name serves all pictures of the task.
    return _tidy(Template(named.fill(values, safe)).render({"index": _Mark()}))


class _Mark:
    """Writes itself as the field that it stands for."""

    def __format__(self, spec: str) -> str:
        format(0, spec)
        return f"{{index:{spec}}}" if spec else "{index}"


def _tidy(text: str) -> str:
    """The whole name: not hidden, not an option, not a device, not too long."""
    text = re.sub(r"\{[^}]*$", "", _cut(text, _LONGEST)).strip(" .-")  # not cut in the middle of the mark
    return f"{text}_" if _DEVICES.fullmatch(text) else text
