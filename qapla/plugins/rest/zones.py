"""``Prefer: timezone=…``: timestamps with a zone come in that one, where the engine has a setting of the transaction for it.

The names are those that the server knows; they are read once for as long as a schema is served. An engine without the setting knows
UTC only, so that another zone is a preference that it cannot fulfil.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.local import Local
from qapla.database.statement import Statement

if TYPE_CHECKING:
    from qapla.database.catalog import Served
    from qapla.plugins.rest.preferences import Preferences

UTC_NAMES = frozenset({"UTC", "ETC/UTC"})
_CACHED_AS = "names of time zones"


def is_known(served: Served, zone: str) -> bool:
    """Tell whether times can be shown in *zone*.

    Raises:
        DatabaseError, Unavailable: as the bulkhead does; the server is asked the first time.
    """
    if zone.upper() in UTC_NAMES:
        return True
    statement = get_engine(served.schema.engine).zone_names
    if statement is None:
        return False
    names = served.statements.get(_CACHED_AS)
    if names is None:
        rows = served.bulkhead.fetch(Statement(statement))
        names = served.statements[_CACHED_AS] = frozenset(_text(row[0]) for row in rows)
    return zone in names


def in_zone(served: Served, local: Local | None, preferences: Preferences) -> Local | None:
    """Return *local* with the preferred time zone in it; *local* itself where there is none, or all times are in it anyway."""
    zone = preferences.timezone
    if zone is None or get_engine(served.schema.engine).zone_names is None:
        return local
    if zone.upper() in UTC_NAMES and local is None and not served.options.as_postgrest:
        return local
    local = local or Local()
    return replace(local, settings=(*local.settings, ("TimeZone", zone)))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
