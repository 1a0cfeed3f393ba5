"""Our log records: what a server said stands in them without anything that a terminal or a log file would obey."""

import logging

from apimodels_async._text import printable

_FIELDS = ("task_id", "model")


class EscapeServersWords(logging.Filter):
    """Escapes what cannot be seen in the arguments of a record, and in the fields that come from a server."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                printable(str(each)) if isinstance(each, str | BaseException) else each for each in record.args
            )
        for name in _FIELDS:
            value = getattr(record, name, None)
            if isinstance(value, str):
                setattr(record, name, printable(value))
        return True


def install() -> None:
    """Have all records of this package go through the filter."""
    logging.getLogger("apimodels_async").addFilter(EscapeServersWords())
