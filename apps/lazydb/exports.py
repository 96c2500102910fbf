"""Rows of a list as files, made in the background: who wants which, how far they are, and when they go.

An ``Exporter`` of ``qapla.ports``. What an export is stands in the registry; its file is in ``LAZYDB_HOME/exports`` of whoever made it.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from lazydb.jobs import LOST, UNFINISHED, is_lost
from lazydb.models import Connection, Export, Job, User, now
from lazydb.records import RegistrySession, transaction
from qapla.errors import AccessError, InputError, NotFound, TooLarge, Unavailable
from qapla.ports import Identity

if TYPE_CHECKING:

    from sqlalchemy import Row, Select

    from qapla.application import Application
    from qapla.database.query.description import Query

FORMATS = {"csv": "CSV", "ndjson": "NDJSON"}
KEEP = timedelta(days=7)
UNFINISHED_MAX = 5  # of one person
LISTED_MAX = 200
LISTING_LENGTH_MAX = 16_000
FORGOTTEN_S = 3600  # a file that is being written grows more often than that
PAGE = "/admin/-/exports"

State = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Exported:
    """One export. ``progress`` is None where nobody knows how many rows there will be."""

    id: str
    user: Identity
    connection_id: int
    database: str
    schema: str | None
    table: str
    listing: str
    format: str
    state: State
    progress: float
    message: str
    count_rows: int | None
    size_bytes: int | None
    created_at: datetime
    heard_at: datetime

    @property
    def is_unfinished(self) -> bool:
        """Tell whether somebody works at it, or will."""
        return self.state in UNFINISHED

    @property
    def expires_at(self) -> datetime:
        """Return when it is removed."""
        return self.created_at + KEEP


class Exports:
    """Begin, find and remove exports; each call is a transaction of its own."""

    formats = FORMATS

    def __init__(self, app: Application) -> None:
        self._app = app
        self._database = app["registry"]
        self.folder = Path(app.settings["lazydb:home"]) / "exports"

    def start(self, identity: Identity, database: str, schema: str | None, table: str, listing: str, format: str) -> str:
        """Begin an export and return the path of the page that shows it.

        Raises:
            InputError, AccessError, NotFound, Unavailable: as an ``Exporter`` does.
        """
        from lazydb.tasks import export_rows

        if format not in FORMATS:
            raise InputError(f"format {format[:100]!r} is not offered for exports", hint=f"there are {', '.join(FORMATS)}")
        if identity.kind != "user" or identity.id is None:
            raise AccessError("an export belongs to a user, and none is logged in", hint="log in with a name")
        if len(listing) > LISTING_LENGTH_MAX:
            raise TooLarge(f"the filters of this list are longer than {LISTING_LENGTH_MAX:,} letters", hint="take some of them back")
        known = self._app["connections"].get(database)
        self.remove_old()
        self._app["jobs"].fail_lost()  # those count no more
        export_id = uuid.uuid4().hex
        self._add(
            Export(
                id=export_id,
                user_id=identity.id,
                connection_id=known.id,
                table_schema=schema,
                table_name=table,
                listing=listing,
                format=format,
            )
        )
        try:
            job_id = self._app["tasks"].submit(export_rows, export_id, subject=known.id)
        except Unavailable:
            self._delete(export_id)
            raise
        self._update(export_id, job_id=job_id)
        return PAGE

    def find_line(self, database: str, query: Query, url: str) -> str | None:
        """Return the line of Python that reads the rows of *query* as a data frame; None for a search, which REST has no words for."""
        from lazydb.line import find_line

        served = self._app["catalog"].find(database)
        return find_line(database, query, url, served.schema.default_schema if served is not None else None)

    def again(self, identity: Identity, export_id: str) -> str:
        """Begin an export like this one and forget this one; return the path of the page that shows it."""
        old = self.get(identity, export_id)
        path = self.start(identity, old.database, old.schema, old.table, old.listing, old.format)
        self.remove(identity, export_id)
        return path

    def list_of(self, identity: Identity) -> list[Exported]:
        """Return what *identity* has exported, newest first."""
        mine = _SELECT.where(Export.user_id == identity.id, Export.created_at >= now() - KEEP)
        return self._select(mine.order_by(Export.created_at.desc(), Export.id).limit(LISTED_MAX))

    def get(self, identity: Identity, export_id: str) -> Exported:
        """Return an export of *identity*.

        Raises:
            NotFound: there is none; somebody else's is none.
        """
        found = self.find(export_id)
        if found is None or identity.kind != "user" or found.user.id != identity.id or found.expires_at < now():
            raise NotFound("there is no such export", hint="exports are removed after seven days")
        return found

    def find(self, export_id: str) -> Exported | None:
        """Return the export, whosever it is, or None."""
        found = self._select(_SELECT.where(Export.id == export_id))
        return found[0] if found else None

    def path(self, export: Exported) -> Path:
        """Return where the file is, on the machine that made it, once it is whole."""
        return self.folder / f"{export.id}.{export.format}"

    def finish(self, export_id: str, count_rows: int, size_bytes: int) -> None:
        """Keep that the file is whole."""
        self._update(export_id, count_rows=count_rows, size_bytes=size_bytes)

    def remove(self, identity: Identity, export_id: str) -> None:
        """Forget an export of *identity* and remove its file; one that is being made ends soon."""
        self.get(identity, export_id)
        self._delete(export_id)
        for path in self.folder.glob(f"{export_id}.*"):
            path.unlink(missing_ok=True)

    def remove_old(self) -> None:
        """Forget what is older than a week, and remove files that belong to nothing: their owner or database is gone, or their process."""
        with transaction(self._database) as session:
            session.execute(delete(Export).where(Export.created_at < now() - KEEP))
            known = set(session.scalars(select(Export.id)))
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            is_forgotten = path.suffix == ".part" and path.stat().st_mtime < time.time() - FORGOTTEN_S
            if is_forgotten or path.name.partition(".")[0] not in known:
                path.unlink(missing_ok=True)

    def _add(self, export: Export) -> None:
        unfinished = select(func.count()).select_from(Export).join(Job, Job.id == Export.job_id)
        mine = unfinished.where(Export.user_id == export.user_id, Job.state.in_(UNFINISHED))
        try:
            with transaction(self._database) as session:
                if (session.scalar(mine) or 0) >= UNFINISHED_MAX:
                    problem = f"{UNFINISHED_MAX} of your exports are not done yet"
                    raise Unavailable(problem, hint="wait for one, or delete one", headers={"Retry-After": "30"})
                session.add(export)
        except IntegrityError:  # the database or the account has just been removed
            raise NotFound("the database has been removed meanwhile") from None

    def _update(self, export_id: str, **values: Any) -> None:
        with transaction(self._database) as session:
            session.execute(update(Export).where(Export.id == export_id).values(**values))

    def _delete(self, export_id: str) -> None:
        with transaction(self._database) as session:
            session.execute(delete(Export).where(Export.id == export_id))

    def _select(self, statement: Select) -> list[Exported]:
        with RegistrySession(self._database) as session:
            return [_value(row) for row in session.execute(statement)]



def _value(row: Row) -> Exported:
    export: Export = row[0]
    job: Job | None = row[1]
    state, message = _state(export, job)
    return Exported(
        id=export.id,
        user=Identity("user", export.user_id, row[3]),
        connection_id=export.connection_id,
        database=row[2],
        schema=export.table_schema,
        table=export.table_name,
        listing=export.listing,
        format=export.format,
        state=state,
        progress=job.progress if job is not None else 0.0,
        message=message,
        count_rows=export.count_rows,
        size_bytes=export.size_bytes,
        created_at=export.created_at,
        heard_at=job.updated_at if job is not None else export.created_at,
    )


def _state(export: Export, job: Job | None) -> tuple[State, str]:
    if job is not None:
        return ("failed", LOST) if is_lost(job) else (cast("State", job.state), job.message)
    if export.size_bytes is not None:
        return "done", ""
    is_new = now() - export.created_at < timedelta(minutes=1)  # it is just being queued
    return ("queued", "") if is_new else ("failed", LOST)


_SELECT: Select = (
    select(Export, Job, Connection.name, User.name)
    .join(Connection, Connection.id == Export.connection_id)
    .join(User, User.id == Export.user_id)
    .outerjoin(Job, Job.id == Export.job_id)
)
