"""Jupyter: a kernel whose event loop runs already, with cells that await, cells that block, and nest_asyncio."""

import json
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from told import tell

CELLS = [
    "from told import *\nfrom apimodels_async import AsyncImagesClient, ImagesClient\nimport asyncio, json",
    "client = AsyncImagesClient()\nfiles = await awaited_picture(client, 'A boat that is awaited')",
    "files += await awaited_picture(client, 'A boat in another cell')",
    "with ImagesClient() as blocking:\n    files += picture(blocking, 'A boat that blocks')",
    "blocking = ImagesClient()\nfiles += picture(blocking, 'A boat of a client that is not closed')",
    "import nest_asyncio\nnest_asyncio.apply()\n"
    "files += asyncio.run(awaited_picture(client, 'A boat in a loop in a loop'))",
    "await client.aclose()\nprint(json.dumps([str(path.resolve()) for path in files]))",
]

notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
NotebookClient(notebook, timeout=90, kernel_name="python3").execute()
tell(Path(path) for path in json.loads(notebook.cells[-1].outputs[0].text))
