"""A create that cannot be done is refused, and the message names the field."""

import base64
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest

MODEL = "sparkpix-image-edit"


def bad(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "prompt": "a cat", **fields}


def huge_png(width: int, height: int) -> bytes:
    """The head of a picture that would fill the memory, in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


BODIES = [
    ("prompt", {"model": MODEL}),
    ("prompt", bad(prompt="")),
    ("prompt", bad(prompt=" \n")),
    ("prompt", bad(prompt=7)),
    ("prompt", bad(prompt=None)),
    ("prompt", bad(prompt="half a pair \ud83d")),
    ("model", {"prompt": "a cat"}),
    ("model", bad(model="")),
    ("model", bad(model="\ud83d")),
    ("model", bad(model=["sparkpix-image"])),
    ("size", bad(size="big")),
    ("size", bad(size="1024")),
    ("size", bad(size="1024x")),
    ("size", bad(size="15x1024")),
    ("size", bad(size="1024x4097")),
    ("size", bad(size="0x0")),
    ("size", bad(size="0064x0064")),
    ("size", bad(size="-64x64")),
    ("size", bad(size="64x64\n")),
    ("size", bad(size="٦٤x٦٤")),
    ("size", bad(size=[1024, 1024])),
    ("aspect_ratio", bad(aspect_ratio="wide")),
    ("aspect_ratio", bad(aspect_ratio="0:1")),
    ("aspect_ratio", bad(aspect_ratio="65:1")),
    ("aspect_ratio", bad(aspect_ratio=1.5)),
    ("resolution", bad(resolution="3K")),
    ("resolution", bad(resolution=2)),
    ("n", bad(n=0)),
    ("n", bad(n=11)),
    ("n", bad(n=-1)),
    ("n", bad(n="2")),
    ("n", bad(n=1.5)),
    ("n", bad(n=True)),
    ("quality", bad(quality="best")),
    ("quality", bad(quality=1)),
    ("output_format", bad(output_format="gif")),
    ("output_format", bad(output_format=["png"])),
    ("seed", bad(seed="7")),
    ("seed", bad(seed=1.5)),
    ("seed", bad(seed=True)),
    ("seed", bad(seed=2**63)),
    ("callback_url", bad(callback_url="ftp://example.com/")),
    ("callback_url", bad(callback_url="/hook")),
    ("callback_url", bad(callback_url="http://")),
    ("callback_url", bad(callback_url="http://[")),
    ("callback_url", bad(callback_url=5)),
    ("image", bad(image="not base64!")),
    ("image", bad(image="YWJ")),
    ("image", bad(image=7)),
    ("image", bad(image="https://example.com/cat.png")),
    ("image", bad(image="")),
    ("image", bad(image=encode(b"no picture"))),
    ("image", bad(image=encode(huge_png(10, 10)))),
    ("image", bad(image="data:image/png,plain")),
    ("images", bad(images="iVBORw0KGgo=")),
    ("images", bad(images={"0": "x"})),
    ("images[0]", bad(images=[None])),
    ("images[0]", bad(images=["not base64!"])),
    ("images[0]", bad(images=["https://example.com/cat.png"])),
    ("image_url", bad(image_url="cat.png")),
    ("image_url", bad(image_url=3)),
    ("image_url", bad(image_url="file:///etc/passwd")),
    ("image_urls", bad(image_urls="http://127.0.0.1/")),
    ("image_urls[1]", bad(image_urls=["http://127.0.0.1:1/", "x"])),
    ("image_urls[16]", bad(image_urls=["http://127.0.0.1:1/"] * 17)),
    ("mask", bad(mask=encode(b"whatever"))),
]


@pytest.mark.parametrize(("field", "body"), BODIES, ids=lambda value: value if isinstance(value, str) else "")
def test_the_message_names_the_field(desk: Any, field: str, body: dict[str, Any]) -> None:
    answer = desk.ask("POST", "/images/generations", content=json.dumps(body))
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (400, 400, None)
    assert answer.json()["msg"].startswith(field)
    assert len(answer.json()["msg"]) < 300


def test_a_masks_bytes_are_looked_into_too(desk: Any, b64: Callable[..., str]) -> None:
    for mask in ("not base64!", encode(b"no picture")):
        answer = desk.ask("POST", "/images/generations", json=bad(image=b64(), mask=mask))
        assert (answer.status_code, answer.json()["msg"].split()[0].strip(":")) == (400, "mask")


@pytest.mark.parametrize("size", [(8001, 8000), (30_000, 5_000), (2**31 - 1, 2**31 - 1)])
def test_a_small_file_with_a_picture_that_would_fill_the_memory_is_refused(desk: Any, size: tuple[int, int]) -> None:
    answer = desk.ask("POST", "/images/generations", json=bad(image=encode(huge_png(*size))))
    assert (answer.status_code, answer.json()["msg"]) == (400, "image: the picture has more than 64 megapixels")


def test_a_picture_that_breaks_off_is_refused(desk: Any, png: Callable[..., bytes]) -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        whole = png(200, 100, kind)
        answer = desk.ask("POST", "/images/generations", json=bad(image=encode(whole[: len(whole) * 2 // 3])))
        assert (answer.status_code, answer.json()["msg"].split(":")[0]) == (400, "image")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe\xff",
        b'{"model": "sparkpix-image", "prompt": "a", "seed": NaN}',
        b'{"n": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"[]",
        b'"text"',
        b"null",
    ],
)
def test_a_body_that_is_no_json_object_is_refused(desk: Any, body: bytes) -> None:
    answer = desk.ask("POST", "/images/generations", content=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (400, 400, None)
    assert "JSON" in answer.json()["msg"]


def test_null_counts_as_left_out_and_unknown_fields_are_passed_over(desk: Any) -> None:
    fields = ("size", "n", "image", "images", "mask", "callback_url", "quality", "seed", "image_url", "image_urls")
    data = desk.create(**dict.fromkeys(fields), images_of_tomorrow=[1])
    assert data["state"] == "pending"


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1},
        {"n": 10},
        {"size": "16x4096"},
        {"aspect_ratio": "64:1"},
        {"aspect_ratio": "16:9", "resolution": "4k"},
        {"quality": "auto"},
        {"output_format": "webp"},
        {"seed": -(2**63)},
        {"seed": 2**63 - 1},
        {"images": []},
        {"callback_url": "http://127.0.0.1:9/hook"},
        {"prompt": "ein Leuchtturm 🗼 \x00\n"},
    ],
)
def test_what_is_just_right_is_accepted(desk: Any, fields: dict[str, Any]) -> None:
    assert desk.create(**fields)["state"] == "pending"


def test_a_body_over_50_mb_is_refused_by_the_bytes_that_come_in(desk: Any) -> None:
    total = 50 * 1024 * 1024

    def body(length: int) -> bytes:
        frame = json.dumps(bad(padding=""))
        return json.dumps(bad(padding="x" * (length - len(frame)))).encode()

    async def in_pieces(data: bytes) -> Any:
        for start in range(0, len(data), 1 << 20):
            yield data[start : start + (1 << 20)]

    url = "/images/generations"
    assert desk.ask("POST", url, content=body(total)).status_code == 200
    for headers in ({}, {"Content-Length": "10"}):
        answer = desk.ask("POST", url, content=in_pieces(body(total + 1)), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, 400)
        assert "50 MB" in answer.json()["msg"]


@pytest.mark.parametrize(
    "header",
    [None, "", "sk_localdevelopment", "Bearer", "Bearer ", "Bearer sk_other", "Basic sk_localdevelopment", "Bearer ä"],
)
def test_without_the_key_the_api_answers_401(desk: Any, header: str | None) -> None:
    for method, path in [
        ("GET", "/images/generations?task_id=x"),
        ("POST", "/images/generations"),
        ("GET", "/models"),
        ("GET", "/balance"),
        ("POST", "/files"),
    ]:
        headers = [] if header is None else [(b"Authorization", header.encode())]
        request = desk.bare(method, path, headers)
        assert (request.status_code, request.json()["code"], request.json()["data"]) == (401, 401, None)


@pytest.mark.parametrize("key", ["sk_one", "sk_two"])
def test_any_of_several_keys_will_do(opened: Callable[..., Any], key: str) -> None:
    desk = opened(api_keys=["sk_one", "sk_two"])
    assert desk.ask("GET", "/models", headers={"Authorization": f"bearer {key}"}).status_code == 200
    assert desk.ask("GET", "/models").status_code == 401


@pytest.mark.parametrize("keys", [[], [""], ["two words"], ["ä"], ["sk_\n"]])
def test_keys_that_no_header_can_carry_are_refused(opened: Callable[..., Any], keys: list[str]) -> None:
    with pytest.raises(ValueError, match="api_keys"):
        opened(api_keys=keys)


def test_a_client_that_hangs_up_leaves_no_task(desk: Any) -> None:
    sent = desk.hang_up("/api/v1/images/generations", b'{"model":')
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [400]
    assert desk.balance() == 10.0
