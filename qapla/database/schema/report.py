"""The report of an inspection: what was skipped, degraded or worth a note, each as a ``Finding`` in words.

All sentences of the report are written here, so that they sound alike and nothing else has to word them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.schema.description import Finding

if TYPE_CHECKING:
    from qapla.database.schema.description import Table, TableName

UNREACHABLE = frozenset({"rpc", "-"})  # the first path segment of functions and of our own resources
COMMENT_CHARACTERS = 4000


def in_words(finding: Finding) -> str:
    """Return one line for a person: ``skipped: table sales.pay: the account may not read it (grant SELECT …)``."""
    hint = f" ({finding.hint})" if finding.hint else ""
    return f"{finding.severity}: {finding.what}: {finding.why}{hint}"


def unread_table(name: TableName) -> Finding:
    """Say that the account may not read a table."""
    return Finding(str(name), "skipped", f"table {name} is left out", "the account may not read it", "grant SELECT on it to the account")


def unread_columns(name: TableName, columns: list[str]) -> Finding:
    """Say that the account may read some columns of a table only."""
    listed = ", ".join(columns)
    return Finding(str(name), "degraded", f"table {name} is shown without {listed}", "the account may not read these columns")


def unread_schema(schema: str) -> Finding:
    """Say that a schema which was asked for is not there, or closed."""
    return Finding(schema, "skipped", f"schema {schema!r} is left out", "it does not exist, or the account may not use it")


def unread_view(name: TableName, why: str) -> Finding:
    """Say that a view stays listed although it cannot be read."""
    return Finding(str(name), "degraded", f"view {name} cannot be read", why, "repair or drop the view")


def untraced_view(name: TableName, why: str) -> Finding:
    """Say that nobody knows which tables a view's columns are of."""
    return Finding(str(name), "note", f"view {name} has no related rows", f"its text cannot be read: {why}")


def unread_details(what: str, name: TableName, why: str) -> Finding:
    """Say that the columns, keys, … of one table could not be read."""
    return Finding(str(name), "degraded", f"{what} of table {name} could not be read", why)


def unread_part(what: str, why: str) -> Finding:
    """Say that one kind of thing could not be read at all."""
    return Finding(what, "degraded", f"{what} could not be read", why)


def unused_pattern(pattern: str) -> Finding:
    """Say that an include or exclude pattern matched nothing."""
    return Finding(pattern, "note", f"pattern {pattern!r} is without effect", "it matches no table")


def lost_target(name: TableName, columns: tuple[str, ...], target: TableName) -> Finding:
    """Say that a foreign key points at nothing."""
    listed = ", ".join(columns)
    why = f"there is no such table or key {target}"
    return Finding(str(name), "skipped", f"foreign key ({listed}) of {name} is left out", why)


def not_populated(name: TableName) -> Finding:
    """Say that a materialized view holds nothing yet."""
    why = "it has not been populated"
    return Finding(str(name), "degraded", f"materialized view {name} cannot be read", why, "REFRESH MATERIALIZED VIEW")


def without_handler(name: TableName) -> Finding:
    """Say that a foreign table is only a shape."""
    return Finding(str(name), "degraded", f"foreign table {name} cannot be read", "its wrapper has no handler")


def on_table(table: Table) -> list[Finding]:
    """Return what is to be said about one table that was read: its address, its identity, its types."""
    found = []
    name, kind = table.name, table.kind.replace("_", " ")
    if name.name in UNREACHABLE:
        why = f"{name.name!r} is a reserved word in URLs"
        found.append(Finding(str(name), "degraded", f"{kind} {name} has no URL", why, "rename it, or make a view on it"))
    if table.kind == "table" and table.identity.by == "none":
        why = "it has no primary key and no unique set of not-null columns"
        found.append(Finding(str(name), "note", f"single rows of table {name} cannot be addressed", why, "add a primary key"))
    unknown = [f"{column.name} ({column.type.name})" for column in table.columns if column.type.kind == "unknown" and column.type.name]
    if unknown:
        what = f"{kind} {name}: {', '.join(unknown)} is treated as text" if table.kind == "table" else ""
        if what:
            found.append(Finding(str(name), "degraded", what, "the type has no special support"))
    if not table.columns and table.kind == "table":
        found.append(Finding(str(name), "note", f"table {name} has no columns", "nothing of it can be shown"))
    return found
