"""Loading the requests of many hosts into the ledger at once, and dividing them into shards."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, cast

from apimodels_async._create.identity import view_text
from apimodels_async._create.prepare import view_of
from apimodels_async._postgres import Connection
from apimodels_async._prices import price_as_sent
from apimodels_async._wire.converter import request_fields
from apimodels_async.catalogue import PriceTable
from apimodels_async.ledger.postgres import rows
from apimodels_async.models import GenerationRequest

ROWS_A_SHARD = 1000
"""Requests in a shard, where there are not more workers than that takes."""
_MOST_ROWS_A_SHARD = 4000
_ROWS_A_WRITE = 500
_PICTURES = ("image", "images", "mask")


class Loaded(NamedTuple):
    """What came of loading.

    Attributes:
        read: requests that were given.
        added: of them, those that were not in the ledger.
        unpriced: of those given, how many have no known price.
    """

    read: int
    added: int
    unpriced: int


def load(
    connection: Connection, requests: Iterable[GenerationRequest | str], model: str | None, prices: PriceTable
) -> Loaded:
    """Add requests as entries at ``intent``, all of them or none. What is there already stays as it is.

    Requests are matched by their content and by how many times it has come before, as in a batch: the same file again
    adds nothing, and its lines may have moved.

    Raises:
        TypeError, ValueError: a request cannot be loaded: it has no model, or a picture that is neither path nor URL.
    """
    read = unpriced = 0
    staged = _staged(requests, model, prices)
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")  # it takes as long as there are requests
        connection.execute(_STAGING)
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            while some := list(islice(staged, _ROWS_A_WRITE)):
                read += len(some)
                unpriced += sum(row.cost is None for row in some)
                copy.write("".join(map(_copy_line, some)))
        connection.execute(_NUMBERED)
        added = connection.execute(_ENTRIES).rowcount
        connection.execute(_REQUESTS)
        if added:
            connection.execute("UPDATE apimodels.shard SET finished = false, run = NULL WHERE finished")
    return Loaded(read, added, unpriced)


class _Staged(NamedTuple):
    """One request as it goes into the staging table, in the order of its columns.

    Attributes:
        content: the digest of what is asked for.
        cost: millionths of a US dollar, if a price is known.
        model: the model id.
        body: what is asked for, pictures as digests.
        given: what was given, where that differs.
    """

    content: bytes
    cost: int | None
    model: str
    body: str
    given: str | None


def _staged(requests: Iterable[GenerationRequest | str], model: str | None, prices: PriceTable) -> Iterator[_Staged]:
    for number, given in enumerate(requests, 1):
        request = given if isinstance(given, GenerationRequest) else GenerationRequest(given)
        its_model = request.model or model
        if its_model is None:
            raise ValueError(f"request {number}: name a model, there or for all with model=")
        view = view_of(request, its_model)
        body = view_text(view)
        cost = rows.micros(price_as_sent(view, its_model, prices))
        yield _Staged(hashlib.sha256(body.encode()).digest(), cost, its_model, body, _given(request, its_model, number))


def _copy_line(row: _Staged) -> str:
    """A row as COPY reads it. Written here, because psycopg's way of column by column takes three times the CPU."""
    cost = _NULL if row.cost is None else row.cost
    given = _NULL if row.given is None else _escaped(row.given)
    return f"\\\\x{row.content.hex()}\t{cost}\t{_escaped(row.model)}\t{_escaped(row.body)}\t{given}\n"


_NULL = r"\N"


def _escaped(text: str) -> str:
    escaped = text.replace("\\", r"\\")
    return escaped.replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


def _given(request: GenerationRequest, model: str, number: int) -> str | None:
    if request.image is request.images is request.mask is request.callback_url is None:
        return None
    pictures = {name: value for name in _PICTURES if (value := getattr(request, name)) is not None}
    named = {name: _names(value, f"request {number}: {name}") for name, value in pictures.items()}
    extra = {} if request.extra_body is None else {"extra_body": dict(request.extra_body)}
    return json.dumps({**request_fields(request), **named, **extra, "model": model})


