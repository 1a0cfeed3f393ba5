"""Settings: the server is away, refuses for a while, or limits the rate of requests."""

import time
from collections.abc import Callable
from itertools import pairwise

from tests.proofs.network import parts
from tests.proofs.network.lab import Lab
from tests.proofs.network.result import Result
from tests.proofs.network.settings import (
    Setting,
    all_of,
    batch_job,
    few_but_under_way,
    no_errors,
    none_but_under_way,
    within,
)

N = 500
LATENCY = (1.9, 2.1)
"""Seconds a task takes. They come in waves: that is harder on a client than a steady flow (measured)."""
LONG = (20.0, 55.0)
"""Seconds that a task takes where all are waited for through an outage; its end finds the last of them running."""
UNDER_WAY = 8
"""Create requests that must be under way when the server is killed; without any, an outage is harmless."""
BASE = 18.5
"""Seconds for `N` such requests, 64 at a time, each with its create request."""
FIRST = 4.0
"""Seconds after which the trouble begins."""


def baseline(lab: Lab) -> Result:
    return lab.drive(batch_job("baseline", lab.serve(LATENCY), N, BASE * 3))


def pictures(lab: Lab) -> Result:
    return lab.drive(batch_job("pictures", lab.serve(LATENCY), N, BASE * 6, download=True))


def _outages(name: str, times: int, seconds: float, between: float) -> Callable[[Lab], Result]:
    def run(lab: Lab) -> Result:
        url = lab.serve(LATENCY)

        def during() -> None:
            for number in range(times):
                lab.at(FIRST + number * between)
                lab.await_creates(UNDER_WAY)
                lab.outage(seconds)

        return lab.drive(batch_job(name, url, N, BASE * 2 + times * seconds * 2 + 60), during)

    return run


def _refusing_nginx(refusal: str, seconds: float) -> Callable[[Lab], Result]:
    def run(lab: Lab) -> Result:
        lab.serve(LATENCY)
        url = lab.start_nginx()

        def during() -> None:
            lab.at(FIRST)
            lab.await_creates(UNDER_WAY)
            lab.count_creates()
            lab.reload_nginx(refusal)
            time.sleep(seconds)
            lab.reload_nginx()

        return lab.drive(batch_job("refusing", url, N, BASE * 2 + 60), during)

    return run


def _outage_while_waiting(lab: Lab) -> Result:
    """All tasks have been accepted when the server is killed. The kernel counts the connections that are tried."""
    url = lab.serve(LONG)
    lab.net.run("server", "iptables", "-w", "-A", "INPUT", "-p", "tcp", "--syn")

    def during() -> None:
        lab.at(8.0)
        lab.kill_server()
        lab.at(11.0)
        before = _attempts(lab)
        lab.start_server(27.0)
        lab.at(37.5)
        lab.measured["tried"] = _attempts(lab) - before

    return lab.drive(batch_job("waiting", url, 64, 200.0), during)


def _attempts(lab: Lab) -> int:
    """Connections that were tried, as the first rule of the server's kernel counts them."""
    return int(lab.net.run("server", "iptables", "-w", "-nvxL", "INPUT").splitlines()[2].split()[0])


def _few_probes(result: Result) -> list[str]:
    tried = result.measured["tried"]
    return [f"queries that were tried while the server was away: {tried:g}, at most 20"] if tried > 20 else []


def _nginx_without_server(lab: Lab) -> Result:
    lab.serve(LATENCY)
    url = lab.start_nginx()

    def during() -> None:
        lab.at(FIRST)
        lab.await_creates(UNDER_WAY)
        lab.outage(5.0)

    return lab.drive(batch_job("502", url, N, BASE * 2 + 60), during)


def _limited(name: str, rules: str, bound: float) -> Callable[[Lab], Result]:
    def run(lab: Lab) -> Result:
        lab.serve(LATENCY)
        return lab.drive(batch_job(name, lab.start_haproxy(rules), 200, bound))

    return run


def _dead(lab: Lab) -> Result:
    """The server's address refuses for ever: the kernel counts attempts, which are read every 0.25 s."""
    url = lab.serve(LATENCY)
    lab.kill_server()
    lab.net.run("server", "iptables", "-w", "-A", "INPUT", "-p", "tcp", "--syn")
    counts: list[int] = []

    def during() -> None:
        for quarter in range(1, 4 * 60):
            lab.at(quarter / 4)
            counts.append(_attempts(lab))
            lab.measured["attempts"] = counts[-1]
            begun = next((number for number, count in enumerate(counts) if count), len(counts))
            later = pairwise(counts[begun + FIRST_WAVE :])
            lab.measured["most in 0.25 s"] = max((after - before for before, after in later), default=0)

    return lab.drive(batch_job("dead", url, N, 60.0, batch={"outage_timeout": 20.0}), during)


