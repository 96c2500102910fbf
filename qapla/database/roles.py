"""What the roles of a database have been given: settings (``ALTER ROLE … SET``), and rights. PostgreSQL.

Settings are read at most once a minute, all at once: a change of a role needs no restart. As in PostgREST only those count that the
account may set; ``default_transaction_isolation`` is a matter of how the transaction begins.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from qapla.database.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qapla.database.bulkhead import Bulkhead
    from qapla.database.local import Isolation, Local
    from qapla.database.runners import Rows
    from qapla.ports import Operation

    Settings = tuple[tuple[tuple[str, str], ...], Isolation | None]

_GRANTS = """
SELECT n.nspname::text, c.relname::text,
    pg_catalog.has_any_column_privilege(c.oid, 'SELECT'), pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),
    pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'), pg_catalog.has_table_privilege(c.oid, 'DELETE'),
    ARRAY(
        SELECT o.name || ' ' || a.attname FROM pg_catalog.pg_attribute a, unnest(ARRAY['select', 'insert', 'update']) AS o(name)
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, o.name)
    )
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
"""
_FUNCTIONS = """
SELECT DISTINCT n.nspname::text, p.proname::text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = ANY(%s) AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
"""
OPERATIONS = ("select", "insert", "update", "delete")
MAX_AGE_S = 60.0
ISOLATION = "default_transaction_isolation"
LEVELS = ("read committed", "repeatable read", "serializable")
NOTHING: Settings = ((), None)

_SETTINGS = (
    "SELECT r.rolname::text, split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)"
    " FROM pg_catalog.pg_roles r, unnest(r.rolconfig) s JOIN pg_catalog.pg_settings p ON p.name = split_part(s, '=', 1)"
    " WHERE pg_catalog.pg_has_role(r.oid, 'MEMBER') AND (p.context = 'user' OR {})"
)
_MAY_SET = "pg_catalog.has_parameter_privilege(current_user, p.name, 'SET')"  # since PostgreSQL 15
_VERSION = Statement("SELECT current_setting('server_version_num')::integer")
_known: WeakKeyDictionary[Bulkhead, tuple[float, Mapping[str, Settings]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Grants:
    """The rights of a role, as its database has them. They say what there is to see; whether a statement may run, the database says."""

    tables: Mapping[tuple[str, str], frozenset[str]]
    closed: Mapping[tuple[str, str], frozenset[str]]  # operation, space and column that it is not granted for
    functions: frozenset[tuple[str, str]]
    authenticated: bool = True

    def allows(self, operation: Operation, schema: str | None, table: str, column: str | None = None) -> bool:
        """Tell whether *operation* is granted on a table, a function or a column."""
        name = (schema or "", table)
        if operation == "execute":
            return name in self.functions
        return operation in self.tables.get(name, ()) and (column is None or f"{operation} {column}" not in self.closed[name])


def read_grants(bulkhead: Bulkhead, local: Local, schemas: Sequence[str], *, authenticated: bool) -> Grants:
    """Return what the role of *local* has been granted in these schemas."""
    quiet = replace(local, calls=(), said=None)
    rows = bulkhead.fetch(Statement(_GRANTS, (list(schemas),)), quiet)
    functions = bulkhead.fetch(Statement(_FUNCTIONS, (list(schemas),)), quiet)
    tables = {(row[0], row[1]): frozenset(name for name, has in zip(OPERATIONS, row[2:6], strict=True) if has) for row in rows}
    closed = {(row[0], row[1]): frozenset(row[6]) for row in rows}
    return Grants(tables, closed, frozenset((row[0], row[1]) for row in functions), authenticated)


def get_settings(bulkhead: Bulkhead, role: str) -> Settings:
    """Return the settings of *role*, and the isolation level of its transactions; nothing for a role that is not there."""
    found = _known.get(bulkhead)
    if found is None or time.monotonic() - found[0] > MAX_AGE_S:
        found = _known[bulkhead] = (time.monotonic(), _read(bulkhead))
    return found[1].get(role, NOTHING)


def _read(bulkhead: Bulkhead) -> dict[str, Settings]:
    read: dict[str, Settings] = {}
    for role, name, value in _fetch(bulkhead):
        pairs, isolation = read.get(role, NOTHING)
        if name != ISOLATION:
            read[role] = ((*pairs, (name, value)), isolation)
        elif value.lower() in LEVELS:
            read[role] = (pairs, cast("Isolation", value.lower()))
    return read


def _fetch(bulkhead: Bulkhead) -> Rows:
    may_set = _MAY_SET if bulkhead.fetch(_VERSION)[0][0] >= 150_000 else "false"
    return bulkhead.fetch(Statement(_SETTINGS.format(may_set)))
