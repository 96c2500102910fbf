"""A declared ``Database`` as a fallback source: a mapped class, or one automatic table for all repositories.

By a driver that awaits where one is installed (the extra ``asyncio``), else in threads (``sqlwork.py``). Everything of one call is one
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import MetaData, Table, UniqueConstraint, and_, delete, inspect, or_, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from qapla.database import dialects
from qapla.database.faults import is_missing, translate
from qapla.database.outage import find_outage
from qapla.driver.repositories.checks import check_seconds
from qapla.driver.repositories.encoding import UNREADABLE
from qapla.driver.repositories.entity import Document, EntityType
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.objects import join, split
from qapla.driver.repositories.source import FallbackDataSource
from qapla.driver.repositories.sqlwork import Work
from qapla.driver.repositories.table import LONGEST_KEY, LONGEST_NAME, entity_table
from qapla.driver.upsert import upsert_all
from qapla.errors import (
    ConfigurationError,
    EntityDamaged,
    EntityRefused,
    ModelError,
    ReadOnly,
    StoreTimedOut,
    StoreUnavailable,
    Superseded,
    TimedOut,
    nearest,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from qapla.database.database import Database

Answer = TypeVar("Answer")
KEYS_AT_ONCE = 200
TERMS = "qapla:terms"  # no repository: who writes behind a memory, by the names of repositories
TIMEOUT_S = 10.0


class SQLFallbackDataSource(FallbackDataSource):
    """Keep documents in a database.

    Args:
        database: a declared one, configured.
        model: a mapped class with an attribute for each field of the entities; its primary key, or something unique, is their key.
        table: without a model, the table of documents (``entity_table(metadata)``); by default ``qapla_entity``.
        asynchronous: whether a driver that awaits is used; None: where one is installed.
        timeout_s: seconds after which the database counts as silent, and the line to it is cut; None: never.

    Raises:
        ModelError: *model* is not mapped.
    """

    has_terms = True

    def __init__(
        self,
        database: Database,
        model: Any = None,
        *,
        table: Table | None = None,
        asynchronous: bool | None = None,
        timeout_s: float | None = TIMEOUT_S,
    ) -> None:
        check_seconds(timeout_s, f"'timeout_s' of a fallback source in database {database.name!r}", ConfigurationError)
        if model is not None and table is not None:
            raise ConfigurationError("a fallback source has a model or a table, not both")
        self.name = database.name
        self._database = database
        self._worker = Work(database, asynchronous, timeout_s)
        documents = _Documents(entity_table(MetaData()) if table is None else table)
        rows: _Documents | _Rows = documents if model is None else _Rows(model)
        self._rows = rows
        self._terms = documents.table  # a term is a row there, also where entities are rows of a model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def check(self, repository: str, attrs: tuple[str, ...], fields: tuple[str, ...]) -> None:
        """Raise a ModelError if the model has no place for a field, or the key is not unique there."""
        self._rows.check(repository, attrs, fields)

    async def create_table(self) -> None:
        """Create the table where it is not there yet; an application with migrations has it from these."""
        await self._work(lambda session: self._rows.table.create(session.connection(), checkfirst=True))

    async def create_terms(self) -> None:
        """Create the table of terms where it is not there yet: that of documents, which entities of a model do without otherwise."""
        await self._work(lambda session: self._terms.create(session.connection(), checkfirst=True))

    async def get_many(self, keys: Sequence[Key]) -> list[Document | None]:
        """Return the document of each key."""

        def read(session: Session) -> list[Document | None]:
            found: dict[Key, Document] = {}
            for some in _parts(list(dict.fromkeys(keys))):
                found.update(self._rows.read(session, some))
            return [found.get(key) for key in keys]

        return await self._work(read, writes=False)

    async def put_many(self, documents: Sequence[tuple[Key, Document]]) -> None:
        """Insert or change the rows of *documents*, in the order of their keys: two who do it at once do not deadlock."""
        rows = self._rows.prepare(sorted(documents, key=lambda document: document[0].text))
        unique, is_only = self._rows.unique(documents[0][0]), self._rows.is_only
        await self._work(lambda session: upsert_all(session, self._rows.table, unique, rows, is_only=is_only))

    async def delete_many(self, keys: Sequence[Key]) -> None:
        """Delete the rows of *keys*."""

        def forget(session: Session) -> None:
            for some in _parts(sorted(keys, key=lambda key: key.text)):
                session.execute(delete(self._rows.table).where(self._rows.where(some)))

        await self._work(forget)

    async def begin_term(self, repository: str, term: str) -> None:
        """Write *term* into the row of *repository*, which everybody holds who settles."""
        columns = self._terms.c
        row = {columns.repository: TERMS, columns.key: repository, columns.data: term}
        await self._work(lambda session: upsert_all(session, self._terms, [columns.repository, columns.key], [row], is_only=True))

    async def settle(self, repository: str, term: str, documents: Sequence[tuple[Key, Document]], keys: Sequence[Key]) -> None:
        """Change rows in a transaction that begins by holding the row with the term."""
        rows = self._rows.prepare(sorted(documents, key=lambda document: document[0].text))
        columns = self._terms.c
        held = select(columns.data).where(columns.repository == TERMS, columns.key == repository).with_for_update()

        def work(session: Session) -> None:
            if session.scalar(held) != term:
                raise Superseded(f"somebody else writes behind repository {repository!r} now", repository=repository)
            if rows:
                upsert_all(session, self._rows.table, self._rows.unique(documents[0][0]), rows, is_only=self._rows.is_only)
            for some in _parts(sorted(keys, key=lambda key: key.text)):
                session.execute(delete(self._rows.table).where(self._rows.where(some)))

        await self._work(work)

    async def aclose(self) -> None:
        """Close nothing: the database is the application's, and its connections are closed with their event loop."""

    async def _work(self, work: Callable[[Session], Answer], writes: bool = True) -> Answer:
        try:
            return await self._worker.run(work, writes)
        except (SQLAlchemyError, OSError) as error:
            raise self._as_ours(error) from None  # its text has the statement and the values of an entity

    def _as_ours(self, error: Exception) -> Exception:
        outage = find_outage(error)
        if outage is not None:
            kind = StoreTimedOut if isinstance(outage, TimedOut) else StoreUnavailable
            return kind(outage.message, hint=outage.hint, code=outage.code, headers=outage.headers)
        if isinstance(error, OSError):
            return StoreUnavailable(f"database {self.name!r} cannot be reached")
        backend = self._database.url.get_backend_name()
        if not isinstance(error, DBAPIError) or error.orig is None or backend not in dialects.ENGINES:
            return error
        told = translate(backend, error.orig, self.name)
        if isinstance(told, ReadOnly) or told.code.startswith("53"):  # a standby, a full disk
            return StoreUnavailable(f"database {self.name!r} takes no writes now: {told.message}", code=told.code, answered=True)
        if is_missing(told):
            told.hint = "run its migrations, or 'await source.create_table()'"
        return told


