"""The server that agents speak to: its tools with their schemas, by the official package ``mcp``."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Literal, TypeAlias

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

from apimodels_async._version import __version__
from apimodels_async.cli.mcp.payments import PaidRequests
from apimodels_async.cli.mcp.tools import Finished, ImageTools
from apimodels_async.errors import ApimodelsError

__all__ = ["build_server"]

_INSTRUCTIONS = (
    "Makes pictures with a paid API. generate, edit, inpaint and fuse cost money; wait, download and balance are free. "
    "Calling a tool again with the same arguments returns the picture that was made, and costs nothing; for another "
    "picture of the same prompt, give another key or seed. There is a budget that no tool changes."
)

_Picture: TypeAlias = Annotated[str, Field(description="An http(s) URL, or the path of a file in the allowed folders.")]
_Prompt: TypeAlias = Annotated[str, Field(description="What to paint, or what to do with the picture.", min_length=1)]
_Model: TypeAlias = Annotated[str | None, Field(description="The model id; the server has a default.")]
_Size: TypeAlias = Annotated[
    str | None, Field(description='Pixels, as "1024x1024".', pattern=r"^[1-9]\d{1,4}x[1-9]\d{1,4}$")
]
_Count: TypeAlias = Annotated[int | None, Field(description="How many pictures; each is paid for.", ge=1, le=10)]
_Ratio: TypeAlias = Annotated[str | None, Field(description='As "16:9".', pattern=r"^[1-9]\d{0,3}:[1-9]\d{0,3}$")]
_Resolution: TypeAlias = Annotated[Literal["1K", "2K", "4K"] | None, Field(description="How large.")]
_Quality: TypeAlias = Annotated[Literal["low", "medium", "high", "auto"] | None, Field(description="How well.")]
_Format: TypeAlias = Annotated[Literal["png", "jpeg", "webp"] | None, Field(description="The file format.")]
_Seed: TypeAlias = Annotated[int | None, Field(description="The same seed asks for the same picture.")]
_Key: TypeAlias = Annotated[
    str | None,
    Field(
        description="A name of your own for this request. A later call with it returns the same picture and costs "
        "nothing. By default the request's content is its name.",
        max_length=200,
    ),
]
_Wait: TypeAlias = Annotated[
    float, Field(description="Seconds to wait for the picture; afterwards it can be waited for again.", ge=0, le=600)
]
_TaskId: TypeAlias = Annotated[str, Field(description="The task_id of an earlier result.", min_length=1)]

_PAID = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
_FREE = ToolAnnotations(read_only_hint=True, open_world_hint=True)
_SAVES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)


class PictureReport(BaseModel):
    """What became of a request. Money is in US dollars, by the published prices."""

    task_id: str | None = Field(description="For wait and download.")
    state: str = Field(description="pending, processing, completed or failed.")
    files: list[str] = Field(description="Where the pictures were saved.")
    key: str | None = Field(description="The name of this request.")
    paid: float = Field(description="What this call cost: 0 if the picture was paid for before.")
    spent: float = Field(description="What all calls together cost, those under way included.")
    budget_left: float = Field(description="What may still be spent.")
    note: str = Field(description="What to do next, if anything.")


class BalanceReport(BaseModel):
    """What may be spent, in US dollars."""

    balance: float = Field(description="On the account.")
    spent: float = Field(description="What all calls together cost.")
    budget_left: float = Field(description="What may still be spent here.")


_Result: TypeAlias = Annotated[CallToolResult, PictureReport]


@asynccontextmanager
async def _explained() -> AsyncGenerator[None]:
    """Tell the agent what went wrong, in the words that a person gets."""
    try:
        yield
    except (ApimodelsError, TypeError, ValueError, OSError) as error:
        raise ToolError(" ".join(str(error).split()) or type(error).__name__) from error


def build_server(tools: ImageTools, payments: PaidRequests) -> MCPServer[None]:
    """Return a server with all tools.

    Args:
        tools: what they do.
        payments: the budget that they report.
    """
    server: MCPServer[None] = MCPServer(
        "apimodels", title="Pictures", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING"
    )

    async def report(done: Finished) -> CallToolResult:
        spent = await payments.spent()
        told = PictureReport(
            task_id=done.task.id,
            state=str(done.task.state),
            files=[str(path) for path in done.files],
            key=done.key,
            paid=done.paid,
            spent=round(spent, 6),
            budget_left=round(max(0.0, payments.budget - spent), 6),
            note=done.note,
        )
        content: list[ContentBlock] = [TextContent(text=told.model_dump_json())]
        content += [ImageContent(data=data, mime_type=media_type) for data, media_type in done.shown]
        return CallToolResult(content=content, structured_content=told.model_dump(mode="json"))

    @server.tool(annotations=_PAID)
    async def generate(
        *,
        prompt: _Prompt,
        model: _Model = None,
        size: _Size = None,
        n: _Count = None,
        aspect_ratio: _Ratio = None,
        resolution: _Resolution = None,
        quality: _Quality = None,
        output_format: _Format = None,
        seed: _Seed = None,
        key: _Key = None,
        wait_seconds: _Wait = 50,
    ) -> _Result:
        """Make pictures from a prompt, save them, and return them. Costs money, once for each key."""
        async with _explained():
            done = await tools.make(
                prompt,
                model=model,
                size=size,
                n=n,
                aspect_ratio=aspect_ratio,
                resolution=resolution,
                quality=quality,
                output_format=output_format,
                seed=seed,
                key=key,
                wait_seconds=wait_seconds,
            )
            return await report(done)

    @server.tool(annotations=_PAID)
    async def edit(
        *,
        prompt: _Prompt,
        image: _Picture,
        model: _Model = None,
        size: _Size = None,
        n: _Count = None,
        quality: _Quality = None,
        output_format: _Format = None,
        seed: _Seed = None,
        key: _Key = None,
        wait_seconds: _Wait = 50,
    ) -> _Result:
        """Change a picture as the prompt says, save the result, and return it. Costs money, once for each key."""
        async with _explained():
            done = await tools.make(
                prompt,
                image=image,
                model=model,
                size=size,
                n=n,
                quality=quality,
                output_format=output_format,
                seed=seed,
                key=key,
                wait_seconds=wait_seconds,
            )
            return await report(done)

    @server.tool(annotations=_PAID)
    async def inpaint(
        *,
        prompt: _Prompt,
        image: _Picture,
        mask: Annotated[
            str, Field(description="A file of the image's size that marks the part to replace: a path, no URL.")
        ],
        model: _Model = None,
        n: _Count = None,
        quality: _Quality = None,
        output_format: _Format = None,
        seed: _Seed = None,
        key: _Key = None,
        wait_seconds: _Wait = 50,
    ) -> _Result:
        """Replace the masked part of a picture, save the result, and return it. Costs money, once for each key."""
        async with _explained():
            done = await tools.make(
                prompt,
                image=image,
                mask=mask,
                model=model,
                n=n,
                quality=quality,
                output_format=output_format,
                seed=seed,
                key=key,
                wait_seconds=wait_seconds,
            )
            return await report(done)

    @server.tool(annotations=_PAID)
    async def fuse(
        *,
        prompt: _Prompt,
        images: Annotated[list[_Picture], Field(description="The pictures to fuse.", min_length=2, max_length=16)],
        model: _Model = None,
        size: _Size = None,
        n: _Count = None,
        quality: _Quality = None,
        output_format: _Format = None,
        seed: _Seed = None,
        key: _Key = None,
        wait_seconds: _Wait = 50,
    ) -> _Result:
        """Make one picture of several, save it, and return it. Costs money, once for each key."""
        async with _explained():
            done = await tools.make(
                prompt,
                images=images,
                model=model,
                size=size,
                n=n,
                quality=quality,
                output_format=output_format,
                seed=seed,
                key=key,
                wait_seconds=wait_seconds,
            )
            return await report(done)

    @server.tool(annotations=_FREE)
    async def wait(task_id: _TaskId, wait_seconds: _Wait = 50) -> _Result:
        """Wait for a task that was still running. Free."""
        async with _explained():
            return await report(await tools.wait(task_id, wait_seconds))

    @server.tool(annotations=_SAVES)
    async def download(task_id: _TaskId) -> _Result:
        """Save the pictures of a completed task, and return them. Free."""
        async with _explained():
            return await report(await tools.download(task_id))

    @server.tool(annotations=_FREE)
    async def balance() -> BalanceReport:
        """Say what is left on the account, and of the budget. Free."""
        async with _explained():
            spent = await payments.spent()
            return BalanceReport(
                balance=await tools.balance(),
                spent=round(spent, 6),
                budget_left=round(max(0.0, payments.budget - spent), 6),
            )

    return server
