"""Pictures to work on come as base64 or by URL, and reach the painter as they were."""

import asyncio
import base64
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from apimodels_async.gateway.fetch import fetch_local
from apimodels_async.gateway.limits import FETCH_TIME, BodyBudget
from apimodels_async.gateway.refusals import Refusal
from tests.support.servers import Handler, http_server


def painted_with(desk: Any, **fields: Any) -> dict[str, Any]:
    task = desk.finish(**fields)
    desk.ask("GET", task["resultUrls"][0])
    order: dict[str, Any] = desk.painter.calls[-1]
    return order


class Shelf:
    """A web server on this machine: `files` maps a path to status, headers and body; `asked` are the paths."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.url = ""


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    shelf = Shelf()

    class Files(Handler):
        def get(self) -> None:
            shelf.asked.append(self.path)
            status, headers, body = shelf.files.get(self.path, (404, {}, b""))
            self.close_connection = True
            self.answer(status, body, "application/octet-stream", headers)

    with http_server(Files) as shelf.url:
        yield shelf


def test_base64_may_have_a_data_uris_head_and_line_breaks(desk: Any, png: Callable[..., bytes]) -> None:
    data = png()
    text = base64.b64encode(data).decode()
    for form in (text, f"data:image/png;base64,{text}", base64.encodebytes(data).decode(), f" {text}\r\n"):
        assert painted_with(desk, image=form)["images"] == [data]


def test_an_edit_is_as_large_as_its_picture_unless_asked_otherwise(desk: Any, b64: Callable[..., str]) -> None:
    image = b64(48, 32)
    assert painted_with(desk, image=image)["size"] == (48, 32)
    assert painted_with(desk, image=image, size="100x50")["size"] == (100, 50)
    assert painted_with(desk, image=image, resolution="1K")["size"] == (1024, 683)
    assert painted_with(desk, images=[image, b64(99, 99)])["size"] == (48, 32)


def test_a_picture_is_as_large_as_its_camera_meant_it(desk: Any, b64: Callable[..., str]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert painted_with(desk, image=b64(48, 32, "JPEG", exif=exif))["size"] == (32, 48)


@pytest.mark.filterwarnings("ignore:.*EXIF")
def test_a_broken_exif_block_does_not_spoil_a_picture(desk: Any, b64: Callable[..., str]) -> None:
    image = b64(48, 32, "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\xff\xff")
    assert painted_with(desk, image=image)["size"] == (48, 32)


def test_a_mask_comes_with_the_picture_it_belongs_to(desk: Any, png: Callable[..., bytes]) -> None:
    image, mask = png(48, 32), png(48, 32, "WEBP")
    order = painted_with(desk, image=base64.b64encode(image).decode(), mask=base64.b64encode(mask).decode())
    assert (order["images"], order["mask"]) == ([image], mask)


def test_several_pictures_arrive_in_order(desk: Any, shelf: Any, png: Callable[..., bytes]) -> None:
    pictures = [png(20 + index, 20) for index in range(5)]
    for index, data in enumerate(pictures):
        shelf.files[f"/{index}.png"] = (200, {}, data)
    order = painted_with(
        desk,
        image=base64.b64encode(pictures[0]).decode(),
        image_url=f"{shelf.url}/1.png",
        images=[base64.b64encode(pictures[2]).decode(), f"{shelf.url}/3.png"],
        image_urls=[f"{shelf.url}/4.png"],
    )
    assert order["images"] == pictures


def test_a_result_can_be_worked_on_by_its_url_without_a_request(desk: Any) -> None:
    (url,) = desk.finish(size="40x30")["resultUrls"]
    order = painted_with(desk, image_url=url)
    assert order["images"] == [desk.ask("GET", url).content]
    assert order["size"] == (40, 30)


def test_a_hosted_file_can_be_worked_on_by_its_url(desk: Any, png: Callable[..., bytes]) -> None:
    data = png()
    url = desk.ask("POST", "/files", files={"file": data}).json()["data"]["publicUrl"]
    assert painted_with(desk, image_urls=[url])["images"] == [data]


def refused(desk: Any, url: str, field: str = "image_url") -> str:
    body = {"model": "sparkpix-image-edit", "prompt": "a cat", field: url if field == "image_url" else [url]}
    answer = desk.ask("POST", "/images/generations", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 400), answer.text
    message: str = answer.json()["msg"]
    assert message.startswith(field)
    return message


def test_a_format_that_is_not_read_is_refused_with_those_that_are(desk: Any) -> None:
    heic = base64.b64encode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64).decode()
    answer = desk.ask(
        "POST", "/images/generations", json={"model": "sparkpix-image-edit", "prompt": "a", "image": heic}
    )
    assert answer.status_code == 400
    assert "this gateway reads PNG, JPEG, WebP, GIF, BMP, TIFF" in answer.json()["msg"]


def test_an_own_url_where_nothing_is_is_refused(desk: Any) -> None:
    assert "no such picture" in refused(desk, "http://gateway.test/results/clnone-0.png")
    assert "no such file" in refused(desk, "http://gateway.test/hosted/none", "image_urls")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/cat.png",
        "http://example.com/cat.png",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[2001:db8::1]/",
        "http://localhost.example.com/",
        "http://127.0.0.1@example.com/",
        "http://0.0.0.0/",
        "https://127.0.0.1/",
    ],
)
def test_the_gateway_never_reaches_out_to_another_machine(desk: Any, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(*_: object, **__: object) -> None:
        raise AssertionError("it did")

    monkeypatch.setattr("asyncio.BaseEventLoop.create_connection", reach)
    assert "only fetches http URLs from this machine" in refused(desk, url)


def test_a_redirect_is_not_followed(desk: Any, shelf: Any, png: Callable[..., bytes]) -> None:
    shelf.files["/away"] = (302, {"Location": f"{shelf.url}/cat.png"}, b"")
    shelf.files["/cat.png"] = (200, {}, png())
    assert "302" in refused(desk, f"{shelf.url}/away")
    assert shelf.asked == ["/away"]


def test_no_proxy_is_asked(desk: Any, shelf: Any, png: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    shelf.files["/cat.png?x=1"] = (200, {}, png())
    for host in ("127.0.0.1", "localhost"):
        url = f"{shelf.url.replace('127.0.0.1', host)}/cat.png?x=1#there"
        assert painted_with(desk, image_url=url)["images"] == [png()]


def test_what_cannot_be_fetched_is_refused(desk: Any, shelf: Any) -> None:
    shelf.files["/text"] = (200, {}, b"no picture")
    shelf.files["/short"] = (200, {"Content-Length": "100"}, b"1")
    assert "404" in refused(desk, f"{shelf.url}/nothing")
    assert "no picture" in refused(desk, f"{shelf.url}/text")
    refused(desk, f"{shelf.url}/short")
    refused(desk, f"{shelf.url}/white space")
    refused(desk, f"{shelf.url}/ünicode")
    refused(desk, "http://127.0.0.1:99999/")
    refused(desk, "http://127.0.0.1:1/")


def test_more_than_50_mb_at_a_url_is_refused(shelf: Any) -> None:
    shelf.files["/much"] = (200, {}, bytes(50 * 1024 * 1024 + 1))
    with pytest.raises(Refusal, match=r"^image_url: there are more than 50 MB at the URL"):
        asyncio.run(fetch_local("image_url", f"{shelf.url}/much", BodyBudget(), time_limit=600))


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_url_that_does_not_answer_in_time_is_refused(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def mumble() -> None:
            connection, _ = silent.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(said)
                while said:
                    connection.sendall(b".")  # never silent for long, and never done
                    time.sleep(0.01)
                connection.recv(1000)
                connection.recv(1000)

        thread = threading.Thread(target=mumble)
        thread.start()
        with pytest.raises(Refusal, match=r"^image_url: .* did not answer within 0.1 s"):
            asyncio.run(
                fetch_local(
                    "image_url",
                    f"http://127.0.0.1:{silent.getsockname()[1]}/",
                    BodyBudget(),
                    time_limit=0.1,
                )
            )
        thread.join()


def test_the_time_limit_is_seconds() -> None:
    assert FETCH_TIME == 5
