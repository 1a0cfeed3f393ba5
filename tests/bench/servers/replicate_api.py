"""A stand-in for Replicate's predictions, as `replicate` speaks to them: create, get, and the output's link."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.bench.servers.cheap import EPOCH, Books, serve


def answer(books: Books, method: str, target: str) -> tuple[int, Any]:
    if method == "POST":
        return 201, _prediction(books, books.create(), ended=False)
    prediction_id = target.rpartition("/")[2]
    return 200, _prediction(books, prediction_id, ended=books.has_ended(prediction_id))


def _prediction(books: Books, prediction_id: str, *, ended: bool) -> dict[str, Any]:
    life = books.tasks[prediction_id]
    place = f"{books.origin}/v1/predictions/{prediction_id}"
    return {
        "id": prediction_id,
        "model": "bench/bench",
        "version": "hidden",
        "input": {"prompt": "a kite"},
        "logs": "",
        "output": [books.picture_url(prediction_id)] if ended else None,
        "data_removed": False,
        "error": None,
        "source": "api",
        "status": "succeeded" if ended else "processing",
        "created_at": _moment(life.created),
        "started_at": _moment(life.created),
        "completed_at": _moment(life.ends) if ended else None,
        "urls": {"get": place, "cancel": f"{place}/cancel"},
        "metrics": {"predict_time": life.ends - life.created} if ended else {},
    }


def _moment(monotonic: float) -> str:
    return datetime.fromtimestamp(EPOCH + monotonic, UTC).isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    serve(answer)
