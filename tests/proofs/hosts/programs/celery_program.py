"""Celery with the prefork pool: results and errors that come back as JSON."""

import re
import signal
import subprocess
import sys
from pathlib import Path

from celery_app import app, collect, hurry, inherited, make
from told import tell

from apimodels_async import ContentPolicyError, WaitTimeoutError

PATIENCE = 90.0
TASK = r"\bcl\w{20,}"

worker = subprocess.Popen(
    [sys.executable, "-m", "celery", "--app", "celery_app", "worker", "--pool", "prefork", "--concurrency", "2",
     "--loglevel", "warning", "--without-gossip", "--without-mingle", "--without-heartbeat"]
)  # fmt: skip
try:
    results = [make.delay(f"Boat {number}") for number in range(6)]
    files = [path for result in results for path in result.get(timeout=PATIENCE)]
    refusal = make.delay("A contraband boat").get(timeout=PATIENCE, propagate=False)
    assert isinstance(refusal, ContentPolicyError), refusal
    assert refusal.task is None, refusal
    assert re.search(TASK, str(refusal)), refusal
    late = hurry.delay("A slow boat").get(timeout=PATIENCE, propagate=False)
    assert isinstance(late, WaitTimeoutError), late
    found = re.search(TASK, str(late))
    assert found, late
    files += collect.delay(found[0]).get(timeout=PATIENCE)
    assert "before a fork" in inherited.delay().get(timeout=PATIENCE)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
finally:
    worker.kill()
    worker.wait()
app.close()
tell(map(Path, files), refused=1)
