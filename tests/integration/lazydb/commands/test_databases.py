"""``lazydb add``, ``check``, ``list``, ``show``, ``refresh``, ``pause``, ``resume``, ``remove``."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from qapla.testing.processes import free_port
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Callable


def change(url: str, statement: str) -> None:
    with closing(sqlite3.connect(unquote(url.removeprefix("sqlite://")))) as connection:
        connection.execute(statement)


def test_nothing_at_first(lazydb: Callable[..., Any], ask: Callable[..., Any]) -> None:
    """The first list says what to do next."""
    told, found = lazydb("list"), ask("list")

    assert "lazydb add URL" in told.out
    assert found == []


def test_added_database_is_listed(lazydb: Callable[..., Any], ask: Callable[..., Any], shop: str) -> None:
    """A database is called like its file, read-only, and was read."""
    added = lazydb("add", shop)

    (found,) = ask("list")

    assert (added.code, added.out) == (0, "my-shop: registered (read-only; 1 table)\n")
    assert (found["name"], found["engine"], found["state"], found["access"]) == ("my-shop", "sqlite", "up", "read-only")


def test_same_database_again_updates_settings(lazydb: Callable[..., Any], ask: Callable[..., Any], shop: str) -> None:
    """Adding twice is no error: the settings given are changed, the others stay."""
    lazydb("add", shop, "--anonymous", "read")

    again = lazydb("add", shop, "--writable", "--set", "db-max-rows=7")

    settings = ask("show", "my-shop")["settings"]
    assert "updated" in again.out
    assert (settings["anonymous"], settings["writable"], settings["db_max_rows"]) == ("read", True, 7)
    assert len(ask("list")) == 1


def test_name_of_another_is_refused(lazydb: Callable[..., Any], ask: Callable[..., Any], shop: str, sqlite_path: Path) -> None:
    """Two databases cannot have one name."""
    lazydb("add", shop, "--name", "shop")

    second = lazydb("add", f"sqlite:///{sqlite_path}", "--name", "shop")

    assert (second.code, "taken" in second.err) == (1, True)
    assert len(ask("list")) == 1


def test_unreachable_database_is_not_added(lazydb: Callable[..., Any], ask: Callable[..., Any]) -> None:
    """When the test fails the cause is told and nothing is registered; --paused registers anyway."""
    url = f"postgresql://me:very-secret@127.0.0.1:{free_port()}/shop"

    refused = lazydb("add", url)
    before = ask("list")
    paused = lazydb("add", url, "--paused")

    assert refused.code == 1
    assert "refused" in refused.err
    assert "very-secret" not in refused.err + paused.out + paused.err
    assert before == []
    assert (paused.code, ask("list")[0]["state"]) == (0, "paused")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("add", "frob://me:very-secret@host/shop"), 1, "engine 'frob' is not known"),
        (("add", "postgresql://me:very-secret@host/shop?host=/tmp"), 1, "'host'"),
        (("add", "sqlite:////no/such/file"), 1, "does not exist"),
        (("add", "sqlite:////dev/null", "--name", "a b"), 1, "not a SQLite database"),
        (("add", "mysql://me:very-secret@host/shop", "--set", "nonsense"), 2, "NAME=VALUE"),
        (("add", "mysql://me:very-secret@host/shop", "--anonymous", "maybe"), 2, "maybe"),
        (("add", "mysql://me:very-secret@host/shop", "more"), 2, "more"),
        (("list", "mysql://me:very-secret@host/shop"), 2, "<URL>"),
        (("show", "nothing"), 1, "no database is called 'nothing'"),
        (("remove", "nothing", "--yes"), 1, "no database is called 'nothing'"),
        (("lst",), 2, "did you mean 'list'?"),
        (("serve", "--postgrest-config", "x.conf"), 2, "'x.conf' does not exist"),
        (("serve", "sqlite:///a", "--postgrest-config", __file__), 2, "goes without a URL"),
        (("serve", "sqlite:///a", "sqlite:///b", "--name", "x"), 2, "exactly one URL"),
        (("serve", "--trusted-proxies", "somewhere"), 2, "'somewhere'"),
        (("worker",), 1, "LAZYDB_BROKER_URL"),
    ],
)
def test_mistake_is_told(lazydb: Callable[..., Any], arguments: tuple[str, ...], code: int, message: str) -> None:
    """Refused is 1, used wrongly is 2; at most eight lines, no traceback, no password."""
    outcome = lazydb(*arguments)

    assert outcome.code == code
    assert message in outcome.err
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) <= 8
    assert "Traceback" not in outcome.err
    assert "very-secret" not in outcome.err


def test_setting_is_read_strictly(lazydb: Callable[..., Any], shop: str) -> None:
    """A setting that is unknown, wrong or nothing that the engine has is refused by its name."""
    outcomes = [lazydb("add", shop, "--set", pair) for pair in ("db_max_rows=many", "db_max_row=1", "db_anon_role=x")]

    assert [outcome.code for outcome in outcomes] == [1, 1, 1]
    assert "db_max_rows" in outcomes[1].err
    assert "db_anon_role is not offered on SQLite" in outcomes[2].err


def test_own_registry_cannot_be_added(lazydb: Callable[..., Any], home: Path) -> None:
    """lazydb does not serve what holds its own secrets."""
    lazydb("list")

    outcome = lazydb("add", f"sqlite:///{home}/registry.sqlite")

    assert outcome.code == 1
    assert "registry" in outcome.err


def test_check_shows_each_step(lazydb: Callable[..., Any], engine_name: str) -> None:
    """A test of a URL names every step with its time, and registers nothing."""
    with make_database(engine_name) as url:
        text = url.set(drivername=engine_name).render_as_string(hide_password=False)
        outcome = lazydb("check", text)

    assert outcome.code == 0, outcome.out
    assert {"catalog", "privileges"} <= {line.split()[0] for line in outcome.out.splitlines()}
    assert "no database is registered" in lazydb("list").out


def test_check_of_what_is_gone(lazydb: Callable[..., Any], ask: Callable[..., Any], shop: str) -> None:
    """A registered database that fails its test is exit code 1, with the step that failed."""
    lazydb("add", shop, "--name", "shop")
    Path(unquote(shop.removeprefix("sqlite://"))).unlink()

    outcome = lazydb("check", "shop")

    assert outcome.code == 1
    assert "FAILED" in outcome.out


def test_refresh_tells_what_changed(lazydb: Callable[..., Any], ask: Callable[..., Any], shop: str) -> None:
    """A new column is told in words; the next time nothing changed."""
    lazydb("add", shop, "--name", "shop")
    change(shop, "ALTER TABLE item ADD COLUMN price NUMERIC")

    first, second = lazydb("refresh", "shop"), lazydb("refresh")

    assert (first.code, second.code) == (0, 0)
    assert "shop: 1 change" in first.out
    assert "price" in first.out
    assert second.out == "shop: nothing changed\n"


def test_refresh_of_all_goes_on_after_a_failure(lazydb: Callable[..., Any], ask: Callable[..., Any], shop: str, sqlite_path: Path) -> None:
    """One that cannot be read keeps no other from being read; the exit code says that something failed."""
    lazydb("add", shop, "--name", "b")
    lazydb("add", f"sqlite:///{sqlite_path}", "--name", "a")
    sqlite_path.unlink()

    outcome = lazydb("refresh")

    assert outcome.code == 1
    assert "b: nothing changed" in outcome.out
    assert "a: " in outcome.out


def test_pause_and_resume(lazydb: Callable[..., Any], ask: Callable[..., Any], shop: str) -> None:
    """A paused database stays registered, and comes back."""
    lazydb("add", shop, "--name", "shop")

    paused, resumed = ask("pause", "shop"), ask("resume", "shop")

    assert (paused["state"], resumed["state"]) == ("paused", "up")


def test_remove_asks(lazydb: Callable[..., Any], ask: Callable[..., Any], shop: str) -> None:
    """Without --yes somebody has to say so; the file stays in any case."""
    lazydb("add", shop, "--name", "shop")

    unsaid, said = lazydb("remove", "shop"), lazydb("remove", "shop", stdin="y\n")

    assert (unsaid.code, said.code) == (1, 0)
    assert ask("list") == []
    change(shop, "INSERT INTO item VALUES (1, 'still here')")


def test_lost_key_is_told(lazydb: Callable[..., Any], ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With another secret key the list still works and says what to do."""
    monkeypatch.setenv("LAZYDB_SECRET_KEY", "a" * 32)
    lazydb("add", f"postgresql://me:secret@127.0.0.1:{free_port()}/shop", "--paused")
    monkeypatch.setenv("LAZYDB_SECRET_KEY", "b" * 32)

    resumed = lazydb("resume", "shop")

    assert [known["name"] for known in ask("list")] == ["shop"]
    assert resumed.code == 1
    assert "password again" in resumed.err


def test_worker_of_a_broker_that_is_set_in_another_way(lazydb: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way the setting came: the framework's own variables and settings files count, too."""
    worked: list[Any] = []
    monkeypatch.setattr("qapla.plugins.tasks.broker.BrokerQueue.run_worker", lambda queue, arguments: worked.append(arguments))
    monkeypatch.setenv("QAPLA__CELERY__BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")

    done = lazydb("worker")

    assert (done.code, len(worked)) == (0, 1), done.err
