"""Every cell is printed exactly, whatever is in it; what goes out can be asked for."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from qapla.database.query.description import Aggregate, Compare, Field, Path, Query, Selection, Window
from qapla.driver.table_read import TableReadDriver
from qapla.ports import READ_RIGHTS
from qapla.testing.served import serve, table_name
from qapla.testing.servers import make_database

# type, literal, the JSON of the cell
CELLS = {
    "sqlite": [
        ("INTEGER", "9223372036854775807", "9223372036854775807"),
        ("INTEGER", "'not a number'", '"not a number"'),
        ("REAL", "0.1 + 0.2", "0.30000000000000004"),
        ("REAL", "1e308 * 10", '"Infinity"'),
        ("REAL", "-1e308 * 10", '"-Infinity"'),
        ("REAL", "5e-324", "5e-324"),
        ("REAL", "-1.1491352064683578e+306", "-1.1491352064683578e+306"),
        ("REAL", "x'0fff'", r'"\\x0fff"'),
        ("NUMERIC(10,2)", "0.99", "0.99"),
        ("BOOLEAN", "1", "true"),
        ("BOOLEAN", "0", "false"),
        ("BOOLEAN", "7", "7"),
        ("BOOLEAN", "'yes'", '"yes"'),
        ("TEXT", "''", '""'),
        ("TEXT", "'a\"b\\c' || char(10, 0, 31, 127) || 'é😀'", '"a\\"b\\\\c\\n\\u0000\\u001f\x7fé😀"'),
        ("TEXT", "CAST(x'61ff22e9' AS TEXT)", '"a\ufffd\\"\ufffd"'),
        ("TEXT", "12", '"12"'),
        ("BLOB", "x'00ff22'", r'"\\x00ff22"'),
        ("BLOB", "'text'", '"text"'),
        ("TIMESTAMP", "'2024-01-02 03:04:05.678'", '"2024-01-02T03:04:05.678"'),
        ("TIMESTAMP", "'whenever'", '"whenever"'),
        ("TIMESTAMP", "1700000000", "1700000000"),
        ("DATE", "'2024-01-02'", '"2024-01-02"'),
        ("JSON", "'{\"a\": [1, 2.50], \"a\": 1e2}'", '{"a": [1, 2.50], "a": 1e2}'),
        ("JSON", "'{broken'", '"{broken"'),
        ("JSON", "'NaN'", '"NaN"'),
    ],
    "postgresql": [
        ("numeric", "12345678901234567890123456789.0123456789000", "12345678901234567890123456789.0123456789000"),
        ("numeric", "'NaN'", '"NaN"'),
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("double precision", "0.1::float8 + 0.2", "0.30000000000000004"),
        ("double precision", "'-Infinity'", '"-Infinity"'),
        ("real", "0.1", "0.1"),
        ("date", "'0044-03-15 BC'", '"0044-03-15 BC"'),
        ("date", "'infinity'", '"infinity"'),
        ("timestamp", "'12345-01-01 00:00:00'", '"12345-01-01T00:00:00"'),
        ("timestamptz", "'2024-01-01 00:00:00+02'", '"2023-12-31T22:00:00+00:00"'),
        ("time", "'24:00'", '"24:00:00"'),
        ("interval", "'1 year 2 days'", '"1 year 2 days"'),
        ("boolean", "true", "true"),
        ("bytea", r"'\x00ff'", r'"\\x00ff"'),
        ("json", "'{\"a\" : 1.10,\n \"a\":2}'", '{"a" : 1.10,\n "a":2}'),
        ("jsonb", "'{\"b\": 1, \"a\": 1.10}'", '{"a": 1.10, "b": 1}'),
        ("integer[]", "'{1,NULL,3}'", "[1,null,3]"),
        ("int4range", "'[1,5)'", '"[1,5)"'),
        ("uuid", "'12345678-1234-1234-1234-123456789abc'", '"12345678-1234-1234-1234-123456789abc"'),
        ("money", "'1234.5'", '"$1,234.50"'),
        ("bit(4)", "B'1010'", '"1010"'),
        ("inet", "'10.0.0.1'", '"10.0.0.1"'),
        ("text", "E'a\"\\\\\\n\\x1fé😀'", '"a\\"\\\\\\n\\u001fé😀"'),
    ],
    "mariadb": [
        ("bigint unsigned", "18446744073709551615", "18446744073709551615"),
        ("int(6) zerofill", "42", "42"),
        ("decimal(40,10)", "123456789012345678901234567890.0123456789", "123456789012345678901234567890.0123456789"),
        ("double", "0.1e0 + 0.2e0", "0.30000000000000004"),
        ("double", "5e-324", "5e-324"),
        ("float", "0.1", "0.1"),
        ("float", "16777217", "16777216"),
        ("tinyint(1)", "1", "true"),
        ("tinyint(1)", "7", "7"),
        ("bit(10)", "b'1010'", '"0000001010"'),
        ("blob", "x'00ff22'", r'"\\x00ff22"'),
        ("datetime(6)", "'2024-01-02 03:04:05.5'", '"2024-01-02T03:04:05.5"'),
        ("datetime", "'2024-01-02 03:04:05'", '"2024-01-02T03:04:05"'),
        ("date", "'0000-00-00'", '"0000-00-00"'),
        ("time", "'-800:00:01'", '"-800:00:01"'),
        ("year", "2024", "2024"),
        ("json", "'{\"a\": [1, 2.50]}'", '{"a": [1, 2.50]}'),
        ("varchar(20) character set latin1", "'é'", '"é"'),
        ("set('a','b')", "'a,b'", '"a,b"'),
        ("text", "concat('a\"\\\\\\n', char(0 using utf8mb4), 'é😀')", '"a\\"\\\\\\n\\u0000é😀"'),
        ("inet6", "'::1'", '"::1"'),
    ],
}
CASES = [(engine, *case) for engine, cases in CELLS.items() for case in cases]


@pytest.fixture(scope="module")
def printed():
    """All cells of an engine, printed by one page of a table that has one column for each."""
    found = {}

    def get(engine):
        if engine not in found:
            found[engine] = print_cells(engine)
        return found[engine]

    return get


def print_cells(engine):
    cases = CELLS[engine]
    columns = ", ".join(f"c{index} {case[0]}" for index, case in enumerate(cases))
    values = ", ".join(case[1].replace("%", "%%") for case in cases)
    before = "SET sql_mode = '';\n" if engine == "mariadb" else ""
    script = f"{before}CREATE TABLE odd (id integer primary key, {columns});\nINSERT INTO odd VALUES (1, {values});\n"
    with make_database(engine) as url, serve(url, script) as served:
        reader = TableReadDriver(served, READ_RIGHTS)
        table = table_name(served, "odd")
        page = reader.page(Query(table))
        streamed = b"".join(reader.stream(Query(table), "ndjson"))
        lost = []
        for index, case in enumerate(cases):
            cell = page.rows()[0][f"c{index}"]
            if isinstance(cell, dict | list) or case[0] in ("json", "JSON"):
                continue
            text = str(cell).lower() if isinstance(cell, bool) else str(cell)
            try:
                rows = reader.page(Query(table, where=Compare(Path(f"c{index}"), "eq", text))).count_rows
            except Exception as error:
                rows = f"{type(error).__name__}: {error}"
            if rows != 1:
                lost.append((case, text, rows))
        return page.body, streamed, lost


@pytest.mark.parametrize(("engine", "type", "literal", "expected"), CASES)
def test_a_cell_is_printed_exactly(printed, engine, type, literal, expected):
    """The JSON of a cell has every digit and character, and is valid whatever is stored."""
    body, _, _ = printed(engine)

    index = CELLS[engine].index((type, literal, expected))
    start = body.decode().index(f'"c{index}":') + len(f'"c{index}":')
    assert body.decode()[start:].startswith(expected)
    json.loads(body)


@pytest.mark.parametrize("engine", CELLS)
def test_a_line_of_a_stream_is_a_row(printed, engine):
    """No cell, not even a JSON column with line breaks, cuts a line of NDJSON."""
    body, streamed, _ = printed(engine)

    lines = streamed.decode().split("\n")

    assert lines[1:] == [""]
    assert json.loads(lines[0]) == json.loads(body)[0]


@pytest.mark.parametrize("engine", CELLS)
def test_what_is_shown_can_be_asked_for(printed, engine):
    """``eq`` with the value that the answer shows finds the row, unless the cell does not fit its own column's type."""
    _, _, lost = printed(engine)

    misfits = {"'not a number'", "x'0fff'", "7", "'yes'", "CAST(x'61ff22e9' AS TEXT)", "'text'", "'whenever'", "1700000000", "'0000-00-00'"}
    assert [each for each in lost if each[0][1] not in misfits and "char(0" not in each[0][1] and "char(10, 0" not in each[0][1]] == []


