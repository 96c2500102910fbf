"""Read from replicas, write to the primary.

A database with ``db:<name>:replicas`` has ``RoutedSession``s. What plainly reads goes to a replica: a SELECT of Core or ORM without FOR
UPDATE, text that begins with SELECT. Everything else goes to the primary, and so does whatever comes after it in the same session, also
after a commit: who has written reads what he wrote. To insist on the primary for a read::

    session.scalars(select(Choice).execution_options(qapla_primary=True))
    session.use_primary()  # from now on

A session stays with one replica until its transaction ends. Connections to replicas are not part of that transaction: they are in
nobody's commit, be it of one phase or two. What a session has loaded from a replica may be a moment old: before a change that depends on
what was read, read it with ``with_for_update()``, which asks the primary.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.orm import Session
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import TextClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import ForUpdateArg

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import ORMExecuteState, SessionTransaction

    from qapla.database.replicas import Replica, Replicas

PRIMARY = "qapla_primary"
READ = "qapla_read"

# Words that make a text, or the name of a function, more than a plain read. One too many costs the primary a read and nothing else.
BEGINS_READ = re.compile(r"\s*\(?\s*select\b", re.IGNORECASE)
IS_MORE = re.compile(
    r"\b(insert|update|delete|merge|into|for|lock)\b|;\s*\S|\w_lock\b|advisory|nextval|setval|currval|lastval|last_insert|found_rows|"
    r"row_count|\bchanges|notify|set_config|dblink|backend_pid|connection_id|xact|txid|\blo_",
    re.IGNORECASE,
)

class RoutedSession(Session):
    """A session that reads from replicas until something is written.

    Args:
        bind: the engine of the primary.
        replicas: where reads go.
    """

    def __init__(self, bind: Any, *, replicas: Replicas, **options: Any) -> None:
        super().__init__(bind, **options)
        self._replicas = replicas
        self._reader: Connection | None = None
        self._has_no_reader = False
        self.is_on_primary = False

    def use_primary(self) -> None:
        """Read from the primary, too, from now on."""
        self.is_on_primary = True

    def connection(self, *arguments: Any, **options: Any) -> Connection:
        """Return the connection to the primary: nobody knows what is done on it."""
        self.use_primary()
        return super().connection(*arguments, **options)

    def get_bind(self, mapper: Any = None, *, clause: Any = None, bind: Any = None, qapla_read: str | None = None, **rest: Any) -> Any:
        """Return the connection of the replica for a read, the primary for anything else."""
        if bind is not None:
            return bind
        if qapla_read is None:
            if mapper is not None:
                self.use_primary()  # a flush; who just asks for the engine changes nothing
        elif qapla_read != PRIMARY and not self.is_on_primary:
            return self._find_reader() or self.bind
        return super().get_bind(mapper, clause=clause)

    def _find_reader(self) -> Connection | None:
        if self._reader is None and not self._has_no_reader:
            if not self.in_transaction():
                self._autobegin_t()  # whose end lets the connection go
            assert self.bind is not None
            self._reader = self._replicas.connect(_find_async_engine if self.bind.dialect.is_async else _find_engine)
            self._has_no_reader = self._reader is None
        return self._reader

    def _connection_for_bind(self, engine: Any, execution_options: Any = None, **rest: Any) -> Connection:
        # SQLAlchemy's own would make the connection a part of the transaction, to be committed, or prepared, with the primary's.
        if engine is self._reader and engine is not None:
            return self._reader
        return super()._connection_for_bind(engine, execution_options, **rest)

    def _release_reader(self) -> None:
        reader, self._reader, self._has_no_reader = self._reader, None, False
        if reader is not None:
            reader.close()


@event.listens_for(RoutedSession, "do_orm_execute")
def _route(state: ORMExecuteState) -> None:
    session = state.session
    assert isinstance(session, RoutedSession)
    if not is_read(state.statement):
        session.use_primary()  # at once: what it reads to find its rows has to come from there
    else:
        state.bind_arguments[READ] = PRIMARY if state.execution_options.get(PRIMARY) else READ


@event.listens_for(RoutedSession, "after_transaction_end")
def _release(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None and isinstance(session, RoutedSession):
        session._release_reader()


def is_read(statement: Any) -> bool:
    """Tell whether *statement* plainly reads, so that a replica may answer it."""
    statement = getattr(statement, "element", statement)  # of ``select(Model).from_statement(…)``
    if isinstance(statement, TextClause):
        return bool(BEGINS_READ.match(statement.text)) and not IS_MORE.search(statement.text)
    return bool(getattr(statement, "is_select", False)) and all(map(_only_reads, visitors.iterate(statement)))


def _only_reads(part: Any) -> bool:
    if isinstance(part, TextClause):
        return not IS_MORE.search(part.text)
    if isinstance(part, FunctionElement):
        return not IS_MORE.search(str(getattr(part, "name", "")))
    return not (getattr(part, "is_dml", False) or isinstance(part, ForUpdateArg))


def _find_engine(replica: Replica) -> Engine:
    return replica.engines.engine


def _find_async_engine(replica: Replica) -> Engine:
    return replica.engines.async_engine.sync_engine
