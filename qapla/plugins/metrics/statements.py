"""Count the statements of declared databases, and read the state of their pools, by SQLAlchemy's events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from qapla.ports import MetricsBackend

BEGUN = "qapla_begun_at"


class StatementMeter:
    """Watches one declared database, whichever engines it makes."""

    def __init__(self, name: str, metrics: MetricsBackend) -> None:
        self._name = name
        self._metrics = metrics
        self._engines: WeakSet[Engine] = WeakSet()

    def watch(self, engine: Engine) -> None:
        """Count what *engine* does."""
        self._engines.add(engine)
        event.listen(engine, "before_cursor_execute", self._begin)
        event.listen(engine, "after_cursor_execute", self._end)
        event.listen(engine, "handle_error", self._fail)

    def read_pools(self) -> None:
        """Say how many connections are in use and how many wait for use, where the pool knows."""
        pools = [engine.pool for engine in self._engines]
        for state, method in (("in_use", "checkedout"), ("idle", "checkedin")):
            counts = [getattr(pool, method)() for pool in pools if hasattr(pool, method)]
            if counts:
                self._metrics.set("database_connections", sum(counts), database=self._name, state=state)

    def _begin(self, connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if not statement.startswith("BEGIN"):  # SQLite's, which is ours; the drivers of other engines begin by themselves
            connection.info[BEGUN] = time.perf_counter()

    def _end(self, connection: Any, cursor: Any, statement: Any, parameters: Any, context: Any, many: bool) -> None:
        if BEGUN in connection.info:
            self._count(connection, "ok")

    def _fail(self, context: Any) -> None:
        if context.connection is not None and BEGUN in context.connection.info:  # else it is no statement that failed
            self._count(context.connection, "error")

    def _count(self, connection: Any, outcome: str) -> None:
        seconds = time.perf_counter() - connection.info.pop(BEGUN)
        self._metrics.increment("database_statements", database=self._name, outcome=outcome)
        self._metrics.observe("database_statement_seconds", seconds, database=self._name)
