"""Registering databases, changing and removing them."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lazydb import connections as module
from lazydb import flights
from lazydb.connections import CheckFailed
from qapla.database.spec import ConnectionSpec, from_fields
from qapla.errors import Conflict, NameTaken, NotFound, SecretLost, TargetRefused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL

    from lazydb.application import LazydbApplication

    MakeFile = Callable[..., ConnectionSpec]
    Start = Callable[..., LazydbApplication]

NOWHERE = ConnectionSpec("postgresql", "127.0.0.1", 1, "shop", "me", "geheim-2")


def test_adding_serves_at_once(app: LazydbApplication, fresh_database: URL) -> None:
    """A database is tried, read, kept and served in one go; the engine is the one that was met."""
    engine = fresh_database.get_backend_name()
    if engine == "sqlite":
        spec = from_fields({"engine": "sqlite", "path": fresh_database.database})
    else:
        fields = {"host": fresh_database.host, "port": fresh_database.port, "user": fresh_database.username}
        scheme = {"mariadb": "mysql"}.get(engine, engine)
        spec = from_fields({**fields, "engine": scheme, "database": fresh_database.database})

    added = app["connections"].add(spec, name="shop", settings={"anonymous": "read"})

    assert added.is_new
    assert added.checked is not None
    assert added.checked.ok
    assert (added.connection.state, added.connection.engine) == ("up", engine)
    served = app["catalog"].get("shop")
    assert served.schema == added.checked.schema
    assert served.options.anonymous == "read"
    assert served.bulkhead.ping() < 5


def test_the_same_target_again_updates_it(app: LazydbApplication, make_file: MakeFile) -> None:
    """Adding a registered target changes its settings, and only those that are given."""
    shop = make_file()
    app["connections"].add(shop, settings={"anonymous": "read"})

    added = app["connections"].add(shop, settings={"writable": True})

    assert not added.is_new
    assert added.checked is None
    assert (added.connection.options.anonymous, added.connection.options.writable) == ("read", True)
    assert [known.name for known in app["connections"].list()] == ["shop"]


def test_a_known_target_that_is_down_can_be_given_again(app: LazydbApplication, make_file: MakeFile) -> None:
    """Starting with a URL that is registered already needs no answer from its database."""
    shop = make_file()
    app["connections"].add(shop)
    Path(str(shop.path)).unlink()

    added = app["connections"].add(shop, name="shop", settings={"anonymous": "read"})

    assert added.connection.options.anonymous == "read"


def test_one_target_may_have_two_names(app: LazydbApplication, make_file: MakeFile) -> None:
    """With another name the same target is another connection, with settings of its own."""
    shop = make_file()
    app["connections"].add(shop)

    app["connections"].add(shop, name="other", settings={"writable": True})

    assert [(known.name, known.options.writable) for known in app["connections"].list()] == [("other", True), ("shop", False)]


def test_a_name_of_another_target_is_refused(app: LazydbApplication, make_file: MakeFile) -> None:
    """Neither adding nor renaming takes another database's name."""
    app["connections"].add(make_file("one"))
    app["connections"].add(make_file("two"))

    with pytest.raises(NameTaken, match="name 'one' is taken"):
        app["connections"].add(make_file("three"), name="one")
    with pytest.raises(NameTaken, match="name 'one' is taken"):
        app["connections"].change("two", new_name="one")
    with pytest.raises(TargetRefused, match="cannot be used in a URL"):
        app["connections"].add(make_file("four"), name="a/b")


