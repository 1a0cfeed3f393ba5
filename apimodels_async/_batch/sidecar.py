"""A note beside a task's pictures that says what they were made from. Blocking, for threads."""

from collections.abc import Sequence
from pathlib import PurePath

from apimodels_async._create.identity import request_view
from apimodels_async._download.destination import Place, beside, name_of
from apimodels_async._json_values import json_bytes
from apimodels_async.models import GenerationRequest, Task


def write_sidecar(request: GenerationRequest, task: Task, files: Sequence[Place], name: str | None = None) -> Place:
    """Write ``<name>.json`` beside `files`: the prompt, the parameters, the task id. Without a name, it is the id.

    What a terminal would obey in a server's words, and half surrogates, are written as escapes.

    Raises:
        OSError: as the system or the store says.
    """
    stem = name or PurePath(name_of(files[0])).stem.rpartition("-")[0]
    about = {
        "task_id": task.id,
        **request_view(request, task.model or request.model or "", {}),
        "files": [name_of(file) for file in files],
    }
    part = beside(files[0]).part(stem)
    try:
        part.begin()
        part.write(json_bytes(about, indent=2))
        return part.finish(f"{stem}.json")
    finally:
        part.discard()
