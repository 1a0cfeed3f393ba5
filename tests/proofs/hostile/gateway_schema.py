"""Schemathesis by its command, all checks, as a user runs it against the document that the gateway serves."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.proofs.hostile.gateway_pictures import photo
from tests.proofs.hostile.processes import KEY, MOST_MEMORY, Gateway, peak_memory
from tests.proofs.hostile.row import Row, unless

MOST_SECONDS = 600.0


def _failures(stdout: str) -> str:
    """Which checks failed for what, and how that can be repeated."""
    told = stdout.partition("= FAILURES =")[2] or stdout[-2000:]
    return "\n".join(line[:300] for line in told.splitlines() if line.strip())


def schema(row: Row) -> None:
    """Valid and invalid requests for each operation, from its schema: every answer as the document says."""
    with tempfile.TemporaryDirectory() as folder, Gateway(Path(folder), "--any-model") as gateway:
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        form = head + photo(16, 16, "PNG") + b"\r\n--b--\r\n"
        url = gateway.ask("POST", "/api/v1/files", form, kind).data["publicUrl"]
        command = [
            *(str(Path(sys.executable).parent / "schemathesis"), "run", f"{gateway.origin}/openapi.json"),
            *("--header", f"Authorization: Bearer {KEY}", "--checks", "all", "--continue-on-failure"),
            *(
                "--max-examples",
                str(row.count(100)),
                "--seed",
                "1",
                "--no-color",
                "--request-timeout",
                "60",
                "--warnings",
                "off",
            ),
        ]
        hooks = {"SCHEMATHESIS_HOOKS": "tests.proofs.hostile.schema_hooks", "PICTURE_URL": url}
        environment = {**os.environ, **hooks, "PYTHONPATH": os.pathsep.join(sys.path)}
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
        )
        peak, log = peak_memory(gateway.process.pid), gateway.log
    row.notes.append(f"peak {peak} MB")
    cases = re.search(r"(\d+) generated", ran.stdout)
    row.judge("findings", unless(ran.returncode == 0, _failures(ran.stdout) + ran.stderr[-500:]))
    row.tried += int(cases[1]) if cases else 0
    row.judge("memory", unless(peak < MOST_MEMORY, f"{peak} MB"))
    row.judge("log", unless("Traceback" not in log, log[-300:]))
