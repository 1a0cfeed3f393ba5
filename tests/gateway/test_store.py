"""A restart on the same store loses nothing."""

import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway import LocalGateway, create_app
from apimodels_async.gateway.store import Store

VERSION_1 = """
CREATE TABLE tasks (
    id TEXT PRIMARY KEY, model TEXT NOT NULL, n INTEGER NOT NULL, output_format TEXT NOT NULL,
    created INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,
    fail_code TEXT, fail_msg TEXT, retryable INTEGER,
    price INTEGER NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL,
    inputs TEXT NOT NULL, mask TEXT, request TEXT NOT NULL, callback_url TEXT
) WITHOUT ROWID;
CREATE TABLE inputs (digest TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE results (
    task_id TEXT NOT NULL, picture INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (task_id, picture)
);
CREATE TABLE files (
    id TEXT PRIMARY KEY, content_type TEXT NOT NULL, length INTEGER NOT NULL,
    upload_until INTEGER NOT NULL, expires INTEGER NOT NULL, data BLOB
);
PRAGMA user_version = 1;
INSERT INTO tasks VALUES (
    'clold', 'grok-image/grok-4.2-image', 1, 'png', 1705123440000, 1705123441000, 1705123450000, NULL, NULL, NULL,
    30000, 'a fox', 1, 64, 64, '[]', NULL, '{"prompt": "a fox"}', 'https://example.com/hook'
);
"""
"""A store as the gateway made it before it called anybody."""


def test_a_restart_loses_no_task_no_picture_no_file_and_no_cent(
    reopened: Callable[..., Any], tmp_path: Path, png: Callable[..., bytes], b64: Callable[..., str]
) -> None:
    store = tmp_path / "store.sqlite3"
    with reopened(store=store) as desk:
        done = desk.finish(n=2)
        seen = desk.ask("GET", done["resultUrls"][0]).content
        edit = desk.create("an edit", image=b64(), mask=b64(48, 32, "WEBP"), seed=3)
        failing = desk.create("contraband")
        told = desk.ask("POST", "/files", files={"file": png()}).json()["data"]
        balance = desk.balance()
    painted = len(desk.painter.calls)

    with reopened(store=store) as desk:
        assert desk.balance() == balance == 9.94
        assert desk.query(done["taskId"]) == done
        assert desk.ask("GET", done["resultUrls"][0]).content == seen
        assert len(desk.painter.calls) == painted
        assert desk.ask("GET", told["publicUrl"]).content == png()
        assert desk.query(edit["taskId"])["state"] == "pending"
        desk.clock.advance(15)
        assert desk.query(failing["taskId"])["failCode"] == "CONTENT_MODERATION"
        assert desk.ask("GET", desk.query(edit["taskId"])["resultUrls"][0]).status_code == 200
        order = desk.painter.calls[-1]
        assert (order["prompt"], order["seed"], order["images"]) == ("an edit", 3, [png()])
        assert order["mask"] == png(48, 32, "WEBP")
        assert desk.balance() == 9.91


def test_a_larger_deposit_raises_the_balance_of_a_store(reopened: Callable[..., Any], tmp_path: Path) -> None:
    with reopened(store=tmp_path / "store", balance=0.03) as desk:
        desk.finish()
        assert desk.balance() == 0.0
    with reopened(store=tmp_path / "store", balance=1) as desk:
        assert desk.balance() == 0.97


def test_the_request_and_its_callback_url_are_kept_without_the_pictures(
    reopened: Callable[..., Any], tmp_path: Path, b64: Callable[..., str]
) -> None:
    with reopened(store=tmp_path / "store") as desk:
        desk.create(callback_url="http://127.0.0.1:9/hook", image=b64(), quality="high")
    with closing(sqlite3.connect(tmp_path / "store")) as db:
        ((request, callback_url),) = db.execute("SELECT request, callback_url FROM tasks")
    assert callback_url == "http://127.0.0.1:9/hook"
    assert '"quality": "high"' in request
    assert b64() not in request


def test_the_same_picture_is_kept_once(reopened: Callable[..., Any], tmp_path: Path, b64: Callable[..., str]) -> None:
    with reopened(store=tmp_path / "store") as desk:
        for _ in range(3):
            desk.create(image=b64())
    with closing(sqlite3.connect(tmp_path / "store")) as db:
        assert db.execute("SELECT COUNT(*) FROM inputs").fetchone() == (1,)


