"""The gateway's page in a real browser."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from apimodels_async.gateway import LocalGateway
from tests.gateway.receiver import Receiver
from tests.support.servers import Handler, http_server
from tests.web.conftest import LOOKS, REBOUND, Visit

HOSTILE = (
    "</textarea><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "photo\u202egnp.exe",
    "a\x1b[31mb",
    "قطة لطيفة",
)
MODEL = "grok-image/grok-4.2-image"


@pytest.fixture
def site() -> Iterator[str]:
    with LocalGateway(latency="0.2/0.2") as gateway:
        yield gateway.base_url.removesuffix("/api/v1")


def create(site: str, prompt: str, **fields: Any) -> httpx.Response:
    body = {"model": MODEL, "prompt": prompt, "size": "128x128", **fields}
    return httpx.post(
        f"{site}/api/v1/images/generations",
        json=body,
        headers={"Authorization": "Bearer sk_localdevelopment"},
        trust_env=False,
        timeout=60,
    )


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_it_is_accessible_and_fits_at_every_size_by_day_and_by_night(
    visit: Callable[..., Visit], site: str, size: str, scheme: str
) -> None:
    with Receiver() as receiver:
        task_id = create(site, "a kite", n=3, callback_url=receiver.url).json()["data"]["taskId"]
        receiver.next()
    for prompt in ("contraband", "x" * 400, *HOSTILE):
        create(site, prompt)
    httpx.get(f"{site}/api/v1/balance", trust_env=False, timeout=60)

    for path in ("/", f"/page/tasks/{task_id}", "/page/tasks/none"):
        shown = visit(f"{site}{path}", size=size, color_scheme=scheme)
        shown.page.wait_for_selector("main")
        for closed in shown.page.locator("details:not([open]) > summary").all()[:3]:
            closed.click()
        assert not shown.overflows()
        shown.check_accessible()
        assert [each for each in shown.troubles if "404" not in each] == []
        assert shown.foreign == []


def test_tasks_come_and_end_without_a_reload(visit: Callable[..., Visit], site: str) -> None:
    shown = visit(f"{site}/")
    shown.page.get_by_text("No task yet").wait_for()
    balance = shown.page.locator("#balance strong")
    assert balance.inner_text() == "US$ 10.000"

    task_id = create(site, "a kite at dusk").json()["data"]["taskId"]

    card = shown.page.locator(f"a[href='/page/tasks/{task_id}']").first
    card.locator(".badge.completed").wait_for()
    shown.until("document.querySelector('.cards img')?.naturalWidth > 0")
    assert "a kite at dusk" in card.inner_text()
    shown.until("document.querySelector('#balance strong').textContent === 'US$ 9.970'")
    assert "POST /api/v1/images/generations" in shown.page.locator("#requests").inner_text()
    shown.check()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_form_makes_a_picture(
    visit: Callable[..., Visit], site: str, tmp_path: Any, png: Any, scripts: bool
) -> None:
    (tmp_path / "cat.png").write_bytes(png)
    shown = visit(f"{site}/", java_script_enabled=scripts)

    shown.page.fill("[name=prompt]", "two\nlines")
    shown.page.fill("[name=size]", "")
    shown.page.fill("[name=n]", "2")
    shown.page.locator("#more > summary").click()
    shown.page.set_input_files("[name=image]", tmp_path / "cat.png")
    shown.page.fill("[name=seed]", "7")
    shown.page.select_option("[name=output_format]", "webp")
    shown.page.fill("[name=other]", '{"background": "opaque"}')
    shown.page.get_by_role("button", name="Create").click()

    # Without scripts the page of a task that is being made loads itself again.
    shown.page.wait_for_selector(".pictures img")
    shown.page.wait_for_selector(".badge.completed")
    request = json.loads(shown.page.locator("main > pre").first.inner_text())
    assert request["prompt"] == "two\nlines"
    assert (request["n"], request["seed"], request["output_format"], request["background"]) == (2, 7, "webp", "opaque")
    assert shown.page.locator(".pictures img").count() == 2
    shown.page.get_by_text("Use this request again").click()
    assert shown.page.input_value("[name=seed]") == "7"
    assert shown.page.input_value("[name=prompt]") == "two\nlines"
    shown.check()


def test_a_refusal_keeps_what_was_entered(visit: Callable[..., Visit], site: str) -> None:
    shown = visit(f"{site}/")
    shown.page.fill("[name=model]", "nonsense")
    shown.page.fill("[name=prompt]", "<b>a kite</b>")
    shown.page.get_by_role("button", name="Create").click()

    shown.page.get_by_role("alert").get_by_text("Invalid model: nonsense").wait_for()
    assert shown.page.input_value("[name=prompt]") == "<b>a kite</b>"


def test_hostile_prompts_are_text(visit: Callable[..., Visit], site: str) -> None:
    ids = [create(site, prompt).json()["data"]["taskId"] for prompt in HOSTILE]
    shown = visit(f"{site}/")
    shown.until("document.querySelectorAll('.cards .badge.completed').length === 7")

    words = shown.page.locator("#tasks").inner_text()
    assert "<img src=x onerror=alert(1)>" in words
    assert "photo\\u202egnp.exe" in words
    for task_id in ids:
        for path in (f"/page/tasks/{task_id}", f"/?again={task_id}"):
            other = visit(f"{site}{path}")
            other.page.wait_for_selector("main")
            assert other.page.evaluate("document.querySelectorAll('script').length") == 1
            other.check()
    shown.check()


def test_no_script_in_the_markup_would_run(visit: Callable[..., Visit], site: str) -> None:
    """If a text were ever not escaped, the policy would still stop it."""
    shown = visit(f"{site}/")
    shown.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', "
        '\'<img src="/page/none" onerror="window.ran = 1"><svg onload="window.ran = 1"></svg>\')'
    )
    shown.page.evaluate(
        "const made = document.createElement('script'); made.textContent = 'window.ran = 1'; document.body.append(made)"
    )
    shown.page.wait_for_timeout(500)

    assert shown.page.evaluate("window.ran") is None
    assert any("Content Security Policy" in each for each in shown.troubles)


def test_what_is_open_stays_open_while_requests_come(visit: Callable[..., Visit], site: str) -> None:
    create(site, "the first")
    shown = visit(f"{site}/")
    details = shown.page.locator("#requests details").last
    details.locator("summary").click()
    shown.page.locator("h1").click()
    shown.page.evaluate("document.activeElement.blur()")
    assert "curl -X POST" in details.inner_text()

    create(site, "the second")
    shown.until("document.querySelectorAll('#requests li').length >= 2")

    assert shown.page.locator("#requests details[open]").count() == 1
    shown.check()


def test_another_sites_page_can_neither_post_the_form_nor_read_or_frame_the_page(
    visit: Callable[..., Visit], site: str
) -> None:
    class Evil(Handler):
        def get(self) -> None:
            self.answer(
                200,
                f"""<form method=post enctype=multipart/form-data action={site}/page/create>
                <input name=model value={MODEL}><input name=prompt value=stolen><button>go</button></form>
                <iframe id=frame src={site}/></iframe>
                <script>fetch('{site}/page/live').then(a => a.text()).then(t => window.read = t, () => window.read = '')
                </script>""".encode(),
                headers={"Content-Type": "text/html"},
            )

    with http_server(Evil) as elsewhere:
        shown = visit(elsewhere)
        shown.until("window.read !== undefined")
        assert shown.page.evaluate("window.read") == ""
        assert not shown.page.frames[1].url.startswith(site) or "Try a request" not in shown.page.frames[1].content()
        shown.page.get_by_role("button", name="go").click()
        shown.page.get_by_text("Not done (403)").wait_for()

    assert "No task yet" in httpx.get(f"{site}/page/live", trust_env=False, timeout=60).json()["tasks"]


def test_a_name_that_is_rebound_to_this_machine_gets_nothing(visit: Callable[..., Visit], site: str) -> None:
    create(site, "a secret kite")
    elsewhere = f"http://{REBOUND}:{site.rpartition(':')[2]}"

    shown = visit(f"{elsewhere}/")

    shown.page.get_by_text("Not done (421)").wait_for()
    answers = shown.page.evaluate(
        """async () => Promise.all(['/page/live', '/page/create'].map(async path =>
            (await fetch(path, path.endsWith('create') ? {method: 'POST', body: new FormData()} : {})).status))"""
    )
    assert answers == [421, 421]
    assert "secret" not in shown.page.content()


@pytest.fixture
def png() -> bytes:
    from tests.support import pictures

    return pictures.png(64, 64)
