"""Any list of REST, and of the admin, as a data frame in one line.

::

    import lazydb

    lazydb.frame("shop", "orders?total=gt.100&select=id,total,customer(name)")                  # on the machine with the registry
    lazydb.frame("shop", "orders?total=gt.100", url="https://lazydb.example.org", token="…")    # from a lazydb that serves

Both ways ask the same question in REST's words and get the same Arrow stream, so that types do not depend on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from qapla.database.frames.installed import get_library
from qapla.errors import InputError, QueryError

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["pandas", "polars", "arrow"]
Decimals = Literal["float", "exact"]
KINDS = ("pandas", "polars", "arrow")


def frame(
    database: str,
    rows: str,
    *,
    schema: str | None = None,
    url: str | None = None,
    token: str | None = None,
    kind: Kind = "pandas",
    decimals: Decimals | None = None,
    timeout_s: float = 60.0,
) -> Any:
    """Return the rows of a list as a frame: columns as selected, index 0…n-1.

    Args:
        database: the name under which it is registered.
        rows: what stands behind the database's name in an address of REST: ``orders?total=gt.100&order=id``. Letters that have no place in
            an address may stand in it as they are.
        schema: the schema of the table, where it is not the first one.
        url: the address of a lazydb that serves, ``https://lazydb.example.org``. Without it the database is asked straight, as lazydb's
            registry on this machine describes it; whoever can read that and its key may see everything.
        token: of lazydb, or of the connection's issuer; by default what ``LAZYDB_TOKEN`` holds. Only with *url*.
        kind: ``"pandas"``, ``"polars"``, or ``"arrow"`` for a table of Arrow.
        decimals: ``"exact"``: ``Decimal``; ``"float"``: the doubles next to them. By default exact, but for pandas.
        timeout_s: how long the server may be silent. Only with *url*.

    Returns:
        A pandas ``DataFrame``, a polars one, or a table of Arrow, with all rows of the list: where one answer may not have them all
        (``db_max_rows``), from several. Over HTTP, rows without a key are cut there, with a warning. Related rows are dicts and lists of
        dicts, as REST embeds them.

    Raises:
        QueryError: *rows* is malformed or names what is not there. NotFound: there is no such database or table.
        NotAuthenticated, AccessError: the token is missing, wrong, or may not read this.
        Unavailable: the database, or lazydb at *url*, cannot be reached. TimedOut: it takes longer than is allowed.
        DatabaseError: the answer ended before its end.
        ConfigurationError: a library is not installed; the hint names the extra.
    """
    if kind not in KINDS:
        raise InputError(f"frames of {kind!r} are not offered", hint=f"there are {', '.join(KINDS)}")
    if decimals not in (None, "float", "exact"):
        raise InputError(f"decimals {decimals!r} are not offered", hint="there are float, exact")
    get_library("pyarrow")
    if kind != "arrow":
        get_library(kind)
    path, _, query = rows.strip().lstrip("/").partition("?") if isinstance(rows, str) else ("", "", "")
    if not path:
        raise QueryError("no table is named", hint='lazydb.frame("shop", "orders?total=gt.100")')
    if url is not None:
        from lazydb.remote import read_table
    else:
        _refuse_token(token)
        from lazydb.straight import read_table
    table = read_table(database, path, query, schema=schema, url=url, token=token, timeout_s=timeout_s)
    exact = kind != "pandas" if decimals is None else decimals == "exact"
    return _make(kind, table if exact else with_floats(table))


def _refuse_token(token: str | None) -> None:
    if token is not None:
        raise InputError("a token is given and no url", hint="a token is for a lazydb that serves: url='https://…'")


def _make(kind: Kind, table: pa.Table) -> Any:
    if kind == "arrow":
        return table
    if kind == "polars":
        from qapla.database.frames.polars import make_frame as make_polars

        return make_polars(table)
    from qapla.database.frames.pandas import make_frame

    return make_frame(table)


def with_floats(table: pa.Table) -> pa.Table:
    """Return *table* with doubles in the place of decimals."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(place, field.with_type(pa.float64()), table.column(place).cast(pa.float64()))
    return table
