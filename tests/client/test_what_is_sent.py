"""What a call puts on the wire, word for word; respx stands where the network would be."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from PIL import Image

from apimodels_async import AsyncImagesClient, GenerationRequest, Task, TaskState
from tests.support.pictures import png

pytestmark = pytest.mark.anyio

API = "https://apimodels.app/api/v1"
PENDING = {"code": 200, "msg": "success", "data": {"taskId": "clx1", "state": "pending"}}


B64 = base64.b64encode(png()).decode()


async def sent(*args: Any, **fields: Any) -> dict[str, Any]:
    """The JSON body of a create request called like this."""
    with respx.mock:
        route = respx.post(f"{API}/images/generations").mock(httpx.Response(200, json=PENDING))
        async with AsyncImagesClient("sk_test", model="m") as client:
            await client.create(*args, **fields)
        assert route.call_count == 1
        body: dict[str, Any] = json.loads(route.calls.last.request.content)
        return body


async def test_the_page_s_first_create_is_sent_as_the_page_shows_it() -> None:
    with respx.mock:
        route = respx.post(f"{API}/images/generations").mock(httpx.Response(200, json=PENDING))
        async with AsyncImagesClient("sk_test") as client:
            task = await client.create(
                "A cute cat wearing a space helmet, digital art",
                model="grok-image/grok-4.2-image",
                size="1024x1024",
                n=1,
            )
    request = route.calls.last.request
    assert request.headers["authorization"] == "Bearer sk_test"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {
        "model": "grok-image/grok-4.2-image",
        "prompt": "A cute cat wearing a space helmet, digital art",
        "size": "1024x1024",
        "n": 1,
    }
    assert task == Task(id="clx1", state=TaskState.PENDING, model="grok-image/grok-4.2-image")


async def test_what_is_not_given_is_not_sent() -> None:
    assert await sent("p") == {"model": "m", "prompt": "p"}


async def test_every_parameter_has_the_api_s_own_name() -> None:
    fields = {
        "model": "other",
        "size": "10x10",
        "n": 2,
        "callback_url": "https://a.example/cb",
        "aspect_ratio": "16:9",
        "resolution": "2k",
        "quality": "high",
        "output_format": "webp",
        "seed": 0,
    }
    assert await sent("p", **fields) == {"prompt": "p", **fields}
    assert await sent(GenerationRequest("p", **fields)) == {"prompt": "p", **fields}  # type: ignore[arg-type]


async def test_extra_body_is_merged_over_the_rest() -> None:
    body = await sent("p", size="10x10", extra_body={"size": "auto", "style": {"x": 1}})
    assert body == {"model": "m", "prompt": "p", "size": "auto", "style": {"x": 1}}


async def test_arguments_beside_a_request_replace_its_own() -> None:
    body = await sent(GenerationRequest("p", size="10x10", n=2), n=3)
    assert body == {"model": "m", "prompt": "p", "size": "10x10", "n": 3}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"image": "https://a.example/x.png"}, {"image_url": "https://a.example/x.png"}),
        ({"image": "HTTP://a.example/x.png"}, {"image_url": "HTTP://a.example/x.png"}),
        ({"image": png()}, {"image": B64}),
        ({"image": f"data:image/png;base64,{B64}"}, {"image": B64}),
        ({"images": ["https://a.example/x", "https://a.example/y"]},
         {"image_urls": ["https://a.example/x", "https://a.example/y"]}),
        ({"images": [png(), png()]}, {"images": [B64, B64]}),
        ({"images": [png(), "https://a.example/y"]}, {"images": [B64, "https://a.example/y"]}),
        ({"image": png(), "mask": png()}, {"image": B64, "mask": B64}),
        ({"image": "https://a.example/x", "mask": png()}, {"image_url": "https://a.example/x", "mask": B64}),
    ],
)  # fmt: skip
async def test_pictures_go_where_the_api_wants_them(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert await sent("p", **fields) == {"model": "m", "prompt": "p", **expected}


async def test_a_path_a_file_and_a_pillow_image_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png())
    with path.open("rb") as file:
        for image in (path, str(path), file):
            assert (await sent("p", image=image))["image"] == B64
    picture = (await sent("p", image=Image.new("RGB", (3, 2))))["image"]
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (3, 2)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"image": "no-such-file.png"}, r"image='no-such-file\.png': no such file$"),
        ({"image": B64 * 20}, "base64"),
        ({"image": b"plain text"}, "image: no picture in these 10 bytes"),
        ({"images": [png(), b"x"]}, r"images\[1\]: no picture"),
        ({"image": png(3, 2), "mask": png(2, 3)}, "mask: it is 2x3 pixels and its image 3x2"),
        ({"image": png(), "mask": "https://a.example/mask.png"}, "mask is a URL"),
        ({"mask": png()}, "mask: give the image it belongs to"),
        ({"size": "1024x"}, "size='1024x'"),
        ({"n": 0}, "n=0"),
    ],
)
async def test_a_bad_argument_is_refused_before_any_request(fields: dict[str, Any], words: str) -> None:
    with respx.mock(assert_all_called=False) as router:
        route = router.post(f"{API}/images/generations")
        async with AsyncImagesClient("sk_test", model="m") as client:
            with pytest.raises(ValueError, match=words):
                await client.create("p", **fields)
        assert route.call_count == 0


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "give text that is not empty"),
        (" ", "give text that is not empty"),
        ("a\0b", "without control characters"),
        ("a\ud800", "without lone surrogates"),
        (7, "key is a int: give text"),
    ],
)
async def test_a_key_that_no_ledger_can_keep_is_refused_before_any_request(
    key: Any, words: str, tmp_path: Path
) -> None:
    with respx.mock:
        async with AsyncImagesClient("sk_test", model="m") as client:
            with pytest.raises((TypeError, ValueError), match=words):
                await client.create("a cat", ledger=tmp_path / "run.db", key=key)
            with pytest.raises(ValueError, match="key: give the ledger"):
                await client.create("a cat", key="order-1")
    assert not (tmp_path / "run.db").exists()


async def test_no_model_anywhere_is_an_error_that_names_models() -> None:
    async with AsyncImagesClient("sk_test") as client:
        with pytest.raises(ValueError, match=r"APIMODELS_MODEL.*grok-image/grok-4\.2-image"):
            await client.create("p")


async def test_the_model_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIMODELS_MODEL", "from-env")
    with respx.mock:
        route = respx.post(f"{API}/images/generations").mock(httpx.Response(200, json=PENDING))
        async with AsyncImagesClient("sk_test") as client:
            await client.create("p")
    assert json.loads(route.calls.last.request.content)["model"] == "from-env"


async def test_a_query_is_a_get_with_the_task_id_and_nothing_else() -> None:
    with respx.mock:
        route = respx.get(f"{API}/images/generations").mock(httpx.Response(200, json=PENDING))
        async with AsyncImagesClient("sk_test") as client:
            await client.get("clx1")
    request = route.calls.last.request
    assert request.url.params.multi_items() == [("task_id", "clx1")]
    assert request.headers["authorization"] == "Bearer sk_test"
    assert request.content == b""


async def test_an_upload_is_multipart_with_the_sniffed_type() -> None:
    answer = {"code": 200, "msg": "success", "data": {"publicUrl": "https://files.example/x.png"}}
    with respx.mock:
        route = respx.post(f"{API}/files").mock(httpx.Response(200, json=answer))
        async with AsyncImagesClient("sk_test") as client:
            assert await client.upload(png()) == "https://files.example/x.png"
            with pytest.raises(ValueError, match="hosted already"):
                await client.upload("https://files.example/x.png")
    request = route.calls.last.request
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="file"; filename="upload.png"\r\nContent-Type: image/png\r\n\r\n' + png() in request.content


@pytest.mark.parametrize("bad", ["", "  "])
async def test_an_empty_task_id_is_refused(bad: str) -> None:
    async with AsyncImagesClient("sk_test") as client:
        with pytest.raises(ValueError, match="task_id"):
            await client.get(bad)


def test_numbers_out_of_range_are_refused_at_construction() -> None:
    for arguments in ({"timeout": 0}, {"wait_timeout": -1}, {"wait_timeout": float("nan")}, {"max_retries": -1}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            AsyncImagesClient("sk_test", **arguments)
