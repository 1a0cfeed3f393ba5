"""Which task ids can stand in the URL of a query. Pure."""

import re

LONGEST_ID = 1000
"""Maximum characters of a task id in a query: more would not fit into the request line."""

_HALF = re.compile("[\ud800-\udfff]")


def id_fault(task_id: str) -> str | None:
    """Return why a task id cannot be part of a URL; ``None`` if it can. The vendor's ids are 25 letters and digits."""
    if len(task_id) > LONGEST_ID:
        return f"has {len(task_id)} characters"
    return "has half a surrogate pair" if not task_id.isascii() and _HALF.search(task_id) else None
