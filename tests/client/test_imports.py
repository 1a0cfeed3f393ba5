"""What naming the client costs, and making one."""

import subprocess
import sys

LATE = (
    "apimodels_async._create.engine",
    "apimodels_async._http.transport",
    "apimodels_async.callbacks.receiver",
    "asyncio",
)
CODE = f"""
import sys
from apimodels_async import AsyncImagesClient, callbacks
print([name for name in {LATE!r} if name in sys.modules])
AsyncImagesClient("sk_localdevelopment")
print([name for name in {LATE!r} if name in sys.modules])
"""


def test_what_a_client_is_made_of_is_imported_with_the_first_client_and_callbacks_when_they_are_used() -> None:
    named, made = subprocess.run(
        [sys.executable, "-c", CODE], check=True, stdout=subprocess.PIPE, text=True, timeout=60
    ).stdout.splitlines()
    assert named == "[]"
    assert made == str([name for name in LATE if name != "apimodels_async.callbacks.receiver"])
