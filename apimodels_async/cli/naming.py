"""Names of files as ``--name`` gives them: checked before anything is sent, and filled in with what is known here."""

from collections.abc import Collection, Mapping

from apimodels_async._arguments import BadArgument
from apimodels_async._download.names import (
    DIGITS,
    FIELDS,
    OF_A_REQUEST,
    OF_A_SHARD,
    OF_A_TASK,
    UNKNOWN_DIGITS,
    check_name,
    safe,
    split_suffix,
)  # fmt: skip
from apimodels_async._template import Template, TemplateError
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed
from apimodels_async.cli.output import Target
from apimodels_async.models import GenerationRequest

__all__ = [
    "OF_A_REQUEST",
    "UNKNOWN_DIGITS",
    "checked_batch_name",
    "checked_file",
    "checked_name",
    "checked_shared_name",
    "digits_of",
    "filled",
    "of_request",
]


def checked_name(name: str | None, fields: Collection[str] = ()) -> str | None:
    """A name that can be used.

    Args:
        name: as it was typed.
        fields: what it may use besides the fields of a task.

    Raises:
        CommandFailed: it cannot; nothing was sent.
    """
    if name is not None:
        _check("--name", name, (*OF_A_TASK, *fields))
    return name


def checked_batch_name(name: str, columns: Collection[str]) -> str:
    """A name for the pictures of a batch that can be used.

    Raises:
        CommandFailed: it cannot; nothing was sent.
    """
    _check("--name", name, (*FIELDS, *columns))
    return name


def checked_shared_name(name: str) -> str:
    """A name for the pictures of a batch whose parts are made by several runs, which do not know its file.

    Raises:
        CommandFailed: it cannot be used; nothing was sent.
    """
    _check("--name", name, OF_A_SHARD)
    return name


def checked_file(target: Target) -> str | None:
    """The name of the file that was typed as ``--output``, if one was.

    Raises:
        CommandFailed: it cannot be used; nothing was sent.
    """
    if target.file is not None:
        _check("--output", target.file, ())
    return target.file


def _check(option: str, name: str, fields: tuple[str, ...]) -> None:
    try:
        check_name(split_suffix(name)[0], fields)
    except (ValueError, TypeError) as error:
        words = error.explain(option, equals=" ") if isinstance(error, BadArgument) else str(error)
        raise CommandFailed(words, exit_codes.USAGE) from error


def filled(name: str, values: Mapping[str, object], *, digits: int = DIGITS) -> str:
    """A name with those fields filled in that are known; those of the task are left.

    Raises:
        CommandFailed: a value does not fit its format.
    """
    stem, suffix = split_suffix(name)
    try:
        return Template(stem).with_spec("line", f"0{digits}").fill(values, safe) + suffix
    except TemplateError as error:
        raise CommandFailed(f"--name {name!r}: {error}", exit_codes.USAGE) from error


def digits_of(last_line: int) -> int:
    """How many digits ``{line}`` has, so that names sort as lines do."""
    return max(DIGITS, len(str(last_line)))


def of_request(request: GenerationRequest) -> dict[str, object]:
    """The fields of a name that are those of a request."""
    return {name: getattr(request, name) for name in OF_A_REQUEST}