class _Documents:
    """The automatic table."""

    is_only = True  # nothing but the key is unique

    def __init__(self, table: Table) -> None:
        self.table = table

    def check(self, repository: str, attrs: tuple[str, ...], fields: tuple[str, ...]) -> None:
        if len(repository) > LONGEST_NAME:
            raise ModelError(f"repository name {repository!r} is too long for table {self.table.name!r}", hint=f"{LONGEST_NAME} characters")

    def unique(self, key: Key) -> list[Any]:
        return [self.table.c.repository, self.table.c.key]

    def where(self, keys: Sequence[Key]) -> ColumnElement[bool]:
        return and_(self.table.c.repository == keys[0].repository, self.table.c.key.in_([key.path for key in keys]))

    def read(self, session: Session, keys: Sequence[Key]) -> Iterator[tuple[Key, Document]]:
        by_path = {key.path: key for key in keys}
        for path, text in session.execute(select(self.table.c.key, self.table.c.data).where(self.where(keys))).all():
            try:
                yield by_path[path], split(text)
            except ValueError:
                key = by_path[path]
                raise EntityDamaged(f"what is kept as {key.text!r} is no document", repository=key.repository, key=key.text) from None

    def prepare(self, documents: Sequence[tuple[Key, Document]]) -> list[dict[Any, Any]]:
        columns = self.table.c
        for key, _ in documents:
            if len(key.path) > LONGEST_KEY:
                message = f"a key of repository {key.repository!r} is longer than {LONGEST_KEY} characters"
                raise EntityRefused(message, repository=key.repository, key=key.text)
        return [{columns.repository: key.repository, columns.key: key.path, columns.data: join(document)} for key, document in documents]


