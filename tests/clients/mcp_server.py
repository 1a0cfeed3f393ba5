"""The vendor's own MCP server over stdio: every tool for images."""

import base64
import re
from contextlib import AsyncExitStack
from typing import Any

import anyio
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.clients.workplace import Workplace, size_of

PACKAGE = "apimodels-mcp"


def check(place: Workplace) -> str:
    """Run each tool."""
    anyio.run(_use, place)
    return place.npm_version(PACKAGE)


async def _use(place: Workplace) -> None:
    script = place.folder / "node_modules" / PACKAGE / "dist" / "index.js"
    server = StdioServerParameters(command=place.program("node"), args=[str(script)], env=place.environment)
    async with AsyncExitStack() as stack:
        streams = await stack.enter_async_context(stdio_client(server))
        session = await stack.enter_async_context(ClientSession(*streams))
        await session.initialize()
        offered = {tool.name for tool in (await session.list_tools()).tools}
        assert {"list_models", "generate_image", "get_task", "review_image"} <= offered

        async def call(tool: str, *, fails: bool = False, **arguments: Any) -> tuple[str, list[bytes]]:
            result = await session.call_tool(tool, arguments)
            texts = [each.text for each in result.content if each.type == "text"]
            assert bool(result.is_error) is fails, texts
            return "\n".join(texts), [base64.b64decode(each.data) for each in result.content if each.type == "image"]

        models, _ = await call("list_models")
        assert "gpt-image-2" in models.splitlines()

        url, previews = await call("generate_image", prompt="a lighthouse at dawn", wait_seconds=60)
        assert url.startswith("http://127.0.0.1:")
        assert [size_of(preview) for preview in previews] == [(1024, 1024)]

        picture = str(place.picture("input.png", (320, 200)))
        for given in (picture, url):  # a file, and a URL on this machine: it uploads either
            edited, previews = await call("generate_image", prompt="in the rain", image_url=given, wait_seconds=60)
            assert edited != url
            assert previews

        running, _ = await call("generate_image", prompt="a mill", aspect_ratio="16:9", resolution="2K", wait_seconds=0)
        found = re.search(r"task (\w+)", running)
        assert found is not None
        done, previews = await call("get_task", task_id=found[1], wait_seconds=60)
        assert found[1] in done
        assert [size_of(preview) for preview in previews] == [(1024, 576)]

        said, _ = await call("review_image", image_url=url, brief="a lighthouse at dawn")
        assert "MATCHES" in said
        assert "PROBLEMS" in said
        assert "REVISED PROMPT" in said

        refused, _ = await call("generate_image", fails=True, prompt="contraband", wait_seconds=60)
        assert "Content policy violation" in refused
        unknown, _ = await call("generate_image", fails=True, prompt="a", model="no-such-model")
        assert "Invalid model: no-such-model. Supported models: " in unknown
