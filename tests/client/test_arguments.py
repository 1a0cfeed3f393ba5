"""A bad argument is refused before anything is sent, by its name; whatever is a number counts as one."""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from apimodels_async import AsyncImagesClient, ImagesClient, Task, TaskState
from apimodels_async._arguments import number, seconds, whole
from apimodels_async.callbacks import CallbackReceiver, SqliteCallbackStore
from apimodels_async.errors import ConfigurationError
from apimodels_async.gateway import LocalGateway, create_app
from apimodels_async.ledger import SqliteLedger
from apimodels_async.pacing import AdaptivePacing, BackoffPacing, FixedPacing
from tests.support.picture_server import KEY, PictureServer

DONE = Task(id="t", state=TaskState.COMPLETED, result_urls=("https://a.test/1.png",))


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with PictureServer() as running:
        yield running.generate()


@pytest.fixture
async def client(server: PictureServer) -> AsyncIterator[Any]:
    async with AsyncImagesClient(KEY, base_url=server.base_url, model="m", pacing=FixedPacing(0.01)) as made:
        yield made


# --- the rule


class Indexed:
    """As NumPy's whole numbers are."""

    def __index__(self) -> int:
        return 8


@pytest.mark.parametrize(
    ("value", "read"), [(5, 5.0), (0.5, 0.5), (Decimal("2.5"), 2.5), (Fraction(1, 4), 0.25), (Indexed(), 8.0)]
)
def test_whatever_is_a_number_is_read_as_one(value: object, read: float) -> None:
    if isinstance(value, Indexed):
        assert whole("n", value, least=1) == read
    else:
        assert type(number("x", value, above=0.0)) is float
        assert number("x", value, above=0.0) == read


@pytest.mark.parametrize("value", ["5", b"5", None, True, [5], object(), 1j])
def test_what_is_none_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(TypeError, match=rf"x is a {type(value).__name__}: give a number above 0"):
        number("x", value, above=0.0)


@pytest.mark.parametrize("value", [0, -1, math.nan, Decimal("NaN"), 10**400])
def test_what_is_out_of_range_is_refused_with_its_value(value: object) -> None:
    with pytest.raises(ValueError, match=r"x=.{1,40}: give a number above 0"):
        number("x", value, above=0.0)


def test_infinite_seconds_are_no_limit() -> None:
    assert seconds("timeout", math.inf, above=0.0) is None
    assert seconds("timeout", None, above=0.0) is None


@pytest.mark.parametrize("value", [8.0, "8", None, True, Decimal(8)])
def test_a_whole_number_is_none_that_looks_like_one(value: object) -> None:
    with pytest.raises(TypeError, match=r"n is a .*: give a whole number, 1 or more"):
        whole("n", value, least=1)


# --- what has arguments

ODD: dict[str, tuple[str, Callable[[], object]]] = {
    name: (name.split()[0], call)
    for name, call in {
        "timeout text": lambda: AsyncImagesClient(KEY, timeout=_any("30")),
        "timeout list": lambda: AsyncImagesClient(KEY, timeout=_any([1])),
        "timeout NaN": lambda: AsyncImagesClient(KEY, timeout=math.nan),
        "max_retries text": lambda: AsyncImagesClient(KEY, max_retries=_any("4")),
        "max_retries None": lambda: AsyncImagesClient(KEY, max_retries=_any(None)),
        "wait_timeout text": lambda: AsyncImagesClient(KEY, wait_timeout=_any("600")),
        "api_key number": lambda: AsyncImagesClient(_any(5)),
        "base_url number": lambda: AsyncImagesClient(KEY, base_url=_any(5)),
        "base_url path": lambda: AsyncImagesClient(KEY, base_url=_any(Path("x"))),
        "model number": lambda: AsyncImagesClient(KEY, model=_any(5)),
        "interval text": lambda: FixedPacing(_any("1")),
        "interval zero": lambda: FixedPacing(0.0),
        "first text": lambda: BackoffPacing(_any("1"), 2.0, 3.0),
        "factor one": lambda: BackoffPacing(0.5, 1.0, 3.0),
        "poll_cost None": lambda: AdaptivePacing(_any(None)),
        "poll_cost inf": lambda: AdaptivePacing(math.inf),
        "prior number": lambda: AdaptivePacing(prior=_any(5)),
        "path number": lambda: SqliteLedger(_any(5)),
        "path URL": lambda: SqliteLedger("postgresql://user:secret@db/x"),
        "path store": lambda: SqliteCallbackStore("postgresql://user:secret@db/x"),
        "store number": lambda: CallbackReceiver("https://a.test/c", {"k": b"s" * 32}, store=_any(5)),
        "on_callback number": lambda: CallbackReceiver("https://a.test/c", {"k": b"s" * 32}, on_callback=_any(5)),
        "queue_size fraction": lambda: CallbackReceiver("https://a.test/c", {"k": b"s" * 32}, queue_size=_any(8.5)),
        "handler_timeout text": lambda: CallbackReceiver(
            "https://a.test/c", {"k": b"s" * 32}, handler_timeout=_any("8")
        ),
        "confirm number": lambda: CallbackReceiver("https://a.test/c", {"k": b"s" * 32}, confirm=_any(5)),
        "max_body text": lambda: create_app(max_body=_any("5")),
        "latency number": lambda: create_app(latency=_any(0.1)),
        "latency pair": lambda: create_app(latency=_any((0.1, 0.2))),
        "paint number": lambda: create_app(paint=_any(5)),
        "on_request number": lambda: create_app(on_request=_any(5)),
        "rng number": lambda: create_app(rng=_any(5)),
        "balance text": lambda: create_app(balance=_any("5")),
        "faults mapping": lambda: create_app(faults=_any({"429": 0.1})),
        "api_keys number": lambda: create_app(api_keys=_any([5])),
        "keep text": lambda: create_app(keep=_any("7")),
        "port text": lambda: LocalGateway(port=_any("8799")),
    }.items()
}


