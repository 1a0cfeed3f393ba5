"""``apimodels trigger``: a sample callback, posted to an app as the vendor would post it."""

import json
import secrets
import time
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from apimodels_async._http.forwarder import Forwarder
from apimodels_async._urls import split_http_url
from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, one_line
from apimodels_async.cli.local import gateway_module
from apimodels_async.cli.options import DEFAULT_MODEL, quiet, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.values import one_of, whole
from apimodels_async.errors import ConnectionFailedError, ServerError

if TYPE_CHECKING:
    from apimodels_async.gateway.triggers import Failure
    from apimodels_async.gateway.webhooks import DeliveryProgress, Webhook

__all__ = ["trigger"]

_TOOK = 12.345
"""Seconds that the sample task says it took."""
_STATES = ("completed", "failed")
_PICTURES = "https://r2.apimodels.app"
"""Where the links to the sample's pictures start. There are no such pictures."""


@takes(log=quiet)
def trigger(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where your app receives callbacks.", show_default=False)],
    *,
    state: Annotated[
        str,
        typer.Option(metavar="completed|failed", parser=one_of(*_STATES), help="What the callback reports."),
    ] = _STATES[0],
    fail_code: Annotated[
        str | None,
        typer.Option(metavar="CODE", show_default="CONTENT_MODERATION", help="Why it failed; implies --state failed."),
    ] = None,
    task_id: Annotated[
        str | None, typer.Option(metavar="ID", show_default="a new one", help="The task that it is about.")
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", metavar="ID", help="The model that it names.")] = DEFAULT_MODEL,
    prompt: Annotated[
        str, typer.Option(metavar="TEXT", help="The prompt in its param.")
    ] = "A cute cat wearing a space helmet",
    n: Annotated[int, typer.Option("-n", metavar="N", parser=whole(1, 10), help="How many pictures it links to.")] = 1,
    retry: Annotated[
        bool,
        typer.Option(
            "--retry",
            help="If no 2xx comes, post it again as the vendor does: after 1, 2 and 4 s, then for 30 minutes.",
        ),
    ] = False,
) -> None:
    """Post a sample callback to your app, in the vendor's shape.

        No task is made, and the pictures it links to do not exist. Prints what was posted as JSON, and each answer on
    stderr. Ends with 0 after a 2xx.
    """
    gateway_module()  # says which extra is missing, if one is
    try:
        split_http_url(url)
    except ValueError as error:
        raise CommandFailed(f"URL: {error}: give one such as http://127.0.0.1:3000/webhook", exit_codes.USAGE) from None
    failed = state == _STATES[1] or fail_code is not None
    failure = _failure(fail_code) if failed else None
    webhook = _sample(url, failure, task_id=task_id, model=model, prompt=prompt, n=n)
    anyio.run(partial(_deliver, webhook, retry=retry))


def _failure(code: str | None) -> "Failure":
    from apimodels_async.gateway.triggers import FAILURE_TRIGGERS  # noqa: PLC0415  (an extra)

    by_code = {failure.code: failure for failure in FAILURE_TRIGGERS.values()}
    if code is None:
        return next(iter(by_code.values()))
    if code not in by_code:
        raise CommandFailed(f"--fail-code {one_line(code)}: give one of {', '.join(by_code)}", exit_codes.USAGE)
    return by_code[code]


def _sample(url: str, failure: "Failure | None", *, task_id: str | None, model: str, prompt: str, n: int) -> "Webhook":
    from apimodels_async.gateway.tasks import TaskRecord  # noqa: PLC0415  (an extra)
    from apimodels_async.gateway.webhooks import DeliveryProgress, Webhook  # noqa: PLC0415  (an extra)

    ended = round(time.time() * 1000)
    created = ended - round(_TOOK * 1000)
    task = TaskRecord(
        id=task_id or f"cl{secrets.token_hex(12)[:23]}",
        model=model,
        n=n,
        output_format="png",
        created=created,
        started=created,
        ended=ended,
        failure=failure,
    )
    request = json.dumps({"model": model, "prompt": prompt, "n": n, "callback_url": url})
    progress = DeliveryProgress(due=ended)
    return Webhook(task=task, url=url, origin=_PICTURES, request=request, progress=progress)


async def _deliver(webhook: "Webhook", *, retry: bool) -> None:
    """Post the callback, again and again if asked, until it is accepted or given up.

    Raises:
        ConnectionFailedError: there was no answer.
        CommandFailed: the answer was no 2xx.
    """
    from apimodels_async.gateway.webhook_post import TIME_LIMIT  # noqa: PLC0415  (an extra)
    from apimodels_async.gateway.webhooks import next_progress, webhook_body  # noqa: PLC0415  (an extra)

    screen, rng = Screen(), Random()  # noqa: S311  (spreads attempts)
    body, progress = webhook_body(webhook), webhook.progress
    screen.json(json.loads(body))
    forwarder = Forwarder(webhook.url, timeout=TIME_LIMIT)
    try:
        while True:
            status, words = await _attempt(forwarder, body)
            succeeded = status is not None and status // 100 == 2
            now = round(time.time() * 1000)
            progress = next_progress(progress, succeeded=succeeded, now=now, rng=rng)
            pause = None if progress.due is None or not retry else (progress.due - now) / 1000
            screen.say(words if pause is None or succeeded else f"{words}; again in {pause:.0f} s")
            if succeeded:
                return
            if pause is None:
                raise _no_success(status, words, progress)
            await anyio.sleep(pause)
    finally:
        await forwarder.aclose()


async def _attempt(forwarder: Forwarder, body: bytes) -> tuple[int | None, str]:
    """The status of the answer, if there is one, and what happened in words."""
    began = time.monotonic()
    try:
        status = await forwarder.post(body)
    except ConnectionFailedError as error:
        return None, f"no answer: {one_line(error)}"
    return status, f"HTTP {status} in {(time.monotonic() - began) * 1000:.0f} ms"


def _no_success(status: int | None, words: str, progress: "DeliveryProgress") -> CommandFailed:
    kind = ConnectionFailedError if status is None else ServerError
    number = f" after {progress.failures} attempts" if progress.failures > 1 else ""
    return CommandFailed(f"the callback was not accepted{number}: {words}", exit_codes.code_of(kind.__new__(kind)))
