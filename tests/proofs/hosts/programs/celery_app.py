"""A Celery application whose results are JSON, with its messages in a folder."""

from functools import cache
from pathlib import Path

from celery import Celery
from told import picture

from apimodels_async import ApimodelsError, ConfigurationError, ImagesClient

for folder in ("queue", "processed", "results"):
    Path(folder).mkdir(exist_ok=True)

app = Celery("boats", broker="filesystem://", backend=f"file://{Path('results').resolve()}")
app.conf.update(
    accept_content=["json"],
    broker_transport_options={
        "data_folder_in": "queue", "data_folder_out": "queue", "processed_folder": "processed",
        "store_processed": False,
    },
    result_serializer="json",
    task_serializer="json",
    worker_hijack_root_logger=False,
)  # fmt: skip
PARENTS = ImagesClient()


@cache
def images() -> ImagesClient:
    """One client for each process of the pool."""
    return ImagesClient()


@app.task(throws=ApimodelsError)
def make(prompt: str) -> list[str]:
    """A picture."""
    return [str(path.resolve()) for path in picture(images(), prompt)]


@app.task(throws=ApimodelsError)
def hurry(prompt: str) -> list[str]:
    """A picture that is not waited for."""
    task = images().create(prompt, size="256x256")
    images().wait(task, timeout=0)
    return []


@app.task
def collect(task_id: str) -> list[str]:
    """The pictures of a task of an earlier message."""
    return [str(path.resolve()) for path in images().download(images().wait(task_id), "pictures")]


@app.task
def inherited() -> str:
    """A client that was made before the pool's processes."""
    try:
        PARENTS.balance()
    except ConfigurationError as error:
        return str(error)
    return "no refusal"
