"""The shards of a common ledger on the workers of a Dask cluster."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from apimodels_async._download.destination import absolute
from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.shared_batch import SharedBatch
from apimodels_async.cli.failures import CommandFailed, one_line
from apimodels_async.cli.output import make_usable
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.stderr import current
from apimodels_async.errors import ConfigurationError

if TYPE_CHECKING:
    from apimodels_async.ledger import PostgresLedger

__all__ = ["run_on_cluster"]


def run_on_cluster(batch: SharedBatch, ledger: "PostgresLedger", scheduler: str) -> None:
    """Give the shards to the workers of a Dask cluster.

    Raises:
        CommandFailed: the scheduler cannot be reached.
        ConfigurationError: the extra is missing; also on a worker.
    """
    make_usable(batch.target)
    with _dask(batch.screen) as (connect, make_pictures):
        try:
            client = connect(scheduler)
        except (OSError, TimeoutError, ValueError) as error:
            raise CommandFailed(f"--scheduler {scheduler}: {one_line(error)}", exit_codes.USAGE) from error
        with client, batch.screen.live(batch.progress):
            reports = make_pictures(client, ledger, download_to=absolute(batch.target.pictures), **batch.options)
            with contextlib.closing(reports):
                try:
                    for report in reports:
                        batch.hear(report)
                except KeyboardInterrupt:
                    batch.interrupted = True


@contextlib.contextmanager
def _dask(screen: Screen) -> Generator[tuple[Callable[[str], Any], Callable[..., Any]]]:
    """Dask, with what its driver says in our words only.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import distributed  # noqa: PLC0415  (an extra)

            from apimodels_async.dask import make_pictures  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("dask", "distributed", "tornado"):
            raise
        raise ConfigurationError(
            '--scheduler needs distributed, which comes with an extra: pip install "apimodels-async[dask]"'
        ) from error
    notes = _Notes(screen)
    log = logging.getLogger("apimodels_async")
    log.addHandler(notes)
    others = {"distributed", "tornado", "asyncio"}
    # Those below as well: Dask gives some of them handlers of their own, such as distributed.client.
    others |= {name for name in logging.root.manager.loggerDict if name.partition(".")[0] in others}
    for name in others:
        other = logging.getLogger(name)
        other.handlers, other.propagate = [logging.NullHandler()], False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions that differ, which also the workers' errors would show
            yield partial(distributed.Client, timeout=30, set_as_default=False), make_pictures
    finally:
        log.removeHandler(notes)


class _Notes(logging.Handler):
    """Says what the driver has to say, such as that there are no workers."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        # Errors are shown by the command line itself, and `waiting_is_said` says what is waited for.
        if record.levelno == logging.WARNING and not hasattr(record, "is_away"):
            current().warn(record.getMessage())
