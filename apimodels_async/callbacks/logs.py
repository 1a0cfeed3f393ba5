"""A filter for access logs, which print the path of every request and with it the token of a callback URL."""

import logging
from collections.abc import Mapping
from typing import Any

from apimodels_async.callbacks.signing import without_tokens

__all__ = ["HideCallbackTokens"]


class HideCallbackTokens(logging.Filter):
    """Removes the tokens of callback URLs from log records.

    For example::

        logging.getLogger("uvicorn.access").addFilter(HideCallbackTokens())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Remove the tokens from the record, and always accept it."""
        if isinstance(record.args, tuple):
            # Must stay a tuple: uvicorn's own formatter unpacks it.
            record.args = tuple(_hidden(each) for each in record.args)
            record.msg = _hidden(record.msg)
        elif isinstance(record.args, Mapping):
            # gunicorn's mapping computes its values on access.
            record.msg, record.args = without_tokens(record.getMessage()), ()
        else:
            record.msg = _hidden(record.msg)
        return True


def _hidden(value: object) -> Any:
    return without_tokens(value) if isinstance(value, str) else value
