"""The gateway's page: what it shows, and what its form does. Prompts are hostile text."""

import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from apimodels_async.gateway import LocalGateway
from apimodels_async.gateway.html import Html, element, join
from apimodels_async.gateway.openapi_schemas import CREATE
from apimodels_async.gateway.page_form import FIELDS, OTHER
from tests.gateway.receiver import Receiver, status

OWN = "http://gateway.test"
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</textarea><script>alert(1)</script>",
    "</title><iframe src=javascript:alert(1)>",
    "<!-- <a href=javascript:alert(1)>",
    "photo\u202egnp.exe",
    "\u2066\u2067left\u2069",
    "a\x00b\x1b[31m\x7f",
    "&lt;script&gt;",
    "قطة 猫 כלב",
)


class Markup(HTMLParser):
    """What a document consists of, as a browser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def words(self) -> str:
        return "".join(self.texts)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.tags if each == tag]


def get(desk: Any, path: str = "/") -> Any:
    answer = desk.ask("GET", f"{OWN}{path}")
    assert answer.status_code == 200, answer.text
    return answer


def page(desk: Any, path: str = "/") -> Markup:
    return Markup(get(desk, path).text)


def post(desk: Any, fields: dict[str, str], files: list[Any] | None = None) -> Any:
    parts = [(name, (None, value)) for name, value in fields.items()] + (files or [])
    return desk.ask("POST", f"{OWN}/page/create", files=parts, headers={"Origin": OWN})


def harmless(markup: Markup) -> bool:
    """Whether no script, handler or foreign address is in it."""
    scripts = [each.get("src") for each in markup.named("script")]
    handlers = [name for _, given in markup.tags for name in given if name.startswith("on") or name == "style"]
    links = [given.get(name) or "/" for _, given in markup.tags for name in ("src", "href", "action") if name in given]
    own = all(link.startswith("/") and not link.startswith("//") for link in links)
    return scripts == ["/page/page.js"] and not handlers and own and not markup.named("iframe")


@pytest.mark.parametrize("prompt", HOSTILE)
def test_a_hostile_prompt_is_text_on_every_page(desk: Any, prompt: str) -> None:
    clean = desk.ask("POST", "/images/generations", json={"model": "sparkpix-image", "prompt": "a kite"})
    usual = {tag for tag, _ in page(desk).tags} | {tag for tag, _ in page(desk, _task(clean)).tags}

    made = desk.ask("POST", "/images/generations", json={"model": "sparkpix-image", "prompt": prompt})
    shown = [page(desk), page(desk, _task(made)), page(desk, f"/?again={made.json()['data']['taskId']}")]

    for markup in shown:
        assert harmless(markup)
        assert {tag for tag, _ in markup.tags} <= usual
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", markup.words)
        if prompt.isprintable():
            assert prompt in markup.words
    for fragment in get(desk, "/page/live").json().values():
        assert not Markup(fragment).named("script")


def _task(answer: Any) -> str:
    return f"/page/tasks/{answer.json()['data']['taskId']}"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_is_refused_is_text_too(desk: Any, hostile: str) -> None:
    refused = post(desk, {"model": hostile, "prompt": hostile, "n": hostile, OTHER: json.dumps({"width": hostile})})

    assert refused.status_code == 400
    markup = Markup(refused.text)
    assert harmless(markup)
    assert [given for given in markup.named("p") if given.get("role") == "alert"]


def test_a_hostile_path_is_text_in_the_log(desk: Any) -> None:
    desk.ask("GET", f"{OWN}/results/%3Cscript%3Ealert(1)%3C/script%3E?a=<script>'")

    markup = page(desk)
    assert harmless(markup)
    assert "/results/<script>alert(1)</script>" in markup.words


def test_the_page_shows_tasks_requests_and_the_balance(desk: Any) -> None:
    task_id = desk.create("a lighthouse at dusk", n=2)["taskId"]
    desk.ask("POST", "/images/generations", json={"model": "none", "prompt": "x"})
    desk.ask("GET", "/balance", headers={"Authorization": "Bearer wrong"})

    before = page(desk).words
    desk.clock.advance(15)
    after = page(desk)

    assert "pending" in before
    assert "US$ 10.000" in before
    assert "completed" in after.words
    assert "US$ 9.940" in after.words
    assert f"/page/thumbnails/{task_id}-0.png" in [given.get("src") for given in after.named("img")]
    for word in ("a lighthouse at dusk", "+1", "POST /api/v1/images/generations", "400", "Invalid model: none", "401",
                 "the API key is not valid"):  # fmt: skip
        assert word in after.words


def test_a_thumbnail_is_a_small_picture(desk: Any) -> None:
    task_id = desk.finish(size="512x256")["taskId"]

    small = desk.picture(f"{OWN}/page/thumbnails/{task_id}-0.png")

    assert (small.format, small.size) == ("WEBP", (144, 72))
    assert desk.ask("GET", f"{OWN}/page/thumbnails/{task_id}-7.png").status_code == 404


def test_what_the_page_asks_for_itself_is_not_in_the_log(desk: Any) -> None:
    for path in ("/", "/page/live", "/page/page.css"):
        get(desk, path)

    assert "No request yet" in page(desk).words


def test_a_task_is_shown_with_its_request_and_curl_lines_that_work(desk: Any) -> None:
    task_id = desk.finish('it\'s a "kite" $HOME `x` \\', seed=7, size="64x64")["taskId"]

    markup = page(desk, f"/page/tasks/{task_id}")

    assert f"/results/{task_id}-0.png" in [given.get("src") for given in markup.named("img")]
    lines = [text for text in markup.texts if text.startswith("curl ")]
    create, query, fetch = [shlex.split(line.replace("\\\n", " ")) for line in lines]
    assert json.loads(create[create.index("-d") + 1]) == {
        "model": "grok-image/grok-4.2-image",
        "prompt": 'it\'s a "kite" $HOME `x` \\',
        "seed": 7,
        "size": "64x64",
    }
    assert create[:4] == ["curl", "-X", "POST", f"{OWN}/api/v1/images/generations"]
    assert "Authorization: Bearer sk_localdevelopment" in create
    assert f"{OWN}/api/v1/images/generations?task_id={task_id}" in query
    assert fetch == ["curl", f"{OWN}/results/{task_id}-0.png", "-o", f"{task_id}-0.png"]


@pytest.mark.parametrize("prompt", HOSTILE)
def test_a_curl_line_is_one_command_for_a_shell(desk: Any, prompt: str) -> None:
    task_id = desk.create(prompt)["taskId"]
    line = next(text for text in page(desk, f"/page/tasks/{task_id}").texts if text.startswith("curl "))

    printed = subprocess.run(
        ["sh", "-c", line.replace("curl", "printf '%s\\0'", 1)], capture_output=True, check=True, timeout=30
    ).stdout.decode()

    body = printed.rstrip("\0").split("\0")[-1]
    assert json.loads(body)["prompt"] == prompt


def test_a_picture_in_a_curl_line_is_a_placeholder(desk: Any, b64: Any) -> None:
    task_id = desk.create("edit", image=b64())["taskId"]

    assert '"image": "BASE64_ENCODED_IMAGE"' in page(desk, f"/page/tasks/{task_id}").words


def test_callbacks_are_shown_as_they_are_sent_and_answered(gateway: LocalGateway, receiver: Receiver) -> None:
    receiver.answers.put(status(500))
    site = gateway.base_url.removesuffix("/api/v1")
    with httpx.Client(base_url=site, trust_env=False, timeout=60) as client:
        assert "No callback yet" in client.get("/page/live").json()["callbacks"]
        body = {"model": "sparkpix-image", "prompt": "a kite", "callback_url": receiver.url}
        headers = {"Authorization": f"Bearer {gateway.api_key}"}
        task_id = client.post("/api/v1/images/generations", json=body, headers=headers).json()["data"]["taskId"]
        assert [receiver.next().data["taskId"] for _ in range(2)] == [task_id, task_id]
        shown = _callbacks(client, "204")
        task = Markup(client.get(f"/page/tasks/{task_id}").text)

    assert shown.words.index("204") < shown.words.index("500")
    assert "again at" in shown.words
    line = [text for text in task.texts if text.startswith("curl -X POST") and receiver.url in text][-1]
    again = shlex.split(line.replace("\\\n", " "))
    assert json.loads(again[again.index("-d") + 1])["data"]["taskId"] == task_id
    assert receiver.url in again


def _callbacks(client: httpx.Client, word: str) -> Markup:
    """The page's callbacks when they say a word: an attempt is recorded just after its receiver has answered."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        markup = Markup(client.get("/page/live").json()["callbacks"])
        if word in markup.words:
            return markup
        time.sleep(0.02)
    pytest.fail(f"no callback says {word}")