def _any(value: object) -> Any:
    return value


@pytest.mark.parametrize(("argument", "call"), ODD.values(), ids=ODD)
def test_a_bad_argument_is_named(
    argument: str, call: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises((TypeError, ValueError, ConfigurationError), match=rf"^{argument}\b"):
        call()

    assert list(tmp_path.iterdir()) == []


BATCH: dict[str, object] = {
    "max_in_flight": "8",
    "budget": "5",
    "create_rate": "5",
    "poll_rate": [5],
    "retry_failed": None,
    "wait_timeout": "600",
    "outage_timeout": "300",
    "ledger": 5,
    "download_to": 5,
    "on_event": "x",
}


@pytest.mark.anyio
@pytest.mark.parametrize(("argument", "value"), BATCH.items(), ids=BATCH)
async def test_a_bad_argument_of_a_batch_is_named_and_nothing_is_sent(
    client: Any, server: PictureServer, argument: str, value: object
) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"^{argument}\b"):
        await client.generate_many(["a"], **{argument: value})

    assert server.posts == 0


OF_A_DOWNLOAD: dict[str, tuple[object, object, dict[str, object]]] = {
    "task": ("t", "out", {}),
    "directory": (DONE, None, {}),
    "timeout": (DONE, "out", {"timeout": "60"}),
    "max_bytes": (DONE, "out", {"max_bytes": None}),
    "min_rate": (DONE, "out", {"min_rate": "x"}),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("argument", "given"), OF_A_DOWNLOAD.items(), ids=OF_A_DOWNLOAD)
async def test_a_bad_argument_of_a_download_is_named(
    client: Any, argument: str, given: tuple[object, object, dict[str, object]]
) -> None:
    task, directory, more = given
    with pytest.raises((TypeError, ValueError), match=rf"^{argument}\b"):
        await client.download(task, directory, **more)
    if argument != "directory":
        with pytest.raises((TypeError, ValueError), match=rf"^{argument}\b"):
            await client.fetch(task, **more)


@pytest.mark.anyio
@pytest.mark.parametrize("argument", ["wait_timeout", "create_rate", "poll_rate", "budget", "outage_timeout"])
async def test_a_decimal_is_a_number_in_a_batch(client: Any, server: PictureServer, argument: str) -> None:
    outcomes = await client.generate_many(["a"], allow_unpriced=True, **{argument: Decimal("50.5")})

    assert [outcome.ok for outcome in outcomes] == [True]
    assert server.posts == 1


@pytest.mark.anyio
@pytest.mark.parametrize("timeout", [Decimal(50), math.inf, 10**6])
async def test_a_timeout_may_be_any_number(server: PictureServer, timeout: Any) -> None:
    async with AsyncImagesClient(
        KEY, base_url=server.base_url, model="m", timeout=timeout, pacing=FixedPacing(0.01)
    ) as client:
        assert (await client.generate("a", timeout=timeout)).state is TaskState.COMPLETED


# --- a single prompt in place of a list


@pytest.mark.parametrize("requests", ["cat", b"cat", bytearray(b"cat"), {"a": 1}, None, 5], ids=repr)
def test_the_blocking_client_takes_no_single_prompt_for_a_list(server: PictureServer, requests: Any) -> None:
    with ImagesClient(KEY, base_url=server.base_url, model="m") as client:
        with pytest.raises(TypeError, match=r"requests is a .*: give a list of prompts"):
            client.generate_many(requests)
        with pytest.raises(TypeError, match=r"requests is a .*: give a list of prompts"), client.batch(requests):
            pytest.fail("it has begun")

    assert server.posts == 0
