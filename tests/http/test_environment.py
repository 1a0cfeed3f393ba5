"""What the environment says about proxies and certificates, from the making of a client to its requests."""

import functools
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from apimodels_async import AsyncImagesClient, ConfigurationError, ConnectionFailedError
from apimodels_async._http import tls
from tests.support.picture_server import KEY, PictureServer, enveloped
from tests.support.server import FaultServer, Visit
from tests.support.socks import SocksProxy

PENDING = {"taskId": "task-1", "state": "pending"}
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "sslkeylogfile")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        running.create(running.accepted())
        running.query(enveloped(PENDING))
        yield running


def client_of(base_url: str = "https://api.test/api/v1", **options: Any) -> AsyncImagesClient:
    return AsyncImagesClient(KEY, base_url=base_url, model="m", max_retries=0, **options)


# --- what cannot be used is told when the client is made

WRONG = [
    ("HTTPS_PROXY", "http://proxy:abc"),
    ("HTTPS_PROXY", "ftp://proxy:21"),
    ("ALL_PROXY", "socks4://127.0.0.1:7890"),
    ("SSL_CERT_FILE", "/no/such/cert.pem"),
    ("SSL_CERT_FILE", "/dev/null"),
    ("SSL_CERT_FILE", "/"),
    ("SSL_CERT_DIR", "/no/such/directory"),
]


@pytest.mark.parametrize(("variable", "value"), WRONG)
def test_a_variable_that_cannot_be_used_is_named_when_the_client_is_made(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable) as wrong:
        client_of()
    assert value in str(wrong.value)


@pytest.mark.parametrize(("variable", "value"), WRONG)
@pytest.mark.anyio
async def test_it_does_not_matter_to_this_machine_nor_to_a_client_of_the_callers_own(
    monkeypatch: pytest.MonkeyPatch, server: PictureServer, variable: str, value: str
) -> None:
    async with httpx.AsyncClient() as own:
        monkeypatch.setenv(variable, value)
        client_of(http_client=own)
        if "PROXY" in variable:
            async with client_of(server.base_url) as client:
                assert (await client.create("a cat")).id == "task-1"
                assert (await client.get("task-1")).state == "pending"


