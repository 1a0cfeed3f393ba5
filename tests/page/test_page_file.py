"""The page's file: whole at every moment, and never in place of a file of the user's."""

import errno
import json
import re
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from apimodels_async._page import page_file
from apimodels_async._page.page_file import PageFile, check_replaceable
from apimodels_async._page.rows import PageRow
from apimodels_async.errors import ConfigurationError
from tests.support import pictures


def rows_of(page: Path) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="rows">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found is not None
    rows: list[Any] = json.loads(found[1])
    assert rows.pop() is None
    return rows


def pending(*rows: PageRow) -> "deque[PageRow]":
    return deque(rows)


def test_rows_with_thumbnails_and_links_are_in_the_page(tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "a: b%20#1.png"
    picture.parent.mkdir()
    picture.write_bytes(pictures.png(400, 200))
    file = PageFile(tmp_path / "pages" / "index.html")

    file.add(pending(PageRow(number=1, prompt="a", model="m", state="completed", files=(picture,))), most=9)
    file.publish("done", 5.0)
    file.close()

    [row] = rows_of(tmp_path / "pages" / "index.html")
    assert row["files"] == ["./../pictures/a%3A%20b%2520%231.png"]
    assert row["thumbnails"][0].startswith("data:image/webp;base64,UklGR")
    assert sorted(each.name for each in (tmp_path / "pages").iterdir()) == ["index.html"]


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n torn", pictures.png(8, 8)[:45]])
def test_a_picture_without_a_thumbnail_is_still_a_row(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    file = PageFile(tmp_path / "index.html")

    file.add(
        pending(
            PageRow(number=1, prompt="a", model="m", state="completed", files=(tmp_path / "a.png",)),
            PageRow(number=2, prompt="b", model="m", state="completed", files=(tmp_path / "gone.png",)),
        ),
        most=9,
    )
    file.publish("done", 5.0)
    file.close()

    assert [row["thumbnails"] for row in rows_of(tmp_path / "index.html")] == [[None], [None]]


def test_every_version_is_whole_and_holds_all_rows_so_far(tmp_path: Path) -> None:
    file = PageFile(tmp_path / "index.html")
    rows = pending(*(PageRow(number=at, prompt=f"p{at}", model="m", state="failed") for at in range(1, 8)))

    seen: list[int] = []
    while rows:
        file.add(rows, most=3)
        file.publish("running", 1.0)
        seen.append(len(rows_of(tmp_path / "index.html")))
    file.close()

    assert seen == [3, 6, 7]


def test_a_full_disk_leaves_the_page_of_before_and_the_row_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = PageFile(tmp_path / "index.html")
    file.add(pending(PageRow(number=1, prompt="a", model="m", state="failed")), most=9)
    file.publish("running", 1.0)
    rows = pending(PageRow(number=2, prompt="b" * 3000, model="m", state="failed"))

    class Full:
        """Takes a part of a line, and then nothing."""

        def __init__(self, inner: Any) -> None:
            self.inner = inner
            self.left = 100

        def write(self, data: Any) -> int:
            if not self.left:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.left = 0
            taken: int = self.inner.write(bytes(data[:100]))
            return taken

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    real = file._rows
    monkeypatch.setattr(file, "_rows", Full(real))
    with pytest.raises(OSError, match="No space"):
        file.add(rows, most=9)
    assert len(rows) == 1
    monkeypatch.setattr(file, "_rows", real)
    assert [row["number"] for row in rows_of(tmp_path / "index.html")] == [1]

    file.add(rows, most=9)
    file.publish("done", 2.0)
    file.close()
    assert [row["number"] for row in rows_of(tmp_path / "index.html")] == [1, 2]


def test_a_file_of_the_users_is_not_replaced(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    check_replaceable(page)
    page.write_text("<h1>My homepage</h1>")

    with pytest.raises(ConfigurationError, match="is not the page of a batch: move it away"):
        check_replaceable(page)

    file = PageFile(tmp_path / "other.html")
    file.publish("done", 1.0)
    file.close()
    check_replaceable(tmp_path / "other.html")


def test_a_folder_in_its_place_is_an_error_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        check_replaceable(tmp_path / "index.html")


def test_a_picture_of_many_pixels_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(pictures.png(40, 40))
    monkeypatch.setattr(page_file, "MOST_PIXELS", 40 * 40 - 1)
    monkeypatch.setattr(page_file, "thumbnail", lambda _: pytest.fail("it was decoded"))

    assert page_file._data_uri(tmp_path / "a.png") is None