@pytest.mark.parametrize("engine", CELLS)
def test_a_preview_is_short(engine):
    """A preview cuts long texts, counts bytes, and leaves everything else as it is."""
    types = {"sqlite": ("TEXT", "BLOB"), "postgresql": ("text", "bytea"), "mariadb": ("longtext", "longblob")}[engine]
    script = (
        f"CREATE TABLE lengthy (id integer primary key, t {types[0]}, b {types[1]}, n integer);\n"
        "INSERT INTO lengthy VALUES (1, 'abcdefghij', '0123456789', 12345678), (2, 'abc', NULL, NULL);\n"
    )

    with make_database(engine) as url, serve(url, script) as served:
        select = Selection((Field(Path("*"), preview=5),))
        page = TableReadDriver(served, READ_RIGHTS).page(Query(table_name(served, "lengthy"), select, window=Window(limit=5)))

    first, second = page.rows()
    assert first["t"] == "abcde…"
    assert first["n"] == 12345678
    assert first["b"] == (10 if engine != "sqlite" else "01234…")  # SQLite keeps a text a text, whatever the column says
    assert second == {"id": 2, "t": "abc", "b": None, "n": None}


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_an_average_of_exact_numbers_is_exact(engine):
    """No digit is lost before the point, and integers have as many behind it as PostgreSQL gives; SQLite has nothing but doubles."""
    types = "i bigint, n integer, d decimal(30,10), w decimal(60,0), f double precision"
    script = (
        f"CREATE TABLE mean (id integer primary key, {types});\n"
        f"INSERT INTO mean VALUES (1, 9007199254740993, 1, 12345678901234567890.0123456789, {'7' * 60}, 0.5),"
        f" (2, 9007199254740993, 1, 12345678901234567890.0123456789, {'7' * 60}, 0.25), (3, NULL, 2, NULL, NULL, NULL);\n"
    )

    with make_database(engine) as url, serve(url, script) as served:
        items = (*(Aggregate("avg", Path(name), alias=name) for name in "indwf"), Aggregate("avg", Path("i"), "numeric", "text", "t"))
        body = TableReadDriver(served, READ_RIGHTS).page(Query(table_name(served, "mean"), Selection(items))).body

    [found] = json.loads(body, parse_float=Decimal)
    assert (found["i"], found["d"], found["w"]) == (9007199254740993, Decimal("12345678901234567890.0123456789"), int("7" * 60))
    assert abs(found["n"] - Decimal(4) / 3) < Decimal("1e-15")
    assert found["f"] == Decimal("0.375")
    assert found["t"].rstrip("0").rstrip(".") == "9007199254740993"


