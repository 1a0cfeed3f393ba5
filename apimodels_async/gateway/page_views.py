"""The gateway's page as HTML: tasks, callbacks, requests, one task. Pure."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from attrs import frozen

from apimodels_async.gateway.account import dollars
from apimodels_async.gateway.activity import CallbackRecord, RequestRecord
from apimodels_async.gateway.curl import create_line, post_line, request_line
from apimodels_async.gateway.html import Child, Html, element, join
from apimodels_async.gateway.page_form import form
from apimodels_async.gateway.page_guard import PREFIX
from apimodels_async.gateway.page_store import ShownTask
from apimodels_async.gateway.tasks import State, state_of
from apimodels_async.gateway.triggers import BEHAVIOUR_TRIGGERS, FAILURE_TRIGGERS, FAULT_TRIGGERS

__all__ = ["Site", "View", "document", "home", "live_parts", "message", "task_page"]

_OVER = frozenset({State.COMPLETED, State.FAILED})


@frozen
class Site:
    """Where the gateway is, as the reader's browser knows it.

    Attributes:
        root: the path that it is mounted at; empty as a rule.
        origin: scheme and host, and the root.
        api: the path of the API.
        key: the API key as curl lines have it.
    """

    root: str
    origin: str
    api: str
    key: str

    def to(self, path: str) -> str:
        """The link to a part of the page."""
        return f"{self.root}{PREFIX}/{path}"


@frozen(kw_only=True)
class View:
    """What the page shows.

    Attributes:
        now: epoch ms.
        balance: millionths of a dollar.
        tasks: the latest tasks.
        callbacks: the latest attempts to deliver a callback.
        requests: the latest requests.
    """

    now: int
    balance: int
    tasks: Iterable[ShownTask]
    callbacks: Iterable[CallbackRecord]
    requests: Iterable[RequestRecord]


def document(site: Site, title: str, *body: Child, refresh: int | None = None, live: str | None = None) -> Html:
    """A whole document.

    Args:
        site: where the gateway is.
        title: of the document.
        *body: its content.
        refresh: seconds after which a browser without JavaScript loads it again.
        live: where its live parts are, for a browser with JavaScript.
    """
    reload = element("noscript", element("meta", http_equiv="refresh", content=refresh)) if refresh else None
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        reload,
        element("title", title),
        element("link", rel="icon", href=site.to("page.svg")),
        element("link", rel="stylesheet", href=site.to("page.css")),
        element("script", src=site.to("page.js"), defer=True),
    )
    header = element(
        "header",
        element("a", "apimodels gateway", href=f"{site.root}/", class_="home"),
        element("span", site.origin + site.api, class_="address"),
        class_="top",
    )
    whole = element("html", head, element("body", header, *body, data_live=live), lang="en")
    return Html(f"<!DOCTYPE html>\n{whole}")


def message(site: Site, status: int, text: str) -> Html:
    """The page of a refusal."""
    words = element("main", element("h1", f"Not done ({status})"), element("p", text, role="alert", class_="alert"))
    return document(site, "Not done", words)


# --- the page at /


def home(site: Site, view: View, *, values: Mapping[str, str] | None = None, refused: str | None = None) -> Html:
    """The page at ``/``.

    Args:
        site: where the gateway is.
        view: what it shows.
        values: what the form is filled with.
        refused: why the API did not take what was entered.
    """
    parts = live_parts(site, view)
    alert = None if refused is None else element("p", refused, role="alert", class_="alert", dir="auto")
    return document(
        site,
        "apimodels gateway",
        element(
            "main",
            element(
                "section",
                element("h1", "Try a request"),
                alert,
                form(site.to("create"), values),
                _words(),
                class_="try",
            ),
            element(
                "div",
                _live("section", "balance", parts["balance"]),
                element("section", element("h2", "Tasks"), _live("div", "tasks", parts["tasks"])),
                element("section", element("h2", "Callbacks"), _live("div", "callbacks", parts["callbacks"])),
                element("section", element("h2", "Requests"), _live("div", "requests", parts["requests"])),
                class_="watch",
            ),
            class_="columns",
        ),
        live=site.to("live"),
    )


def live_parts(site: Site, view: View) -> dict[str, Html]:
    """The parts of the page that change, by the ids of the elements that hold them."""
    return {
        "balance": join([element("span", "Balance"), element("strong", f"US$ {dollars(view.balance):,.3f}")]),
        "tasks": _list((_card(site, each, view.now) for each in view.tasks), "cards", "No task yet: create one."),
        "callbacks": _list(
            (_callback(site, each) for each in view.callbacks),
            "log",
            "No callback yet: create a task with a callback_url.",
        ),
        "requests": _list((_request(site, each) for each in view.requests), "log", "No request yet."),
    }


def _live(name: str, at: str, content: Html) -> Html:
    return element(name, content, id=at, class_=at)


def _list(items: Iterable[Html], kind: str, empty: str) -> Html:
    rows = list(items)
    return element("ul", *rows, class_=kind) if rows else element("p", empty, class_="empty")


def _words() -> Html:
    tables = (
        ("fail the task", {word: failure.code for word, failure in FAILURE_TRIGGERS.items()}),
        ("fail the request", {word: fault.value for word, fault in FAULT_TRIGGERS.items()}),
        ("change the callback or the answer", {word: each.value for word, each in BEHAVIOUR_TRIGGERS.items()}),
    )
    lists = [
        join([
            element("h3", f"These {what}"),
            element("dl", *(join([element("dt", word), element("dd", effect)]) for word, effect in words.items())),
        ])
        for what, words in tables
    ]  # fmt: skip
    return element("details", element("summary", "Words in a prompt that cause faults"), *lists, id="words")


def _time(milliseconds: int) -> Html:
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return element("time", f"{at:%H:%M:%S} UTC", datetime=at.isoformat(timespec="milliseconds"))


def _badge(word: str, kind: str) -> Html:
    return element("span", word, class_=f"badge {kind}")


def _card(site: Site, shown: ShownTask, now: int) -> Html:
    task, state = shown.task, state_of(shown.task, now)
    if state is State.COMPLETED:
        name = f"{task.id}-0.{task.output_format}"
        picture = element("img", src=site.to(f"thumbnails/{name}"), alt="", loading="lazy", width=144, height=144)
    else:
        picture = element("span", "✕" if state is State.FAILED else "…", class_=f"blank {state.value}")
    more = f"+{task.n - 1}" if task.n > 1 else None
    return element(
        "li",
        element(
            "a",
            picture,
            None if more is None else element("span", more, class_="more"),
            element("span", shown.prompt, class_="prompt", dir="auto"),
            element("span", _badge(state.value, state.value), _time(task.created), class_="facts"),
            href=site.to(f"tasks/{task.id}"),
        ),
    )


def _curl(at: str, line: str) -> Html:
    return element("details", element("summary", "curl"), element("pre", line, tabindex=0), id=at, class_="curl")


def _callback(site: Site, record: CallbackRecord) -> Html:
    good = record.status is not None and 200 <= record.status < 300
    word = "no answer" if record.status is None else str(record.status)
    if record.next_at is not None:
        after = join(["again at ", _time(record.next_at)])
    else:
        after = join([None if good else "given up"])
    return element(
        "li",
        element("span", _time(record.at), _badge(word, "completed" if good else "failed"), class_="facts"),
        element("span", "POST ", record.url, class_="what"),
        element(
            "span",
            element("a", record.task_id, href=site.to(f"tasks/{record.task_id}")),
            None if good else element("span", record.outcome, dir="auto"),
            after or None,
            class_="facts",
        ),
        _curl(f"callback-{record.at}-{record.task_id}", post_line(record.url, record.body)),
    )


def _request(site: Site, record: RequestRecord) -> Html:
    good = record.status is not None and record.status < 400 and record.reason is None
    word = "closed" if record.status is None else str(record.status)
    api = any(record.path.startswith(prefix) for prefix in ("/api/", "/v1/"))
    line = request_line(
        record.method,
        site.origin.removesuffix(site.root) + record.path,
        key=site.key if api else None,
        content_type=record.content_type,
        body=record.body,
    )
    task = record.task_id
    return element(
        "li",
        element(
            "span",
            _time(record.at),
            _badge(word, "completed" if good else "failed"),
            element("span", f"{record.seconds * 1000:,.0f} ms"),
            class_="facts",
        ),
        element("span", f"{record.method} ", record.path, class_="what"),
        None if record.reason is None else element("span", record.reason, class_="reason", dir="auto"),
        None if task is None else element("a", task, href=site.to(f"tasks/{task}")),
        _curl(f"request-{record.at}-{record.method}-{record.path}-{record.seconds:.6f}", line),
    )


# --- one task


def task_page(site: Site, shown: ShownTask, now: int, callbacks: Iterable[CallbackRecord]) -> Html:
    """The page of one task: its pictures, its request, and how to do the same with curl."""
    task, state = shown.task, state_of(shown.task, now)
    names = [f"{task.id}-{index}.{task.output_format}" for index in range(task.n)]
    urls = [f"{site.root}/results/{name}" for name in names] if state is State.COMPLETED else []
    pictures = [
        element("a", element("img", src=url, alt=f"Picture {number}"), href=url) for number, url in enumerate(urls, 1)
    ]
    api = site.origin + site.api
    query = f"{api}/images/generations?task_id={task.id}"
    lines = [
        ("Create it", create_line(api, shown.request, key=site.key)),
        ("Query it", request_line("GET", query, key=site.key)),
        *(
            (f"Fetch picture {number}", f"{request_line('GET', f'{site.origin}/results/{name}', key=None)} -o {name}")
            for number, name in enumerate(names, 1)
            if state is State.COMPLETED
        ),
    ]
    failure = task.failure if state is State.FAILED else None
    facts: list[tuple[str, Child]] = [
        ("task", task.id),
        ("state", _badge(state.value, state.value)),
        ("failure", None if failure is None else f"{failure.code}: {failure.message}"),
        ("retryable", None if failure is None else ("yes" if failure.retryable else "no")),
        ("model", task.model),
        ("size", "{}x{}".format(*shown.size)),
        ("seed", str(shown.seed)),
        ("price", f"US$ {dollars(shown.price):g}" + (", not billed" if failure is not None else "")),
        ("created", _time(task.created)),
        ("ended", _time(task.ended) if state in _OVER else None),
        ("took", f"{(task.ended - task.created) / 1000:.1f} s" if state in _OVER else None),
        ("callback", shown.callback_url),
    ]
    request = json.dumps(json.loads(shown.request), ensure_ascii=False, indent=2)
    again = element("a", "Use this request again", href=f"{site.root}/?again={task.id}", class_="button")
    return document(
        site,
        f"Task {task.id}",
        element(
            "main",
            element("h1", shown.prompt, dir="auto", class_="long"),
            element("div", *pictures, class_="pictures") if pictures else None,
            None if state in _OVER else element("p", "The picture is being made.", role="status"),
            element("dl", *_facts(facts), class_="sheet"),
            element("p", again),
            element("h2", "Request"),
            element("pre", request, tabindex=0),
            element("h2", "With curl"),
            *(join([element("h3", title), element("pre", line, tabindex=0)]) for title, line in lines),
            element("h2", "Callbacks"),
            _list((_callback(site, each) for each in callbacks), "log", "None has been sent."),
        ),
        refresh=None if state in _OVER else 1,
        live=None if state in _OVER else site.to(f"tasks/{task.id}"),
    )


def _facts(facts: Iterable[tuple[str, Child]]) -> Iterable[Html]:
    return (join([element("dt", name), element("dd", value)]) for name, value in facts if value)
