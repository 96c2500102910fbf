"""The registry as the catalog's source: one truth for several processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from lazydb.source import make_watcher
from qapla.database.spec import ConnectionSpec
from qapla.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazydb.application import LazydbApplication

    MakeFile = Callable[..., ConnectionSpec]
    Start = Callable[..., LazydbApplication]

OTHER_PROCESS = """
import json, sys, time
from lazydb.application import LazydbApplication
from qapla.database.spec import ConnectionSpec
settings, todo = json.loads(sys.argv[1]), json.loads(sys.argv[2])
app = LazydbApplication().run_command(settings)
names = lambda: sorted(served.name for served in app["catalog"])
print(names(), flush=True)
for name, path in todo.items():
    app["connections"].add(ConnectionSpec("sqlite", path=path), name=name)
    print(names(), flush=True)
while True:
    found = sys.stdin.readline().strip()
    until = time.monotonic() + 30
    while found not in names() and time.monotonic() < until:
        time.sleep(0.02)
    print(found in names(), flush=True)
"""


class Other:
    """lazydb in a process of its own."""

    def __init__(self, app: LazydbApplication, **todo: str | None) -> None:
        settings = {"db:main:url": app.settings["db:main:url"], "lazydb:home": app.settings["lazydb:home"], "lazydb:secret_key": "k" * 32}
        command = [sys.executable, "-c", OTHER_PROCESS, json.dumps(settings), json.dumps(todo)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(self) -> str:
        """Return the next line that it says."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def comes_to_serve(self, name: str) -> bool:
        """Tell whether it serves *name*, now or soon."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return self.read() == "True"

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_another_process_sees_a_new_database(app: LazydbApplication, make_file: MakeFile) -> None:
    """What one process registers, the other serves, without a restart."""
    with Other(app) as other:
        assert other.read() == "[]"

        app["connections"].add(make_file())

        assert other.comes_to_serve("shop")


def test_a_new_database_is_seen_within_a_second(start: Start, make_file: MakeFile) -> None:
    """The registry is looked at when the last look was a second ago, and no sooner."""
    one, other = start(), start()
    now = [1000.0]
    other["catalog"]._clock = lambda: now[0]
    assert other["catalog"].find("shop") is None
    one["connections"].add(make_file())

    now[0] += 0.9
    assert other["catalog"].find("shop") is None
    now[0] += 0.1
    assert other["catalog"].find("shop") is not None


def test_what_is_registered_survives_kill_9(app: LazydbApplication, make_file: MakeFile, start: Start) -> None:
    """A process that is killed right after registering leaves a whole registry behind, also for a database that is down then."""
    spec = make_file()
    with Other(app, shop=spec.path) as other:
        assert [other.read(), other.read()] == ["[]", "['shop']"]
        os.kill(other.process.pid, signal.SIGKILL)
        other.process.wait()
    Path(str(spec.path)).unlink()

    served = start()["catalog"].get("shop")

    assert served.schema.find_table("item") is not None
    with pytest.raises(Unavailable):
        served.bulkhead.ping()


def test_a_start_connects_to_no_database(start: Start, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemas come from their snapshots: starting and listing needs no registered database."""
    start()["connections"].add(make_file())

    def forbidden(*arguments: Any, **named: Any) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr("lazydb.source.make_engine", forbidden)

    assert [served.name for served in start()["catalog"]] == ["shop"]


