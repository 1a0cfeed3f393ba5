"""Access logs print the path of every request, and with it the token of a callback."""

import logging
from collections.abc import Mapping
from typing import Any

from apimodels_async.callbacks.signing import without_tokens

__all__ = ["HideCallbackTokens"]


class HideCallbackTokens(logging.Filter):
    """Takes the tokens of callback URLs out of what a logger writes.

    For example::

        logging.getLogger("uvicorn.access").addFilter(HideCallbackTokens())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it through."""
        if isinstance(record.args, tuple):
            # Kept a tuple: uvicorn's own formatter takes it apart.
            record.args = tuple(_hidden(each) for each in record.args)
            record.msg = _hidden(record.msg)
        elif isinstance(record.args, Mapping):
            # gunicorn's mapping makes up its values when it is asked for them.
            record.msg, record.args = without_tokens(record.getMessage()), ()
        else:
            record.msg = _hidden(record.msg)
        return True


def _hidden(value: object) -> Any:
    return without_tokens(value) if isinstance(value, str) else value
