"""``apimodels batch --page``: the page is beside the pictures, and its path is said."""

from typing import Any

import pytest

from tests.page.test_page_file import rows_of


def test_a_page_is_written_beside_the_pictures(apimodels: Any, here: Any) -> None:
    (apimodels.folder / "prompts.csv").write_text("prompt,size\nA kite,64x64\ncontraband,64x64\n", encoding="utf-8")

    done = apimodels("batch", "prompts.csv", "-o", "out", "--page", settings=here)

    assert "to look at: out/index.html" in done.stderr
    rows = rows_of(apimodels.folder / "out" / "index.html")
    assert sorted(row["state"] for row in rows) == ["completed", "failed"]


@pytest.mark.parametrize("options", [(), ("--page",)])
def test_an_index_of_the_users_is_left_alone(apimodels: Any, here: Any, options: tuple[str, ...]) -> None:
    (apimodels.folder / "prompts.csv").write_text("prompt,size\nA kite,64x64\n", encoding="utf-8")
    (apimodels.folder / "index.html").write_text("mine", encoding="utf-8")

    done = apimodels("batch", "prompts.csv", *options, settings=here)

    assert (apimodels.folder / "index.html").read_text(encoding="utf-8") == "mine"
    assert done.returncode == (3 if options else 0), done.stderr
    assert ("is not the page of a batch" in done.stderr) is bool(options)