# --- the form


def test_the_form_has_every_parameter_of_the_api_and_needs_no_script(desk: Any) -> None:
    markup = page(desk)

    names = {given["name"] for tag in ("input", "select", "textarea") for given in markup.named(tag)}
    assert names == {*CREATE["properties"], OTHER}  # type: ignore[misc]
    [form] = markup.named("form")
    assert (form["method"], form["enctype"], form["action"]) == ("post", "multipart/form-data", "/page/create")
    labels = {given["for"] for given in markup.named("label")}
    assert labels == {f"field-{name}" for name in names}


def test_what_was_entered_reaches_the_painter(desk: Any, png: Any) -> None:
    fields = {
        "model": "grok-image/grok-4.2-image", "prompt": "two\r\nlines", "size": "", "n": "2", "aspect_ratio": "2:1",
        "resolution": "512", "quality": "high", "output_format": "jpeg", "seed": "-5",
        OTHER: '{"background": "opaque"}',
    }  # fmt: skip
    files = [
        ("images", ("a.png", png(32, 32))),
        ("images", ("b.png", png(16, 16))),
        ("mask", ("", b"")),
        ("image", ("", b"")),
    ]

    made = post(desk, fields, files)

    assert made.status_code == 303
    desk.clock.advance(15)
    words = page(desk, made.headers["location"]).words
    assert '"background": "opaque"' in words
    task_id = made.headers["location"].rpartition("/")[2]
    desk.picture(f"{OWN}/results/{task_id}-1.jpeg")
    [call] = desk.painter.calls
    assert call["prompt"] == "two\nlines"
    assert (call["seed"], call["index"], call["size"], call["output_format"]) == (-5, 1, (512, 256), "jpeg")
    assert call["images"] == [png(32, 32), png(16, 16)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model": "sparkpix-image"}, "prompt is missing"),
        ({"model": "sparkpix-image", "prompt": "x", "n": "many"}, "n &quot;many&quot;"),
        ({"model": "sparkpix-image", "prompt": "x", "seed": "1" * 5000}, "seed"),
        ({"model": "sparkpix-image", "prompt": "x", OTHER: "[]"}, "the body is not a JSON object"),
        ({"model": "sparkpix-image", "prompt": "x meltdown"}, "500"),
        ({"model": "sparkpix-image", "prompt": "x guillotine"}, "the connection was closed without an answer"),
        ({"model": "sparkpix-image", "prompt": "x overweight"}, "413"),
    ],
)
def test_a_refusal_is_said_above_the_form_which_keeps_what_was_entered(
    desk: Any, fields: dict[str, str], reason: str
) -> None:
    refused = post(desk, fields)

    assert refused.status_code == 400
    assert reason in re.sub(r"\s+", " ", refused.text)
    assert 'value="sparkpix-image"' in refused.text


