"""qapla.database.frames.arrow: the tables of several databases as one"""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from qapla.database.frames.arrow import join
from qapla.errors import QueryError


def table(type: pa.DataType, *values: object, name: str = "v") -> pa.Table:
    return pa.table([pa.array(values, type)], names=[name])


@pytest.mark.parametrize(
    ("first", "second", "united"),
    [
        (pa.int16(), pa.int64(), pa.int64()),
        (pa.int32(), pa.int16(), pa.int32()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.decimal128(5, 2), pa.decimal128(4, 3), pa.decimal128(6, 3)),
        (pa.decimal128(38, 0), pa.decimal128(10, 5), pa.decimal256(43, 5)),
        (pa.null(), pa.string(), pa.string()),
        (pa.string(), pa.null(), pa.string()),
    ],
)
def test_the_wider_type(first: pa.DataType, second: pa.DataType, united: pa.DataType) -> None:
    """A column holds the values of both databases, none of them changed."""
    found = join([("a", table(first, None)), ("b", table(second, None))], None, ["a", "b"])

    assert found.schema.field("v").type == united


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.int64(), pa.uint64()),
        (pa.int64(), pa.float64()),
        (pa.string(), pa.int64()),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.decimal256(76, 0), pa.decimal128(10, 5)),
    ],
)
def test_different_meanings(first: pa.DataType, second: pa.DataType) -> None:
    """What has no type for both is refused, with both databases and what each has."""
    with pytest.raises(QueryError, match=r"'a' and 'b' have different columns: 'v' is .* and ") as caught:
        join([("a", table(first, None)), ("b", table(second, None))], None, ["a", "b"])

    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_different_names() -> None:
    """Two databases whose columns are called otherwise are named, with the names."""
    with pytest.raises(QueryError, match=r"'a' and 'b' have different columns: 'v' and 'w'"):
        join([("a", table(pa.int64(), 1)), ("b", table(pa.int64(), 1, name="w"))], None, ["a", "b"])


def test_where_a_row_is_from() -> None:
    """The column of databases has the names of all that were asked, also of one that has no rows or did not answer."""
    found = join([("c", table(pa.int64(), 1, 2)), ("a", table(pa.int64()))], "database", ["a", "b", "c"])

    assert found.column("database").to_pylist() == ["c", "c"]
    assert found.to_pandas()["database"].cat.categories.tolist() == ["a", "b", "c"]


def test_values_are_kept() -> None:
    """Decimals of another scale are the same numbers."""
    ours, theirs = table(pa.decimal128(5, 2), Decimal("1.10")), table(pa.decimal128(4, 3), Decimal("1.234"))

    found = join([("a", ours), ("b", theirs)], None, ["a", "b"])

    assert found.column("v").to_pylist() == [Decimal("1.100"), Decimal("1.234")]
