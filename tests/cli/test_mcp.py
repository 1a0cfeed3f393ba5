"""`apimodels mcp`, driven by the official client over stdin and stdout."""

import base64
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("mcp")

from mcp import Client, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, ImageContent, TextContent
from PIL import Image, ImageDraw

from apimodels_async.cli.app import run
from apimodels_async.gateway import ReceivedRequest
from apimodels_async.pytest_plugin.recording import RecordingGateway

pytestmark = pytest.mark.anyio

PRICE = 0.03


@pytest.fixture
def anyio_backend() -> str:
    """The server's own loop is asyncio's, whatever its client runs on."""
    return "asyncio"


@pytest.fixture
def server() -> Iterator[RecordingGateway]:
    with RecordingGateway(balance=10.0) as running:
        yield running


class Agent:
    """An agent in one session with `apimodels mcp`."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def ask(self, tool: str, **arguments: Any) -> CallToolResult:
        return await self.client.call_tool(tool, arguments)

    async def report(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured result of a call that succeeds."""
        result = await self.ask(tool, **arguments)
        assert not result.is_error, result.content
        assert result.structured_content is not None
        told: dict[str, Any] = result.structured_content
        return told

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """The words of a call that fails."""
        result = await self.ask(tool, **arguments)
        assert result.is_error
        [text] = result.content
        assert isinstance(text, TextContent)
        return text.text


@asynccontextmanager
async def session(gateway: RecordingGateway, folder: Path, *options: str) -> AsyncIterator[Agent]:
    settings = {"APIMODELS_BASE_URL": gateway.base_url, "APIMODELS_API_KEY": gateway.api_key, "HOME": str(folder)}
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-W", "error", "-m", "apimodels_async.cli", "mcp", "-o", str(folder / "pictures"), *options],
        env={**_environment(), **settings},
        cwd=folder,
    )
    async with Client(stdio_client(parameters)) as client:
        yield Agent(client)


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("APIMODELS_")}


def pictures(result: CallToolResult) -> list[bytes]:
    return [base64.b64decode(each.data) for each in result.content if isinstance(each, ImageContent)]


def read(path: str) -> bytes:
    return Path(path).read_bytes()


async def test_the_tools_have_typed_schemas(server: RecordingGateway, tmp_path: Path) -> None:
    async with session(server, tmp_path) as agent:
        tools = {each.name: each for each in (await agent.client.list_tools()).tools}

    assert set(tools) == {"generate", "edit", "inpaint", "fuse", "wait", "download", "balance"}
    for tool in tools.values():
        assert tool.description
        assert tool.output_schema is not None
        for name, schema in tool.input_schema["properties"].items():
            assert schema["description"], (tool.name, name)
            assert {"type", "anyOf", "enum"} & schema.keys(), (tool.name, name)
    assert tools["generate"].input_schema["required"] == ["prompt"]
    assert tools["inpaint"].input_schema["required"] == ["prompt", "image", "mask"]
    told = str({name: tool.input_schema for name, tool in tools.items()})
    assert not {"budget", "ledger", "extra_body", "callback_url", "api_key"} & set(told.replace("'", " ").split())


async def test_making_editing_and_repeating_within_a_budget(server: RecordingGateway, tmp_path: Path) -> None:
    async with session(server, tmp_path, "--budget", "0.10") as agent:
        made = await agent.ask("generate", prompt="A boat", size="64x64")
        assert made.structured_content is not None
        [data] = pictures(made)
        [path] = made.structured_content["files"]
        assert read(path) == data
        assert made.structured_content["paid"] == PRICE

        edited = await agent.report("edit", prompt="Make it red", image=path)
        again = await agent.ask("edit", prompt="Make it red", image=path)
        assert again.structured_content is not None
        assert (edited["paid"], again.structured_content["paid"]) == (PRICE, 0.0)
        assert again.structured_content["task_id"] == edited["task_id"]
        assert pictures(again) == [read(edited["files"][0])]

        third = await agent.report("generate", prompt="A boat", size="64x64", key="another one")
        assert (third["paid"], third["budget_left"]) == (PRICE, 0.01)
        words = await agent.refusal("generate", prompt="One too many", size="64x64")
        assert "not sent: it costs $0.030, and $0.090 of the budget of $0.10 is spent" in words
        free = await agent.report("generate", prompt="A boat", size="64x64")
        assert (free["paid"], free["task_id"]) == (0.0, made.structured_content["task_id"])
        assert await agent.report("balance") == {"balance": 9.91, "spent": 0.09, "budget_left": 0.01}

    assert len(server.sent) == 3


