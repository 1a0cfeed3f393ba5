"""What pictures are called: templates, what is made safe, and numbers for names that are taken."""

import logging
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apimodels_async import GenerationRequest, Task
from apimodels_async._arguments import ArgumentError
from apimodels_async._download.names import OF_A_TASK, Naming, PictureName, safe, split_suffix
from apimodels_async._download.reserved import ReservedNames

REQUEST = GenerationRequest("A red kite, at dusk!", model="grok/kite", seed=7, size="64x64")


def task(pictures: int = 1, task_id: str | None = "clx1") -> Task:
    return Task(id=task_id, state="completed", model="grok/kite", result_urls=("https://a/b.png",) * pictures)


def named(template: str, pictures: int = 1, *, index: int = 2, requests: object = None) -> str:
    naming = Naming(template, requests=[""] * 3 if requests is None else requests)
    return str(naming.name(task(pictures), index=index, request=REQUEST, key="abc#0"))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{line:04}-{prompt}", "0003-A_red_kite_at_dusk"),
        ("{line}-{id}", "0003-clx1"),
        ("{Line:d} {model}", "3 grok_kite"),
        ("{key}", "abc_0"),
        ("{seed:03}.{size}", "007.64x64"),
        ("{index:02}-{prompt:.5}", "{index:02}-A_red"),
        ("a cat.PNG", "a cat.PNG"),
        ("{quality}-x", "x"),
        ("{quality}", "clx1"),
        ("nul", "nul_"),
        (" ..-hidden. ", "hidden"),
    ],
)
def test_a_template_becomes_a_name(template: str, expected: str) -> None:
    assert named(template) == expected


def test_lines_are_numbered_with_as_many_digits_as_it_takes() -> None:
    assert named("{line}", index=99_999, requests=range(100_000)) == "100000"
    assert named("{line}", index=9, requests=range(100_000)) == "000010"
    assert named("{line}", index=9, requests=iter("")) == "000010"


def test_the_index_is_added_where_there_are_several_pictures() -> None:
    assert [PictureName(named("cat", 2)).stem(index) for index in (0, 1)] == ["cat-0", "cat-1"]
    assert PictureName(named("cat", 11)).stem(3) == "cat-03"
    assert PictureName(named("{index}-cat", 2)).stem(1) == "1-cat"


def test_a_number_stands_before_the_index() -> None:
    assert PictureName("cat").numbered(2).stem(0) == "cat-2"
    assert PictureName("cat-{index}").numbered(3).stem(1) == "cat-3-1"
    assert PictureName("{index:02}-cat").numbered(2).stem(1) == "01-cat-2"
    assert PictureName("cat").numbered(1) == PictureName("cat")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a/b", "/ and \\ are for folders"),
        ("a:b", "':' is not for names"),
        ("{", "a brace stands alone"),
        ("{produkt}", "there is no {produkt}; there are {line}, {key}, {id}"),
        ("{id.__class__}", "there is no {id.__class__}"),
        ("{id!r}", "leave out !r"),
        ("{line:999999999}", "is no format"),
        ("{{a}}", "braces are for fields"),
        ("{}", "names no field"),
        ("  ", "is empty"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_at_once(template: str, words: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(words)):
        Naming(template)


def test_a_task_alone_has_fewer_fields() -> None:
    with pytest.raises(ArgumentError, match=re.escape("there are {id}, {index}, {model}")):
        Naming("{prompt}", fields=OF_A_TASK)


def test_a_function_gives_a_template_for_each_request() -> None:
    naming = Naming(lambda index, request: f"{index}-{request.seed}-{{id}}")

    assert str(naming.name(task(), index=4, request=REQUEST)) == "4-7-clx1"


def test_what_is_paid_for_is_saved_by_its_id_where_the_name_fails(caplog: pytest.LogCaptureFixture) -> None:
    def fails(index: int, request: GenerationRequest) -> str:
        raise KeyError(index)

    with caplog.at_level(logging.WARNING, "apimodels_async"):
        names = [str(Naming(each).name(task(), request=REQUEST)) for each in (fails, lambda *_: "a/b")]

    assert names == ["clx1", "clx1"]
    assert caplog.text.count("named by its id") == 2


@given(st.text(), st.text())
@example("", "-")
@example("-", "--help")
def test_no_value_leaves_the_folder_or_hides_or_is_too_long(prompt: str, task_id: str) -> None:
    request = GenerationRequest("x", model="m")
    object.__setattr__(request, "prompt", prompt)
    name = str(Naming("{prompt}").name(task(3, task_id or None), request=request))
    stem = PictureName(name).numbered(2).stem(2)

    assert re.fullmatch(r"[\w-]+", stem.replace("\u200d", ""), re.UNICODE) or all(
        sign.isprintable() and sign not in '/\\:*?"<>|' for sign in stem
    )
    assert not stem.startswith((".", "-", " "))
    assert 0 < len(stem.encode("utf-8", "replace")) < 200
    assert Path(stem).name == stem


def test_letters_of_every_script_are_kept_and_what_cannot_be_seen_is_not() -> None:
    assert safe("猫, café и हिन्दी") == "猫_café_и_हिन्दी"
    assert safe("a\u202eb\u3164c\u200bd\x00e/../f") == "a_b_c_d_e_f"
    assert len(safe("猫" * 500).encode()) <= 80


def test_only_the_suffix_of_a_picture_is_one() -> None:
    assert split_suffix("cat.jpeg") == ("cat", ".jpeg")
    assert split_suffix("v1.5") == ("v1.5", "")
    assert split_suffix(".png") == (".png", "")


def test_a_name_is_reserved_once_and_free_when_it_is_released(tmp_path: Path) -> None:
    (tmp_path / "kite-1.webp").touch()
    names = ReservedNames(tmp_path)

    first, second, third = (names.reserve(PictureName(each), 1) for each in ("Cat", "cat", "CAT"))
    several = names.reserve(PictureName("kite-{index}"), 2)

    assert [each.text for each in (first, second, third, several)] == ["Cat", "cat-2", "CAT-3", "kite-2-{index}"]
    names.release(second)
    assert names.reserve(PictureName("cat-2"), 1).text == "cat-2"
