"""A gateway that remembers what it received, and answers with the faults that a test asks for."""

import io
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from hashlib import sha256
from types import TracebackType
from typing import Any, NamedTuple, Self, Unpack, cast

from PIL import Image

from apimodels_async.client import AsyncImagesClient
from apimodels_async.gateway import LocalGateway, Options, ReceivedRequest
from apimodels_async.gateway.faults import Fault
from apimodels_async.pacing import FixedPacing
from apimodels_async.sync import ImagesClient

__all__ = ["MODEL", "RecordingGateway", "SentRequest"]

MODEL = "grok-image/grok-4.2-image"
"""The model of the fixtures' clients."""
_PACING = 0.02
"""Seconds between two queries."""
_FAULTS = frozenset(each.value for each in Fault) - {Fault.STATE.value}


class SentRequest(NamedTuple):
    """A create request as the gateway received it.

    Attributes:
        body: the JSON.
        headers: by their names in lower case, without the API key.
        fault: what it was answered with; ``None`` if it was taken as it is.
    """

    body: dict[str, Any]
    headers: dict[str, str]
    fault: str | None

    @property
    def prompt(self) -> str:
        """The prompt."""
        return str(self.body.get("prompt", ""))

    @property
    def model(self) -> str:
        """The model id."""
        return str(self.body.get("model", ""))


class RecordingGateway:
    """A `LocalGateway` for tests. Its pictures have one colour and the size that was asked for.

    Args:
        **options: those of `LocalGateway`, which otherwise makes tasks of some hundredths of a second.

    Attributes:
        requests: every request to the API since the test began.
        sent: the create requests among them, in their order.
    """

    def __init__(self, **options: Unpack[Options]) -> None:
        options.setdefault("latency", "0.02/0.04")
        options.setdefault("balance", 1e6)
        options.setdefault("paint", _paint)
        options["on_request"] = self._look_at
        self._gateway = LocalGateway(**options)
        self._turn = threading.Lock()
        self._faults: deque[str] = deque()
        self._query_faults: deque[str] = deque()
        self.requests: list[ReceivedRequest] = []
        self.sent: list[SentRequest] = []

    def __enter__(self) -> Self:
        self._gateway.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._gateway.__exit__(kind, error, traceback)

    @property
    def base_url(self) -> str:
        """The URL of the API."""
        return self._gateway.base_url

    @property
    def api_key(self) -> str:
        """The key that it accepts."""
        return self._gateway.api_key

    def begin(self, faults: Sequence[str] = (), query_faults: Sequence[str] = ()) -> None:
        """Forget what was received, and answer the next requests with these faults.

        Args:
            faults: of the next create requests, such as ``"429"``, ``"500"`` or ``"drop"``; ``""`` for none.
            query_faults: of the next queries.

        Raises:
            ValueError: there is no such fault.
        """
        with self._turn:
            self._faults, self._query_faults = _checked("faults", faults), _checked("query_faults", query_faults)
            self.requests, self.sent = [], []

    def client(self, **options: Any) -> AsyncImagesClient:
        """A client of this gateway, to be entered in the event loop of the test; `options` are its arguments."""
        return AsyncImagesClient(self.api_key, **self._with_defaults(options))

    def sync_client(self, **options: Any) -> ImagesClient:
        """A blocking client of this gateway; `options` are its arguments."""
        return ImagesClient(self.api_key, **self._with_defaults(options))

    def _with_defaults(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"base_url": self.base_url, "model": MODEL, "pacing": FixedPacing(_PACING), **options}

    def _look_at(self, request: ReceivedRequest) -> str | None:
        """In the gateway's thread: note a request, and draw its fault."""
        is_query = request.method == "GET" and "/images/generations" in request.path
        is_create = request.method == "POST" and "/images/" in request.path
        with self._turn:
            queue = self._faults if is_create else self._query_faults if is_query else deque[str]()
            fault = (queue.popleft() if queue else None) or None
            self.requests.append(request)
            if is_create:
                self.sent.append(SentRequest(_json_of(request), request.headers, fault))
        return fault


def _checked(argument: str, faults: Iterable[str]) -> deque[str]:
    wanted = deque([faults] if isinstance(faults, str) else map(str, faults))
    if odd := set(wanted) - _FAULTS - {""}:
        raise ValueError(f"{argument}: {min(odd)!r} is no fault: give some of {', '.join(sorted(_FAULTS))}")
    return wanted


def _json_of(request: ReceivedRequest) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _paint(*, prompt: str, seed: int, index: int, size: tuple[int, int], output_format: str, **_: Any) -> bytes:
    """Paint a picture of one colour, which prompt, seed and index decide: an elaborate one takes a second."""
    red, green, blue = sha256(f"{prompt} {seed} {index}".encode()).digest()[:3]
    file = io.BytesIO()
    Image.new("RGB", size, (red, green, blue)).save(file, output_format)
    return file.getvalue()