def test_of_two_at_once_one_gets_the_name(start: Start, make_file: MakeFile) -> None:
    """Two processes register the same name at the same time: one wins, the others get a clear error."""
    apps, specs = [start() for _ in range(4)], [make_file(f"db{number}") for number in range(4)]
    barrier, outcomes = threading.Barrier(4), []

    def register(application: LazydbApplication, spec: ConnectionSpec) -> None:
        barrier.wait()
        try:
            outcomes.append(application["connections"].add(spec, name="shop").connection.spec.path)
        except NameTaken as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=register, args=pair) for pair in zip(apps, specs, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [outcome for outcome in outcomes if outcome in {spec.path for spec in specs}]
    assert len(winners) == 1
    assert [known.spec.path for known in apps[0]["connections"].list()] == winners
    assert sum("is taken by another database" in outcome for outcome in outcomes) == 3


def test_what_fails_its_test_is_not_registered(app: LazydbApplication) -> None:
    """Nothing is kept of a database that cannot be used; the error has the steps, and not the password."""
    with pytest.raises(CheckFailed, match=r"nothing listens on 127\.0\.0\.1:1") as failed:
        app["connections"].add(NOWHERE)

    assert [step.name for step in failed.value.checked.steps] == ["resolve", "tcp"]
    assert failed.value.field == "host"
    assert "geheim" not in f"{failed.value!r} {failed.value.as_json()}"
    assert app["connections"].list() == []


def test_paused_registers_anyway(app: LazydbApplication, make_file: MakeFile) -> None:
    """What is down can be registered paused; it is served after it could be read."""
    added = app["connections"].add(NOWHERE, paused=True)

    assert added.connection.state == "paused"
    assert "nothing listens on 127.0.0.1:1" in str(added.connection.error)
    with pytest.raises(Unavailable, match="database 'shop' cannot be used now: it is paused"):
        app["catalog"].get("shop")
    with pytest.raises(Unavailable, match="nothing listens"):
        app["connections"].resume("shop")
    app["connections"].change("shop", spec=make_file())
    assert app["catalog"].get("shop").schema.find_table("item") is not None


def test_pausing_and_removing_close_the_database(app: LazydbApplication, make_file: MakeFile) -> None:
    """A paused database is not connected to any more, a removed one is gone; the file stays as it was."""
    spec = make_file()
    app["connections"].add(spec)
    bulkhead = app["catalog"].get("shop").bulkhead
    bulkhead.ping()

    app["connections"].pause("shop")
    with pytest.raises(Unavailable):
        bulkhead.ping()
    app["connections"].resume("shop")
    assert app["catalog"].get("shop").bulkhead.ping() < 5
    app["connections"].remove("shop")

    assert app["catalog"].find("shop") is None
    with pytest.raises(NotFound, match="no database is called 'shop'"):
        app["connections"].remove("shop")
    with closing(sqlite3.connect(str(spec.path))) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("item",)]


def test_refresh_says_what_changed(app: LazydbApplication, make_file: MakeFile, sql: Callable[..., None]) -> None:
    """Reading again compares with the last time in words, and the new schema is served with the same connections."""
    spec = make_file()
    app["connections"].add(spec)
    before = app["catalog"].get("shop")
    assert app["connections"].refresh("shop").changes == ()
    assert app["catalog"].get("shop") is before

    sql(spec.path, "ALTER TABLE item ADD COLUMN price NUMERIC", "CREATE TABLE other (id)")
    changes = app["connections"].refresh("shop").changes

    assert {change.what for change in changes} == {"column_added", "table_added"}
    after = app["catalog"].get("shop")
    assert after.schema.find_table("other") is not None
    assert after.bulkhead is before.bulkhead
    assert after.statements is not before.statements


def test_a_failed_refresh_keeps_the_old_schema(app: LazydbApplication, make_file: MakeFile) -> None:
    """A database that is gone stays known by its last schema, with the cause as its error."""
    spec = make_file()
    app["connections"].add(spec)
    Path(str(spec.path)).unlink()

    with pytest.raises(Unavailable):
        app["connections"].refresh("shop")

    known = app["connections"].get("shop")
    assert (known.state, known.error is not None) == ("down", True)
    assert app["catalog"].get("shop").schema.find_table("item") is not None


