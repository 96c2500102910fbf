"""What the registry says about connections, as values: nothing here holds a session, and no password is in any of them.

The secrets among the settings of a connection are there, so that a change keeps them; their ``repr`` is masked, and
``options.as_shown`` is what people see.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError

from lazydb.models import Connection, Snapshot
from lazydb.options import map_secrets, read_options
from lazydb.sealing import ENTER_AGAIN
from qapla.database.catalog import Options
from qapla.database.spec import ConnectionSpec
from qapla.errors import NotFound, QaplaError, SecretLost, Unavailable, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Row, Select
    from sqlalchemy.orm import Session

    from qapla.database.database import Database
    from qapla.ports import SecretBox

State = Literal["up", "down", "paused", "locked", "unread"]


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """What is known of the last time that a database was read, without the schema itself."""

    engine: str
    version: str
    tables: int
    views: int
    findings: int
    seconds: float
    taken_at: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Registered:
    """One registered database. ``spec`` has no password, ``has_password`` says whether there is one."""

    id: int
    name: str
    spec: ConnectionSpec
    has_password: bool
    options: Options
    paused: bool
    error: str | None  # of the last time that it was read
    latency_s: float | None
    checked_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime
    snapshot: SnapshotFacts | None = None
    locked: bool = field(default=False)  # its password cannot be opened: another secret key
    lost: tuple[str, ...] = ()  # settings whose secret cannot be opened

    @property
    def engine(self) -> str:
        """Return the engine that was met; before that, the one of the URL."""
        return self.snapshot.engine if self.snapshot else self.spec.engine

    @property
    def state(self) -> State:
        """Return how it is, as far as the registry knows; a bulkhead may know better."""
        if self.paused:
            return "paused"
        if self.locked or self.lost:
            return "locked"
        if self.snapshot is None:
            return "unread"
        return "down" if self.error else "up"

    @property
    def problem(self) -> str | None:
        """Return why it cannot be used until somebody does something, or None."""
        again = ENTER_AGAIN if self.locked else f"enter {', '.join(self.lost)} again"
        said = {"paused": "it is paused", "locked": again, "unread": "it was never read; refresh it"}
        return said.get(self.state)


def place_of(connection_id: int, host: str | None) -> str:
    """Return what a connection's password is bound to: its id and host. With another host it does not open."""
    return f"connection {connection_id} {(host or '').lower()}"


class Records:
    """Look connections up in the registry; each method takes one statement."""

    def __init__(self, database: Database, sealing: SecretBox) -> None:
        self._database = database
        self._sealing = sealing

    def list(self) -> list[Registered]:
        """Return every connection, by name."""
        with self.session() as session:
            return [self._value(row) for row in session.execute(_SELECT.order_by(Connection.name))]

    def find(self, name: str) -> Registered | None:
        """Return the connection called *name*, or None."""
        with self.session() as session:
            row = session.execute(_SELECT.where(Connection.name == name)).one_or_none()
            return self._value(row) if row else None

    def find_by_id(self, connection_id: int) -> Registered | None:
        """Return the connection with this id, or None."""
        with self.session() as session:
            row = session.execute(_SELECT.where(Connection.id == connection_id)).one_or_none()
            return self._value(row) if row else None

    def get(self, name: str) -> Registered:
        """Return the connection called *name*.

        Raises:
            NotFound: there is none; the nearest name is in the hint.
        """
        found = self.find(name)
        if found is None:
            raise NotFound(f"no database is called {name[:100]!r}", hint=self._nearest(name[:100]))
        return found

    def find_by_target(self, spec: ConnectionSpec) -> Registered | None:
        """Return the oldest connection to the database of *spec*, whatever it is called, or None."""
        with self.session() as session:
            statement = _SELECT.where(Connection.target_key == target_key(spec)).order_by(Connection.id).limit(1)
            row = session.execute(statement).one_or_none()
            return self._value(row) if row else None

    def spec_with_password(self, name: str) -> ConnectionSpec:
        """Return how to connect to the database called *name*.

        Raises:
            NotFound: there is none.
            SecretLost: its password was sealed with another key.
        """
        with self.session() as session:
            row = session.execute(select(Connection).where(Connection.name == name)).scalar_one_or_none()
            if row is None:
                raise NotFound(f"no database is called {name[:100]!r}")
            return open_spec(row, self._sealing)

    def snapshot_body(self, connection_id: int) -> str | None:
        """Return the JSON of the last snapshot, or None."""
        with self.session() as session:
            return session.scalar(select(Snapshot.body).where(Snapshot.connection_id == connection_id))

    def session(self) -> RegistrySession:
        """Lend a session for reading; a registry that does not answer is ``Unavailable``."""
        return RegistrySession(self._database)

    def _nearest(self, name: str) -> str | None:
        with self.session() as session:
            return nearest(name, session.scalars(select(Connection.name)))

    def _value(self, row: Row) -> Registered:
        connection, facts = row[0], row[1:]
        options, _problem, lost = stored_options(connection, self._sealing)
        try:
            open_spec(connection, self._sealing)
            locked = False
        except SecretLost:
            locked = True
        return Registered(
            id=connection.id,
            name=connection.name,
            spec=ConnectionSpec.from_stored(connection.target),
            has_password=connection.sealed is not None,
            options=options,
            paused=connection.paused,
            error=connection.error,
            latency_s=connection.latency_s,
            checked_at=connection.checked_at,
            revision=connection.revision,
            created_at=connection.created_at,
            updated_at=connection.updated_at,
            snapshot=SnapshotFacts(*facts) if facts[0] is not None else None,
            locked=locked,
            lost=lost,
        )