def test_a_file_that_is_no_store_is_refused_at_the_start(tmp_path: Path, painter: Any) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to be looked at as one" * 100)
    with closing(sqlite3.connect(tmp_path / "newer")) as db:
        db.execute("PRAGMA user_version = 99")
    (tmp_path / "folder").mkdir()
    for name in ("text", "newer", "folder", "nowhere/store"):
        with pytest.raises(OSError, match=name), LocalGateway(store=tmp_path / name, paint=painter):
            pass
    assert (tmp_path / "text").read_text().startswith("not a database")


def test_a_store_of_version_1_is_taken_over_and_its_tasks_are_not_called_for(
    reopened: Callable[..., Any], tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "store")) as db:
        db.executescript(VERSION_1)
    with reopened(store=tmp_path / "store") as desk:
        assert desk.query("clold")["state"] == "completed"
        assert desk.balance() == 9.97
        new = desk.create(callback_url="http://127.0.0.1:9/hook")["taskId"]
    with closing(sqlite3.connect(tmp_path / "store")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert db.execute("SELECT task_id FROM calls").fetchall() == [(new,)]
    with reopened(store=tmp_path / "store") as desk:
        assert desk.query("clold")["state"] == "completed"


def test_two_gateways_cannot_share_a_store(tmp_path: Path, painter: Any) -> None:
    store = str(tmp_path / "store")
    with LocalGateway(store=store, paint=painter), pytest.raises(OSError, match="locked"):
        LocalGateway(store=store, paint=painter).__enter__()
    with LocalGateway(store=store, paint=painter):
        pass


def test_without_a_file_nothing_is_left_behind(
    reopened: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with reopened() as desk:
        desk.finish()
        assert list(tmp_path.iterdir()) != []
    assert list(tmp_path.iterdir()) == []


# --- damage


def filled(reopened: Callable[..., Any], path: Path, png: Callable[..., bytes], b64: Callable[..., str]) -> None:
    with reopened(store=path) as desk:
        for number in range(30):
            url = desk.finish(f"picture {number}")["resultUrls"][0]
            desk.ask("GET", url)
            desk.create("an edit", image=b64(48, 32 + number))
        desk.create("a call to come", callback_url="http://127.0.0.1:9/hook")
        desk.ask("POST", "/files", files={"file": png()})
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")


def test_a_damaged_store_is_found_at_the_start_or_works(
    reopened: Callable[..., Any], tmp_path: Path, png: Callable[..., bytes], b64: Callable[..., str]
) -> None:
    filled(reopened, tmp_path / "whole", png, b64)
    whole = (tmp_path / "whole").read_bytes()
    rng = random.Random(7)
    refused = 0
    for number in range(60):
        data = bytearray(whole)
        match number % 4:
            case 0:
                data = data[: rng.randrange(100, len(data))]
            case 1:
                start = rng.randrange(100, len(data) - 600)
                data[start : start + 600] = bytes(600)
            case 2:
                for _ in range(40):
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case _:
                start = rng.randrange(0, len(data) - 5000) // 4096 * 4096
                data[start : start + 4096] = rng.randbytes(4096)
        path = tmp_path / f"damaged{number}"
        path.write_bytes(data)
        with suppress(OSError), reopened(store=path) as desk:
            assert desk.ask("GET", "/balance").status_code == 200
            assert desk.create("after the damage")["state"] == "pending"
            continue
        with pytest.raises(OSError, match="store") as caught:
            reopened(store=path).__enter__()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
        refused += 1
    assert refused > 30


def test_a_changed_type_is_damage_too(reopened: Callable[..., Any], tmp_path: Path) -> None:
    with reopened(store=tmp_path / "store") as desk:
        desk.finish()
    with closing(sqlite3.connect(tmp_path / "store")) as db:
        db.execute("UPDATE tasks SET ended = 'soon'")
        db.commit()
    with pytest.raises(OSError, match=r"store: the gateway's store is damaged \(1 bad rows in tasks\): move it away"):
        reopened(store=tmp_path / "store").__enter__()


def test_another_programs_database_is_not_touched(reopened: Callable[..., Any], tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other")) as db:
        db.execute("CREATE TABLE addresses (name)")
        db.commit()
    with pytest.raises(OSError, match=r"other is a database, but not the gateway's store"):
        reopened(store=tmp_path / "other").__enter__()
    with closing(sqlite3.connect(tmp_path / "other")) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("addresses",)]


def test_a_full_disk_is_logged_once_answered_500_and_over_when_there_is_room(
    desk: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = Store.accept

    def full(store: Store, *arguments: Any, **options: Any) -> int | None:
        store.db.execute("PRAGMA max_page_count = 1")  # no more than it has
        return accept(store, *arguments, **options)

    body = {"model": "grok-4.2-image", "prompt": "a " * 50_000}
    monkeypatch.setattr(Store, "accept", full)
    for _ in range(3):
        answer = desk.ask("POST", "/images/generations", json=body)
        assert (answer.status_code, answer.json()["code"]) == (500, 500)
        assert answer.json()["msg"] == "the gateway's store cannot be used: database or disk is full"
        assert desk.balance() == 10.0
    monkeypatch.setattr(Store, "accept", accept)
    desk._portal.call(desk.app.state.store.ask, lambda store: store.db.execute("PRAGMA max_page_count = 1000000"))
    assert desk.ask("POST", "/images/generations", json=body).status_code == 200
    desk.create()
    assert [record.getMessage() for record in caplog.records if record.name.startswith("apimodels_async")] == [
        "the gateway's store cannot be used: database or disk is full",
        "the gateway's store can be used again",
    ]
    assert [record for record in caplog.records if record.exc_info] == []


# --- time


def test_a_clock_that_is_set_back_brings_no_task_back(reopened: Callable[..., Any], tmp_path: Path) -> None:
    with reopened(store=tmp_path / "store") as desk:
        done = desk.finish()
        failed = desk.finish("contraband")
        desk.clock.advance(-3600)
        assert desk.query(done["taskId"]) == done
        assert desk.query(failed["taskId"]) == failed
        assert desk.ask("GET", done["resultUrls"][0]).status_code == 200
        assert desk.balance() == 9.97
    with reopened(store=tmp_path / "store") as desk:
        assert desk.query(done["taskId"]) == done
        assert desk.balance() == 9.97


def test_a_balance_that_was_told_is_not_taken_back_either(reopened: Callable[..., Any], tmp_path: Path) -> None:
    with reopened(store=tmp_path / "store") as desk:
        task_id = desk.create()["taskId"]
        desk.clock.advance(15)
        assert desk.balance() == 9.97
        desk.clock.advance(-3600)
    with reopened(store=tmp_path / "store") as desk:
        assert desk.balance() == 9.97
        assert desk.query(task_id)["state"] == "completed"


def size_of(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))


def test_what_has_expired_is_deleted_and_the_disk_gets_it_back(
    reopened: Callable[..., Any], tmp_path: Path, png: Callable[..., bytes], b64: Callable[..., str]
) -> None:
    def paint(**_: Any) -> bytes:
        return random.Random(1).randbytes(600_000)

    path = tmp_path / "store"
    with reopened(store=path, paint=paint) as desk:
        empty = size_of(path)
        old: dict[str, Any] = {}
        for number in range(10):
            old = desk.finish(image=b64(48, 32 + number))
            desk.ask("POST", "/files", files={"file": png(400, 300 + number)})
        assert size_of(path) > 5_000_000
        desk.clock.advance(8 * 24 * 3600)
        new = desk.finish(image=b64(99, 99))
    with reopened(store=path, paint=paint) as desk:
        assert desk.query(old["taskId"]) == old
        assert desk.ask("GET", old["resultUrls"][0]).status_code == 404
        assert desk.ask("GET", new["resultUrls"][0]).status_code == 200
    with closing(sqlite3.connect(path)) as db:
        counts = [db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("inputs", "results", "files")]
    assert counts == [1, 1, 0]
    assert size_of(path) < empty + 1_000_000


def test_it_is_deleted_while_the_gateway_runs_too(
    reopened: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apimodels_async.gateway.store_thread._CLEANING", 0.02)
    cleaned = threading.Event()
    delete = Store.delete_expired

    def noted(store: Store, now: int, keep: int) -> int:
        deleted = delete(store, now, keep)
        if deleted:
            cleaned.set()
        return deleted

    monkeypatch.setattr(Store, "delete_expired", noted)
    with reopened(store=tmp_path / "store") as desk:
        desk.finish()
        desk.clock.advance(8 * 24 * 3600)
        assert cleaned.wait(20)


def test_keep_is_in_days(reopened: Callable[..., Any], tmp_path: Path, png: Callable[..., bytes]) -> None:
    with reopened(store=tmp_path / "store", keep=0.5) as desk:
        (url,) = desk.finish()["resultUrls"]
        file = desk.ask("POST", "/files", files={"file": png()}).json()["data"]["publicUrl"]
        desk.clock.advance(12 * 3600 - 1)
        assert (desk.ask("GET", url).status_code, desk.ask("GET", file).status_code) == (200, 200)
        desk.clock.advance(1)
        for each in (url, file):
            answer = desk.ask("GET", each)
            assert answer.status_code == 404
            assert "0.5 days" in answer.json()["msg"]


@pytest.mark.parametrize("days", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_number_of_days_that_makes_no_sense_is_refused(days: float) -> None:
    with pytest.raises(ValueError, match="keep"):
        create_app(keep=days)
