"""Failed commands: one plain line and an exit code."""

import re

from apimodels_async._arguments import BadArgument
from apimodels_async.cli import exit_codes
from apimodels_async.errors import WaitTimeoutError

__all__ = [
    "CommandFailed",
    "cannot_listen",
    "in_words_of_json",
    "in_words_of_the_command_line",
    "is_empty",
    "one_line",
    "still_running",
    "words_of",
]


class CommandFailed(Exception):  # noqa: N818  (what a command says, not an error of the SDK)
    """Raised to end a command.

    Attributes:
        message: printed for the user.
        code: the exit code.
        error: the name of the error, for programs; by default that of the exit code.
        task_id: of the task that it is about, if there is one.
    """

    def __init__(self, message: str, code: int, *, cause: Exception | None = None, task_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.error: str = exit_codes.name_of(code) if cause is None else type(cause).__name__
        self.task_id: str | None = task_id or getattr(cause, "task_id", None)


def is_empty(what: str, advice: str) -> CommandFailed:
    """How a command ends that was given nothing to work on: the same words and the same exit code everywhere."""
    return CommandFailed(f"{what} is empty: {advice}; nothing was sent", exit_codes.USAGE)


def one_line(text: object) -> str:
    """Return text on one line without control characters, because a message of the server may contain any."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())


_OPTIONS = {
    "prompt": "PROMPT",
    "task_id": "ID",
    "model": "--model",
    "size": "--size",
    "n": "-n",
    "output": "--output",
    "image": "--image",
    "images": "--image",
    "mask": "--mask",
    "aspect_ratio": "--aspect-ratio",
    "resolution": "--resolution",
    "quality": "--quality",
    "output_format": "--format",
    "seed": "--seed",
    "timeout": "--timeout",
    "callback_url": "--callback-url",
    "wait_timeout": "--timeout",
    "max_in_flight": "--max-in-flight",
    "budget": "--budget",
    "retry_failed": "--retry-failed",
    "create_rate": "--create-rate",
    "poll_rate": "--poll-rate",
    "name": "--name",
    "page": "--page",
    "extra_body": "--extra",
    "base_url": "--base-url",
    "file": "FILE",
}
"""What an argument of the Python API is called here."""


def in_words_of_the_command_line(error: Exception) -> str:
    """Return the message for an invalid argument, with the name of the option and without advice for Python."""
    if not isinstance(error, BadArgument):
        return str(error)
    name = error.argument.partition("[")[0]
    option = _OPTIONS.get(name)
    return in_words_of_json(error.explain(error.argument if option is None else option, equals=" ", hint=False))


def in_words_of_json(words: str) -> str:
    """Return a message about an argument's type without Python's name of the type."""
    return re.sub(r"\bis a (\w+)(?=: )", lambda found: _KINDS.get(found[1], found[0]), words)


_KINDS = {
    "NoneType": "is null",
    "str": "is text",
    "int": "is a number",
    "float": "is a number",
    "bool": "is true or false",
    "list": "is a list",
    "dict": "is an object",
}
"""Python's names of what may stand in a line of JSON."""


def words_of(error: Exception) -> str:
    """Return an error's message, with what the options of the command line are called."""
    words = str(error).replace("check base_url", "check --base-url or APIMODELS_BASE_URL")
    return re.sub(r"^request \d+ was not sent: ", "not sent: ", words)  # it counts from 0, and lines from 1


def still_running(error: WaitTimeoutError, seconds: float) -> str:
    """Return what is known of a task that has not ended within `seconds`: that it runs only if the server said so."""
    task = f"task {error.task_id} "
    if error.__cause__ is None:
        return f"{task}is still {error.task.state or 'running'} after {seconds:g} s"
    return str(error).partition("; it is not lost")[0]


def cannot_listen(error: OSError, host: str, port: int) -> str:
    """Return why a server could not be started."""
    if error.errno is None:  # the store's own message
        return str(error)
    why = (error.strerror or str(error)).partition(" (while")[0]
    return f"cannot listen on {host} port {port}: {why}; choose another with --port, 0 takes a free one"
