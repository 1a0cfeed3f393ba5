"""Names of files: ``-o cat.png``, ``--name``, and prompts made of columns."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from apimodels_async.gateway import LocalGateway
from tests.cli.conftest import at
from tests.cli.test_batch import names, rows, write

SMALL = ("--size", "64x64")


def made(folder: Path) -> list[str]:
    return [name for name in names(folder) if not name.startswith("results.")]


class TestOnePicture:
    """``--output`` of `generate` and `wait`."""

    def test_a_suffix_makes_it_a_file_and_a_slash_a_folder(self, apimodels: Any, here: Any) -> None:
        file, folder, dotted = apimodels.all(
            ("generate", "a fox", *SMALL, "-o", "new/cat.png"),
            ("generate", "a fox", *SMALL, "-o", "dir.png/"),
            ("generate", "a fox", *SMALL, "-o", "v1.5"),
            settings=here,
        )

        assert (file.stdout, file.stderr) == ("new/cat.png\n", "")
        assert folder.stdout.startswith("dir.png/")
        assert dotted.stdout.startswith("v1.5/")

    def test_no_file_is_replaced(self, apimodels: Any, here: Any) -> None:
        (apimodels.folder / "cat.png").write_bytes(b"mine")

        done = apimodels.all(*[("generate", "a fox", *SMALL, "-o", "cat.png")] * 2, settings=here)

        assert [each.stdout for each in done] == ["cat-2.png\n", "cat-3.png\n"]
        assert (apimodels.folder / "cat.png").read_bytes() == b"mine"

    def test_the_format_is_that_of_the_suffix(self, apimodels: Any, here: Any) -> None:
        jpeg, png = apimodels.all(
            ("generate", "a fox", *SMALL, "-o", "cat.jpg"),
            ("generate", "a fox", *SMALL, "-o", "dog.jpg", "--format", "png"),
            settings=here,
        )

        with Image.open(apimodels.folder / "cat.jpg") as picture:
            assert picture.format == "JPEG"
        assert jpeg.stderr == ""
        assert png.stderr == ("apimodels: dog.jpg holds a picture in the format PNG: --format asks for another\n")

    def test_a_name_is_filled_in_and_several_pictures_are_numbered(self, apimodels: Any, here: Any) -> None:
        done = apimodels(
            "generate", "A fox, at ../dusk", "-n", "2", *SMALL, "-o", "out", "--name", "{prompt}", settings=here
        )

        assert done.stdout == "out/A_fox_at_dusk-0.png\nout/A_fox_at_dusk-1.png\n"

    def test_wait_names_them_too(self, apimodels: Any, here: Any) -> None:
        task_id = apimodels("create", "a fox", *SMALL, settings=here).stdout.strip()

        file, named = apimodels.all(
            ("wait", task_id, "-o", "fox.png"), ("wait", task_id, "--name", "{model}-{id}"), settings=here
        )

        assert file.stdout == "fox.png\n"
        assert named.stdout == f"grok-image_grok-4_2-image-{task_id}.png\n"


class TestABatch:
    """``--name`` and ``--prompt`` of `batch`."""

    def test_files_sort_as_lines_do_without_being_asked(self, apimodels: Any, here: Any) -> None:
        file = write(apimodels, "p.txt", "".join(f"# a remark\nkite {at}\n" for at in range(6)))

        done = apimodels("batch", file, "-o", "out", settings=here)

        assert done.returncode == 0, done.stderr
        told = rows(apimodels.folder / "out")
        assert made(apimodels.folder / "out") == [Path(row["files"][0]).name for row in told]
        assert [Path(row["files"][0]).name.partition("-")[0] for row in told] == [f"{2 * at:04}" for at in range(1, 7)]

    def test_names_have_lines_prompts_and_columns_and_none_is_lost(self, apimodels: Any, here: Any) -> None:
        file = write(
            apimodels,
            "p.csv",
            'Prompt,Shop SKU,size\na fox,../A-7,64x64\n"a fox",B/8,64x64\na fox,,64x64\na fox,../A-7,64x64\n',
        )

        done = apimodels(
            "batch", file, "-o", "out", "--name", "{shop sku}-{prompt}", "--max-in-flight", "1", settings=here
        )

        assert done.returncode == 0, done.stderr
        assert made(apimodels.folder / "out") == sorted(
            ["A-7-a_fox.png", "B_8-a_fox.png", "a_fox.png", "A-7-a_fox-2.png"]
        )

    def test_the_ledger_keeps_the_name_and_the_same_command_again_makes_no_second_file(
        self, apimodels: Any, here: Any
    ) -> None:
        file = write(apimodels, "p.txt", "a fox\na fox\n")
        command = ("batch", file, "-o", "out", "--ledger", "run.db", "--name", "cat", "--sidecar")

        first, again = apimodels.all(command, command, settings=here)
        entries = [json.loads(each) for each in apimodels("ledger", "export", "run.db").stdout.splitlines()]

        assert (first.returncode, again.returncode) == (0, 0), again.stderr
        assert {entry["name"] for entry in entries} == {"cat", "cat-2"}
        assert made(apimodels.folder / "out") == ["cat-2.json", "cat-2.png", "cat.json", "cat.png"]
        saved = [sorted(Path(line).name for line in done.stdout.splitlines()) for done in (first, again)]

        assert saved == [["cat-2.png", "cat.png"]] * 2

    def test_prompts_are_made_of_columns(self, apimodels: Any, here: Any) -> None:
        file = write(apimodels, "products.csv", "sku;product;colour;size\n1;lamp;red;64x64\n2;sofa, large;blue;64x64\n")

        done = apimodels(
            "batch", file, "-o", "out", "--prompt", "Studio photo of {product}, {colour}", "--name", "{sku:03}",
            settings=here,
        )  # fmt: skip

        assert done.returncode == 0, done.stderr
        assert [row["prompt"] for row in rows(apimodels.folder / "out")] == [
            "Studio photo of lamp, red",
            "Studio photo of sofa, large, blue",
        ]
        assert made(apimodels.folder / "out") == ["001.png", "002.png"]

    def test_json_lines_and_texts_fill_templates_as_well(self, apimodels: Any) -> None:
        objects = write(apimodels, "p.jsonl", '{"Product": "lamp", "note": 1}\n')
        texts = write(apimodels, "p.txt", "a fox\n")

        one, two = apimodels.all(
            ("batch", objects, "--prompt", "A {product}", "-o", "one", "--local"),
            ("batch", texts, "--prompt", "{prompt} at dusk", "-o", "two", "--local"),
        )

        assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
        assert one.stderr.startswith("columns that nothing uses: note\n")
        assert rows(apimodels.folder / "one")[0]["prompt"] == "A lamp"
        assert rows(apimodels.folder / "two")[0]["prompt"] == "a fox at dusk"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("product,colour\nlamp,\n", "p.csv, line 2: there is no colour, which --prompt asks for"),
            ("product,color\nlamp,red\n", "p.csv, line 1: the header names no {colour}; there are {product}, {color}"),
            ("product,colour,sise\nlamp,red,1x1\n", "p.csv, line 1: unknown field 'sise'; did you mean 'size'?"),
        ],
    )
    def test_a_slip_is_known_before_anything_is_sent(self, apimodels: Any, server: Any, text: str, words: str) -> None:
        done = apimodels(
            "batch", write(apimodels, "p.csv", text), "--prompt", "{product}, {colour}", settings=server.settings
        )

        assert (done.returncode, done.stderr) == (2, f"apimodels: {words}\n")
        assert not server.asked.is_set()

    def test_extra_fields_go_with_every_request_and_a_lines_own_come_first(self, apimodels: Any, server: Any) -> None:
        file = write(apimodels, "p.jsonl", '{"prompt": "a", "extra_body": {"style": "oil"}}\n{"prompt": "b"}\n')

        apimodels("batch", file, "--extra", '{"style": "ink", "x": 1}', "--ledger", "run.db", settings=server.settings)

        entries = [json.loads(each) for each in apimodels("ledger", "export", "run.db").stdout.splitlines()]
        assert [entry["request"]["extra_body"] for entry in entries] == [
            {"style": "oil", "x": 1},
            {"style": "ink", "x": 1},
        ]


class TestAnEstimate:
    """``--dry-run`` and ``--confirm-above``."""

    def test_it_counts_what_is_new_matched_and_unknown_and_sends_nothing(self, apimodels: Any, server: Any) -> None:
        file = write(apimodels, "p.txt", "a\nb\n")
        server.says('{"code": 500, "msg": "oh"}', 500)
        assert apimodels("batch", file, "-o", "out", settings=server.settings).returncode == 10
        write(apimodels, "p.txt", "a\nb\nc\nb\n")
        server.asked.clear()

        lines, told = apimodels.all(
            ("batch", file, "-o", "out", "--dry-run"), ("batch", file, "-o", "out", "--dry-run", "--json"),
            settings={"APIMODELS_BASE_URL": server.settings["APIMODELS_BASE_URL"]},
        )  # fmt: skip

        assert json.loads(told.stdout) == {
            "requests": 4, "new": 2, "matched": 0, "unknown": 2, "cost": 0.06, "unpriced": 0,
        }  # fmt: skip
        assert [line.split(",")[0].split() for line in lines.stdout.splitlines()[:3]] == [
            ["new", "2"],
            ["matched", "0"],
            ["unknown", "2"],
        ]
        assert lines.stdout.splitlines()[3].split(maxsplit=1) == ["cost", "about US$ 0.06"]
        assert not server.asked.is_set()

    def test_it_needs_no_folder_and_makes_none(self, apimodels: Any) -> None:
        file = write(apimodels, "p.txt", "a\nb\n")

        real, local = apimodels.all(
            ("batch", file, "-o", "out", "--dry-run", "-m", "unheard-of", "--json"),
            ("batch", file, "-o", "out", "--dry-run", "--local", "--json"),
        )

        assert json.loads(real.stdout)["unpriced"] == 2
        assert json.loads(local.stdout)["new"] == 2
        assert not (apimodels.folder / "out").exists()

    def test_what_a_local_run_finished_is_matched_there_and_new_elsewhere(self, apimodels: Any) -> None:
        file = write(apimodels, "p.txt", "a\ncontraband\n")
        apimodels("batch", file, "-o", "out", "--local")

        found = [
            json.loads(apimodels("batch", file, "-o", "out", "--dry-run", "--json", *more).stdout)
            for more in (["--local"], [], ["--local", "--again", "failed"], ["--local", "--again", "all"])
        ]

        assert [(each["new"], each["matched"]) for each in found] == [(0, 2), (2, 0), (1, 1), (2, 0)]

    def test_without_a_terminal_nothing_is_confirmed_and_nothing_sent(self, apimodels: Any, server: Any) -> None:
        file = write(apimodels, "p.txt", "a\nb\n")

        done = apimodels("batch", file, "--confirm-above", "0.05", settings=server.settings)

        assert (done.returncode, done.stdout) == (18, "")
        assert done.stderr == (
            "apimodels: 2 new requests would cost about US$ 0.06, which is above --confirm-above 0.05, "
            "and there is no terminal to ask at: nothing was sent\n"
        )
        assert not server.asked.is_set()

    def test_below_the_limit_no_question_is_asked(self, apimodels: Any) -> None:
        with LocalGateway(latency="0/0") as gateway:
            done = apimodels(
                "batch", write(apimodels, "p.txt", "a\n"), "--confirm-above", "0.05", "--json", settings=at(gateway)
            )

        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        assert (told["requests"], told["failed"], told["pictures"], told["cost"]) == (1, 0, 1, 0.03)
