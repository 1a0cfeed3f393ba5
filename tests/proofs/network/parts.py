"""The configuration of nginx, haproxy, tinyproxy and dnsmasq, as text. Pure."""

from tests.proofs.network.namespaces import ROUTER_AT_CLIENT, SERVER

API_PORT, FRONT_PORT, TLS_PORT, PROXY_PORT, OPEN_PROXY_PORT = 8000, 8080, 8443, 8888, 8889

PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
_PHRASES = {
    401: "401 Authorization Required",
    404: "404 Not Found",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
}


def refuse_all(status: int) -> str:
    """What an nginx location says to every request, with a page of its own."""
    return f"return {status} '{PAGE.format(_PHRASES[status])}';"


def refuse_creates(status: int, retry_after: int | None = None) -> str:
    """The same to create requests alone, and when to try again."""
    header = "" if retry_after is None else f"add_header Retry-After {retry_after} always; "
    return f"if ($request_method = POST) {{ {header}{refuse_all(status)} }}"


def nginx(folder: str, *, refusal: str = "", certificates: dict[int, str] | None = None) -> str:
    """nginx before the server.

    Args:
        folder: for its files.
        refusal: directives that refuse requests.
        certificates: for each port with TLS, where the certificate and its key are, without ``.pem`` and ``.key``.
    """
    location = f"""
        default_type text/html;
        location / {{
            {refusal}
            proxy_pass http://{SERVER}:{API_PORT};
            proxy_set_header Host $http_host;
            proxy_read_timeout 300s;
        }}"""
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n    ".join(f"{path}_temp_path {folder}/nginx-{path};" for path in paths)
    servers = f"server {{ listen {FRONT_PORT} backlog=2048; {location} }}"
    for port, path in (certificates or {}).items():
        tls = f"ssl_certificate {path}.pem; ssl_certificate_key {path}.key;"
        servers += f"\n    server {{ listen {port} ssl; {tls} {location} }}"
    return f"""
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_max_body_size 100m;
    keepalive_requests 100000;
    {temporary}
    {servers}
}}
"""


RATE_OF_REQUESTS = """
    stick-table type ip size 1k expire 10s store http_req_rate(1s)
    http-request track-sc0 src
    http-request deny deny_status 429 if { sc_http_req_rate(0) gt 40 }
"""
"""More than 40 requests a second, those that were refused among them, are answered 429; nothing says when to retry."""
RATE_OF_CREATES = """
    stick-table type ip size 1k expire 10s store gpc0,gpc0_rate(2s)
    http-request track-sc0 src if METH_POST
    acl over sc_gpc0_rate(0) ge 20
    http-request return status 429 content-type text/plain string slow-down hdr Retry-After 1 if METH_POST over
    http-request sc-inc-gpc0(0) if METH_POST
"""
"""More than 20 creates that were let through in 2 s: the next are answered 429 with ``Retry-After: 1``."""
BODY_LIMIT = """
    http-request deny deny_status 413 if { req.hdr_val(content-length) gt 2000000 }
"""
"""A body over 2 MB is refused as soon as its head has been read."""


def haproxy(rules: str, *, certificate: str | None = None, client_timeout: int = 300) -> str:
    """haproxy before the server.

    Args:
        rules: what it refuses.
        certificate: a file with a certificate and its key; then there is a port with TLS and HTTP/2 too.
        client_timeout: seconds without a word from a client, after which it ends the connection.
    """
    tls = "" if certificate is None else f"bind :{TLS_PORT} ssl crt {certificate} alpn h2,http/1.1"
    return f"""
global
    maxconn 4000
    stats socket ipv4@127.0.0.1:9999
defaults
    mode http
    timeout connect 5s
    timeout client {client_timeout}s
    timeout server 300s
frontend front
    bind :{FRONT_PORT}
    {tls}
    {rules}
    default_backend api
backend api
    server api {SERVER}:{API_PORT}
"""


def tinyproxy(*, port: int, only: str) -> str:
    """A forward proxy in the router; `only` limits what it does for whom."""
    return f"""
Port {port}
Listen {ROUTER_AT_CLIENT}
Timeout 300
MaxClients 200
LogLevel Error
{only}
"""


ONLY_WITH_PASSWORD = "BasicAuth someone secret"
ONLY_TO_HTTPS = "ConnectPort 443"
"""CONNECT to any other port is answered 403."""


def dnsmasq(names: dict[str, str]) -> list[str]:
    """The command of a name server in the router that knows `names`, and that there is no other in ``.test``."""
    command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"]
    command += ["--pid-file=", "--bind-interfaces", f"--listen-address={ROUTER_AT_CLIENT}", "--local=/test/"]
    return command + [f"--host-record={name},{address}" for name, address in names.items()]
