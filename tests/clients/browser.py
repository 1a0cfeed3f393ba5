"""A web page of another origin in headless Chromium."""

import json
import queue
import re
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.clients.workplace import PATIENCE, Workplace

PAGE = """<!doctype html><meta charset="utf-8"><title>page</title><script type="module">
const [base, key] = %s
const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' }
const told = {}
try {
  const ask = async (path, options) => (await fetch(base + path, { headers, ...options })).json()
  told.balance = (await ask('/balance')).data.balance
  const body = JSON.stringify({ model: 'grok-4.2-image', prompt: 'a fox' })
  const { taskId } = (await ask('/images/generations', { method: 'POST', body })).data
  let task
  do {
    await new Promise((resolve) => setTimeout(resolve, 200))
    task = (await ask(`/images/generations?task_id=${taskId}`)).data
  } while (!['completed', 'failed'].includes(task.state))
  const picture = await createImageBitmap(await (await fetch(task.resultUrls[0])).blob())
  told.size = [picture.width, picture.height]

  const form = new FormData()
  const canvas = new OffscreenCanvas(40, 30)
  canvas.getContext('2d')
  form.append('file', await canvas.convertToBlob())
  const { Authorization } = headers
  const sent = await fetch(base + '/files', { method: 'POST', headers: { Authorization }, body: form })
  told.hosted = (await sent.json()).data.publicUrl

  const busy = await fetch(base + '/images/generations', {
    method: 'POST', headers, body: JSON.stringify({ model: 'grok-4.2-image', prompt: 'a turnstile' }),
  })
  told.busy = [busy.status, busy.headers.get('Retry-After')]
} catch (error) {
  told.error = String(error)
}
await fetch('/told', { method: 'POST', body: JSON.stringify(told) })
</script>"""


def check(place: Workplace) -> str:
    """A page that makes a picture, uploads one, and reads a refusal."""
    program = place.program("chromium")
    page = (PAGE % json.dumps([place.gateway.base_url, place.gateway.api_key])).encode()
    told: queue.Queue[Any] = queue.Queue()

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page)

        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site, tempfile.TemporaryDirectory() as profile:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--no-proxy-server",
            f"--user-data-dir={profile}",
            f"http://127.0.0.1:{site.server_port}/",
            "--remote-debugging-port=0",  # or it would end when the page is loaded
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                found = told.get(timeout=PATIENCE)
            finally:
                process.kill()
                process.wait()
                site.shutdown()
    assert "error" not in found, found
    assert found["size"] == [1024, 1024]
    assert found["balance"] > 0
    assert found["hosted"].startswith("http://127.0.0.1:")
    assert found["busy"] == [429, "1"]
    version = re.search(r"\d+(\.\d+)+", place.run(program, "--version"))
    assert version is not None
    return version[0]
