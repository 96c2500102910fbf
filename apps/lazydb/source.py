"""The registry as the catalog's source: every registered database with its saved schema, ready to be asked.

A start introspects nothing and connects nowhere: schemas come from snapshots, bulkheads connect on first use. Only what changed since
the last look is loaded. While the registry itself does not answer, what was known last goes on being served.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from lazydb.clockwork import Clockwork
from lazydb.models import Connection, Revision, Snapshot
from lazydb.records import open_spec, stored_options, unavailable
from lazydb.sealing import ENTER_AGAIN
from qapla.database import address, files
from qapla.database.bulkhead import Bulkhead
from qapla.database.catalog import Options, Served
from qapla.database.connect import make_engine
from qapla.database.schema.description import DatabaseSchema
from qapla.database.schema.storage import from_json
from qapla.errors import InputError, SecretLost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from qapla.database.catalog import Catalog
    from qapla.database.database import Database
    from qapla.database.spec import ConnectionSpec
    from qapla.ports import SecretBox

log = logging.getLogger(__name__)

WATCH_EVERY_S = 1.0


class RevisionReader:
    """The registry's revision, for all who keep something of the registry in memory.

    The catalog has it read once a second; whoever asks ``recent`` reads it only when nobody did for *max_age_s*. While one thread
    reads, perhaps from a registry that hangs, the others go on with what is known.
    """

    def __init__(self, database: Database, max_age_s: float = 1.5) -> None:
        self._database = database
        self._max_age_s = max_age_s
        self._number: int | None = None
        self._read_at = float("-inf")
        self._reading = threading.Lock()

    def read(self) -> int:
        """Read it now. A registry that does not answer has not changed, as far as anybody can tell.

        Raises:
            Unavailable: it does not answer, and never did.
        """
        try:
            with self._database.session() as session:
                self._number = session.scalars(select(Revision.number)).one()
        except DBAPIError as error:
            if self._number is None:
                raise unavailable(error) from error
            log.warning("the registry does not answer; what was known last is served: %s", type(error.orig).__name__)
        self._read_at = time.monotonic()
        return self._number

    def recent(self) -> int:
        """Return it as it was a moment ago."""
        if self._number is None:
            return self.read()
        if time.monotonic() - self._read_at >= self._max_age_s and self._reading.acquire(blocking=False):
            try:
                return self.read()
            finally:
                self._reading.release()
        return self._number


@dataclass(frozen=True, slots=True)
class Entry:
    """One database as it was loaded: what tells whether it has to be loaded again, or its bulkhead made anew."""

    id: int
    revision: int
    served: Served
    spec: ConnectionSpec | None
    options: Options


class RegistrySource:
    """A ``DatabaseSource``: the registered databases.

    ``on_missing`` is called with the id of a connection whose database has changed under way: its schema has to be read again.
    """

    def __init__(
        self, database: Database, sealing: SecretBox, revision: RevisionReader, on_missing: Callable[[int], None] = lambda _: None
    ) -> None:
        self._database = database
        self._sealing = sealing
        self._revision = revision
        self._on_missing = on_missing
        self._entries: dict[int, Entry] = {}
        self._loaded: int | None = None

    def revision(self) -> int:
        """Return the revision whose entries ``load`` gives; entries that changed are loaded here already.

        So a registry that stops answering between the two leaves the catalog as it was, and is asked again next time.
        """
        found = self._revision.read()
        if found != self._loaded:
            try:
                with self._database.session() as session:
                    self._entries = self._load(session)
                self._loaded = found
            except DBAPIError as error:
                if self._loaded is None:
                    raise unavailable(error) from error
                log.warning("the registry stopped answering; what was known last is served: %s", type(error.orig).__name__)
        assert self._loaded is not None
        return self._loaded

    def load(self, known: Mapping[str, Served]) -> Mapping[str, Served]:
        """Return every registered database by name."""
        return {entry.served.name: entry.served for entry in self._entries.values()}

    def _load(self, session: Session) -> dict[int, Entry]:
        found = {row.id: row.revision for row in session.execute(select(Connection.id, Connection.revision))}
        kept = {key: entry for key, entry in self._entries.items() if found.get(key) == entry.revision}
        changed = [key for key in found if key not in kept]
        statement = select(Connection, Snapshot.body).outerjoin(Snapshot, Snapshot.connection_id == Connection.id)
        for start in range(0, len(changed), 100):
            for row, body in session.execute(statement.where(Connection.id.in_(changed[start : start + 100]))):
                kept[row.id] = self._make(row, body, self._entries.get(row.id))
        return kept

    def _make(self, row: Connection, body: str | None, before: Entry | None) -> Entry:
        options, problem, _lost = stored_options(row, self._sealing)
        schema, unread = _read_schema(row, body)
        problem = unread or problem
        spec: ConnectionSpec | None = None
        try:
            spec = open_spec(row, self._sealing)
        except SecretLost:
            problem = ENTER_AGAIN
        if row.paused:
            problem = "it is paused"
        if before is not None and problem is None and _is_same(before, row.name, spec, schema.engine, options):
            bulkhead = before.served.bulkhead  # with its open connections
        else:
            bulkhead = _make_bulkhead(row.name, spec, schema.engine, options)
            bulkhead.on_missing.append(partial(self._on_missing, row.id))
        served = Served(name=row.name, schema=schema, options=options, bulkhead=bulkhead, revision=row.revision, problem=problem)
        return Entry(row.id, row.revision, served, spec, options)


def make_watcher(catalog: Catalog, every_s: float = WATCH_EVERY_S) -> Clockwork:
    """Return what looks at the registry also when no request comes, so that what was removed is closed soon."""
    return Clockwork("registry-watcher", lambda: iter(catalog), every_s)  # looks, unless a request did within the last second


def _read_schema(row: Connection, body: str | None) -> tuple[DatabaseSchema, str | None]:
    """Return the saved schema, or an empty one and why there is none."""
    try:
        if body is not None:
            return from_json(body), None
        problem = "it was never read; refresh it"
    except InputError:  # written by a release with another format
        problem = "its saved schema cannot be read; refresh it"
    return DatabaseSchema(engine=row.engine, version="", default_schema=None, schemas=(), tables=()), problem


def _is_same(before: Entry, name: str, spec: ConnectionSpec | None, engine: str, options: Options) -> bool:
    """Tell whether the bulkhead of *before* can stay: it works, and nothing that it was made of is another."""
    served = before.served
    made_of = (served.name, before.spec, served.bulkhead.engine, before.options)
    return served.problem is None and made_of == (name, spec, engine, options)


def _make_bulkhead(name: str, spec: ConnectionSpec | None, engine: str, options: Options) -> Bulkhead:
    """Make a bulkhead; it connects on first use."""

    def make() -> Engine:
        if spec is None:
            raise SecretLost("the password cannot be opened", hint=ENTER_AGAIN)
        files.check_in_place(spec.path)
        return make_engine(spec, options, find_address=address.find_address)

    return Bulkhead(make, engine=engine, name=name, options=options)
