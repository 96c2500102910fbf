"""What PostgREST is told in the database itself: settings ``pgrst.…`` of the account, and what the function ``db-pre-config`` sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazydb.postgrestkeys import NOTES, SETTINGS
from qapla.database import address
from qapla.database.bulkhead import make_bulkhead
from qapla.database.catalog import Options
from qapla.database.statement import Statement

if TYPE_CHECKING:
    from qapla.database.spec import ConnectionSpec

PREFIX = "pgrst."
# Settings of the account for this database come last, and win over those for every database.
_OF_ACCOUNT = """
    SELECT split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
    FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) setting
    WHERE s.setrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
        AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
    ORDER BY s.setdatabase
"""


def read_database(spec: ConnectionSpec, function: str | None) -> dict[str, str]:
    """Return the settings in the database of *spec* by their names, ``db_schemas``; *function* is called first, in a transaction.

    Raises:
        QaplaError: it cannot be reached, or the function fails.
    """
    bulkhead = make_bulkhead(spec, "postgrest", Options(pool_size=1), find_address=address.find_address)
    try:
        found: dict[str, str] = {}
        if function is not None:
            names = [key.replace("-", "_") for key in (*SETTINGS, *NOTES)]
            listed = ", ".join(["current_setting(%s, true)"] * len(names))
            with bulkhead.transaction() as transaction:
                transaction.execute(Statement(f"SELECT {_quoted(function)}()"))
                row = transaction.execute(Statement(f"SELECT {listed}", tuple(PREFIX + name for name in names))).rows[0]
                transaction.rollback_only()
            found = {name: _text(value) for name, value in zip(names, row, strict=True) if value is not None and _text(value)}
        for name, value in bulkhead.fetch(Statement(_OF_ACCOUNT)):
            if _text(name).startswith(PREFIX):
                found[_text(name).removeprefix(PREFIX)] = _text(value)
        return found
    finally:
        bulkhead.close()


def _quoted(function: str) -> str:
    schema, dot, name = function.partition(".")
    parts = (schema, name) if dot else (function,)
    return ".".join('"' + part.replace('"', '""').replace("%", "%%") + '"' for part in parts)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
