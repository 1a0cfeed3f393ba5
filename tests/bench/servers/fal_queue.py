"""A stand-in for fal's queue, as `fal_client` speaks to it: submit, status, result."""

import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.bench.servers.cheap import Books, serve


def answer(books: Books, method: str, target: str) -> tuple[int, Any]:
    path = target.partition("?")[0]
    if method == "POST":
        request_id = books.create()
        place = f"{books.origin}{path}/requests/{request_id}"
        return 200, {
            "status": "IN_QUEUE",
            "request_id": request_id,
            "response_url": place,
            "status_url": f"{place}/status",
            "cancel_url": f"{place}/cancel",
            "queue_position": 0,
        }
    place, _, asked = path.partition("/requests/")
    request_id, _, what = asked.partition("/")
    if what != "status":
        url = books.picture_url(request_id)
        return 200, {"images": [{"url": url, "content_type": "image/png", "width": 200, "height": 100}], "seed": 1}
    common = {"request_id": request_id, "response_url": f"{books.origin}{place}/requests/{request_id}", "logs": None}
    if books.has_ended(request_id):
        return 200, {"status": "COMPLETED", "metrics": {"inference_time": 1.0}, **common}
    return 202, {"status": "IN_PROGRESS", **common}


if __name__ == "__main__":
    serve(answer)
