"""Every reader gives exactly what the database holds, or says which column it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from qapla.database.frames.reading import read_table
from qapla.errors import DatabaseError, InputError, NotOffered, QueryError, TimedOut
from qapla.testing.servers import make_database

READERS = ["connectorx", "adbc", "copy", "rows"]
FAR = date(9999, 12, 31)

# a type of PostgreSQL, its values, the type of Arrow, what comes out where it is not what went in
EXACT: list[tuple[str, list[str], pa.DataType, list[Any]]] = [
    ("smallint", ["-32768", "32767"], pa.int16(), [-32768, 32767]),
    ("integer", ["-2147483648", "2147483647"], pa.int32(), [-(2**31), 2**31 - 1]),
    ("bigint", ["-9223372036854775808", "9223372036854775807"], pa.int64(), [-(2**63), 2**63 - 1]),
    ("oid", ["4294967295"], pa.int64(), [2**32 - 1]),
    ("real", ["0.1", "infinity"], pa.float32(), [pa.scalar(0.1, pa.float32()).as_py(), float("inf")]),
    ("double precision", ["0.1", "-infinity", "1e308"], pa.float64(), [0.1, float("-inf"), 1e308]),
    ("numeric(30,10)", ["12345678901234567890.0123456789"], pa.decimal128(30, 10), [Decimal("12345678901234567890.0123456789")]),
    ("numeric(50,2)", ["9" * 48 + ".99"], pa.decimal256(50, 2), [Decimal("9" * 48 + ".99")]),
    ("numeric", ["0.100", "NaN", "1e400"], pa.string(), ["0.100", "NaN", "1" + "0" * 400]),
    ("boolean", ["true", "false"], pa.bool_(), [True, False]),
    ("text", ["", "50%", "a'b\"c\\\n,;", "ü😀", "NULL", "\\N"], pa.string(), ["", "50%", "a'b\"c\\\n,;", "ü😀", "NULL", "\\N"]),
    ("char(3)", ["a"], pa.string(), ["a  "]),
    ('"char"', ["c"], pa.string(), ["c"]),
    ("bytea", ["\\x00ff27", ""], pa.binary(), [b"\x00\xff'", b""]),
    ("date", ["0001-01-01", "9999-12-31"], pa.date32(), [date(1, 1, 1), FAR]),
    ("time", ["00:00", "23:59:59.999999"], pa.time64("us"), [time(0), time(23, 59, 59, 999999)]),
    ("timestamp", ["2020-02-29 01:02:03.000004"], pa.timestamp("us"), [datetime(2020, 2, 29, 1, 2, 3, 4)]),
    ("timestamptz", ["2020-02-29 01:02:03.000004+05:30"], pa.timestamp("us", "UTC"), [datetime(2020, 2, 28, 19, 32, 3, 4, tzinfo=UTC)]),
    ("interval", ["1 mon -2 days 03:00"], pa.string(), ["1 mon -2 days +03:00:00"]),
    ("uuid", ["00000000-0000-0000-0000-00000000abcd"], pa.string(), ["00000000-0000-0000-0000-00000000abcd"]),
    ("json", ['{"a":  [1.10, null]}'], pa.string(), ['{"a":  [1.10, null]}']),
    ("jsonb", ['{"n": 12345678901234567890.10}'], pa.string(), ['{"n": 12345678901234567890.10}']),
    ("inet", ["10.0.0.1", "10.0.0.0/8"], pa.string(), ["10.0.0.1", "10.0.0.0/8"]),
    ("int4range", ["[1,5)"], pa.string(), ["[1,5)"]),
    ("point", ["(1,2)"], pa.string(), ["(1,2)"]),
    ("bit(3)", ["101"], pa.string(), ["101"]),
    ("mood", ["so so", "happy"], pa.string(), ["so so", "happy"]),
]
ARRAYS: list[tuple[str, list[str], pa.DataType, list[Any]]] = [
    ("integer[]", ["{1,NULL,3}", "{}"], pa.list_(pa.int32()), [[1, None, 3], []]),
    ("mood[]", ['{"so so",happy}'], pa.string(), ['{"so so",happy}']),
    ("jsonb[]", ['{"{\\"a\\": 1.10}"}'], pa.list_(pa.string()), [['{"a": 1.10}']]),
    ("text[]", ['{"a,b",NULL}'], pa.list_(pa.string()), [["a,b", None]]),
]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[sa.Engine]:
    """Give an engine of a database with an enum, a table of many rows, and an event where somebody waits."""
    with make_database("postgresql") as url:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TYPE mood AS ENUM ('happy', 'so so')")
        yield engine
        engine.dispose()


def typed(name: str, values: list[str]) -> Any:
    """Return a SELECT of *values* and a NULL as type *name*, in order."""
    rows = ", ".join(f"({place}, {_quoted(value)})" for place, value in enumerate([*values, None]))
    source = sa.text(f"SELECT v::{name} AS v FROM (VALUES {rows.replace(':', chr(92) + ':')}) AS x(n, v) ORDER BY n")
    return sa.select(source.columns(sa.column("v")).subquery("q").c.v)


def side_by_side(cases: list[tuple[str, list[str], pa.DataType, list[Any]]]) -> tuple[Any, int]:
    """Return a SELECT with a column for each type, as long as the longest and a row of NULL."""
    length = max(len(case[1]) for case in cases) + 1
    columns = []
    for name, values, _, _ in cases:
        texts = ", ".join(_quoted(value) for value in [*values, *[None] * (length - len(values))])
        columns.append(sa.literal_column(f"(ARRAY[{texts}])[n]::{name}").label(name))
    return sa.select(*columns).select_from(sa.text(f"generate_series(1, {length}) AS n")).order_by(sa.text("n")), length


def _quoted(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


class TestPostgresql:
    """Four ways to read, one answer."""

    @pytest.mark.parametrize("reader", READERS)
    def test_is_exact(self, postgresql: sa.Engine, reader: str) -> None:
        """Each type comes out as itself by every reader, NULL as NULL."""
        statement, length = side_by_side(EXACT)

        found = read_table(statement, postgresql, reader=reader)

        for name, _, arrow, expected in EXACT:
            assert found.schema.field(name).type == arrow
            assert found.column(name).to_pylist() == expected + [None] * (length - len(expected)), name

    @pytest.mark.parametrize(("name", "values", "arrow", "expected"), ARRAYS, ids=[case[0] for case in ARRAYS])
    def test_arrays(self, postgresql: sa.Engine, name: str, values: list[str], arrow: pa.DataType, expected: list[Any]) -> None:
        """Arrays are lists, and what stands beside them is exact, too."""
        source = typed(name, values).subquery()

        found = read_table(sa.select(source.c.v, sa.literal_column("'[1.10]'::json").label("j")), postgresql)

        assert found.schema.types == [arrow, pa.string()]
        assert found.to_pylist() == [{"v": value, "j": "[1.10]"} for value in [*expected, None]]

    def test_arrays_of_enums(self, postgresql: sa.Engine) -> None:
        """Where the statement says what they are, they are lists of words."""
        mood = sa.Enum("happy", "so so", name="mood")
        statement = sa.select(sa.literal_column("'{so so,NULL}'::mood[]", sa.ARRAY(mood)).label("v"))

        assert read_table(statement, postgresql).to_pylist() == [{"v": ["so so", None]}]

    @pytest.mark.parametrize("reader", READERS)
    @pytest.mark.parametrize("value", ["infinity", "-infinity"])
    @pytest.mark.parametrize("name", ["date", "timestamp", "timestamptz"])
    def test_infinity_is_refused(self, postgresql: sa.Engine, reader: str, name: str, value: str) -> None:
        """A moment that is none becomes no other one: the column is named, and can be read as text."""
        with pytest.raises(NotOffered, match=r"column 'v' .* cannot hold .*as_text"):
            read_table(typed(name, ["2020-01-01", value]), postgresql, reader=reader)

        found = read_table(typed(name, [value]), postgresql, reader=reader, as_text=["v"])
        assert found.column("v").to_pylist() == [value, None]

    @pytest.mark.parametrize("reader", READERS)
    def test_old_and_late_moments(self, postgresql: sa.Engine, reader: str) -> None:
        """Years that Python does not have are kept."""
        found = read_table(typed("timestamp", ["0044-03-15 12:00 BC", "12000-12-31"]), postgresql, reader=reader)

        assert found.column("v").cast(pa.int64()).to_pylist() == [-63517780800000000, 316547740800000000, None]

    def test_decimals_as_doubles(self, postgresql: sa.Engine) -> None:
        """On wish a decimal is the double next to it, NaN included."""
        found = read_table(typed("numeric(10,2)", ["0.10", "NaN"]), postgresql, decimals="float")

        assert str(found.column("v").to_pylist()) == "[0.1, nan, None]"

    def test_midnight_at_the_end_of_a_day(self, postgresql: sa.Engine) -> None:
        """24:00 is a time of PostgreSQL, and of nobody else."""
        with pytest.raises(NotOffered, match="'v'"):
            read_table(typed("time", ["24:00"]), postgresql)

    @pytest.mark.parametrize("reader", READERS)
    def test_values_of_a_statement(self, postgresql: sa.Engine, reader: str) -> None:
        """Whatever is bound gets there as it is: quotes, percent signs, lists, bytes, moments."""
        bound = ["50%", "%(x)s", "it's", 'a"b', "\\", ":x", "ü"]
        statement = sa.select(
            *(sa.literal(value).label(f"c{place}") for place, value in enumerate(bound)),
            sa.literal(b"\0'").label("b"),
            sa.literal(-5).label("n"),
            sa.literal(Decimal("1.10")).label("d"),
            sa.literal(datetime(2020, 1, 1, tzinfo=UTC)).label("at"),
            sa.literal_column("'100%'").label("%s"),
        ).where(sa.literal("b").in_(["a'", "b"]), sa.literal(3) - sa.literal(-2) == 5)

        (row,) = read_table(statement, postgresql, reader=reader).to_pylist()

        assert [row[f"c{place}"] for place in range(len(bound))] == bound
        assert (row["b"], row["n"], Decimal(row["d"]), row["%s"]) == (b"\0'", -5, Decimal("1.10"), "100%")
        assert row["at"] == datetime(2020, 1, 1, tzinfo=UTC)

    @pytest.mark.parametrize("reader", [None, *READERS])
    def test_no_rows(self, postgresql: sa.Engine, reader: str | None) -> None:
        """No rows have the same types as many."""
        statement = sa.select(sa.literal_column("1.5::numeric(5,2)").label("n"), sa.literal("a").label("t")).where(sa.false())

        found = read_table(statement, postgresql, reader=reader)

        assert found.num_rows == 0
        assert found.schema.types == [pa.decimal128(5, 2), pa.string()]

    def test_what_is_not_committed(self, postgresql: sa.Engine) -> None:
        """A connection sees what it wrote, and keeps its transaction when a read fails."""
        with postgresql.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE pending (n integer)")
            connection.exec_driver_sql("INSERT INTO pending SELECT generate_series(1, 50000)")
            statement = sa.select(sa.table("pending", sa.column("n", sa.Integer)).c.n)

            found = read_table(statement, postgresql, connection=connection)
            for broken in ("1 / (n - n)", "nothing"):
                asked = sa.select(sa.literal_column(broken).label("x")).select_from(sa.text("pending"))
                with pytest.raises(DatabaseError):
                    read_table(asked, postgresql, connection=connection)

            assert found.num_rows == 50_000
            assert connection.exec_driver_sql("SELECT count(*) FROM pending").scalar() == 50_000
            connection.rollback()

    def test_settings_go_along(self, postgresql: sa.Engine) -> None:
        """A reader with a connection of its own has the settings of the session, its time zone and its deadline."""
        zone = sa.func.current_setting("TimeZone").label("zone")
        with postgresql.connect() as connection:
            connection.exec_driver_sql("SET TimeZone = 'Asia/Kolkata'")
            for reader in READERS:
                found = read_table(sa.select(zone), postgresql, connection=connection, reader=reader)
                assert found.to_pylist() == [{"zone": "Asia/Kolkata"}]
            connection.exec_driver_sql("SET statement_timeout = 300")
            slow = sa.select(sa.func.pg_sleep(20).label("s"))
            for reader in READERS[:2]:
                with pytest.raises((TimedOut, NotOffered)):
                    read_table(slow, postgresql, connection=connection, reader=reader)

    def test_chooses_one_that_sees_the_same(self, postgresql: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        """A temporary table, a role, policies of rows: these are read on the connection itself, many other rows elsewhere."""
        from qapla.database.frames import connectorx

        asked: list[str] = []
        real = connectorx.read
        monkeypatch.setattr(connectorx, "read", lambda question: asked.append(question.sql) or real(question))
        with postgresql.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE many AS SELECT generate_series(1, 30000) AS n")
            connection.exec_driver_sql("ANALYZE many")
        statement = sa.select(sa.table("many", sa.column("n", sa.Integer)).c.n)

        assert read_table(statement, postgresql).num_rows == 30_000
        assert len(asked) == 1
        with postgresql.connect() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE many (n integer)")
            connection.commit()
            assert read_table(statement, postgresql, connection=connection).num_rows == 0
            connection.exec_driver_sql("DROP TABLE pg_temp.many")
            connection.exec_driver_sql("GRANT SELECT ON many TO pg_monitor")
            connection.commit()
            connection.exec_driver_sql("SET ROLE pg_monitor")
            assert read_table(statement, postgresql, connection=connection).num_rows == 30_000
            connection.exec_driver_sql("RESET ROLE")
            connection.exec_driver_sql("ALTER TABLE many ENABLE ROW LEVEL SECURITY")
            connection.commit()
            assert read_table(statement, postgresql, connection=connection).num_rows == 30_000
            connection.exec_driver_sql("DROP TABLE many")
            connection.commit()
        assert len(asked) == 1

    def test_a_failing_statement(self, postgresql: sa.Engine) -> None:
        """What the database refuses is one of our errors, without the statement in it."""
        with pytest.raises(DatabaseError) as caught:
            read_table(sa.select(sa.column("secret_value", sa.Integer)).select_from(sa.text("nowhere")), postgresql)

        assert "SELECT" not in str(caught.value)

    def test_an_unknown_reader(self, postgresql: sa.Engine) -> None:
        """A reader is one of those that there are."""
        with pytest.raises(InputError, match=r"'turbo'.*connectorx"):
            read_table(sa.select(sa.literal(1)), postgresql, reader="turbo")


def test_two_columns_of_one_name() -> None:
    """A frame has no two columns of one name."""
    engine = sa.create_engine("sqlite://")

    with pytest.raises(QueryError, match="'a' is there 2 times"):
        read_table(sa.select(sa.literal(1).label("a"), sa.literal(2).label("a")), engine)
