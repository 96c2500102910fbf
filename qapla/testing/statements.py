"""``at_most(1, shop)``: a test fails when the block asks the database more often than that."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Iterator

SILENT = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA", "SET ", "XA ", "PREPARE TRANSACTION")


@contextmanager
def at_most(limit: int, *databases: Any) -> Iterator[list[str]]:
    """Count the statements that run on *databases* within the block; yields them as they come.

    A database is a ``Served``, a ``Bulkhead``, a declared ``Database``, with its replicas and in all event loops, or an engine. What begins
    and ends transactions is not counted.

    Raises:
        AssertionError: there were more than *limit*; the message lists them.
        TypeError: no database is named, so that nothing would ever be counted.
    """
    if not databases:
        raise TypeError("at_most() counts on databases, and none is named")
    seen: list[str] = []
    removers = [_listen(database, seen) for database in databases]
    try:
        yield seen
    finally:
        for remove in removers:
            remove()
    if len(seen) > limit:
        raise AssertionError(f"{len(seen)} statements instead of at most {limit}:\n" + "\n".join(f"  {sql}" for sql in seen))


def _listen(database: Any, seen: list[str]) -> Any:
    target = getattr(database, "bulkhead", database)  # a Served
    if hasattr(target, "on_statement"):
        return _listen_to_bulkhead(target, seen)

    def count(connection: Any, cursor: Any, sql: str, *rest: Any) -> None:
        _note(sql, seen)

    listened: list[Any] = []

    def listen(engine: Any) -> None:
        listened.append(engine)
        event.listen(engine, "before_cursor_execute", count)

    if hasattr(target, "on_engine"):  # a Database: an engine may be made within the block
        target.on_engine.append(listen)
        for engine in target.opened_engines:
            listen(engine)
    else:
        listen(getattr(target, "sync_engine", target))

    def stop() -> None:
        if hasattr(target, "on_engine"):
            target.on_engine.remove(listen)
        for engine in listened:
            event.remove(engine, "before_cursor_execute", count)

    return stop


def _listen_to_bulkhead(bulkhead: Any, seen: list[str]) -> Any:
    def count(statement: Any) -> None:
        _note(statement.sql, seen)

    bulkhead.on_statement.append(count)
    return lambda: bulkhead.on_statement.remove(count)


def _note(sql: str, seen: list[str]) -> None:
    if not sql.lstrip().upper().startswith(SILENT):
        seen.append(sql)
