"""Settings: pages of a proxy, early refusals, wrong certificates, wrong proxies."""

import time
from collections.abc import Callable
from typing import Any

from tests.proofs.network import certificates, parts
from tests.proofs.network.certificates import HOST
from tests.proofs.network.lab import Lab, base_url
from tests.proofs.network.namespaces import ROUTER_AT_CLIENT, SERVER
from tests.proofs.network.result import Result
from tests.proofs.network.settings import LARGE_PICTURE, Check, Setting, batch_job, no_errors, unknown_at_most

# --- pages in place of the API's answers


def _not_found_page(lab: Lab) -> Result:
    """Tasks of 88 s, and a page with 404 from 65 s to 80 s: they are older than the patience with a real 404."""
    lab.serve((88.0, 88.0))
    url = lab.start_nginx()

    def during() -> None:
        lab.at(65.0)
        lab.reload_nginx(parts.refuse_all(404))
        lab.at(80.0)
        lab.reload_nginx()

    return lab.drive(batch_job("page 404", url, 30, 200.0), during)


def _not_found_page_at_resume(lab: Lab) -> Result:
    """A run with a ledger is killed, and the next one meets 15 s of pages with 404 before anything else."""
    lab.serve((20.0, 20.0))
    url = lab.start_nginx()
    options = {"ledger": str(lab.folder / "ledger")}
    job = batch_job("resumed", url, 20, 120.0, batch=options)
    lab.start_driver(job)
    lab.at(4.0)
    lab.kill_driver()
    lab.reload_nginx(parts.refuse_all(404))

    def during() -> None:
        lab.at(15.0)
        lab.reload_nginx()

    return lab.drive(job, during)


def _unauthorized_page(lab: Lab) -> Result:
    lab.serve((1.9, 2.1))
    url = lab.start_nginx()

    def during() -> None:
        lab.at(3.0)
        lab.await_creates(8)
        lab.reload_nginx(parts.refuse_all(401))
        time.sleep(15.0)
        lab.reload_nginx()

    return lab.drive(batch_job("page 401", url, 200, 90.0), during)


# --- a refusal before the body has been read


def _early_413(name: str, scheme: str, *, http2: bool = False) -> Callable[[Lab], Result]:
    def run(lab: Lab) -> Result:
        lab.serve((0.5, 0.5))
        made = certificates.make(lab.folder / "certificates")
        lab.net.use_names({HOST: (SERVER,)})
        lab.start_haproxy(parts.BODY_LIMIT, certificate=made.both, client_timeout=10)
        url = base_url(HOST, parts.TLS_PORT if scheme == "https" else parts.FRONT_PORT, scheme)
        job = {
            "name": name,
            "kind": "creates",
            "base_url": url,
            "n": 6,
            "bound": 30.0,
            "picture": LARGE_PICTURE,
            "http2": http2,
        }
        return lab.drive(job, env={"SSL_CERT_FILE": made.authority})

    return run


def _all_413(result: Result) -> list[str]:
    refused = sum(line["status"] == 413 for line in result.lines)
    return [] if refused == 6 else [f"413: {refused} of 6; {dict(result.errors)}"]


# --- the words of an error


def _calls(name: str, url: str, n: int = 4) -> dict[str, Any]:
    batch = {"outage_timeout": 5.0}
    return {"name": name, "kind": "calls", "base_url": url, "n": n, "bound": 40.0, "batch": batch}


def _certificate(name: str) -> Callable[[Lab], Result]:
    def run(lab: Lab) -> Result:
        lab.serve((0.5, 0.5))
        made = certificates.make(lab.folder / "certificates")
        lab.net.use_names({HOST: (SERVER,)})
        lab.start_nginx(certificates={parts.TLS_PORT: getattr(made, name)})
        url = base_url(HOST, parts.TLS_PORT, "https")
        return lab.drive(_calls(name, url), env={"SSL_CERT_FILE": made.authority})

    return run


def _proxy(name: str, place: str, variable: str, scheme: str) -> Callable[[Lab], Result]:
    def run(lab: Lab) -> Result:
        lab.serve((0.5, 0.5))
        made = certificates.make(lab.folder / "certificates")
        lab.net.use_names({HOST: (SERVER,)})
        lab.start_dnsmasq({HOST: SERVER})
        lab.start_nginx(certificates={parts.TLS_PORT: made.good})
        if name == "407":
            lab.start_tinyproxy(port=parts.PROXY_PORT, only=parts.ONLY_WITH_PASSWORD)
        elif name == "403":
            lab.start_tinyproxy(port=parts.OPEN_PROXY_PORT, only=parts.ONLY_TO_HTTPS)
        url = base_url(HOST, parts.TLS_PORT if scheme == "https" else parts.FRONT_PORT, scheme)
        return lab.drive(_calls(name, url), env={"SSL_CERT_FILE": made.authority, variable: f"http://{place}"})

    return run


