"""A FastAPI service whose endpoints block: each holds one of the forty threads that anyio lends them."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI
from told import awaited_picture

from apimodels_async import AsyncImagesClient

release = threading.Event()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for the whole service."""
    async with AsyncImagesClient() as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/make")
def make(prompt: str) -> dict[str, list[str]]:
    """Blocks a thread until its picture is saved."""
    files = anyio.from_thread.run(awaited_picture, app.state.client, prompt)
    return {"files": [str(path.resolve()) for path in files]}


@app.get("/hold")
def hold() -> dict[str, list[str]]:
    """Blocks a thread until a picture that another request asked for is saved."""
    assert release.wait(90)
    return {"files": []}


@app.get("/make-beside")
async def make_beside(prompt: str) -> dict[str, list[str]]:
    """A picture while no thread is free."""
    while anyio.to_thread.current_default_thread_limiter().available_tokens:  # noqa: ASYNC110
        await anyio.sleep(0.05)  # nothing says when the last one is taken
    files = await awaited_picture(app.state.client, prompt)
    release.set()
    return {"files": [str(path.resolve()) for path in files]}


@app.get("/task")
async def task(prompt: str) -> dict[str, object]:
    """A task as JSON."""
    created = await app.state.client.generate(prompt, size="256x256")
    return {"task": created.to_dict(), "files": [str(each.resolve()) for each in await save(created)]}


async def save(created: object) -> list[object]:
    """Its pictures."""
    return list(await app.state.client.download(created, "pictures"))
