"""Failed commands: one plain line and an exit code."""

from apimodels_async._arguments import BadArgument

__all__ = ["CommandFailed", "cannot_listen", "in_words_of_the_command_line", "one_line"]


class CommandFailed(Exception):  # noqa: N818  (what a command says, not an error of the SDK)
    """Raised to end a command.

    Attributes:
        message: printed for the user.
        code: the exit code.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def one_line(text: object) -> str:
    """Return text on one line without control characters, because a message of the server may contain any."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())


_OPTIONS = {
    "prompt": "PROMPT",
    "task_id": "ID",
    "model": "--model",
    "size": "--size",
    "n": "-n",
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
    "extra_body": "--extra",
    "wait_timeout": "--timeout",
    "max_in_flight": "--max-in-flight",
    "budget": "--budget",
    "retry_failed": "--retry-failed",
    "create_rate": "--create-rate",
    "poll_rate": "--poll-rate",
}
"""What an argument of the Python API is called here."""


def in_words_of_the_command_line(error: Exception) -> str:
    """Return the message for an invalid argument, with the name of the option and without advice for Python."""
    if not isinstance(error, BadArgument):
        return str(error)
    name = error.argument.partition("[")[0]
    option = _OPTIONS.get(name)
    return error.explain(error.argument if option is None else option, equals=" ", hint=False)


def cannot_listen(error: OSError, host: str, port: int) -> str:
    """Return why a server could not be started."""
    if error.errno is None:  # the store's own message
        return str(error)
    why = (error.strerror or str(error)).partition(" (while")[0]
    return f"cannot listen on {host} port {port}: {why}; choose another with --port, 0 takes a free one"
