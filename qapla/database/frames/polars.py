"""polars frames, by way of Arrow: the same types as there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.database.frames.installed import get_library

if TYPE_CHECKING:
    from collections.abc import Collection

    import polars as pl
    import pyarrow as pa

    from qapla.database.frames.fields import Decimals


def read_frame(queryset: Any, *, decimals: Decimals = "exact", as_text: Collection[str] = (), database: str | None = None) -> pl.DataFrame:
    """Return the rows of *queryset* as a polars frame: types as in Arrow, enums and the column ``database`` as ``Categorical``.

    Args:
        decimals: ``"float"``: the doubles next to them.
        as_text: names of columns that come as text, as the engine prints them.
        database: the name of the column that says where a row is from; it is there when it is named, or several databases are asked.

    Raises:
        QueryError: a column has the name of that column; databases have different columns under one model.
        NotOffered: a value is none of its column's type.
        ConfigurationError: polars is not installed.
    """
    get_library("polars")
    arrow: Any = get_library("qapla.database.frames.arrow")
    return make_frame(arrow.read_table(queryset, decimals=decimals, as_text=as_text, database=database))


def make_frame(table: pa.Table) -> pl.DataFrame:
    """Return a table of Arrow as a frame."""
    import polars as pl

    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found