def _silent(lab: Lab) -> Result:
    """The server's address never answers: connections that are being opened are counted every 0.25 s."""
    url = lab.serve(LATENCY)
    lab.net.rule("-j", "DROP")
    lab.measured["most at once"] = 0

    def during() -> None:
        begun = None
        for quarter in range(1, 4 * 90):
            lab.at(quarter / 4)
            now = lab.connecting()
            begun = quarter if begun is None and now else begun
            if begun is not None and quarter > begun + 4 * FIRST_ENDED:
                lab.measured["most at once"] = max(lab.measured["most at once"], now)

    return lab.drive(batch_job("silent", url, N, 90.0, batch={"outage_timeout": 30.0}), during)


FIRST_WAVE = 8
"""Quarters of a second, from the first attempt, in which as many may be made as requests may be under way."""
FIRST_ENDED = 13
"""Seconds from the first attempt until the first wave has ended: a connection is given up after 10 s."""


def _few_attempts(result: Result) -> list[str]:
    attempts, at_once = result.measured["attempts"], result.measured["most in 0.25 s"]
    missed = [f"attempts: {attempts:g}, at most 64 and two a second"] if attempts > 64 + 40 else []
    return missed + ([f"attempts within 0.25 s, after 2 s: {at_once:g}, at most 2"] if at_once > 2 else [])


def _one_at_a_time(result: Result) -> list[str]:
    at_once = result.measured["most at once"]
    return [f"connections being opened at once, 13 s after the first: {at_once:g}, at most 1"] if at_once > 1 else []


def _never_submitted(result: Result) -> list[str]:
    wrong = {kind: count for kind, count in result.errors.items() if kind != "NotSubmittedError"}
    return [f"errors: {wrong}"] if wrong or result.ok else []


def _outage(seconds: float) -> Setting:
    name = f"outage_{seconds:g}s"
    return Setting(
        name,
        f"server killed, connections refused for {seconds:g} s",
        "all ok but the creates under way",
        BASE + seconds,
        _outages(name, 1, seconds, 0.0),
        none_but_under_way,
    )


SETTINGS = (
    Setting("baseline", "nothing", "all ok", BASE, baseline, all_of(no_errors, within(BASE * 2))),
    Setting("pictures", "nothing; pictures are downloaded", "all ok", BASE, pictures, no_errors),
    _outage(1.0),
    _outage(3.0),
    _outage(30.0),
    Setting(
        "restarts",
        "server killed ten times, 0.8 s down each",
        "all ok but the creates under way",
        BASE + 8,
        _outages("restarts", 10, 0.8, 2.0),
        none_but_under_way,
    ),
    Setting(
        "post_503",
        "nginx answers POST with 503 for 5 s",
        "all ok but those under way and 16",
        BASE + 5,
        _refusing_nginx(parts.refuse_creates(503), 5.0),
        few_but_under_way,
    ),
    Setting(
        "post_503_later",
        "the same for 10 s, with Retry-After: 3",
        "all ok but those under way and 16",
        BASE + 10,
        _refusing_nginx(parts.refuse_creates(503, retry_after=3), 10.0),
        few_but_under_way,
    ),
    Setting(
        "page_502",
        "nginx answers everything with a page and 502 for 10 s",
        "all ok but those under way and 16",
        BASE + 10,
        _refusing_nginx(parts.refuse_all(502), 10.0),
        few_but_under_way,
    ),
    Setting(
        "held_queries",
        "server away for 30 s while 64 tasks are waited for",
        "all ok; ≤ 20 queries are tried from 3 s on; ≤ 8 s beyond the ideal",
        LONG[1],
        _outage_while_waiting,
        all_of(no_errors, _few_probes, within(LONG[1] + 8.0)),
    ),
    Setting(
        "upstream_502",
        "nginx, its upstream killed for 5 s",
        "all ok but those under way and 16",
        BASE + 5,
        _nginx_without_server,
        few_but_under_way,
    ),
    Setting(
        "rate_429",
        "haproxy, 429 above 40 requests/s, no Retry-After",
        "all ok",
        15.0,
        _limited("rate", parts.RATE_OF_REQUESTS, 240.0),
        no_errors,
    ),
    Setting(
        "rate_creates",
        "haproxy, 20 creates per 2 s, Retry-After: 1",
        "all ok",
        22.0,
        _limited("creates", parts.RATE_OF_CREATES, 120.0),
        no_errors,
    ),
    Setting(
        "dead_server",
        "refused for ever, outage_timeout=20",
        "few probes; NotSubmittedError, ≤ 40 s",
        20.0,
        _dead,
        all_of(_never_submitted, _few_attempts, within(40.0)),
    ),
    Setting(
        "silent_server",
        "every packet dropped for ever, outage_timeout=30",
        "one probe at a time; NotSubmittedError, ≤ 60 s",
        30.0,
        _silent,
        all_of(_never_submitted, _one_at_a_time, within(60.0)),
    ),
)
