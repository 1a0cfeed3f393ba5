"""What other libraries do that is not public, and that we do without."""

import subprocess
import sys

_WITHOUT_SNIFFIO = """
import asyncio, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    searched = 0
    def find_spec(self, name, path=None, target=None):
        if name == "sniffio":
            Absent.searched += 1
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())

from apimodels_async import AsyncImagesClient, TaskNotFoundError

class Nothing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"code": 404, "msg": "task not found", "data": null}'
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

async def main(url):
    async with AsyncImagesClient(api_key="k", base_url=url) as client:
        for number in range(20):
            try:
                await client.get(f"t{number}")
            except TaskNotFoundError:
                pass
            else:
                sys.exit("it was found")
            if number == 0:
                before = Absent.searched
        assert sys.modules.get("httpcore") and not sys.modules["sniffio"]
        print(Absent.searched - before)

with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asyncio.run(main(f"http://127.0.0.1:{server.server_port}"))
    server.shutdown()
"""


def test_what_is_not_installed_is_not_searched_for_at_each_request() -> None:
    ran = subprocess.run([sys.executable, "-c", _WITHOUT_SNIFFIO], capture_output=True, text=True, check=False)
    assert ran.stdout == "0\n", ran.stderr
