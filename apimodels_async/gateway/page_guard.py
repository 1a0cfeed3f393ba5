"""Who may use the gateway's page, and what the page may do.

The page can spend the account's money and shows what was asked for, so it is open to this gateway's own page only:

* its host must be an address, localhost or an allowed name: a web page may rebind its own name to this machine;
* a request from a page must come from this very origin: another page could post the form;
* unless the gateway accepts the default key, which is no secret, the page asks for an API key as its password.

Its policy allows what the gateway serves, and nothing from elsewhere; no script in the markup runs.
"""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.requests import check_host, origin_of

__all__ = ["HEADERS", "PREFIX", "PageGuard", "is_page"]

PREFIX = "/page"
"""Where everything of the page is but the page itself, which is at ``/``."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer, with which a browser posts a form without its origin.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_CHALLENGE = 'Basic realm="apimodels gateway: any user name, an API key as password", charset="UTF-8"'


def is_page(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request is for the page, or for a part of it."""
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    return path in {"", "/"} or path.startswith(f"{PREFIX}/")


@frozen
class PageGuard:
    """Checks every request of the page.

    Attributes:
        hosts: the allowed host names.
        keys: the API keys of which one is the password; empty if none is needed.
        explain: makes a page of a refusal: the path that the application is mounted at, status, message.
    """

    hosts: frozenset[str]
    keys: tuple[bytes, ...]
    explain: Callable[[str, int, str], Response]

    def route(self, path: str, endpoint: Callable[[Request], Awaitable[Response]], method: str = "GET") -> Route:
        """The route to a part of the page."""

        async def answer(request: Request) -> Response:
            try:
                check_host(request, self.hosts)
                _check_origin(request)
                self._check_password(request)
                response = await endpoint(request)
            except Refusal as refusal:
                response = self.explain(request.scope.get("root_path", ""), refusal.code, refusal.message)
                response.headers.update(refusal.headers or {})
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return Route(path, answer, methods=[method])

    def _check_password(self, request: Request) -> None:
        if not self.keys:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            password = base64.b64decode(given, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            password = b""
        matches = [hmac.compare_digest(password, key) for key in self.keys]
        if scheme.lower() != "basic" or not any(matches):
            raise Refusal(
                401, "give an API key of this gateway as the password", headers={"WWW-Authenticate": _CHALLENGE}
            )


def _check_origin(request: Request) -> None:
    """Check that another site's page has not made the request.

    Raises:
        Refusal: it has, or it changes something and does not say where it comes from.
    """
    own = origin_of(request).removesuffix(request.scope.get("root_path", "")).lower()
    origin = request.headers.get("origin")
    changes = request.method not in {"GET", "HEAD"}
    if (origin is None and changes) or (origin is not None and origin.lower() != own):
        raise Refusal(403, f"the origin {origin or 'is missing'}: only the page at {own} may do this")
    site = request.headers.get("sec-fetch-site", "none")
    followed = request.headers.get("sec-fetch-mode") == "navigate" and not changes
    if site not in {"same-origin", "none"} and not followed:
        raise Refusal(403, f"only the page at {own} may do this")
