"""Observing clients: the port for instruments, and adapters to logging and OpenTelemetry, each in a module of its own.

An instrument is told of each request, poll, task, download, retry and ledger write, as a frozen value::

    from apimodels_async.instrumentation import opentelemetry

    opentelemetry.instrument()
"""

from apimodels_async.instrumentation.details import (
    Details,
    DownloadDetails,
    LedgerWriteDetails,
    PollDetails,
    RequestDetails,
    RetryDetails,
    TaskDetails,
)
from apimodels_async.instrumentation.port import Instrument, add_instrument, get_instruments, remove_instrument

__all__ = [
    "Details",
    "DownloadDetails",
    "Instrument",
    "LedgerWriteDetails",
    "PollDetails",
    "RequestDetails",
    "RetryDetails",
    "TaskDetails",
    "add_instrument",
    "get_instruments",
    "remove_instrument",
]
