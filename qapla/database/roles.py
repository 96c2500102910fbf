"""What the roles of a database have been given: settings (``ALTER ROLE … SET``) and grants. PostgreSQL.

Settings are read at most once a minute, all at once: a change of a role needs no restart. As in PostgREST only those count that the
account may set; ``default_transaction_isolation`` is a matter of how the transaction begins.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast
from weakref import WeakKeyDictionary

from qapla.database.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.bulkhead import Bulkhead
    from qapla.database.local import Isolation
    from qapla.database.runners import Rows

    Settings = tuple[tuple[tuple[str, str], ...], Isolation | None]

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
