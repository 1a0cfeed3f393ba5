"""What other libraries do that is not public, and that we do without."""

import subprocess
import sys

_WITHOUT_SNIFFIO = """
import asyncio, sys, threading
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    searched = 0
    def find_spec(self, name, path=None, target=None):
        if name == "sniffio":
            Absent.searched += 1
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())

from apimodels_async import AsyncImagesClient, TaskNotFoundError
from tests.support.servers import Handler, http_server

class Nothing(Handler):
    def get(self):
        self.answer(404, b'{"code": 404, "msg": "task not found", "data": null}')

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

with http_server(Nothing) as url:
    asyncio.run(main(url))
"""


def test_what_is_not_installed_is_not_searched_for_at_each_request() -> None:
    ran = subprocess.run([sys.executable, "-c", _WITHOUT_SNIFFIO], capture_output=True, text=True, check=False)
    assert ran.stdout == "0\n", ran.stderr
