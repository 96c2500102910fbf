"""What frames of pandas, Polars and Arrow mean to a table."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from qapla.database.frames.intake import take_in
from qapla.errors import InputError, NotOffered, QaplaError, ValueRefused

DAY, GUID = dt.date(2024, 2, 29), uuid.UUID(int=7)
PANDAS = {
    "integer": (pd.Series([1, 2]), "integer", [1, 2]),
    "nullable integer": (pd.array([1, None], "Int64"), "integer", [1, None]),
    "nan": (pd.Series([1.5, np.nan]), "float", [1.5, None]),
    "infinite": (pd.Series([np.inf, -np.inf]), "float", [np.inf, -np.inf]),
    "text": (pd.Series(["", None]), "text", ["", None]),
    "boolean": (pd.array([True, None], "boolean"), "boolean", [True, None]),
    "category": (pd.Categorical(["b", None]), "text", ["b", None]),
    "numbers as category": (pd.Categorical([3, None]), "integer", [3, None]),
    "days": (pd.Series([DAY, None]).astype("datetime64[s]"), "date", [DAY, None]),
    "seconds": (pd.Series([dt.datetime(2024, 1, 1, 1)]).astype("datetime64[s]"), "timestamp", [dt.datetime(2024, 1, 1, 1)]),
    "moments": (pd.to_datetime(["2024-01-01 10:00", None]), "timestamp", [dt.datetime(2024, 1, 1, 10), None]),
    "zone": (pd.to_datetime(["2024-01-01"]).tz_localize("Asia/Tokyo"), "timestamp_tz", [dt.datetime(2023, 12, 31, 15, tzinfo=dt.UTC)]),
    "dates": (pd.Series([DAY, pd.NaT], dtype=object), "date", [DAY, None]),
    "times": (pd.Series([dt.time(1, 2), None]), "time", [dt.time(1, 2), None]),
    "durations": (pd.to_timedelta([1, None], "s"), "interval", [dt.timedelta(seconds=1), None]),
    "decimals": (pd.Series([decimal.Decimal("1.10"), None]), "decimal", [decimal.Decimal("1.10"), None]),
    "uuids": (pd.Series([GUID, None]), "uuid", [str(GUID), None]),
    "addresses": (pd.Series([ipaddress.ip_address("::1")]), "network", ["::1"]),
    "objects": (pd.Series([{"a": 1}, [2], None]), "json", ['{"a": 1}', "[2]", None]),
    "bytes": (pd.Series([b"\0", None]), "binary", [b"\0", None]),
    "nothing": (pd.Series([None, None], dtype=object), "unknown", [None, None]),
    "numbers of numpy": (pd.Series([np.int64(3), pd.NA], dtype=object), "integer", [3, None]),
}
ARROW = {
    "nan": (pa.array([float("nan"), 1.0]), "float", [None, 1.0]),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), "text", ["a", None]),
    "view": (pa.array(["a"], pa.string_view()), "text", ["a"]),
    "small decimal": (pa.array([decimal.Decimal("1.5")], pa.decimal128(3, 1)), "decimal", [decimal.Decimal("1.5")]),
    "date64": (pa.array([DAY], pa.date64()), "date", [DAY]),
    "half": (pa.array([np.float16(0.5)], pa.float16()), "float", [0.5]),
    "list": (pa.array([[1, None], None]), "json", ["[1, null]", None]),
    "struct": (pa.array([{"a": "é"}]), "json", ['{"a": "é"}']),
    "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())), "json", ['{"k": 1}']),
    "uuid": (pa.array([GUID.bytes], pa.uuid()), "uuid", [str(GUID)]),
    "fixed": (pa.array([b"ab"], pa.binary(2)), "binary", [b"ab"]),
}
WRONG = {
    "mixture": (pd.DataFrame({"x": [1, "a"]}), InputError, "column 'x' has values of several types: int and str"),
    "number as name": (pd.DataFrame({0: [1]}), InputError, "column 0 has no name"),
    "twice": (pd.DataFrame([[1, 2]], columns=["a", "a"]), InputError, "column 'a' is there 2 times"),
    "complex": (pd.DataFrame({"x": [1j]}), NotOffered, "complex128"),
    "period": (pd.DataFrame({"x": pd.period_range("2024", periods=1)}), NotOffered, "period"),
    "unknown objects": (pd.DataFrame({"x": [object()]}), NotOffered, "'object'"),
    "nanoseconds": (pd.DataFrame({"x": [pd.Timestamp(1)]}), ValueRefused, "parts of a microsecond"),
    "large": (pd.DataFrame({"x": [2**70]}), ValueRefused, "column 'x'"),
    "nan in json": (pd.DataFrame({"x": [{"a": float("nan")}]}), ValueRefused, "JSON cannot say"),
    "zones": (pd.DataFrame({"x": pd.Series([dt.datetime.now(), dt.datetime.now(dt.UTC)], dtype=object)}), InputError, "with and without"),
    "surrogate": (pd.DataFrame({"x": ["\ud800"]}, dtype=object), ValueRefused, "column 'x' has a text with half of a surrogate pair"),
    "surrogate in json": (pd.DataFrame({"x": [{"a": "\ud800"}]}), ValueRefused, "column 'x' has a text with half of a surrogate pair"),
    "wide": (pl.DataFrame({"a": [1], "x": [2**100]}, schema={"a": pl.Int64, "x": pl.Int128}), NotOffered, "column 'x' is of type 'Int128'"),
    "no frame": ([1], InputError, "a list is no frame"),
}


@pytest.mark.parametrize("name", PANDAS)
def test_pandas(name):
    """A column of pandas has one meaning; what is missing is NULL."""
    given, kind, values = PANDAS[name]

    found = take_in(pd.DataFrame({"x": given}))

    assert (found.kinds, found.table["x"].to_pylist()) == ({"x": kind}, values)


@pytest.mark.parametrize("name", ARROW)
def test_arrow(name):
    """A column of Arrow has one meaning, in a table and in a stream of batches."""
    given, kind, values = ARROW[name]
    table = pa.table({"x": given})

    found, streamed = take_in(table), take_in(table.to_reader())

    assert (found.kinds, found.table["x"].to_pylist()) == ({"x": kind}, values)
    assert streamed == found


def test_polars():
    """A frame of Polars, lazy or not, is what its table of Arrow is."""
    frame = pl.DataFrame({"a": ["x", None], "b": [1, 2], "at": [dt.datetime(2024, 1, 1), None]})

    assert take_in(frame) == take_in(frame.lazy()) == take_in(frame.to_arrow())
    assert take_in(frame).kinds == {"a": "text", "b": "integer", "at": "timestamp"}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    """What no table could hold exactly is refused with the name of the column."""
    frame, kind, said = WRONG[name]

    with pytest.raises(QaplaError, match=said) as caught:
        take_in(frame)

    assert type(caught.value) is kind
