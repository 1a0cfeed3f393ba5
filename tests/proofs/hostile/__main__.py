"""A hostile server before a client, and hostile clients before a gateway: ``python -m tests.proofs.hostile``.

Everything is on loopback. The client is in one process, with the hostile server beside it; each gateway is in a process
of its own, as ``apimodels gateway`` starts it. Prints a table of what was tried and what was right, and the most memory
that a client and a gateway took; ends with 1 if something was not right.
"""

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.proofs.hostile import processes
from tests.proofs.hostile.row import Row, run

CLIENT = {
    "codings": "client_answers.codings",
    "json": "client_answers.json_answers",
    "links": "client_answers.links",
    "slow": "client_answers.slow_answers",
    "control": "client_words.control",
    "command": "client_words.command",
    "key": "client_words.key",
    "reprs": "client_words.reprs",
    "cancel": "cancellations.cancellations",
}
GATEWAY = {
    "inputs": "gateway_pictures.inputs",
    "fetched": "gateway_pictures.fetched",
    "scans": "gateway_pictures.scans",
    "tags": "gateway_tags.tags",
    "depth": "gateway_bodies.depth",
    "texts": "gateway_bodies.texts",
    "framing": "gateway_bodies.framing",
    "pieces": "gateway_pieces.pieces",
    "drips": "gateway_time.drips",
    "idle": "gateway_time.idle",
    "readers": "gateway_time.readers",
    "files": "gateway_time.few_files",
    "ending": "gateway_time.ending",
    "disk": "gateway_store.full_disk",
    "damage": "gateway_store.damaged",
    "clock": "gateway_store.clock",
    "hosts": "gateway_trust.hosts",
    "urls": "gateway_trust.urls",
    "schema": "gateway_schema.schema",
}
HEAD = "| what | tried | right | s | measured |\n| --- | ---: | ---: | ---: | --- |"


def show(row: Row) -> bool:
    """Print a row, and return whether it is right."""
    print(row.line(), *row.complaints(), sep="\n", flush=True)
    return not row.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--only", nargs="+", choices=[*CLIENT, *GATEWAY], metavar="ROW", help=", ".join([*CLIENT, *GATEWAY])
    )
    parser.add_argument("--scale", type=float, default=1.0, help="how much is tried; 1 is the whole")
    options = parser.parse_args()
    names = options.only or [*CLIENT, *GATEWAY]
    began = time.monotonic()
    print(HEAD, flush=True)
    right = True
    clients = [name for name in names if name in CLIENT]
    client_peak = 0
    if clients:
        # In one process of its own, so that the peak is that of a client which has met all of it.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            for name in clients:
                right &= show(process.submit(run, CLIENT[name], name, options.scale).result())
            client_peak = process.submit(processes.peak_memory).result()
    for name in names:
        if name in GATEWAY:
            right &= show(run(GATEWAY[name], name, options.scale))
    gateway_peak = max(processes.PEAKS, default=0)
    print(f"\nPeak memory: client {client_peak} MB, gateway {gateway_peak} MB; {time.monotonic() - began:.0f} s")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