@pytest.mark.parametrize("engine", CELLS)
def test_the_largest_boolean_is_true_if_one_is(engine):
    """The smallest is true if all are; of none both are NULL."""
    script = (
        "CREATE TABLE answer (id integer primary key, mixed boolean, yes boolean, no boolean, empty boolean);\n"
        "INSERT INTO answer VALUES (1, true, true, false, NULL), (2, false, true, false, NULL), (3, NULL, NULL, NULL, NULL);\n"
    )
    functions, columns = ("max", "min", "count"), ("mixed", "yes", "no", "empty")
    items = [Aggregate(function, Path(column), alias=f"{column} {function}") for column in columns for function in functions]

    with make_database(engine) as url, serve(url, script) as served:
        [found] = TableReadDriver(served, READ_RIGHTS).page(Query(table_name(served, "answer"), Selection(tuple(items)))).rows()

    assert [[found[f"{column} {function}"] for function in functions] for column in columns] == [
        [True, False, 2], [True, True, 2], [False, False, 2], [None, None, 0],
    ]  # fmt: skip


@pytest.mark.parametrize("engine", CELLS)
def test_a_wide_table_is_read(engine):
    """300 columns are no obstacle, though functions of SQLite take 127 arguments and PostgreSQL's 100."""
    columns = ", ".join(f"c{index} integer" for index in range(300))
    script = f"CREATE TABLE wide ({columns});\nINSERT INTO wide (c0, c299) VALUES (1, 2);\n"

    with make_database(engine) as url, serve(url, script) as served:
        row = TableReadDriver(served, READ_RIGHTS).page(Query(table_name(served, "wide"))).rows()[0]

    assert len(row) == 300
    assert (row["c0"], row["c150"], row["c299"]) == (1, None, 2)
