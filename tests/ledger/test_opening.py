"""What a ledger's name stands for; no URL is ever taken for the name of a file."""

import sys
from pathlib import Path

import pytest

from apimodels_async import AsyncImagesClient, ConfigurationError, LedgerError
from apimodels_async.callbacks import CallbackReceiver
from apimodels_async.ledger import SqliteLedger
from apimodels_async.ledger.opening import database_url, open_ledger, shown
from tests.callbacks.conftest import PUBLIC_URL, SECRETS

URL = "postgresql://me:hunter2@db.example/pictures"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("apimodels_async.ledger.postgres", "apimodels_async._postgres", "apimodels_async.callbacks.postgres")
    for name in [each for each in sys.modules if each.startswith(ours)]:
        package, _, module = name.rpartition(".")
        monkeypatch.setattr(sys.modules[package], module, sys.modules[name])  # so that it is there again afterwards
    for name in [each for each in sys.modules if each.startswith(ours)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)


def test_a_path_is_a_file(folder: Path) -> None:
    for name in ("run.db", folder / "other.db", "postgres", "a:b.db"):
        with open_ledger(name) as ledger:
            assert isinstance(ledger, SqliteLedger)
    with pytest.raises(LedgerError, match="no such file"):
        open_ledger("none.db", create=False)


@pytest.mark.parametrize("name", ["mysql://here/db", "sqlite:///run.db", "s3://bucket/run.db", "HTTP://x/y"])
def test_any_other_url_is_refused(folder: Path, name: str) -> None:
    for use in (open_ledger, database_url):
        with pytest.raises(ConfigurationError, match="postgresql://"):
            use(name)
    with pytest.raises(ConfigurationError, match="postgresql://"):
        CallbackReceiver(PUBLIC_URL, SECRETS, store=name)
    assert list(folder.iterdir()) == []


def test_a_url_is_shown_without_its_password() -> None:
    assert shown(URL) == "postgresql://me@db.example/pictures"
    assert shown("run.db") == "run.db"


@pytest.mark.usefixtures("without_psycopg")
def test_without_the_extra_it_says_what_to_install(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"apimodels-async\[postgres\]"):
        open_ledger(URL)
    with pytest.raises(ConfigurationError, match=r"apimodels-async\[postgres\]"):
        CallbackReceiver(PUBLIC_URL, SECRETS, store=URL)
    assert list(folder.iterdir()) == []


@pytest.mark.anyio
@pytest.mark.usefixtures("without_psycopg")
async def test_a_client_says_the_same_before_anything_is_sent(folder: Path) -> None:
    async with AsyncImagesClient("sk_test", base_url="http://127.0.0.1:9/v1", model="m") as client:
        with pytest.raises(ConfigurationError, match=r"apimodels-async\[postgres\]"):
            await client.create("a fox", ledger=URL, key="k")
        with pytest.raises(ConfigurationError, match=r"apimodels-async\[postgres\]"):
            await client.generate_many(["a fox"], ledger=URL)
        with pytest.raises(ConfigurationError, match="postgresql://"):
            await client.create("a fox", ledger="mysql://here/db", key="k")
    assert [each.name for each in folder.iterdir()] == []  # noqa: ASYNC240
