"""What holds for one transaction only: the role it runs as, its settings, and the functions that are called before anything else.

PostgreSQL has all of it (``SET LOCAL``); nothing is left behind on the connection, however the transaction ends. Names and values are
bound, never part of a statement's text, but for the functions' names, which are quoted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from qapla.database.statement import Statement
from qapla.errors import AccessError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.ports import Rights

Isolation = Literal["read committed", "repeatable read", "serializable"]
SAID = Statement("SELECT current_setting('response.status', true), current_setting('response.headers', true)")
UNSAY = Statement("SELECT set_config('response.status', '', true), set_config('response.headers', '', true)")


class Said:
    """What functions of the database said about the HTTP answer, as they said it; None where they said nothing."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        self.status: str | None = None
        self.headers: str | None = None

    def take(self, row: Sequence[object]) -> None:
        """Keep the row that ``SAID`` gives. An empty setting is one that was set in an earlier transaction."""
        self.status, self.headers = (_text(value) for value in row)


@dataclass(frozen=True, slots=True)
class Local:
    """As whom, and with which settings, a transaction runs.

    Args:
        role: it runs as this one; None is the account of the connection.
        settings: names and values, set when the role has been taken; None is what the session has.
        calls: functions without arguments, ``schema.name`` or ``name``, called in this order when everything is set.
        role_settings: set before the role is taken, so that the account's right to set them counts and not that of the role.
        isolation: None is the database's default.
        said: where to put what the functions say about the HTTP answer; None when nobody wants to know.

    Raises:
        DatabaseError: the role is called ``none``, which is PostgreSQL's word for the account itself (22023, 401).
    """

    role: str | None = None
    settings: tuple[tuple[str, str | None], ...] = ()
    calls: tuple[str, ...] = ()
    role_settings: tuple[tuple[str, str], ...] = ()
    isolation: Isolation | None = None
    said: Said | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.role == "none":
            raise DatabaseError('role "none" does not exist', code="22023", status=401)

    @property
    def statements(self) -> list[Statement]:
        """Return what is run when the transaction has begun."""
        role = (("role", self.role),) if self.role is not None else ()
        pairs: list[tuple[str, str | None]] = [*self.role_settings, *role, *self.settings]
        setting = [Statement(_set_sql(len(pairs)), tuple(part for pair in pairs for part in pair))] if pairs else []
        return setting + [Statement(_call_sql(name)) for name in self.calls]

    def begin(self, *, read_only: bool) -> str:
        """Return the word that begins the transaction; one that is not read only is what the session's default is."""
        level = f" ISOLATION LEVEL {_LEVELS[self.isolation]}" if self.isolation is not None else ""
        return f"BEGIN{level}{' READ ONLY' if read_only else ''}"


def require_role(rights: Rights, local: Local | None) -> None:
    """Refuse to run anything as the account of the connection for somebody whose role decides: its grants may be none of the role's.

    Raises:
        AccessError: the role is missing. That is a mistake of the program, never of the caller.
    """
    if getattr(rights, "by_role", False) and (local is None or local.role is None):
        raise AccessError("the role of the caller was not taken", status=500, code="QAPLA500")


_LEVELS = {"read committed": "READ COMMITTED", "repeatable read": "REPEATABLE READ", "serializable": "SERIALIZABLE"}


def _text(value: object) -> str | None:
    """Return a setting as text, whether the driver gives text or bytes."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value) if value else None


@lru_cache(maxsize=256)
def _set_sql(count: int) -> str:
    return "SELECT " + ", ".join(["set_config(%s, %s, true)"] * count)


@lru_cache(maxsize=256)
def _call_sql(name: str) -> str:
    schema, dot, function = name.partition(".")
    parts = [schema, function] if dot else [name]
    quoted = ".".join('"' + part.replace('"', '""').replace("%", "%%") + '"' for part in parts)
    return f"SELECT {quoted}()"
