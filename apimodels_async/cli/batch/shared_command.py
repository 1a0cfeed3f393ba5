"""``apimodels batch`` with a ledger in PostgreSQL: which options it takes, and the order of its steps."""

from apimodels_async.cli import exit_codes
from apimodels_async.cli.batch.cluster_run import run_on_cluster
from apimodels_async.cli.batch.keeping import Again, local_store
from apimodels_async.cli.batch.request_files import RequestFile, StandardInput
from apimodels_async.cli.batch.shared_batch import SharedBatch
from apimodels_async.cli.batch.waiting import waiting_is_said
from apimodels_async.cli.failures import CommandFailed, is_empty
from apimodels_async.cli.ledger_common import set_terms
from apimodels_async.cli.naming import checked_shared_name
from apimodels_async.cli.options import ServerChoice
from apimodels_async.ledger.opening import shown

__all__ = ["make_shared"]


def make_shared(
    shared: SharedBatch,
    source: RequestFile | StandardInput | None,
    model: str,
    *,
    name: str | None,
    unusable: str | None,
    budget: float | None,
    create_rate: float | None,
    again: Again | None,
    scheduler: str | None,
    server: ServerChoice,
) -> None:
    """Do this command's part of a batch that several share.

    Args:
        shared: the batch.
        source: requests to load, if any.
        model: of those that name none.
        name: of the pictures, if not the ids of their tasks.
        unusable: an option that was given and is only for a ledger in a file.
        budget: for all runs; ``None`` leaves it as it is.
        create_rate: likewise.
        again: what is made again.
        scheduler: of a Dask cluster whose workers do it.
        server: which server.

    Raises:
        CommandFailed: options that do not go together; nothing was sent.
    """
    from apimodels_async.ledger import PostgresLedger  # noqa: PLC0415  (an extra)

    if unusable is not None:
        raise CommandFailed(f"{unusable} does not go with a ledger in a database", exit_codes.USAGE)
    if scheduler is not None and server.local:
        raise CommandFailed("--local is a gateway for this command, which no worker can use", exit_codes.USAGE)
    if scheduler is not None and server.base_url is not None:
        raise CommandFailed(
            "--base-url is for this command: with --scheduler, set APIMODELS_BASE_URL where the workers run",
            exit_codes.USAGE,
        )
    if name is not None:
        shared.options["name"] = checked_shared_name(name)
    with waiting_is_said(), PostgresLedger(shared.url, create=source is not None) as ledger:
        set_terms(ledger, budget=budget, create_rate=create_rate)
        if source is not None:
            shared.load(ledger, source, model)
        if not ledger.counts():
            raise is_empty(shown(shared.url), "give FILE, or load one with `apimodels ledger load`")
        if again is not None:
            shared.again(ledger, again)
        if scheduler is not None:
            run_on_cluster(shared, ledger, scheduler)
        else:
            shared.run_here(ledger, server, store=local_store(shared.target.folder, None))
        shared.report(ledger)
