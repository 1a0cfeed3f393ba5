"""How a command ends when it does not end well: one plain line and an exit code."""

import re

__all__ = ["CommandFailed", "cannot_listen", "in_words_of_the_command_line", "one_line"]


class CommandFailed(Exception):  # noqa: N818  (what a command says, not an error of the SDK)
    """The command is over.

    Attributes:
        message: what to tell the user.
        code: the exit code.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def one_line(text: object) -> str:
    """Text on one line, without anything that a terminal would obey: a server's words may hold whatever they like."""
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
    "wait_timeout": "--timeout",
    "max_in_flight": "--max-in-flight",
    "budget": "--budget",
    "retry_failed": "--retry-failed",
    "create_rate": "--create-rate",
    "poll_rate": "--poll-rate",
}
"""What an argument of the Python API is called here."""


def in_words_of_the_command_line(error: Exception) -> str:
    """The message of a ValueError or TypeError with the option's name in place of the argument's."""
    # What such a message goes on to say is advice for Python: extra_body, b64decode.
    text = re.split("; another value the server may know|; raw base64", str(error))[0]
    return re.sub(r"^(\w+)(\[\d+\])?=?", _option, text)


def _option(match: re.Match[str]) -> str:
    option = _OPTIONS.get(match[1])
    if option is None:
        return match[0]
    return f"{option} " if match[0].endswith("=") else option


def cannot_listen(error: OSError, host: str, port: int) -> str:
    """Why a server could not be started."""
    if error.errno is None:  # the store's own words
        return str(error)
    why = (error.strerror or str(error)).partition(" (while")[0]
    return f"cannot listen on {host} port {port}: {why}; choose another with --port, 0 takes a free one"