def test_a_certificate_file_without_a_certificate_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("not a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "empty.pem"))
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE=.*empty\.pem.*no certificate is in it"):
        client_of()


@pytest.mark.anyio
async def test_a_damaged_certificate_is_told_at_the_first_use_of_every_call(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "broken.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with client_of() as client:
        for call in (client.create, client.get):
            with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE=.*broken\.pem"):
                await call("a cat")


@pytest.mark.anyio
async def test_a_key_log_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/no/such/directory/keys.log")
    async with client_of() as client:
        with pytest.raises(ConfigurationError, match=r"SSLKEYLOGFILE='/no/such/directory/keys\.log'"):
            await client.balance()


@pytest.mark.anyio
async def test_what_cannot_be_used_is_said_once_for_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", "/no/such/directory/keys.log")
    async with client_of() as client:
        with pytest.raises(ConfigurationError, match="SSLKEYLOGFILE"):
            await client.generate_many(["a cat"] * 200)


# --- proxies


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
async def test_requests_go_through_a_socks_proxy(
    monkeypatch: pytest.MonkeyPatch, server: PictureServer, scheme: str
) -> None:
    port = httpx.URL(server.origin).port
    assert port is not None
    with SocksProxy(port) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("socks5", scheme))
        with pytest.warns(UserWarning, match="plain http"):
            client = client_of("http://api.test/api/v1")
        async with client:
            assert (await client.create("a cat")).id == "task-1"
            assert (await client.get("task-1")).state == "pending"
        assert proxy.asked == ["api.test", "api.test"]


@pytest.mark.parametrize("says", [b"", b"\x05\x02", b"\x05\x02\x01\x00"], ids=["nothing", "method", "password taken"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.filterwarnings("ignore:.*plain http")
@pytest.mark.anyio
async def test_a_socks_proxy_that_falls_silent_is_left_when_connecting_should_have_ended(
    monkeypatch: pytest.MonkeyPatch, scheme: str, says: bytes
) -> None:
    def play(visit: Visit) -> bool:
        for start in range(0, len(says), 2):
            visit.receive()
            visit.send(says[start : start + 2])
        visit.wait_until_left()
        return False

    with FaultServer(greet=[play]) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://me:secret@127.0.0.1:{proxy.port}")
        async with client_of(f"{scheme}://api.test/api/v1", timeout=httpx.Timeout(60.0, connect=0.3)) as client:
            for call in (lambda: client.create("a cat"), client.balance):
                with pytest.raises(ConnectionFailedError, match=r"no answer came in time.*at api.test.*ALL_PROXY"):
                    with anyio.fail_after(30.0):
                        await call()


def test_a_socks_proxy_without_the_extra_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://me:secret@127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=r"pip install 'apimodels-async\[socks\]'") as wrong:
        client_of()
    assert "ALL_PROXY" in str(wrong.value)
    assert "secret" not in str(wrong.value)


@pytest.mark.anyio
@pytest.mark.parametrize("call", ["create", "get", "balance"])
async def test_a_proxy_that_is_not_there_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@127.0.0.1:9")
    async with client_of() as client:
        with pytest.raises(ConnectionFailedError) as failed:
            await (client.balance() if call == "balance" else getattr(client, call)("a cat"))
    shown = str(failed.value)
    assert "at api.test:443 through the proxy http://***@127.0.0.1:9 (HTTPS_PROXY)" in shown
    assert "secret" not in shown


@pytest.mark.anyio
@pytest.mark.usefixtures("lane")
async def test_this_machine_is_reached_directly_and_over_the_fast_lane(
    monkeypatch: pytest.MonkeyPatch, server: PictureServer, lane: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with client_of(server.base_url) as client:
        await client.get("task-1")
        assert ("fast" in vars(client._engine.http.lanes)) == (lane == "fast")


# --- certificates


@pytest.mark.anyio
async def test_all_clients_share_one_context_which_is_made_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch, server: PictureServer
) -> None:
    made: list[bool] = []
    create = httpx.create_ssl_context

    def noted(*args: Any, **options: Any) -> ssl.SSLContext:
        if not args and not options:
            made.append(_in_a_loop())
        return create(*args, **options)

    monkeypatch.setattr(httpx, "create_ssl_context", noted)
    monkeypatch.setattr(tls, "_made", {})
    for _ in range(3):
        async with client_of(server.base_url) as client:
            await client.create("a cat")
            await client.get("task-1")
    assert made == [False]


def _in_a_loop() -> bool:
    try:
        anyio.get_current_task()
    except Exception:  # noqa: BLE001  (each back end has an error of its own for it)
        return False
    return True


# --- tools that look at httpx's requests


def _wrapping(seen: list[str], method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def wrapper(self: Any, request: Any, *args: Any, **options: Any) -> Any:
        seen.append(str(request.method))
        return await method(self, request, *args, **options)

    return wrapper


@pytest.mark.anyio
@pytest.mark.parametrize("place", [(httpx.AsyncHTTPTransport, "handle_async_request"), (httpx.AsyncClient, "send")])
async def test_a_tool_that_wraps_httpx_sees_every_request(
    monkeypatch: pytest.MonkeyPatch, server: PictureServer, lane: str, place: tuple[Any, str]
) -> None:
    seen: list[str] = []
    owner, name = place
    async with client_of(server.base_url) as client:
        await client.get("task-1")
        monkeypatch.setattr(owner, name, _wrapping(seen, getattr(owner, name)))
        await client.get("task-1")
        await client.create("a cat")
        assert seen == ["GET", "POST"]
        monkeypatch.undo()
        await client.get("task-1")
    assert seen == ["GET", "POST"]


@pytest.mark.anyio
async def test_where_a_tool_wraps_aiohttp_as_well_the_fast_lane_stays(
    monkeypatch: pytest.MonkeyPatch, server: PictureServer, lane: str
) -> None:
    if lane != "fast":
        return
    aiohttp = pytest.importorskip("aiohttp")
    seen: list[str] = []

    def wrapped(method: Any) -> Any:
        @functools.wraps(method)
        async def wrapper(self: Any, verb: str, *args: Any, **options: Any) -> Any:
            seen.append(verb)
            return await method(self, verb, *args, **options)

        return wrapper

    monkeypatch.setattr(aiohttp.ClientSession, "_request", wrapped(aiohttp.ClientSession._request))
    monkeypatch.setattr(httpx.AsyncClient, "send", _wrapping([], httpx.AsyncClient.send))
    async with client_of(server.base_url) as client:
        await client.get("task-1")
    assert seen == ["GET"]


@pytest.mark.filterwarnings("ignore:.*plain http")
@pytest.mark.anyio
async def test_a_host_that_is_no_name_is_an_error_of_the_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx_aiohttp", None)
    async with client_of("http://xn--.test/v1") as client:
        with pytest.raises(ConfigurationError, match="base_url: the name of its host is malformed"):
            await client.balance()


@pytest.mark.usefixtures("lane")
@pytest.mark.filterwarnings("ignore:.*plain http")
@pytest.mark.anyio
async def test_an_address_in_short_is_reached_by_queries_as_by_create_requests(server: PictureServer) -> None:
    async with client_of(server.base_url.replace("127.0.0.1", "127.1")) as client:
        task = await client.create("a cat")
        assert (await client.get(task.id or "")).id == "task-1"
