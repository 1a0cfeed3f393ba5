"""A restart on the same store loses nothing."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apimodels_async.gateway import LocalGateway

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
