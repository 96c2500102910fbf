"""What a catalog reader has found so far, and the base class of the readers.

A reader asks one statement per *kind* of thing (tables, columns, keys, …), never one per table, and files the rows in a ``Reading``.
A kind that cannot be read becomes a line of the report; only the list of tables is indispensable.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from qapla.database.schema import report
from qapla.errors import DatabaseError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from qapla.database.schema.description import Column, Finding, ForeignKey, Function, Key, TableKind, TableName
    from qapla.database.schema.patterns import Patterns


Origin = tuple["TableName", str]


@dataclass(frozen=True, slots=True)
class Listed:
    """A table in the list of tables, before its details are known."""

    name: TableName
    kind: TableKind
    comment: str | None = None
    row_estimate: int | None = None
    insertable: bool = True
    updatable: bool = True
    deletable: bool = True


@dataclass
class Reading:
    """Everything a reader found, by table. Filled step by step; ``inspect.build`` makes the frozen value of it.

    ``origins`` are of views: which column of which table, or of which other view, each of their columns shows as it is. Tables behind
    views need not be listed: then only their keys are here. ``single`` are the views of which every row is one row of one table.
    """

    engine: str
    version: str = ""
    schemas: tuple[str, ...] = ()
    tables: dict[TableName, Listed] = field(default_factory=dict)
    columns: dict[TableName, list[Column]] = field(default_factory=lambda: defaultdict(list))
    primary_keys: dict[TableName, Key] = field(default_factory=dict)
    unique: dict[TableName, list[Key]] = field(default_factory=lambda: defaultdict(list))
    foreign_keys: dict[TableName, list[ForeignKey]] = field(default_factory=lambda: defaultdict(list))
    functions: list[Function] = field(default_factory=list)
    capabilities: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    origins: dict[TableName, dict[str, Origin]] = field(default_factory=dict)
    single: set[TableName] = field(default_factory=set)

    def change_table(self, name: TableName, **changes: Any) -> None:
        """Replace parts of what the list says about a table; a table that is not listed is passed over."""
        if name in self.tables:
            self.tables[name] = replace(self.tables[name], **changes)


class Reader:
    """Reads the catalog of one engine over one connection.

    Args:
        schemas: the wanted ones; empty: all that the account may read.
        as_roles: whether callers become roles of the database, whose privileges count then, too; an engine without any has one account.
    """

    engine: str

    def __init__(self, connection: Connection, schemas: Sequence[str], patterns: Patterns, *, as_roles: bool = False) -> None:
        self.connection = connection
        self.as_roles = as_roles
        self.wanted_schemas = tuple(dict.fromkeys(schemas))
        self.patterns = patterns
        self.reading = Reading(self.engine)

    def read(self) -> Reading:
        """Return all that the catalog says."""
        raise NotImplementedError

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> Sequence[Sequence[Any]]:
        """Return the rows of one statement."""
        return self.connection.exec_driver_sql(sql, values).fetchall()

    def need(self, what: str, step: Callable[[], None]) -> None:
        """Run a *step* without which there is nothing to show.

        Raises:
            DatabaseError: the catalog cannot be read.
            Unavailable: the connection was lost.
        """
        try:
            step()
        except DBAPIError as error:
            raise translated(what, error) from error

    def attempt(self, what: str, step: Callable[[], None]) -> bool:
        """Run a *step*; a failure becomes a line of the report that names *what* is missing."""
        try:
            step()
        except DBAPIError as error:
            if error.connection_invalidated:
                raise translated(what, error) from error
            self.connection.rollback()  # PostgreSQL refuses everything else until then
            self.reading.findings.append(report.unread_part(what, first_line(error)))
            return False
        return True

    def in_parts(
        self,
        what: str,
        names: Sequence[TableName],
        step: Callable[[Sequence[TableName]], None],
        give_up: Callable[[TableName, str], None],
    ) -> None:
        """Run a *step* on many tables in one statement; where that fails, on ever fewer, until the broken ones stand alone."""
        if not names:
            return
        try:
            step(names)
        except DBAPIError as error:
            if error.connection_invalidated:
                raise translated(what, error) from error
            if len(names) == 1:
                give_up(names[0], first_line(error))
                return
            middle = len(names) // 2
            self.in_parts(what, names[:middle], step, give_up)
            self.in_parts(what, names[middle:], step, give_up)


def first_line(error: DBAPIError) -> str:
    """Return what the engine said, without the SQL text, in one line of at most 200 characters."""
    arguments = getattr(error.orig, "args", ())
    text = str(arguments[-1] if arguments else error.orig).strip()
    return text.splitlines()[0][:200] if text else type(error.orig).__name__


def translated(what: str, error: DBAPIError) -> DatabaseError | Unavailable:
    """Return *error* as one of ours."""
    if error.connection_invalidated:
        return Unavailable(f"{what} could not be read: the connection was lost", details=first_line(error))
    return DatabaseError(f"{what} could not be read", details=first_line(error))


def shortened(comment: str | None) -> str | None:
    """Return a comment of bearable length; None for an empty one."""
    if not comment:
        return None
    return comment if len(comment) <= report.COMMENT_CHARACTERS else comment[: report.COMMENT_CHARACTERS] + "…"
