"""Our log records: what a server said is in them without anything that a terminal or a log file would obey."""

import logging
import sys
import traceback
from contextlib import suppress
from functools import partial

from apimodels_async._text import printable

_FIELDS = ("task_id", "model")


class EscapeServersWords(logging.Filter):
    """Escapes what cannot be seen in a record's message, and in the fields that come from a server."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass. Raises nothing: an argument may be an object of a caller's."""
        try:
            _escape_message(record)
        except Exception as error:  # noqa: BLE001  (a log record must not end what it tells of)
            record.msg, record.args = "%s (its arguments cannot be shown: %s)", (record.msg, type(error).__name__)
        for name in _FIELDS:
            value = getattr(record, name, None)
            if isinstance(value, str):
                setattr(record, name, printable(value))
        return True


def _escape_message(record: logging.LogRecord) -> None:
    if isinstance(record.args, tuple):  # the message itself stays, because records are grouped by it
        record.args = tuple(
            printable(str(each)) if isinstance(each, str | BaseException) else each for each in record.args
        )
    message = record.getMessage()
    if not message.isprintable():
        record.msg, record.args = printable(message), None


ESCAPE = EscapeServersWords()


def escaped_logger(name: str) -> logging.Logger:
    """The logger of this name, whose records go through the filter. A logger does not filter those of loggers below."""
    logger = logging.getLogger(name)
    logger.addFilter(ESCAPE)
    setattr(logger, "handle", partial(pass_on, logger))  # noqa: B010  (of this logger alone)
    return logger


def pass_on(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Pass a record on. A handler or filter that raises, ``sys.exit`` included, must not end what it is told of.

    A create request that was accepted would count as one whose outcome is unknown.
    """
    try:
        type(logger).handle(logger, record)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  (as above)
        if logging.raiseExceptions and sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]
            with suppress(Exception):
                traceback.print_exc(file=sys.stderr)