def test_looking_a_database_up_costs_nothing_within_a_second(
    app: LazydbApplication, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred look-ups and questions of rights cost the registry at most one statement."""
    now = time.monotonic()
    monkeypatch.setattr("lazydb.source.time", SimpleNamespace(monotonic=lambda: now))
    app["catalog"]._clock = lambda: now
    app["connections"].add(make_file())
    app["catalog"].get("shop")
    app["accounts"].find_user(1)
    counted: list[str] = []
    event.listen(app["registry"].engine, "before_cursor_execute", lambda *arguments: counted.append(arguments[2]))

    for _ in range(100):
        app["catalog"].get("shop")
        app["accounts"].find_user(1)

    assert len(counted) <= 1


def test_only_what_changed_is_loaded(app: LazydbApplication, make_file: MakeFile) -> None:
    """A change of one database leaves the others as they are, statements and connections."""
    app["connections"].add(make_file("one"))
    app["connections"].add(make_file("two"))
    before = {served.name: served for served in app["catalog"]}

    app["connections"].change("two", settings={"anonymous": "read"})

    after = {served.name: served for served in app["catalog"]}
    assert after["one"] is before["one"]
    assert after["two"] is not before["two"]
    assert after["two"].options.anonymous == "read"


def test_what_was_removed_is_closed_without_requests(start: Start, make_file: MakeFile) -> None:
    """A process to which no request comes closes a database that another process removed."""
    one, other = start(), start()
    one["connections"].add(make_file())
    bulkhead = other["catalog"].get("shop").bulkhead
    bulkhead.ping()
    watcher, threads = make_watcher(other["catalog"], every_s=0.1), set(threading.enumerate())
    watcher.start()

    one["connections"].remove("shop")
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            bulkhead.ping()
        except Unavailable:
            break
        time.sleep(0.02)

    watcher.stop()
    with pytest.raises(Unavailable):
        bulkhead.ping()
    assert all(thread.name != "registry-watcher" for thread in set(threading.enumerate()) - threads)


def test_a_registry_that_is_away_changes_nothing(app: LazydbApplication, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the registry is away, what was known last is served and who was known is known; then all is normal again."""
    app["connections"].add(make_file())
    app["accounts"].add_user("ann")
    served, session = app["catalog"].get("shop"), app["registry"].session

    def fails() -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(app["registry"], "session", fails)
    app["catalog"].refresh()
    assert app["catalog"].get("shop") is served
    assert app["accounts"].find_user_by_name("ann") is not None
    monkeypatch.setattr(app["registry"], "session", session)
    app["connections"].remove("shop")

    assert app["catalog"].find("shop") is None


def test_a_registry_that_never_answered_is_unavailable(app: LazydbApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anything known, a registry that does not answer is an error that says so."""

    def fails() -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(app["registry"], "session", fails)

    with pytest.raises(Unavailable, match="registry cannot be used now"):
        app["catalog"].find("shop")


def test_a_snapshot_of_another_release_asks_for_a_refresh(app: LazydbApplication, make_file: MakeFile, start: Start) -> None:
    """A saved schema that this release cannot read keeps nothing else from being served; a refresh mends it."""
    app["connections"].add(make_file("one"))
    app["connections"].add(make_file("two"))
    with app["registry"].transaction() as session:
        session.execute(text("UPDATE snapshot SET body = '{\"format\": 999}' WHERE connection_id = 1"))

    other = start()

    with pytest.raises(Unavailable, match="refresh it"):
        other["catalog"].get("one")
    assert other["catalog"].get("two").schema.tables
    other["connections"].refresh("one")
    assert other["catalog"].get("one").schema.tables


def test_a_file_that_became_a_link_is_not_opened(app: LazydbApplication, make_file: MakeFile) -> None:
    """A registered file cannot be replaced by a link to another one, such as one outside of the allowed folders."""
    spec, other = make_file("shop"), make_file("other")
    app["connections"].add(spec)
    Path(str(spec.path)).unlink()
    Path(str(spec.path)).symlink_to(str(other.path))

    with pytest.raises(Unavailable, match="the file has become a link"):
        app["catalog"].get("shop").bulkhead.ping()
    with pytest.raises(Unavailable, match="the file has become a link"):
        app["connections"].refresh("shop")
    assert not app["connections"].test(spec).ok


def test_using_and_removing_leaves_nothing_behind(
    app: LazydbApplication, make_file: MakeFile, leaves_nothing: Callable[..., None]
) -> None:
    """Rounds of register, use, remove leave no thread and no open file."""
    spec = make_file()

    def round_trip() -> None:
        app["connections"].add(spec)
        app["catalog"].get("shop").bulkhead.ping()
        app["connections"].remove("shop")

    leaves_nothing(round_trip, 20)


def test_settings_of_another_release_stop_only_their_database(app: LazydbApplication, make_file: MakeFile, start: Start) -> None:
    """A setting that this release does not know keeps that one database from being served, and says why."""
    app["connections"].add(make_file("one"))
    app["connections"].add(make_file("two"))
    with app["registry"].transaction() as session:
        session.execute(text("UPDATE connection SET options = '{\"from_the_future\": 1}' WHERE id = 1"))

    other = start()

    with pytest.raises(Unavailable, match="its settings cannot be read: setting 'from_the_future' is not known"):
        other["catalog"].get("one")
    assert other["catalog"].get("two").bulkhead.ping() < 5
    assert len(other["connections"].list()) == 2