def test_of_many_refreshes_at_once_one_reads(app: LazydbApplication, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh that is asked for while one runs waits for that one."""
    app["connections"].add(make_file())
    read, ready, counted = module.read_schema, threading.Event(), []

    def slow(*arguments: object) -> object:
        counted.append(1)
        ready.wait(60)
        return read(*arguments)  # type: ignore[arg-type]

    def wait(flight: Any) -> object:
        waiting.append(flight)
        return real(flight)

    real = flights._Flight.wait
    waiting: list[object] = []
    monkeypatch.setattr(flights._Flight, "wait", wait)
    monkeypatch.setattr(module, "read_schema", slow)
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(app["connections"].refresh("shop"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 30
    while len(waiting) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    ready.set()
    for thread in threads:
        thread.join()

    assert len(counted) == 1
    assert len(results) == 5


def test_a_refresh_of_what_was_changed_meanwhile_is_thrown_away(
    app: LazydbApplication, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of the old target is not kept for the new one."""
    app["connections"].add(make_file("one", table="first"), name="shop")
    read = module.read_schema

    def change_meanwhile(spec: ConnectionSpec, options: object) -> object:
        app["connections"].change("shop", spec=make_file("two", table="second"))
        Path(str(spec.path)).write_bytes(b"")
        return read(spec, options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "read_schema", change_meanwhile)

    with pytest.raises(Conflict, match="was changed while it was read"):
        app["connections"].refresh("shop")

    assert app["catalog"].get("shop").schema.find_table("second") is not None


def test_other_tables_are_read_when_others_are_wanted(app: LazydbApplication, make_file: MakeFile, sql: Callable[..., None]) -> None:
    """Changing what is included reads the database again."""
    spec = make_file()
    sql(spec.path, "CREATE TABLE secret_stuff (id)")
    app["connections"].add(spec)

    app["connections"].change("shop", settings={"exclude": "secret_*"})

    assert [table.name.name for table in app["catalog"].get("shop").schema.tables] == ["item"]


def test_passwords_are_sealed(app: LazydbApplication, login: ConnectionSpec, tmp_path: Path) -> None:
    """The registry's file holds no password, and no value that is shown has it."""
    added = app["connections"].add(login, name="shop")

    assert "geheim-1" not in f"{added!r} {app['connections'].list()!r} {app['catalog'].get('shop')!r}"
    assert added.connection.has_password
    for path in tmp_path.glob("registry.sqlite*"):
        assert b"geheim-1" not in path.read_bytes()
    assert app["connections"].spec_with_password("shop").password == "geheim-1"


def test_a_changed_host_asks_for_the_password(app: LazydbApplication, login: ConnectionSpec) -> None:
    """The stored password is used for its own host only."""
    app["connections"].add(login, name="shop")
    bare = login.with_password(None)

    app["connections"].change("shop", spec=replace(bare, application_name="x"))
    assert app["connections"].spec_with_password("shop").password == "geheim-1"
    assert app["connections"].test(bare, name="shop").ok
    for act in (app["connections"].test, lambda spec, name: app["connections"].change(name, spec=spec)):
        with pytest.raises(TargetRefused, match="enter the password again") as refused:
            act(replace(bare, host="localhost"), name="shop")
        assert refused.value.field == "password"


def test_a_lost_key_stops_only_what_it_sealed(start: Start, login: ConnectionSpec, make_file: MakeFile) -> None:
    """With another secret key lazydb starts; connections with a password want it again, the others work."""
    app = start()
    app["connections"].add(login, name="server")
    app["connections"].add(make_file())

    other = start(secret_key="another key of at least thirty-two characters")

    assert {known.name: known.state for known in other["connections"].list()} == {"server": "locked", "shop": "up"}
    assert other["catalog"].get("shop").bulkhead.ping() < 5
    with pytest.raises(Unavailable, match="enter the password again"):
        other["catalog"].get("server")
    with pytest.raises(SecretLost):
        other["connections"].refresh("server")
    assert other["connections"].add(login, name="server").connection.state == "up"
    assert other["catalog"].get("server").bulkhead.ping() < 5


def test_the_registry_itself_cannot_be_added(app: LazydbApplication, tmp_path: Path) -> None:
    """lazydb's own database is refused wherever its URL is typed."""
    fields = {"engine": "sqlite", "path": str(tmp_path / "registry.sqlite")}

    with pytest.raises(TargetRefused, match="lazydb's own registry"):
        from_fields(fields, origin=app["connections"].origins["command line"])


def test_private_addresses_depend_on_who_adds(start: Start) -> None:
    """A form adds private addresses while lazydb listens on loopback only, or when it is told to."""
    assert start().get_plugin("connections")
    assert start()["connections"].origins["form"].private_allowed
    assert not start(host="0.0.0.0")["connections"].origins["form"].private_allowed
    assert start(host="0.0.0.0", allow_private="1")["connections"].origins["form"].private_allowed
    assert start(host="0.0.0.0")["connections"].origins["command line"].private_allowed
    assert not start()["connections"].origins["rest"].private_allowed