def _names(value: object, where: str) -> str | list[str]:
    match value:
        case str():
            return value
        case os.PathLike():
            return os.fspath(value)  # type: ignore[no-any-return]
        case list() | tuple():
            return [str(_names(each, where)) for each in cast("Sequence[object]", value)]
        case _:
            raise TypeError(f"{where} is {type(value).__name__}: give a path or a URL that every worker can read")


def request_of(model: str, body: str, given: str | None) -> GenerationRequest:
    """A request as it was loaded.

    Raises:
        TypeError, ValueError: it was not loaded, and only the digests of its pictures are known.
    """
    fields: dict[str, Any] = {"model": model, **json.loads(given or body)}
    return GenerationRequest(**fields)


def divide(connection: Connection, at_least: int) -> int:
    """Divide the entries into shards, unless they are, and return how many there are.

    Shards that a live run holds are not divided anew: their numbers are its.
    """
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SELECT 1 FROM apimodels.ledger FOR UPDATE")
        entries, shards, fence = connection.execute(_SIZES).fetchone() or (0, 0, 0)
        wanted: int = max(at_least, -(-entries // ROWS_A_SHARD), 1)
        is_enough = shards >= at_least and entries <= shards * _MOST_ROWS_A_SHARD
        if shards and (is_enough or _is_any_held(connection)):
            return int(shards)
        connection.execute("DELETE FROM apimodels.shard")
        with connection.cursor() as cursor, cursor.copy(_COPY_SHARDS) as copy:
            for number in range(wanted):
                beyond = None if number == wanted - 1 else _bound(number + 1, wanted)
                # The fences go on, so that none that was given out before holds a shard of the same number.
                copy.write_row((number, fence + 1, _bound(number, wanted), beyond))
    return wanted


def _bound(number: int, shards: int) -> bytes:
    return (number * 2**128 // shards).to_bytes(16, "big")


def _is_any_held(connection: Connection) -> bool:
    held = "SELECT 1 FROM apimodels.shard WHERE NOT finished AND NOT apimodels.has_ended(run) LIMIT 1"
    return connection.execute(held).fetchone() is not None


_STAGING = """
CREATE TEMP TABLE loading (
    line bigint NOT NULL DEFAULT nextval('apimodels.request_line'), content bytea, cost bigint, model text, body text,
    given text
) ON COMMIT DROP
"""
_COPY = "COPY pg_temp.loading (content, cost, model, body, given) FROM STDIN"
_NUMBERED = """
CREATE TEMP TABLE numbered ON COMMIT DROP AS
SELECT *, substring(content FROM 1 FOR 16) AS digest,
       row_number() OVER (PARTITION BY content ORDER BY line)::int - 1 AS occurrence
FROM pg_temp.loading
"""
_ENTRIES = """
INSERT INTO apimodels.entry (digest, occurrence, step, cost, changed)
SELECT digest, occurrence, 'intent', cost, extract(epoch FROM clock_timestamp()) FROM pg_temp.numbered
ON CONFLICT DO NOTHING
"""
_REQUESTS = """
INSERT INTO apimodels.request (digest, occurrence, line, content, model, body, given)
SELECT digest, occurrence, line, content, model, body, given FROM pg_temp.numbered
ON CONFLICT (digest, occurrence) DO UPDATE SET given = excluded.given
WHERE request.given IS NULL AND excluded.given IS NOT NULL
"""
"""What a batch began by itself learns from a load how it was given."""
_SIZES = """
SELECT (SELECT count(*) FROM apimodels.entry), count(*), coalesce(max(fence), 0) FROM apimodels.shard
"""
_COPY_SHARDS = "COPY apimodels.shard (number, fence, first, beyond) FROM STDIN"
