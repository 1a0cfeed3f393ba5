"""What counts as a request in a file, and what is said of a line that is none."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import GenerationRequest
from apimodels_async.cli.batch.request_files import RequestFile
from apimodels_async.cli.batch.request_lines import FORMS, BadLineError, Line
from apimodels_async.cli.failures import CommandFailed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "room.png").write_bytes(b"a picture")
    (tmp_path / "mask.png").write_bytes(b"a picture")
    return tmp_path


def read(folder: Path, suffix: str, text: str | bytes) -> list[Line]:
    file = folder / f"requests{suffix}"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(RequestFile(file, "usual"))


def test_a_text_file_has_a_prompt_a_line(folder: Path) -> None:
    assert read(folder, ".txt", "\ufeffa fox\n\n  # not this\n  a [red] kite \r\nlast, without an end") == [
        Line(1, GenerationRequest("a fox", model="usual")),
        Line(4, GenerationRequest("a [red] kite", model="usual")),
        Line(5, GenerationRequest("last, without an end", model="usual")),
    ]


def test_json_lines_have_the_fields_of_a_request(folder: Path) -> None:
    text = (
        '{"prompt": "a fox", "n": 2, "seed": -1, "size": null, "extra_body": {"style": "oil"}}\n'
        "\n"
        '{"prompt": "dusk", "model": "mine", "image": "room.png", "mask": "mask.png"}\n'
        '{"prompt": "both", "images": ["room.png", "https://pictures.example/cat.png"]}\n'
        '{"prompt": "inside", "image": "data:image/png;base64,AAAA"}\n'
    )

    assert read(folder, ".jsonl", text) == [
        Line(1, GenerationRequest("a fox", model="usual", n=2, seed=-1, extra_body={"style": "oil"})),
        Line(3, GenerationRequest("dusk", model="mine", image=folder / "room.png", mask=folder / "mask.png")),
        Line(
            4,
            GenerationRequest("both", model="usual", images=[folder / "room.png", "https://pictures.example/cat.png"]),
        ),
        Line(5, GenerationRequest("inside", model="usual", image="data:image/png;base64,AAAA")),
    ]


def test_a_table_names_the_fields_in_its_header(folder: Path) -> None:
    text = (
        "\ufeffprompt, n ,image,images,extra_body\r\n"
        "a fox,2,room.png\r\n"
        ",,,,\r\n"
        '"a kite,\nred",,,"[""room.png""]","{""style"": ""oil""}"\r\n'
        "last,,,,\r\n"
    )

    assert read(folder, ".csv", text) == [
        Line(2, GenerationRequest("a fox", model="usual", n=2, image=folder / "room.png")),
        Line(
            4,
            GenerationRequest("a kite,\nred", model="usual", images=[folder / "room.png"], extra_body={"style": "oil"}),
        ),
        Line(6, GenerationRequest("last", model="usual")),
    ]


BAD: list[tuple[str, Any, str]] = [
    (".jsonl", '{"prompt": "a"}\n{"promt": "b"}', "line 2: unknown field 'promt'; did you mean 'prompt'?"),
    (".jsonl", '{"prompt": "a", "zzz": 1}', "line 1: unknown field 'zzz'; there are prompt, model, size"),
    (".jsonl", '{"size": "1x1"}', "line 1: there is no prompt"),
    (".jsonl", '{"prompt": null}', "line 1: prompt is a NoneType"),
    (".jsonl", '{"prompt": " "}', "line 1: prompt"),
    (".jsonl", '{"prompt": "a", "prompt": "b"}', "line 1: 'prompt' stands there twice"),
    (".jsonl", '{"prompt": "a"', "line 1: no JSON: Expecting ',' delimiter at column 15"),
    (".jsonl", '["a"]', 'line 1: give a JSON object, as {"prompt": "A red kite"}'),
    (".jsonl", "{}", "line 1: give a JSON object"),
    (".jsonl", "[" * 100_000, "line 1: no JSON"),
    (".jsonl", '{"prompt": "a", "n": NaN}', "line 1: no JSON: NaN"),
    (".jsonl", '{"prompt": "a", "n": "2"}', "line 1: n is a str: give a whole number"),
    (".jsonl", '{"prompt": "a", "n": true}', "line 1: n is a bool"),
    (".jsonl", '{"prompt": "a", "size": "big"}', "line 1: size='big': give pixels"),
    (".jsonl", '{"prompt": "\\ud800"}', "line 1: prompt='\\ud800'"),
    (".jsonl", '{"prompt": "a", "image": "none.png"}', "line 1: image='none.png': no such file in"),
    (".jsonl", '{"prompt": "a", "image": "\\u0000"}', "no such file"),
    (".jsonl", f'{{"prompt": "a", "image": "{"x" * 5000}"}}', "…(5000 characters)': no such file"),
    (".jsonl", '{"prompt": "a", "image": 5}', "line 1: image: give a URL, a data: URI or the path of a file"),
    (".jsonl", '{"prompt": "a", "images": "room.png"}', "line 1: images: give a list"),
    (".jsonl", '{"prompt": "a", "images": [null]}', "line 1: images: give a URL"),
    (".jsonl", '{"prompt": "a", "mask": "mask.png"}', "line 1: mask: give the image it belongs to"),
    (".csv", "prompt,sise\na,1x1", "line 1: unknown field 'sise'; did you mean 'size'?"),
    (".csv", "a fox\na kite", "line 1: unknown field 'a fox'"),
    (".csv", "size,n\n1x1,2", "line 1: the header names no prompt"),
    (".csv", "prompt,prompt\na,b", "line 1: 'prompt' stands there twice"),
    (".csv", "prompt\na\na, b", "line 3: 2 cells under a header of 1"),
    (".csv", "prompt,n\na,two", "line 2: n='two': give a whole number"),
    (".csv", "prompt,images\na,room.png", "line 2: images='room.png': give JSON"),
    (".csv", "prompt,n\n,2", "line 2: there is no prompt"),
    (".csv", 'prompt\na\n"never closed\n\n', "line 3: no CSV"),
    (".txt", b"fine\n\xff\xfe\n", "line 2: no UTF-8"),
]


@pytest.mark.parametrize(("suffix", "text", "words"), BAD, ids=range(len(BAD)))
def test_a_line_that_is_no_request_is_named(folder: Path, suffix: str, text: Any, words: str) -> None:
    with pytest.raises(BadLineError) as caught:
        read(folder, suffix, text)

    assert words in str(caught.value)
    assert str(caught.value).startswith(f"{folder / 'requests'}{suffix}, line ")


@pytest.mark.parametrize("name", ["requests.json", "requests", "folder.txt", "none.txt"])
def test_what_is_no_such_file_is_said(folder: Path, name: str) -> None:
    (folder / "folder.txt").mkdir()

    with pytest.raises(CommandFailed, match=f"FILE .*{name}"):
        RequestFile(folder / name, "usual").count()


@pytest.mark.parametrize("suffix", FORMS)
def test_a_long_file_is_never_in_memory_as_a_whole(folder: Path, suffix: str) -> None:
    line = '{"prompt": "a kite of a thousand colours"}\n' if suffix == ".jsonl" else "a kite of a thousand colours\n"
    file = folder / f"long{suffix}"
    file.write_text(("prompt\n" if suffix == ".csv" else "") + line * 10_000)

    requests = RequestFile(file, "usual")
    requests.count()  # what a first time loads and keeps is not the file's
    tracemalloc.start()
    try:
        assert requests.count() == 10_000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
