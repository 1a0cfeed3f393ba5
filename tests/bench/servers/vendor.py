"""Our vendor, as far as measurements need it."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.bench.servers.cheap import EPOCH, Books, serve, server

ROOMY = "/roomy"
"""Below this path it says that it takes requests of 100 MB, as the embedded gateway may."""


def answer(books: Books, method: str, target: str) -> tuple[int, Any]:
    if target.endswith("/files"):
        hosted = books.picture_url("hosted")
        data: dict[str, Any] = {"publicUrl": hosted, "uploadUrl": f"{books.origin}/upload"}
        if target.startswith(ROOMY):
            data["maxBody"] = 100_000_000
        return 200, {"code": 200, "msg": "success", "data": data}
    if method == "PUT":
        return 200, {}
    if method == "POST":
        # No model is named, so it is the one asked for: what warms a client up teaches nothing of the others.
        data = {"taskId": books.create(), "state": "pending"}
    else:
        task_id = target.rpartition("task_id=")[2]
        data = {"taskId": task_id, "state": "processing"}
        if books.has_ended(task_id):
            life = books.tasks[task_id]
            data |= {
                "state": "completed",
                "resultUrls": [books.picture_url(task_id)],
                "createTime": round((EPOCH + life.created) * 1000),
                "completeTime": round((EPOCH + life.ends) * 1000),
            }
    return 200, {"code": 200, "msg": "success", "data": data}


def vendor(low: float, high: float) -> AbstractContextManager[str]:
    """One in another process; gives where it is."""
    return server("vendor", low, high)


if __name__ == "__main__":
    serve(answer)
