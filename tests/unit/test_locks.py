"""What ends by itself may end anywhere: in a signal, or in the garbage collection of the very thread that holds a lock."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from qapla.database import deadline
from qapla.database.breaker import Breaker
from qapla.database.catalog import Catalog
from qapla.database.drivers import Sqlite
from qapla.database.pool import Pool
from qapla.driver.repositories.background import Loop
from qapla.plugins.metrics.prometheus import PrometheusMetrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT_S = 30.0


def in_time(work: Callable[[], Any]) -> bool:
    """Tell whether *work* ends: a thread that waits for itself never does."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(WAIT_S)
    return not thread.is_alive()


class Source:
    """Databases of which one comes while something else happens."""

    def __init__(self, meanwhile: Callable[[], Any] = lambda: None) -> None:
        self.meanwhile = meanwhile
        self.opened: list[Bulkhead] = []

    def revision(self) -> int:
        """Return the only one."""
        return 1

    def load(self, known: Any) -> dict[str, Any]:
        """Return a database."""
        self.opened.append(Bulkhead())
        self.meanwhile()
        return {"shop": Served(self.opened[-1])}


class Bulkhead:
    """Knows whether it was closed."""

    is_closed = False

    def close(self) -> None:
        """Close it."""
        self.is_closed = True


class Served:
    """A database that is served."""

    name, problem = "shop", None

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead


def watch_anew(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Callable[[], Any]]:
    """Return the lock of the deadlines, and a rollback's watch that starts their thread."""
    monkeypatch.setattr(deadline, "_thread", None)
    return deadline._lock, lambda: deadline.unwatch(deadline.watch(float("inf"), lambda: None))


def test_a_transaction_that_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction may be collected, and is rolled back: it is watched, and the breaker hears of it."""
    breaker = Breaker()
    watching, watch = watch_anew(monkeypatch)

    def collect() -> None:
        with watching, breaker._lock:
            watch()
            breaker.failed()
            breaker.succeeded()

    assert in_time(collect)


def test_a_block_that_is_left(tmp_path: Path) -> None:
    """A generator that uses a database, or the pool, may be collected: its with-block commits and closes."""
    pool = Pool().init({"DATABASES": {"POSTGRESQL": {"DEFAULT": f"sqlite:///{tmp_path / 'pool.sqlite'}"}}})
    left = []

    def collect() -> None:
        with Sqlite(tmp_path / "polls.sqlite") as db, pool._lock, db._lock:
            assert db.session.connection()
            db.close()
            pool.dispose()
            left.append(db.is_open)

    assert in_time(collect)
    assert left == [False]


def test_an_application_that_stops() -> None:
    """A signal may stop an application while its own thread counts, or calls a repository."""
    loop, metrics = Loop(), PrometheusMetrics()
    loop.hold()

    def stop() -> None:
        with loop._lock, metrics._lock:
            metrics.increment("stopped", plugin="tasks")
            with metrics._metrics["stopped"]._lock:
                metrics.increment("stopped", plugin="repositories")
            loop.release()

    assert in_time(stop)
    assert not loop.is_running


def test_a_catalog_that_is_closed_while_it_is_read() -> None:
    """It is empty, and what had been opened for it is closed."""
    source = Source()
    catalog = Catalog(source)
    source.meanwhile = catalog.close

    assert in_time(catalog.refresh)

    source.meanwhile = lambda: None
    assert list(catalog._entries) == []
    assert [bulkhead.is_closed for bulkhead in source.opened] == [True]
    catalog.refresh()
    assert [served.name for served in catalog] == ["shop"]


def test_a_catalog_that_is_asked_while_it_is_read() -> None:
    """It answers with what is there, and reads nothing twice."""
    found: list[Any] = []
    source = Source()
    catalog = Catalog(source, check_every_s=0)
    source.meanwhile = lambda: found.append(catalog.find("shop"))

    assert in_time(catalog.refresh)

    assert found == [None]
    assert len(source.opened) == 1
