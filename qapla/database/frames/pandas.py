"""pandas frames from Arrow tables: types by the schema, the same for no rows as for many.

==============================  =====================================================================================================
integers                        ``Int64``, ``UInt64``: NULL is ``NA``, and no number becomes a double
booleans                        ``boolean``
decimals                        ``float64``; ``decimals="exact"``: ``Decimal`` in an object column
floats                          ``float64``, ``float32``; NULL is NaN
text, UUID, JSON, network, …    ``str``
enums, the column ``database``  ``category``, with all values that there are in the type
dates                           ``datetime64[s]``, which has the years -2.9e11 to 2.9e11
timestamps                      ``datetime64[us]``, with a zone ``datetime64[us, UTC]``
times, binary, arrays           objects: ``datetime.time``, ``bytes``, ``list``
==============================  =====================================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.database.frames.installed import get_library

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    import pyarrow as pa

    from qapla.database.frames.fields import Decimals

DAY_S = 86_400


def read_frame(queryset: Any, *, decimals: Decimals = "float", as_text: Collection[str] = (), database: str | None = None) -> pd.DataFrame:
    """Return the rows of *queryset* as a pandas frame: one row per row, columns as selected, index 0…n-1.

    Args:
        decimals: ``"exact"``: ``Decimal`` objects; ``"float"``: the doubles next to them.
        as_text: names of columns that come as text, as the engine prints them.
        database: the name of the column that says where a row is from; it is there when it is named, or several databases are asked.

    Raises:
        QueryError: a column has the name of that column; databases have different columns under one model.
        NotOffered: a value is none of its column's type.
        ConfigurationError: pandas is not installed.
    """
    get_library("pandas")
    arrow: Any = get_library("qapla.database.frames.arrow")
    return make_frame(arrow.read_table(queryset, decimals=decimals, as_text=as_text, database=database))


def make_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame. *table* is used up: its columns are released as they are read."""
    import pandas as pd

    names = table.column_names
    columns = {}
    for name in names:
        columns[name] = make_series(table.column(0))
        table = table.remove_column(0)
    frame = pd.DataFrame(columns, copy=False)
    return frame if names else pd.DataFrame(index=pd.RangeIndex(table.num_rows))


def make_series(column: pa.ChunkedArray) -> pd.Series:
    """Return a column as a series of the type that its type of Arrow means."""
    import pandas as pd
    import pyarrow as pa

    type = column.type
    if pa.types.is_boolean(type):
        return pd.Series(pd.BooleanDtype().__from_arrow__(column), copy=False)
    if pa.types.is_integer(type):
        wanted, dtype = (pa.uint64(), pd.UInt64Dtype()) if type == pa.uint64() else (pa.int64(), pd.Int64Dtype())
        return pd.Series(dtype.__from_arrow__(column.cast(wanted)), copy=False)
    if pa.types.is_date(type):
        return _seconds(column.cast(pa.int32()).cast(pa.int64()))
    if pa.types.is_string(type):
        return pd.Series(pd.array(column, dtype=pd.StringDtype("pyarrow", na_value=float("nan"))), copy=False)
    if pa.types.is_list(type):
        return pd.Series(_objects(column), dtype=object, copy=False)
    if pa.types.is_null(type):
        return pd.Series([None] * len(column), dtype=object)
    return column.to_pandas(date_as_object=False)


def _seconds(days: pa.ChunkedArray) -> pd.Series:
    """Return days as moments of seconds: pandas has no days, and milliseconds end too early."""
    import pyarrow.compute as pc

    seconds = pc.multiply(days, DAY_S).cast("timestamp[s]")
    return seconds.to_pandas()


def _objects(column: pa.ChunkedArray) -> Any:
    import numpy as np

    found = np.empty(len(column), dtype=object)
    found[:] = column.to_pylist()
    return found