class _Rows:
    """The rows of a mapped class."""

    def __init__(self, model: Any) -> None:
        if not hasattr(model, "__mapper__"):
            raise ModelError(f"{getattr(model, '__name__', model)!r} is not mapped to a table")
        self._model = model
        self._type = EntityType(model)
        self._mapper: Any = inspect(model)
        self._fields: dict[str, tuple[str, ...]] = {}
        self.table: Table = model.__table__
        self._unique = [set(self.table.primary_key.columns), *(set(index.columns) for index in self.table.indexes if index.unique)]
        self._unique += [set(one.columns) for one in self.table.constraints if isinstance(one, UniqueConstraint)]
        self.is_only = len(self._unique) == 1

    def check(self, repository: str, attrs: tuple[str, ...], fields: tuple[str, ...]) -> None:
        name = self._model.__name__
        for field in fields:
            if field not in self._type.fields:
                hint = nearest(field, self._type.fields)
                raise ModelError(f"model {name!r} has no attribute {field!r}, which repository {repository!r} keeps", hint=hint)
        columns = {self._column(attr) for attr in attrs}
        if columns not in self._unique:
            hint = "a primary key or a unique constraint of exactly these"
            raise ModelError(f"{', '.join(attrs)} of model {name!r}, the key of repository {repository!r}, may be there twice", hint=hint)
        self._fields[repository] = fields

    def unique(self, key: Key) -> list[Any]:
        return [self._column(attr) for attr in key.attrs]

    def where(self, keys: Sequence[Key]) -> ColumnElement[bool]:
        columns = self.unique(keys[0])
        if len(columns) == 1:
            return columns[0].in_([self._values(key)[0] for key in keys])
        return or_(*(and_(*(column == value for column, value in zip(columns, self._values(key), strict=True))) for key in keys))

    def read(self, session: Session, keys: Sequence[Key]) -> Iterator[tuple[Key, Document]]:
        first = keys[0]
        fields = self._fields.get(first.repository, self._type.fields)
        by_values = {self._values(key): key for key in keys}
        for row in session.execute(select(*(self._column(name).label(name) for name in fields)).where(self.where(keys))).all():
            key = by_values.get(tuple(getattr(row, attr) for attr in first.attrs))
            if key is not None:  # an engine may find 'a' by 'A'
                yield key, self._type.write_some(row, fields, first.repository, key.text)

    def prepare(self, documents: Sequence[tuple[Key, Document]]) -> list[dict[Any, Any]]:
        rows = []
        for key, document in documents:
            try:
                values = self._type.values(document, self._fields.get(key.repository, self._type.fields))
            except UNREADABLE:
                message = f"entity {key.path!r} of repository {key.repository!r} does not fit model {self._model.__name__!r}"
                raise EntityRefused(message, repository=key.repository, key=key.text) from None
            rows.append({self._column(name): value for name, value in values.items()})
        return rows

    def _column(self, attr: str) -> Any:
        return self._mapper.column_attrs[attr].columns[0]

    def _values(self, key: Key) -> tuple[Any, ...]:
        return tuple(self._type.convert(attr, value) for attr, value in zip(key.attrs, key.values, strict=True))


def _parts(keys: list[Key]) -> Iterator[list[Key]]:
    for at in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[at : at + KEYS_AT_ONCE]
