"""Files are hosted for 7 days, uploaded in one request or announced first."""

from collections.abc import Callable
from typing import Any

import pytest

DAY = 24 * 3600


def announced(desk: Any, data: bytes, content_type: str = "image/png") -> dict[str, Any]:
    body = {"filename": "cat.png", "contentType": content_type, "fileSize": len(data)}
    answer = desk.ask("POST", "/files", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["data"]
    return told


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_form_hosts_a_picture(desk: Any, png: Callable[..., bytes], kind: str) -> None:
    data = png(300, 200, kind)
    answer = desk.ask("POST", "/files", files={"file": ("cat", data, "text/html")}, data={"other": "field"})
    assert {**answer.json(), "data": 0} == {"code": 200, "msg": "success", "data": 0}
    served = desk.ask("GET", answer.json()["data"]["publicUrl"], headers={"Authorization": ""})
    assert served.content == data
    assert served.headers["content-type"] == f"image/{kind.lower()}"
    assert served.headers["x-content-type-options"] == "nosniff"


def test_what_is_no_picture_is_served_as_mere_bytes(desk: Any) -> None:
    data = b"<html><script>alert(1)</script></html>"
    url = desk.ask("POST", "/files", files={"file": ("a.html", data, "text/html")}).json()["data"]["publicUrl"]
    served = desk.ask("GET", url)
    assert (served.content, served.headers["content-type"]) == (data, "application/octet-stream")
    assert served.headers["x-content-type-options"] == "nosniff"


def test_a_file_larger_than_a_megabyte_leaves_nothing_open(desk: Any) -> None:
    data = bytes(range(256)) * 16 * 1024
    url = desk.ask("POST", "/files", files={"file": data}).json()["data"]["publicUrl"]
    assert desk.ask("GET", url).content == data


def test_an_announced_file_is_put_to_its_url_and_served(desk: Any, png: Callable[..., bytes]) -> None:
    data = png()
    told = announced(desk, data)
    assert told["expiresAt"] == "2024-01-13T05:34:10.000Z"
    assert desk.ask("GET", told["publicUrl"]).status_code == 404
    headers = {"Content-Type": "image/png", "Authorization": ""}
    for _ in range(2):  # an upload may be tried again
        put = desk.ask("PUT", told["uploadUrl"], content=data, headers=headers)
        assert (put.status_code, put.json()["data"]) == (200, {"publicUrl": told["publicUrl"]})
    assert desk.ask("GET", told["publicUrl"]).content == data


def test_an_upload_must_be_what_was_announced(desk: Any, png: Callable[..., bytes]) -> None:
    data = png()
    told = announced(desk, data)
    for content, kind, field in [
        (data, "image/jpeg", "Content-Type"),
        (data, "", "Content-Type"),
        (data + b"1", "image/png", "fileSize"),
        (data[:-1], "image/png", "fileSize"),
    ]:
        answer = desk.ask("PUT", told["uploadUrl"], content=content, headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["code"]) == (400, 400)
        assert field in answer.json()["msg"]
    assert desk.ask("GET", told["publicUrl"]).status_code == 404


def test_a_file_can_be_announced_without_its_size(desk: Any, png: Callable[..., bytes]) -> None:
    answer = desk.ask("POST", "/files", json={"filename": "cat.png", "contentType": "image/png"})
    told = answer.json()["data"]
    headers = {"Content-Type": "image/png"}
    assert desk.ask("PUT", told["uploadUrl"], content=b"", headers=headers).status_code == 400
    for data in (png(), png(300, 200)):  # an upload may be repeated, with other bytes
        assert desk.ask("PUT", told["uploadUrl"], content=data, headers=headers).status_code == 200
        assert desk.ask("GET", told["publicUrl"]).content == data


def test_an_upload_url_is_valid_for_10_minutes(desk: Any, png: Callable[..., bytes]) -> None:
    data = png()
    told = announced(desk, data)
    headers = {"Content-Type": "image/png"}
    desk.clock.advance(599)
    assert desk.ask("PUT", told["uploadUrl"], content=data, headers=headers).status_code == 200
    desk.clock.advance(1)
    assert desk.ask("PUT", told["uploadUrl"], content=data, headers=headers).status_code == 404
    assert desk.ask("PUT", "http://gateway.test/uploads/none", content=data).status_code == 404


def test_a_file_is_gone_7_days_after_its_upload(desk: Any, png: Callable[..., bytes]) -> None:
    data = png()
    told = announced(desk, data)
    desk.clock.advance(500)
    desk.ask("PUT", told["uploadUrl"], content=data, headers={"Content-Type": "image/png"})
    desk.clock.advance(7 * DAY - 1)
    assert desk.ask("GET", told["publicUrl"]).status_code == 200
    desk.clock.advance(1)
    assert desk.ask("GET", told["publicUrl"]).status_code == 404


def test_head_tells_the_length(desk: Any, png: Callable[..., bytes]) -> None:
    data = png()
    url = desk.ask("POST", "/files", files={"file": data}).json()["data"]["publicUrl"]
    head = desk.ask("HEAD", url)
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", len(data))


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("filename", {"contentType": "image/png", "fileSize": 1}),
        ("filename", {"filename": "", "contentType": "image/png", "fileSize": 1}),
        ("contentType", {"filename": "a", "fileSize": 1}),
        ("contentType", {"filename": "a", "contentType": "ä/ä", "fileSize": 1}),
        ("contentType", {"filename": "a", "contentType": "png", "fileSize": 1}),
        ("fileSize", {"filename": "a", "contentType": "image/png", "fileSize": "1"}),
        ("fileSize", {"filename": "a", "contentType": "image/png", "fileSize": 0}),
        ("fileSize", {"filename": "a", "contentType": "image/png", "fileSize": True}),
        ("fileSize", {"filename": "a", "contentType": "image/png", "fileSize": 50 * 1024 * 1024 + 1}),
    ],
)
def test_an_announcement_with_a_fault_is_refused_by_its_field(desk: Any, field: str, body: dict[str, Any]) -> None:
    answer = desk.ask("POST", "/files", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 400)
    assert answer.json()["msg"].startswith(field)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno head\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--x--\r\n',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx',
        ),
        ("text/plain", b"hello"),
        ("", b""),
    ],
)
def test_a_broken_upload_is_refused(desk: Any, content_type: str, body: bytes) -> None:
    answer = desk.ask("POST", "/files", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (400, 400, None)