def _says(*parts_of_it: tuple[str, ...]) -> Check:
    """Every message names one of each tuple, and says nothing about money that was not spent."""

    def check(result: Result) -> list[str]:
        missed: list[str] = []
        for line in result.lines:
            message = (line["message"] or "").lower()
            lacking = [" or ".join(one) for one in parts_of_it if not any(word.lower() in message for word in one)]
            if line["error"] is None:
                missed.append(f"{line['prompt']}: no error")
            elif line["error"] in ("SubmissionUnknownError", "TimeoutError"):
                missed.append(f"{line['prompt']}: {line['error']}")
            elif lacking:
                missed.append(f"{line['prompt']} ({line['error']}) does not say {', '.join(lacking)}")
        return missed

    return check


_API = (f"{HOST}:{parts.TLS_PORT}",)


def _tls(name: str, what: str, *words: str) -> Setting:
    must = "cause and host in every message"
    return Setting(f"tls_{name}", f"nginx, {what}", must, 5.0, _certificate(name), _says(words, _API))


def _wrong_proxy(name: str, what: str, place: str, *words: str, scheme: str = "https") -> Setting:
    variable = f"{scheme}_proxy".upper()
    label = f"proxy_{name}" if scheme == "https" else f"proxy_{name}_{scheme}"
    must = f"cause, {place} and {variable} in every message"
    check = _says(words, (place,), (variable, variable.lower()))
    return Setting(label, what, must, 5.0, _proxy(name, place, variable, scheme), check)


_TINYPROXY = f"{ROUTER_AT_CLIENT}:{parts.PROXY_PORT}"

SETTINGS = (
    Setting(
        "page_404", "nginx, a page with 404 for 15 s, tasks over 60 s old", "all ok", 90.0, _not_found_page, no_errors
    ),
    Setting(
        "page_404_resumed",
        "nginx, a page with 404 for 15 s, run resumed from a ledger",
        "all ok",
        20.0,
        _not_found_page_at_resume,
        no_errors,
    ),
    Setting(
        "page_401",
        "nginx, a page with 401 for 15 s",
        "all ok, but ≤ 4 unknown",
        24.0,
        _unauthorized_page,
        unknown_at_most(4),  # those that met nginx just closing their connection, when it was reloaded
    ),
    Setting(
        "early_413_http", "haproxy, 413 before the body", "413, 6 of 6", 1.0, _early_413("413 http", "http"), _all_413
    ),
    Setting("early_413_tls", "the same over TLS", "413, 6 of 6", 1.0, _early_413("413 tls", "https"), _all_413),
    Setting(
        "early_413_http2",
        "the same over HTTP/2, own client",
        "413, 6 of 6",
        1.0,
        _early_413("413 h2", "https", http2=True),
        _all_413,
    ),
    _tls("expired", "certificate expired", "expired"),
    _tls("wrong_host", "certificate for another host", "mismatch", "not valid for", "does not match"),
    _tls("self_signed", "certificate signed by itself", "self-signed", "self signed"),
    _tls("foreign", "certificate of an unknown authority", "local issuer"),
    _wrong_proxy("refused", "nothing at the proxy's port", f"{ROUTER_AT_CLIENT}:9", "refused"),
    _wrong_proxy(
        "unknown",
        "the proxy's name is unknown",
        "proxy.test:3128",
        "name or service not known",
        "name resolution",
        "no address",
        "nodename",
    ),
    _wrong_proxy("407", "tinyproxy, wants a password (CONNECT)", _TINYPROXY, "407", "authentication"),
    _wrong_proxy("407", "tinyproxy, wants a password (http://)", _TINYPROXY, "407", "authentication", scheme="http"),
    _wrong_proxy(
        "403",
        "tinyproxy, forbids CONNECT to the port",
        f"{ROUTER_AT_CLIENT}:{parts.OPEN_PROXY_PORT}",
        "403",
        "access violation",
        "forbidden",
    ),
)
