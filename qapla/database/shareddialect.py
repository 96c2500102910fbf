"""The dialect of the one connection of a test: what begins, commits and rolls back goes to ``SharedEngines``; what closes does nothing.

``SharedEngines`` derive a class of it and of the engine's own dialect, so that everything else is as the engine has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from qapla.database.shared import SharedEngines

MARK = "qapla_mark"  # in the ``info`` of a connection: the savepoint that is its transaction


class SharedDialect:
    """What the dialect of a shared engine does differently."""

    keeper: SharedEngines

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute."""
        self.keeper.execute(super().do_execute, cursor, statement, parameters, context)  # type: ignore[misc]

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        """Execute for several rows."""
        self.keeper.execute(super().do_executemany, cursor, statement, parameters, context)  # type: ignore[misc]

    def do_execute_no_params(self, cursor: Any, statement: str, context: Any = None) -> None:
        """Execute as it is."""
        self.keeper.execute(super().do_execute_no_params, cursor, statement, context)  # type: ignore[misc]

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin."""
        self.keeper.begin(dbapi_connection)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Commit."""
        self.keeper.commit(dbapi_connection)

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Roll back."""
        self.keeper.rollback(dbapi_connection)

    def do_close(self, dbapi_connection: Any) -> None:
        """Leave the one connection open."""

    do_terminate = do_close

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Believe that it lives."""
        return True

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Leave it: it belongs to the transaction of the test."""

    def reset_isolation_level(self, dbapi_connection: Any) -> None:
        """Leave it."""

    def _set_connection_characteristics(self, connection: Connection, characteristics: Any) -> None:
        if characteristics.get("isolation_level") == "AUTOCOMMIT":
            connection.connection.info["autocommit"] = True

    def do_savepoint(self, connection: Connection, name: str) -> None:
        """Make a savepoint whose name no other connection has."""
        super().do_savepoint(connection, _own(connection, name))  # type: ignore[misc]

    def do_rollback_to_savepoint(self, connection: Connection, name: str) -> None:
        """Go back to it."""
        super().do_rollback_to_savepoint(connection, _own(connection, name))  # type: ignore[misc]

    def do_release_savepoint(self, connection: Connection, name: str) -> None:
        """Forget it."""
        super().do_release_savepoint(connection, _own(connection, name))  # type: ignore[misc]

    # SQLAlchemy's own commits in two phases (``Session(twophase=True)``), where the engine has them

    def do_begin_twophase(self, connection: Connection, xid: Any) -> None:
        """Begin."""
        if self.name == "sqlite":  # type: ignore[attr-defined]
            super().do_begin_twophase(connection, xid)  # type: ignore[misc]
        self.keeper.begin(connection.connection)

    def do_prepare_twophase(self, connection: Connection, xid: Any) -> None:
        """Do nothing."""

    def do_commit_twophase(self, connection: Connection, xid: Any, is_prepared: bool = True, recover: bool = False) -> None:
        """Commit."""
        self.keeper.commit(connection.connection)

    def do_rollback_twophase(self, connection: Connection, xid: Any, is_prepared: bool = True, recover: bool = False) -> None:
        """Roll back."""
        self.keeper.rollback(connection.connection)


def _own(connection: Connection, name: str) -> str:
    mark = connection.connection.info.get(MARK)
    return f"{name}_{mark.name}" if mark is not None else name