def test_a_lost_answer_shows_the_task_all_the_same(desk: Any) -> None:
    made = post(desk, {"model": "grok-image/grok-4.2-image", "prompt": "castaway"})

    assert made.status_code == 303
    assert "castaway" in page(desk, made.headers["location"]).words


def test_a_request_can_be_used_again(desk: Any, b64: Any) -> None:
    other = {"aspect_ratio": "custom", "width": 512, "height": 256}
    task_id = desk.create("a kite", n=3, image_urls=[], image=b64(), **other)["taskId"]

    markup = page(desk, f"/?again={task_id}")

    values = {given["name"]: given.get("value") for given in markup.named("input")}
    assert (values["n"], values["aspect_ratio"]) == ("3", "custom")
    assert '{"width": 512, "height": 256}' in markup.words
    assert page(desk, "/?again=nothing").named("form")


@pytest.mark.parametrize("content", [b"", b"prompt=x"])
def test_what_is_no_form_is_refused(desk: Any, content: bytes) -> None:
    answer = desk.ask("POST", f"{OWN}/page/create", content=content, headers={"Origin": OWN})

    assert answer.status_code == 400
    assert "not multipart/form-data" in answer.text


def test_every_field_has_a_control() -> None:
    assert {each.kind for each in FIELDS} == {"text", "long", "number", "choice", "lines", "file", "files"}


# --- markup


def test_text_is_escaped_and_markup_is_not() -> None:
    inner = element("b", "<&\"'>", title='"><i>')

    assert inner == '<b title="&quot;&gt;&lt;i&gt;">&lt;&amp;&quot;&#x27;&gt;</b>'
    assert (
        element("p", inner, None, "&", hidden=True, class_="a", data_x=None) == f'<p hidden class="a">{inner}&amp;</p>'
    )
    assert isinstance(join(["<"]), Html)
    assert element("img", alt="") == '<img alt="">'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running
