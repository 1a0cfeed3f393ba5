"""The recipe of the guide: pictures by a Dask cluster."""

from typing import Any


def make(scheduler: str, ledger: str, download_to: str) -> list[Any]:
    """Make all pictures of a ledger, and say how far it is."""
    reports = []
    # --- the recipe
    from distributed import Client

    from apimodels_async.dask import make_pictures

    with Client(scheduler) as client:  # type: ignore[no-untyped-call]
        for report in make_pictures(client, ledger, download_to=download_to):
            print(f"{report.finished} of {report.shards} shards: {report.counts}")
            reports.append(report)
    # --- end
    return reports
