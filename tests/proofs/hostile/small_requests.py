"""Sends small requests to a gateway until its input ends, and prints how long they took, in a process of its own."""

import base64
import http.client
import json
import sys
import threading
import time

from tests.proofs.hostile.processes import MODEL, exchanged
from tests.support.pictures import PNG

PAUSE = 0.05


def main() -> None:
    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    small = {"model": MODEL, "prompt": "small", "image": base64.b64encode(PNG).decode()}
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    slowest, count, refused = 0.0, 0, ""
    while not over.wait(PAUSE):
        for method, path, body in (("POST", "/api/v1/images/generations", small), ("GET", "/api/v1/balance", None)):
            began = time.monotonic()
            try:
                answer = exchanged(connection, method, path, body)
                if answer.status != 200:
                    refused = f"a small request was answered {answer.status}: {answer.body[:200]!r}"
            except (OSError, http.client.HTTPException) as error:
                refused = f"a small request failed: {error!r}"
                connection.close()
            slowest = max(slowest, time.monotonic() - began)
            count += 1
    print(json.dumps([slowest, count, refused]))


if __name__ == "__main__":
    main()
