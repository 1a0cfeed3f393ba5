"""Whom a gateway answers, and where it can be sent: hosts that were rebound, and URLs that lead elsewhere."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from tests.proofs.hostile.gateway_pictures import attacked, refused_well
from tests.proofs.hostile.row import Row, unless

HOSTS = (
    *("evil.com", "evil.com:8787", "localhost.evil.com", "notlocalhost", "127.0.0.1.evil.com", "127.0.0.1.nip.io"),
    *("user@127.0.0.1", "127.0.0.1/evil.com", "evil.com#127.0.0.1", "[::1].evil.com", "localhost:x", "[", "a b"),
    *("2130706433.evil", "xn--e1awd7f.com", "localhost,evil.com", "evil.com:127.0.0.1"),
)
PATHS = (
    *(("GET", "/api/v1/balance"), ("GET", "/api/v1/models"), ("POST", "/api/v1/images/generations")),
    *(("GET", "/openapi.json"), ("GET", "/results/x"), ("PUT", "/uploads/x"), ("GET", "/hosted/x"), ("GET", "/")),
    *(("POST", "/api/v1/files"), ("OPTIONS", "/api/v1/balance"), ("DELETE", "/api/v1/balance"), ("GET", "/page/x")),
)
ELSEWHERE = (
    *("http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/", "http://192.168.0.1/"),
    *("http://0.0.0.0:{port}/", "http://[::]:{port}/", "http://0:{port}/", "http://2852039166/", "http://0xa9fea9fe/"),
    *("http://0251.0376.0251.0376/", "http://169.254.43518/", "http://[::ffff:169.254.169.254]/"),
    *("http://[::ffff:a9fe:a9fe]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:a9fe:a9fe::]/", "http://[fe80::1]/"),
    *(
        "http://127.0.0.1:{port}@169.254.169.254/",
        "http://169.254.169.254#@127.0.0.1:{port}/",
        "http://user@127.0.0.1/",
    ),
    *("http://127.0.0.1:{port}\\@169.254.169.254/", "http://169.254.169.254\\@127.0.0.1:{port}/"),
    *("file:///etc/passwd", "gopher://127.0.0.1:{port}/", "ftp://127.0.0.1/", "dict://127.0.0.1/", "//127.0.0.1/"),
    *("http:/127.0.0.1:{port}/", "http:///127.0.0.1/", "http://", "http://127.0.0.1:0/", "http://127.0.0.1:99999/"),
    *("http://127.0.0.1:{port}/\r\nX: y", "http://127.0.0.1:{port}/ HTTP/1.1\r\nX: y", "http://127.0.0.1\t:{port}/"),
    *("http://\u2460\u2461\u2466.0.0.1:{port}/", "http://127\u30020\u30020\u30021:{port}/", "http://\u24db\u24de/"),
    *("http://[::1%25eth0]:{port}/", "http://[v1.a]/", "http://224.0.0.1/", "http://255.255.255.255/", "http://*/"),
)
"""None of them needs a name to be looked up."""


def hosts(row: Row) -> None:
    """Requests for the host of another: a web page may have its name rebound to this machine."""
    with attacked(row) as gateway:
        for host in HOSTS:
            for method, path in PATHS:
                answer = gateway.ask(method, path, b"{}" if method in ("POST", "PUT") else None, {"Host": host})
                row.judge(
                    f"{method} {path} for {host}", unless(answer.status in (400, 404, 405, 421), f"{answer.status}")
                )
        for host in ("127.0.0.1", f"localhost:{gateway.port}", "[::1]", "LOCALHOST."):
            answer = gateway.ask("GET", "/api/v1/balance", headers={"Host": host})
            row.judge(f"for {host}", unless(answer.status == 200, f"{answer.status}"))


class _Canary(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302)
        self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


def urls(row: Row) -> None:
    """URLs that lead elsewhere, in each field that takes one; and redirects to them."""
    canary = ThreadingHTTPServer(("127.0.0.1", 0), _Canary)
    threading.Thread(target=canary.serve_forever, daemon=True).start()
    port = canary.server_port
    try:
        with attacked(row) as gateway:
            for url in (each.replace("{port}", str(port)) for each in ELSEWHERE):
                for fields in ({"image_url": url}, {"image_urls": [url]}, {"images": [url]}, {"callback_url": url}):
                    answer = gateway.create(**fields)
                    row.judge(f"{fields}", unless(answer.status == 400, f"{answer.status}: {answer.body[:150]!r}"))
            row.judge("nothing was asked", unless(not _Canary.asked, f"{_Canary.asked}"))
            for fields in ({"image_url": f"http://127.0.0.1:{port}/a"}, {"images": [f"http://localhost:{port}/a"]}):
                answer = gateway.create(**fields)
                row.judge("a redirect", refused_well(answer), unless(answer.status == 400, f"{answer.status}"))
    finally:
        canary.shutdown()
        canary.server_close()
