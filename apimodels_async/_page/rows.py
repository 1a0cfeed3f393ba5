"""One row of a batch's page: what became of one request. Pure."""

import json
from typing import TYPE_CHECKING, Any

from attrs import field, fields, frozen

from apimodels_async._text import shorten, visible
from apimodels_async.errors import (
    DownloadError,
    NotSubmittedError,
    SubmissionUnknownError,
    WaitTimeoutError,
)
from apimodels_async.models import GenerationRequest, Outcome

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 4000
"""Characters of a prompt, or of an error's words, that the page has."""
_STATES: tuple[tuple[type[Exception], str], ...] = (
    (SubmissionUnknownError, "unknown"),
    (NotSubmittedError, "not sent"),
    (WaitTimeoutError, "running"),
    (DownloadError, "not saved"),
)
_APART = frozenset({"prompt", "model", "seed", "image", "images", "mask", "callback_url", "extra_body"})


@frozen(kw_only=True)
class PageRow:
    """One request of the page.

    Attributes:
        number: its position in the input, from 1.
        prompt: its prompt.
        model: the model's id.
        state: ``completed``, ``failed``, ``not sent``, ``not saved``, ``unknown`` or ``running``.
        seed: the requested seed.
        seconds: from the task's creation to its end, by the server's clock.
        cost: US dollars by the catalogue's prices; ``None`` if no price is known.
        error: what went wrong, in words.
        task_id: the task's id.
        parameters: the other parameters of the request.
        files: the saved pictures.
    """

    number: int
    prompt: str
    model: str
    state: str
    seed: int | None = None
    seconds: float | None = None
    cost: float | None = None
    error: str | None = None
    task_id: str | None = None
    parameters: dict[str, str] = field(factory=dict[str, str])
    files: "tuple[Path, ...]" = ()

    def encode(self, links: list[str], thumbnails: list[str | None]) -> bytes:
        """The row as JSON that can stand inside a script element.

        Args:
            links: to each file, as the page has them.
            thumbnails: a ``data:`` URI for each file, or ``None``.
        """
        view: dict[str, Any] = {
            "number": self.number,
            "prompt": self.prompt,
            "model": self.model,
            "state": self.state,
            "seed": None if self.seed is None else str(self.seed),  # JavaScript rounds large numbers
            "seconds": self.seconds,
            "cost": self.cost,
            "error": self.error,
            "task": self.task_id,
            "parameters": self.parameters,
            "files": links,
            "thumbnails": thumbnails,
        }
        return script_json({name: value for name, value in view.items() if value not in (None, {}, [])})


def row_of(outcome: Outcome, *, model: str | None, cost: float | None) -> PageRow:
    """The row of an outcome.

    Args:
        outcome: of the request.
        model: the client's model, for requests that name none.
        cost: what it cost, US dollars; ``None`` if no price is known.
    """
    request, task, error = outcome.request, outcome.task, outcome.error
    seconds = None
    if task is not None and task.create_time is not None and task.complete_time is not None:
        seconds = round(max(0.0, (task.complete_time - task.create_time).total_seconds()), 3)
    words = None if error is None else f"{type(error).__name__}: {error}"
    return PageRow(
        number=outcome.index + 1,
        prompt=_shown(request.prompt),
        model=_shown((task and task.model) or request.model or model or ""),
        state=_state(error),
        seed=request.seed,
        seconds=seconds,
        cost=cost,
        error=words and _shown(words),
        task_id=_shown((task and task.id) or getattr(error, "task_id", None) or "") or None,
        parameters=_parameters(request),
        files=outcome.files,
    )


def script_json(value: object) -> bytes:
    """`value` as JSON that cannot end the script element around it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode("utf-8", "backslashreplace")


def _shown(text: str) -> str:
    return shorten(visible(text), LONGEST)


def _state(error: Exception | None) -> str:
    if error is None:
        return "completed"
    return next((state for kind, state in _STATES if isinstance(error, kind)), "failed")


def _parameters(request: GenerationRequest) -> dict[str, str]:
    """The request's other parameters, in words. Of pictures only that there are some."""
    found = {
        each.name: _shown(str(value))
        for each in fields(GenerationRequest)
        if each.name not in _APART and (value := getattr(request, each.name)) is not None
    }
    pictures = (request.image is not None) + len(request.images or ())
    if pictures:
        found["pictures"] = f"{pictures} to work on" + (", with a mask" if request.mask is not None else "")
    for name, value in (request.extra_body or {}).items():
        found[_shown(str(name))] = _shown(json.dumps(value, ensure_ascii=False, default=str))
    return found
