"""``apimodels gateway``, from outside."""

import json
import os
import re
import shlex
import signal
import threading
from typing import Any

import httpx
import pytest

from apimodels_async.cli.gateway_log import RequestPrinter
from apimodels_async.cli.screen import Screen
from apimodels_async.gateway.activity import RequestRecord

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ended by POSIX signals")


def announced(process: Any) -> list[str]:
    """What it prints until it is ready."""
    lines: list[str] = []
    while not lines or "Ctrl-C" not in lines[-1]:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line.rstrip("\n"))
    return lines


def exported(lines: list[str]) -> dict[str, str]:
    """What a shell would have learned from pasting the lines."""
    exports = [shlex.split(line)[1] for line in lines if not line.startswith("#")]
    return dict(export.split("=", 1) for export in exports)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_lines_to_paste_and_ends_cleanly(apimodels: Any, number: signal.Signals) -> None:
    process = apimodels.start("gateway", "--port", "0", "--latency", "0/0", "--balance", "3")
    lines = announced(process)

    settings = exported(lines)
    assert settings["APIMODELS_API_KEY"] == "sk_localdevelopment"
    assert "temporary" in "".join(lines)
    assert apimodels("balance", settings=settings).stdout == "3.0\n"

    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert out == ""
    assert re.fullmatch(r"\d\d:\d\d:\d\d GET /api/v1/balance 200 \d+ ms\n", err)
    assert process.returncode == 0


def test_quiet_prints_no_line_for_a_request(apimodels: Any) -> None:
    process = apimodels.start("gateway", "--port", "0", "--latency", "0/0", "--quiet")
    assert apimodels("balance", settings=exported(announced(process))).returncode == 0

    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")


def test_a_refused_request_is_printed_on_one_line_with_its_reason(apimodels: Any) -> None:
    process = apimodels.start("gateway", "--port", "0", "--latency", "0/0")
    base = exported(announced(process))["APIMODELS_BASE_URL"]
    with httpx.Client(trust_env=False, timeout=60) as client:
        client.get(f"{base}/balance")
        client.get(f"{base}/x%0A%1B[31m?y=%E2%80%AE")
        client.get(base.removesuffix("/api/v1") + "/")
        client.get(base.removesuffix("/api/v1") + "/page/live")

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    first, second = err.splitlines()
    assert re.search(r" GET /api/v1/balance 401 \d+ ms the Authorization header is missing", first)
    assert re.search(r" GET /api/v1/x \[31m\?y=%E2%80%AE 404 \d+ ms Not Found$", second)


def test_a_stopped_terminal_does_not_stop_the_gateway() -> None:
    stopped, seen = threading.Event(), []

    class Stopped(Screen):
        def say(self, words: str) -> None:
            assert stopped.wait(60)
            seen.append(words)

    printer = RequestPrinter(Stopped())
    record = RequestRecord(at=0, method="GET", path="/", status=None, seconds=0.5, reason="closed")
    for _ in range(3000):
        printer(record)  # returns at once
    stopped.set()
    printer.close()

    assert 1000 <= len(seen) <= 1002
    assert seen[0].endswith("GET / closed 500 ms closed")


def test_a_store_keeps_tasks_over_a_restart_and_serves_one_gateway_at_a_time(apimodels: Any) -> None:
    start = ("gateway", "--port", "0", "--latency", "0/0", "--store", "tasks.sqlite3")
    first = apimodels.start(*start)
    lines = announced(first)
    assert str(apimodels.folder / "tasks.sqlite3") in "".join(lines)
    made = apimodels("generate", "a fox", "--size", "64x64", "--json", settings=exported(lines))

    second = apimodels(*start)
    assert second.returncode == 3
    assert re.fullmatch(r"apimodels: .*tasks\.sqlite3.*\n", second.stderr)

    first.send_signal(signal.SIGINT)
    assert first.wait(60) == 0
    third = apimodels.start(*start)
    status = apimodels("status", json.loads(made.stdout)["id"], settings=exported(announced(third)))
    assert "completed" in status.stdout


def test_a_port_in_use_is_one_line(apimodels: Any, here: Any) -> None:
    port = re.search(r":(\d+)/", here["APIMODELS_BASE_URL"])
    assert port

    done = apimodels("gateway", "--port", port[1])

    assert done.returncode == 3
    assert re.fullmatch(rf"apimodels: cannot listen on 127\.0\.0\.1 port {port[1]}: .* --port.*\n", done.stderr)


def test_it_calls_where_it_may_and_a_bad_host_is_one_line(apimodels: Any) -> None:
    start = ("gateway", "--port", "0", "--callback-to", "hooks.example", "--callback-to")
    settings = exported(announced(apimodels.start(*start, "10.0.0.0/8")))

    def create(url: str) -> httpx.Response:
        return httpx.post(
            f"{settings['APIMODELS_BASE_URL']}/images/generations",
            headers={"Authorization": f"Bearer {settings['APIMODELS_API_KEY']}"},
            json={"model": "sparkpix-image-edit", "prompt": "an absentee", "callback_url": url},
            trust_env=False,
            timeout=60,
        )

    assert create("https://hooks.example/x").status_code == create("http://10.1.2.3/").status_code == 200
    assert "--callback-to HOST" in create("http://192.168.0.1/").json()["msg"]

    bad = apimodels(*start, "https://hooks.example")
    assert bad.returncode == 2
    assert re.fullmatch(r"apimodels: callback_hosts: .*\n", bad.stderr)


def test_it_takes_every_key_it_was_given(apimodels: Any) -> None:
    lines = announced(apimodels.start("gateway", "--port", "0", "--api-key", "sk_one", "--api-key", "sk_$two"))

    settings = exported(lines)
    assert settings["APIMODELS_API_KEY"] == "sk_one"
    assert "# export APIMODELS_API_KEY='sk_$two'" in lines
    assert apimodels("balance", settings={**settings, "APIMODELS_API_KEY": "sk_$two"}).returncode == 0


def test_prices_that_cannot_be_read_are_one_line(apimodels: Any) -> None:
    done = apimodels("gateway", "--port", "0", settings={"APIMODELS_PRICES": "no-such.toml"})

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "apimodels: APIMODELS_PRICES: no-such.toml: No such file or directory\n"