async def test_the_budget_holds_after_a_restart(server: RecordingGateway, tmp_path: Path) -> None:
    async with session(server, tmp_path, "--budget", "0.05") as agent:
        first = await agent.report("generate", prompt="A boat", size="64x64")
    async with session(server, tmp_path, "--budget", "0.05") as agent:
        assert "not sent" in await agent.refusal("generate", prompt="A cat", size="64x64")
        again = await agent.ask("generate", prompt="A boat", size="64x64")

    assert again.structured_content is not None
    assert (again.structured_content["paid"], again.structured_content["task_id"]) == (0.0, first["task_id"])
    assert len(pictures(again)) == 1
    assert len(server.sent) == 1


async def test_calls_at_the_same_time_do_not_exceed_the_budget(server: RecordingGateway, tmp_path: Path) -> None:
    results: list[CallToolResult] = []
    async with session(server, tmp_path, "--budget", "0.10") as agent:

        async def make(prompt: str) -> None:
            results.append(await agent.ask("generate", prompt=prompt, size="64x64"))

        async with anyio.create_task_group() as group:
            for prompt in ("A", "A", "B", "C", "D", "E", "B", "F"):
                group.start_soon(make, prompt)
        spent = (await agent.report("balance"))["spent"]

    assert len(server.sent) == len({each.prompt for each in server.sent}) == 3
    assert spent == pytest.approx(0.09)
    assert sum(each.is_error for each in results) >= 3


DEARER: tuple[dict[str, Any], ...] = (
    {"n": 4},
    {"n": 10, "model": "sparkpix-image"},
    {"model": "gpt-image-2-all", "quality": "high", "resolution": "4K"},
    {"model": "gemini-3-pro-image"},
    {"model": "unheard-of"},
)
"""What costs more than $0.07, or has no known price."""


async def test_nothing_dearer_than_the_budget_is_sent(server: RecordingGateway, tmp_path: Path) -> None:
    async with session(server, tmp_path, "--budget", "0.07") as agent:
        for arguments in DEARER:
            assert "not sent" in await agent.refusal("generate", prompt="A boat", **arguments)

    assert server.sent == []


async def test_what_may_have_been_accepted_counts_and_is_not_sent_again(
    server: RecordingGateway, tmp_path: Path
) -> None:
    server.begin(faults=["drop"])
    async with session(server, tmp_path, "--budget", "0.05") as agent:
        for _ in range(2):
            assert "it was not sent again" in await agent.refusal("generate", prompt="A boat")
        assert "not sent" in await agent.refusal("generate", prompt="A cat")
        assert (await agent.report("balance"))["spent"] == PRICE

    assert len(server.sent) == 1


async def test_a_failed_task_is_not_paid_for(server: RecordingGateway, tmp_path: Path) -> None:
    async with session(server, tmp_path, "--budget", "0.03") as agent:
        assert "give another key to try again" in await agent.refusal("generate", prompt="contraband", size="64x64")
        made = await agent.report("generate", prompt="A boat", size="64x64")

    assert (made["paid"], made["spent"]) == (PRICE, PRICE)


async def test_a_task_that_takes_longer_is_waited_for_and_downloaded(tmp_path: Path) -> None:
    passed = 0.0  # seconds by which the gateway's clock is ahead
    with RecordingGateway(latency="3600/3600", clock=lambda: time.time() + passed) as slow:
        async with session(slow, tmp_path) as agent:
            begun = await agent.ask("generate", prompt="A boat", size="64x64", wait_seconds=0)
            assert begun.structured_content is not None
            assert not pictures(begun)
            assert "call wait" in begun.structured_content["note"]
            task_id = begun.structured_content["task_id"]
            passed = 7200.0
            assert (await agent.report("wait", task_id=task_id))["state"] == "completed"
            for _ in range(2):
                brought = await agent.ask("download", task_id=task_id)
                assert brought.structured_content is not None
                assert (len(pictures(brought)), brought.structured_content["paid"]) == (1, 0.0)
            assert "call wait" not in str(await agent.report("generate", prompt="A boat", size="64x64", wait_seconds=0))

    assert len(slow.sent) == 1


