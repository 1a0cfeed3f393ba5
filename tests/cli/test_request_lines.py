"""What counts as a request in a file, and what is said of a line that is none."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import GenerationRequest
from apimodels_async.cli.batch.request_files import RequestFile
from apimodels_async.cli.batch.request_lines import FORMS, BadLineError, Line
from apimodels_async.cli.failures import CommandFailed
from tests.support.pictures import JPEG, PNG


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "room.png").write_bytes(PNG)
    (tmp_path / "mask.png").write_bytes(PNG)
    (tmp_path / "page.png").write_bytes(b"<html>" * 100)
    (tmp_path / "photo.jpg").write_bytes(JPEG[:1000])
    (tmp_path / "large.png").write_bytes(PNG[:19] + b"\x07" + PNG[20:])
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
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
        '{"prompt": "inside", "image": " data:image/png;base64,AAAA"}\n'
    )

    assert read(folder, ".jsonl", text) == [
        Line(1, GenerationRequest("a fox", model="usual", n=2, seed=-1, extra_body={"style": "oil"})),
        Line(3, GenerationRequest("dusk", model="mine", image=folder / "room.png", mask=folder / "mask.png")),
        Line(
            4,
            GenerationRequest("both", model="usual", images=[folder / "room.png", "https://pictures.example/cat.png"]),
        ),
        Line(5, GenerationRequest("inside", model="usual", image=" data:image/png;base64,AAAA")),
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
    (".jsonl", '{"prompt": null}', "line 1: prompt is null"),
    (".jsonl", '{"prompt": " "}', "line 1: prompt"),
    (".jsonl", '{"prompt": "a", "prompt": "b"}', "line 1: 'prompt' stands there twice"),
    (".jsonl", '{"prompt": "a"', "line 1: no JSON: Expecting ',' delimiter at column 15"),
    (".jsonl", '["a"]', 'line 1: give a JSON object, as {"prompt": "A red kite"}'),
    (".jsonl", "{}", "line 1: give a JSON object"),
    (".jsonl", "[" * 100_000, "line 1: no JSON"),
    (".jsonl", '{"prompt": "a", "n": NaN}', "line 1: no JSON: NaN"),
    (".jsonl", '{"prompt": "a", "n": "2"}', "line 1: n is text: give a whole number"),
    (".jsonl", '{"prompt": "a", "n": true}', "line 1: n is true or false"),
    (".jsonl", '{"prompt": "a", "size": "1024x"}', "line 1: size='1024x': give pixels"),
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
    (".csv", "prompt,n\na,1_0", "line 2: n='1_0': give a whole number"),
    (".csv", "prompt,seed\na,1E+05", "line 2: seed='1E+05': give a whole number"),
    (".csv", "prompt,images\na,room.png", "line 2: images='room.png': give JSON"),
    (".csv", "prompt,n\n,2", "line 2: there is no prompt"),
    (".csv", 'prompt\na\n"never closed\n\n', "line 3: no CSV"),
    (".txt", b"fine\n\xff\xfe\n", "line 2: no UTF-8: save the file as UTF-8"),
    (".txt", "caf\u00e9".encode("latin-1"), "line 1: no UTF-8: save the file as UTF-8"),
    (".txt", "a\nb".encode("utf-16") + b"x", "line 2: no UTF-16"),
    (".txt", b"a\nA\x00B\n", "line 2: prompt='A\\x00B': give text without control characters (it has U+0000"),
    (".txt", bytes(range(128)), "line 1: prompt="),
    (".txt", "a\n\x1b[31mred\n", "line 2: prompt="),
    (".csv", "prompt\nA\x00B\n", "line 2: prompt="),
    (".jsonl", '{"prompt": "A\\u0000B"}', "line 1: prompt="),
    (
        ".jsonl",
        '{"prompt": "A", "seed": ' + "9" * 5000 + "}",
        "line 1: no JSON of a request: a number in it has too many",
    ),
    (".jsonl", '{"prompt": "A", "extra_body": {"x": ' + "9" * 5000 + "}}", "line 1: no JSON of a request: a number"),
    (".jsonl", '{"prompt": "A", "seed": ' + "9" * 100 + "}", "line 1: seed: give a whole number of at most 256 bits"),
    (".jsonl", '{"prompt": "A", "n": 1e999}', "line 1: n is a number"),
    (".jsonl", '{"prompt": "A", "extra_body": {"x": 1e999}}', "line 1: extra_body: cannot be written as JSON"),
    (".jsonl", '{"prompt": "A", "extra_body": {"x": "\\ud83d"}}', "line 1: extra_body: cannot be written as JSON"),
    (".csv", 'prompt,extra_body\na,"{""x"": NaN}"', "line 2: no JSON: NaN is none of its numbers"),
    (".csv", 'prompt,extra_body\na,"{""x"": 1, ""x"": 2}"', "line 2: 'x' stands there twice"),
    (".csv", f"prompt,seed\na,{'9' * 5000}", "line 2: seed='" + "9" * 60 + "…(5000 characters)': give a whole number"),
    (
        ".csv",
        f"prompt,extra_body\na,{'x' * 9000}",
        "line 2: extra_body='" + "x" * 60 + "…(9000 characters)': give JSON",
    ),
    (".csv", f"prompt,{'x' * 9000}\na,b", "line 1: unknown field '" + "x" * 60 + "…(9000 characters)'"),
    (".csv", ",prompt\n0,a fox", "line 2: column 1 has no name and is not empty: name it, or delete it"),
    (".tsv", "prompt\tsise\na\t1x1", "line 1: unknown field 'sise'; did you mean 'size'?"),
    (".csv", "Prompt,PROMPT\na,b", "line 1: 'prompt' stands there twice"),
    (".jsonl", '{"Prompt": "a"}', "line 1: unknown field 'Prompt'; did you mean 'prompt'?"),
    (".jsonl", '{"prompt": "A", "image": "folder.png"}', "line 1: image='folder.png': a folder, and no file, in"),
    (".jsonl", '{"prompt": "A", "image": " "}', "line 1: image: is empty"),
]


UNSEEN: list[tuple[str, str]] = [
    ('"image": "page.png"', "image: no picture in its first 256 bytes"),
    ('"image": "empty.png"', "image: no picture in these 0 bytes"),
    ('"images": ["room.png", "page.png"]', "images[1]: no picture in its first 256 bytes"),
    ('"image": "data:image/png;base64,@@@@"', "image: the data: URI is broken: base64 has no '@'"),
    ('"image": "data:image/png;base64,AAAA"', "image: no picture in these 3 bytes"),
    (
        '"image": "large.png", "mask": "mask.png"',
        "mask: it is 1x1 pixels and its image 7x1; give both in the same size",
    ),
    ('"image": "room.png", "mask": "page.png"', "mask: no picture in its first 256 bytes"),
    ('"image": "photo.jpg", "mask": "mask.png"', "image: this JPEG breaks off after 1000 bytes"),
]


@pytest.mark.parametrize(("fields", "words"), UNSEEN)
def test_a_picture_that_would_be_refused_is_named_before_anything_is_sent(
    folder: Path, fields: str, words: str
) -> None:
    file = folder / "requests.jsonl"
    good = '{"prompt": "A", "image": "room.png", "mask": "mask.png"}'
    file.write_text(f'{good}\n{{"prompt": "B", {fields}}}\n')

    with pytest.raises(BadLineError) as caught:
        RequestFile(file, "usual").count()

    assert f"requests.jsonl, line 2: {words}" in str(caught.value)


SAME: dict[str, tuple[str, bytes]] = {
    "CR": (".txt", b"a fox\ra kite\r"),
    "CR LF": (".txt", b"a fox\r\na kite\r\n"),
    "blank lines": (".txt", "\u200b\n\ufeff\na fox\n \u00a0\t\n\u3164\na kite".encode()),
    "files joined with their marks": (".txt", "\ufeffa fox\n\ufeffa kite\n".encode()),
    "UTF-16 with a mark": (".txt", "a fox\r\na kite\r\n".encode("utf-16")),
    "UTF-16, big end first, with a mark": (".txt", "\ufeffa fox\na kite\n".encode("utf-16-be")),
    "UTF-16 without a mark": (".txt", "a fox\na kite\n".encode("utf-16-le")),
    "UTF-16, big end first, without a mark": (".txt", "a fox\na kite\n".encode("utf-16-be")),
    "UTF-32": (".txt", "a fox\na kite\n".encode("utf-32")),
    "JSON in UTF-16": (".jsonl", '{"prompt": "a fox"}\r\n{"prompt": "a kite"}'.encode("utf-16")),
    "ndjson": (".ndjson", b'{"prompt": "a fox"}\n\n{"prompt": "a kite"}\n'),
    "commas": (".csv", b"prompt,size\na fox\na kite,\n"),
    "semicolons": (".csv", b"prompt;size\r\na fox;\r\na kite;\r\n"),
    "semicolons that are named": (".csv", b"sep=;\r\nprompt;size\r\na fox;\r\na kite;\r\n"),
    "tabs": (".tsv", b"size\tprompt\n\ta fox\n\ta kite\n"),
    "tabs in UTF-16": (".csv", "size\tprompt\r\n\ta fox\r\n\ta kite\r\n".encode("utf-16")),
    "commas in a .tsv": (".tsv", b"size,prompt\n,a fox\n,a kite\n"),
    "a header in capitals": (".csv", b"Size,PROMPT\n,a fox\n,a kite\n"),
    "columns without a name": (".csv", b",prompt,,\n,a fox,,\n,a kite,,,,\n"),
    "blank rows": (
        ".csv",
        "\n\u200b,\nprompt,size\n,\n\u00a0,\na fox,\n\na kite,\n".encode().removeprefix(b"\n\xe2\x80\x8b,\n"),
    ),
    "CR in a table": (".csv", b"prompt\ra fox\ra kite\r"),
    "a quoted header": (".csv", b'"prompt"\n"a fox"\n"a kite"\n'),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_requests_are_read_whatever_program_wrote_the_file(folder: Path, name: str) -> None:
    suffix, data = SAME[name]

    assert [line.request.prompt for line in read(folder, suffix, data)] == ["a fox", "a kite"]


def test_lines_are_numbered_as_an_editor_numbers_them(folder: Path) -> None:
    assert [line.number for line in read(folder, ".txt", "\n\na\r\rb\r\nc")] == [3, 5, 6]
    assert [line.number for line in read(folder, ".csv", '\nsep=,\nprompt\na\n\n"b\nc"\nd')] == [4, 6, 8]


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
    line = (
        '{"prompt": "a kite of a thousand colours"}\n'
        if suffix in (".jsonl", ".ndjson")
        else "a kite of a thousand colours\n"
    )
    file = folder / f"long{suffix}"
    file.write_text(("prompt\n" if suffix in (".csv", ".tsv") else "") + line * 10_000)

    requests = RequestFile(file, "usual")
    requests.count()  # what a first time loads and keeps is not the file's
    tracemalloc.start()
    try:
        assert requests.count() == 10_000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
