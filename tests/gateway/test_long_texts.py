"""Large bodies are parsed piece by piece, and say the same as parsed at once."""

import base64
import json
import random
from typing import Any

import pytest

from apimodels_async.gateway import json_body, long_texts
from apimodels_async.gateway.base64_text import PIECE, decoded
from apimodels_async.gateway.json_body import json_object
from apimodels_async.gateway.refusals import Refusal

LONG = 5 * long_texts.PIECE
PICTURE = base64.b64encode(random.Random(7).randbytes(LONG)).decode()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were parsed at once."""
    sizes: list[int] = []
    loads = json.loads

    def noted(text: bytes, **options: Any) -> Any:
        sizes.append(len(text))
        return loads(text, **options)

    monkeypatch.setattr("json.loads", noted)
    return sizes


@pytest.mark.parametrize(
    "fields",
    [
        {"image": PICTURE},
        {"images": [PICTURE, "short", PICTURE], "n": 2, "x": {"y": [1.5, None, True, PICTURE]}},
        {"prompt": 'a "quoted" \\ word \\\\" \U0001f98a', "image": PICTURE, "x": "0.1e0"},
    ],
)
@pytest.mark.parametrize("slashes", [False, True])
def test_a_picture_is_parsed_in_pieces(fields: dict[str, Any], parsed: list[int], *, slashes: bool) -> None:
    body = json.dumps(fields)
    body = body.replace("/", "\\/") if slashes else body
    assert json_object(body.encode()) == {name: value for name, value in fields.items() if value is not None}
    assert max(parsed) < 3 * long_texts.PIECE


@pytest.mark.parametrize(
    "unit", ["ä", "\U0001f98a", '"' + "a" * 20, "\\", "\n", "a" * 40 + "\\" * 3, "b" * 20 + "\U0001f98a"]
)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_any_long_text_says_the_same_as_parsed_at_once(unit: str, *, ascii_only: bool) -> None:
    for shift in range(3):
        fields = {"x": "y" * shift + unit * (2 * LONG // len(json.dumps(unit, ensure_ascii=ascii_only))), "z": "a"}
        assert json_object(json.dumps(fields, ensure_ascii=ascii_only).encode()) == fields


@pytest.mark.parametrize(
    "broken",
    [
        b'{"image": "' + b"A" * LONG,
        b'{"image": "' + b"A" * LONG + b'"',
        b'{"image": "' + b"A" * LONG + b"\n" + b"A" * LONG + b'"}',
        b'{"image": "' + b"A" * LONG + b"\\x" + b"A" * LONG + b'"}',
        b'{"image": "' + b"A" * LONG + b"\xff" + b"A" * LONG + b'"}',
        b'{"' + b"A" * LONG + b'": 1}',
        b'{"image" "' + b"A" * LONG + b'"}',
        b'{"x": NaN, "image": "' + b"A" * LONG + b'"}',
        json.dumps({"image": "A" * LONG}).encode("utf-16"),
    ],
)
def test_what_is_not_json_is_refused_in_pieces_as_well(broken: bytes) -> None:
    with pytest.raises(Refusal, match="not valid JSON"):
        json_object(broken)


def test_the_json_besides_the_pictures_has_8_mb_at_most(parsed: list[int]) -> None:
    with pytest.raises(Refusal, match="more than 8 MB of JSON besides its pictures"):
        json_object(json.dumps({f"x{number}": "x" * 900 for number in range(10_000)}).encode())
    assert parsed == []


@pytest.mark.parametrize("text", ['"' * 1_000_000, "\\" * 3_000_000])
def test_millions_of_escapes_are_refused_unparsed(text: str, parsed: list[int]) -> None:
    with pytest.raises(Refusal, match="escapes"):
        json_object(json.dumps({"x": text}).encode())
    assert parsed == []


def test_a_body_cannot_name_a_long_text_by_a_number() -> None:
    bodies = [b'{"x": 0.5e1, "image": "' + b"A" * LONG + b'"}' for _ in range(2)]
    rests = [long_texts.LongTexts(body).rest for body in bodies]
    assert rests[0] != rests[1]  # drawn anew for each body
    assert [json_body.json_object(body)["x"] for body in bodies] == [5.0, 5.0]


# --- base64


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 3 * PIECE // 4, PIECE, PIECE + 1, 3 * PIECE + 2])
@pytest.mark.parametrize("every", [0, 1, 76])
@pytest.mark.parametrize("head", ["", "data:image/png;base64,", " \nDATA:;base64,"])
def test_base64_is_decoded_in_pieces(size: int, every: int, head: str) -> None:
    data = random.Random(size).randbytes(size)
    text = base64.b64encode(data).decode()
    lines = [text[at : at + every] for at in range(0, len(text), every)] if every else [text]
    assert decoded(head + "\r\n".join(lines) + " ") == data


@pytest.mark.parametrize("place", [0, PIECE - 4, PIECE, 2 * PIECE])
@pytest.mark.parametrize("wrong", ["QQ==", "QUI=", "====", "A=AA", "*AAA", "äAAA", "A"])
def test_what_is_not_base64_is_refused_wherever_it_stands(wrong: str, place: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decoded("A" * place + wrong + "A" * (3 * PIECE - place))