class RegistrySession:
    """A session on the registry for reading, as a context manager that translates its failures."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Session:
        self._session = self._database.make_session()
        return self._session

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._session.close()
        if isinstance(error, DBAPIError):
            raise unavailable(error) from error


@contextmanager
def transaction(database: Database) -> Iterator[Session]:
    """Lend a session for a change; a registry that does not answer is ``Unavailable``, a constraint that does not hold stays what it is."""
    try:
        with database.transaction() as session:
            yield session
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise unavailable(error) from error


def unavailable(error: DBAPIError) -> Unavailable:
    """Return what a failure of the registry's own database means for whoever asked."""
    said = f"lazydb's registry cannot be used now: {type(error.orig).__name__}"
    return Unavailable(said, hint="is its database running?", headers={"Retry-After": "5"})


def open_spec(connection: Connection, sealing: SecretBox) -> ConnectionSpec:
    """Return the spec of a row, with its password.

    Raises:
        SecretLost: the password was sealed with another key, for another row or another host.
    """
    spec = ConnectionSpec.from_stored(connection.target)
    if connection.sealed is None:
        return spec
    return spec.with_password(sealing.open(connection.sealed, place_of(connection.id, spec.host)))


def stored_options(connection: Connection, sealing: SecretBox) -> tuple[Options, str | None, tuple[str, ...]]:
    """Return the settings of a row, what is wrong with them, and the names of those whose secret cannot be opened.

    Where another release wrote what this one does not know they are the defaults.
    """
    place = place_of(connection.id, connection.target.get("host"))
    lost: list[str] = []

    def opened(name: str, value: dict[str, str]) -> str:
        try:
            return sealing.open(value["sealed"], f"{place} {name}")
        except SecretLost:
            lost.append(name)
            return ""

    try:
        options = read_options(map_secrets(connection.options, opened))
    except QaplaError as error:
        return Options(), f"its settings cannot be read: {error.message}", tuple(lost)
    return options, f"enter {', '.join(lost)} again" if lost else None, tuple(lost)


def target_key(spec: ConnectionSpec) -> str:
    """Return ``spec.target`` as one text."""
    return "\x1f".join(spec.target)


_SELECT: Select = select(
    Connection,
    Snapshot.engine,
    Snapshot.version,
    Snapshot.tables,
    Snapshot.views,
    Snapshot.findings,
    Snapshot.seconds,
    Snapshot.taken_at,
    Snapshot.fingerprint,
).outerjoin(Snapshot, Snapshot.connection_id == Connection.id)