async def test_inpainting_and_fusing(server: RecordingGateway, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    room = Image.new("RGB", (64, 64), "grey")
    room.save(folder / "room.png")
    Image.new("RGB", (64, 64), "black").save(folder / "cat.png")
    mask = Image.new("RGBA", (64, 64), "black")
    ImageDraw.Draw(mask).rectangle((10, 10, 40, 40), fill=(0, 0, 0, 0))
    mask.save(folder / "mask.png")
    async with session(server, tmp_path, "--folder", str(folder)) as agent:
        inpainted = await agent.report("inpaint", prompt="A cat", image="room.png", mask=str(folder / "mask.png"))
        fused = await agent.report("fuse", prompt="Together", images=["room.png", "cat.png"])

    assert (inpainted["state"], fused["state"]) == ("completed", "completed")
    assert [sorted({"image", "images", "mask"} & each.body.keys()) for each in server.sent] == [
        ["image", "mask"],
        ["images"],
    ]


async def test_only_pictures_of_the_folders_are_read(server: RecordingGateway, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "secret.png")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "link.png").symlink_to(tmp_path / "secret.png")
    async with session(server, tmp_path) as agent:
        for given in (str(tmp_path / "secret.png"), "../secret.png", "link.png", "/etc/hostname", "missing.png"):
            assert "is no file in" in await agent.refusal("edit", prompt="Show it", image=given)

    assert server.sent == []


async def test_an_argument_that_does_not_fit_its_schema_is_refused(server: RecordingGateway, tmp_path: Path) -> None:
    async with session(server, tmp_path) as agent:
        for arguments in ({"n": 0}, {"n": 11}, {"size": "big"}, {"quality": "best"}, {"wait_seconds": 1e9}):
            await agent.refusal("generate", prompt="A boat", **arguments)
        await agent.refusal("generate")
        await agent.refusal("fuse", prompt="One", images=["one.png"])

    assert server.sent == []


async def test_two_servers_cannot_share_a_ledger(server: RecordingGateway, tmp_path: Path) -> None:
    async with session(server, tmp_path) as agent:
        await agent.report("balance")
        command = [sys.executable, "-m", "apimodels_async.cli", "mcp", "-o", str(tmp_path / "pictures")]
        settings = {"APIMODELS_BASE_URL": server.base_url, "APIMODELS_API_KEY": server.api_key}
        second = await anyio.run_process(
            command, env={**_environment(), **settings}, check=False, stderr=subprocess.PIPE, input=b""
        )

    assert second.returncode == 16
    assert b"apimodels: " in second.stderr


async def test_the_ledger_holds_what_was_paid(server: RecordingGateway, tmp_path: Path) -> None:
    ledger = tmp_path / "mine.db"
    async with session(server, tmp_path, "--ledger", str(ledger)) as agent:
        await agent.report("generate", prompt="A boat", size="64x64", key="boat")

    with sqlite3.connect(ledger) as database:
        [[tables]] = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'")
    database.close()
    assert tables > 0


def test_a_received_request_keeps_no_key(server: RecordingGateway) -> None:
    with server.sync_client() as client:
        client.balance()

    assert [type(each) for each in server.requests] == [ReceivedRequest]
    assert server.api_key not in str(server.requests)


def test_a_budget_that_is_no_number_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APIMODELS_API_KEY", "sk_test")
    assert run(["mcp", "--budget", "nan", "-o", str(tmp_path)]) == 2
    assert "--budget" in capsys.readouterr().err


def test_without_the_extra_the_error_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("APIMODELS_API_KEY", "sk_test")
    monkeypatch.setitem(sys.modules, "mcp", None)
    for name in [name for name in sys.modules if name.startswith(("mcp.", "apimodels_async.cli.mcp.server"))]:
        monkeypatch.delitem(sys.modules, name)
    assert run(["mcp", "-o", str(tmp_path)]) == 3
    assert 'pip install "apimodels-async[mcp]"' in capsys.readouterr().err
