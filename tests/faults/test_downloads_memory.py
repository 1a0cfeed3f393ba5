"""A download takes no more memory than its buffers, whatever the size of what comes."""

import sys
from pathlib import Path

import anyio.to_thread
import pytest

from tests.bench.download import OURS, SIZE, measure
from tests.support.picture_server import PictureServer, Reply, bomb, endless

MOST = 8 << 20

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what the kernel says of the process"),
]


async def test_memory_stays_flat_over_400_megabytes(tmp_path: Path, anyio_backend_name: str) -> None:
    grown, saved = await download(anyio_backend_name, endless(SIZE), tmp_path)
    assert saved == SIZE
    assert grown <= MOST


async def test_memory_stays_flat_where_no_length_is_announced(tmp_path: Path, anyio_backend_name: str) -> None:
    grown, saved = await download(anyio_backend_name, endless(SIZE // 8, announced=False), tmp_path)
    assert saved == SIZE // 8
    assert grown <= MOST


async def test_a_compressed_bomb_is_not_unpacked(tmp_path: Path, anyio_backend_name: str) -> None:
    grown, saved = await download(anyio_backend_name, bomb(64 << 20), tmp_path)
    assert saved == 0
    assert grown <= MOST


async def download(backend: str, reply: Reply, out: Path) -> tuple[int, int]:
    """Bytes that a fresh interpreter grew by, and bytes that it saved."""
    with PictureServer() as server:
        url = server.play("/large.png", reply)
        grown, _, saved = await anyio.to_thread.run_sync(measure, OURS, backend, server, url, str(out))
    await anyio.to_thread.run_sync(clear, out)
    return grown, saved


def clear(out: Path) -> None:
    """400 MB are not kept for the curious."""
    for path in out.iterdir():
        assert path.suffix == ".png"
        path.unlink()
