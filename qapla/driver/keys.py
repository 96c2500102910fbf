"""Name a table, and a row by its key, in the path of a URL: ``orders/42``, ``order_lines/42,"a,b/c"``.

The path arrives decoded (WSGI has no raw path), so that a value which holds ``,`` ``/`` ``"`` or ``\\``, and the empty one, stands in
double quotes with ``\\`` escapes. Names of tables may hold anything, ``/`` too: the longest name that exists wins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from qapla.database.query.description import And, Compare, Path
from qapla.database.schema.description import TableName
from qapla.errors import NotFound, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.database.query.description import Condition
    from qapla.database.schema.description import DatabaseSchema, Table

RESERVED = frozenset({"rpc", "-"})  # first parts of a path that never are tables
_SAFE = "!$'()*,;:@-._~"  # what a segment of a path may hold as it is (RFC 3986 §3.3), without = & +
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PLAIN = re.compile(r'[^,/"\\]+')
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)

KeyValues = tuple[str, ...]


def find_target(schema: DatabaseSchema, path: str, profile: str | None = None) -> tuple[Table, KeyValues | None]:
    """Return the table that *path* names, and the values of the key of one row, or None for the table as a whole.

    Args:
        path: decoded, without a slash in front; one slash behind the table's name means the table.
        profile: the schema to look in; None is the default one.

    Raises:
        NotFound: there is no such table (PGRST205), or the rest of the path is no key of it.
    """
    namespace = profile or schema.default_schema
    tables = schema.by_name
    table = None if path.split("/", 1)[0] in RESERVED else tables.get(TableName(namespace, path))
    if table is not None:
        return table, None
    end = len(path)
    while (end := path.rfind("/", 0, end)) > 0:
        table = tables.get(TableName(namespace, path[:end]))
        if table is not None and path[:end].split("/", 1)[0] not in RESERVED:
            rest = path[end + 1 :]
            return table, read_key(table, rest) if rest else None
    raise _no_table(schema, path, namespace)


def read_key(table: Table, text: str) -> KeyValues:
    """Return the values in ``42,"a,b"``, one for each column of the table's identity.

    Raises:
        NotFound: the table has no key, or another number of columns in it; or the quotes do not match.
    """
    columns = table.identity.columns
    if not columns:
        hint = "ask with a filter: it has no primary key and no unique columns without NULL"
        raise NotFound(f"rows of {table.name.name!r} have no key", hint=hint)
    values = split_values(text)
    if values is None or len(values) != len(columns):
        names = ",".join(columns)
        hint = f"the key is {names}; a value with a comma, slash, quote or backslash in it, or the empty one, stands in double quotes"
        raise NotFound(f"{text[:100]!r} is not a key of {table.name.name!r}", hint=hint)
    return values


def split_values(text: str) -> KeyValues | None:
    """Return the values of a comma-separated list, quoted or plain, or None when it is not one."""
    values, place = [], 0
    while True:
        found = _QUOTED.match(text, place)
        if found:
            values.append(_ESCAPE.sub(r"\1", found[1]))
        else:
            found = _PLAIN.match(text, place)
            if not found:
                return None
            values.append(found[0])
        place = found.end()
        if place == len(text):
            return tuple(values)
        if text[place] != ",":
            return None
        place += 1


def table_path(table: Table) -> str:
    """Return the path of a table, percent-encoded."""
    return quote(table.name.name, safe=_SAFE)


def row_path(table: Table, values: Sequence[object], schema: DatabaseSchema | None = None) -> str:
    """Return the path of the row whose identity has *values*: as text, or as the JSON of an answer has them.

    Args:
        schema: when given, a key that would read as the name of another table is put in quotes.
    """
    key = ",".join(_print_value(value) for value in values)
    if schema is not None and schema.by_name.get(TableName(table.name.schema, f"{table.name.name}/{key}")):
        key = ",".join(_quote(_as_text(value)) for value in values)
    return f"{table_path(table)}/{quote(key, safe=_SAFE)}"


def key_condition(table: Table, values: Sequence[str]) -> Condition:
    """Return the condition that only the row with this key fulfils."""
    parts = tuple(Compare(Path(column), "eq", value) for column, value in zip(table.identity.columns, values, strict=True))
    return parts[0] if len(parts) == 1 else And(parts)


def _print_value(value: object) -> str:
    text = _as_text(value)
    return text if _PLAIN.fullmatch(text) else _quote(text)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _no_table(schema: DatabaseSchema, path: str, namespace: str | None) -> NotFound:
    name = path.split("/", 1)[0][:100]
    full = f"{namespace}.{name}" if namespace else name
    near = nearest(name, [table.name.name for table in schema.tables if table.name.schema == namespace])
    elsewhere = sorted(table.name.schema for table in schema.tables if table.name.name == name and table.name.schema)
    hint = f"it is in schema {elsewhere[0]!r}: send the header Accept-Profile: {elsewhere[0]}" if elsewhere else near
    return NotFound(f"Could not find the table '{full}' in the schema cache", code="PGRST205", hint=hint)
