"""The table of operators is the truth: what it offers runs on the engine, what it does not offer is refused by name."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from qapla.database.query.casts import CASTS
from qapla.database.query.description import Aggregate, Compare, Field, Path, Query, Selection
from qapla.database.query.lookups import KINDS, OPERATORS
from qapla.driver.table_read import TableReadDriver
from qapla.errors import NotOffered, QaplaError, QueryError
from qapla.ports import READ_RIGHTS
from qapla.testing.served import serve, table_name
from qapla.testing.servers import ENGINE_NAMES, make_database

BEFORE = {"postgresql": "CREATE TYPE mood AS ENUM ('sad', 'ok');\nCREATE TYPE pair AS (a integer, b text);\n"}
TYPES = {
    "postgresql": {
        "boolean": "boolean", "integer": "integer", "decimal": "numeric(10,2)", "float": "double precision", "text": "text",
        "enum": "mood", "date": "date", "time": "time", "timestamp": "timestamp", "timestamp_tz": "timestamptz", "interval": "interval",
        "uuid": "uuid", "json": "jsonb", "binary": "bytea", "bits": "bit(4)", "network": "inet", "array": "integer[]", "range": "int4range",
        "composite": "pair", "geometry": "box", "unknown": "tsvector",
    },
    "mariadb": {
        "boolean": "tinyint(1)", "integer": "integer", "decimal": "decimal(10,2)", "float": "double", "text": "varchar(40)",
        "enum": "enum('sad','ok')", "date": "date", "time": "time", "timestamp": "datetime", "timestamp_tz": "timestamp", "uuid": "uuid",
        "json": "json", "binary": "blob", "bits": "bit(4)", "network": "inet6", "geometry": "point",
    },
    "sqlite": {
        "boolean": "BOOLEAN", "integer": "INTEGER", "decimal": "NUMERIC(10,2)", "float": "REAL", "text": "TEXT", "date": "DATE",
        "time": "TIME", "timestamp": "TIMESTAMP", "timestamp_tz": "TIMESTAMPTZ", "uuid": "UUID", "json": "JSON", "binary": "BLOB",
        "unknown": '""',
    },
}  # fmt: skip
OPERANDS = {
    "boolean": "true", "integer": "1", "decimal": "1.5", "float": "1.5", "text": "a", "enum": "ok", "date": "2024-01-02", "time": "10:00",
    "timestamp": "2024-01-02T10:00:00", "timestamp_tz": "2024-01-02T10:00:00Z", "interval": "1 day", "json": "1", "binary": "\\x00",
    "uuid": "11111111-2222-3333-4444-555555555555", "bits": "0101", "network": "::1", "array": "{1}", "range": "[1,2)",
    "composite": "(1,a)", "geometry": "(1,1),(0,0)", "unknown": "a",
}  # fmt: skip


@pytest.fixture(scope="module")
def readers():
    """A table with a column of every kind, on every engine; no row is needed."""
    with ExitStack() as stack:
        found = {}
        for engine in ENGINE_NAMES:
            url = stack.enter_context(make_database(engine))
            columns = ", ".join(f"c_{kind} {type}" for kind, type in TYPES[engine].items()).replace(' ""', "")
            served = stack.enter_context(serve(url, f"{BEFORE.get(engine, '')}CREATE TABLE odd ({columns});\n"))
            found[engine] = TableReadDriver(served, READ_RIGHTS)
        yield found


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_every_kind_is_tried(readers, engine):
    """The columns of this test are of the kinds that the engine has, all but those without a type of this server's."""
    table = readers[engine].served.schema.find_table("odd")

    assert {column.name: column.type.kind for column in table.columns} == {f"c_{kind}": kind for kind in TYPES[engine]}
    assert KINDS[engine] - set(TYPES[engine]) <= {"unknown"}


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_an_operator_is_for_the_kinds_that_the_table_says(readers, engine, operator):
    """What is in the table runs, alone and negated; what is not is QAPLA100 or 42883, and never reaches the engine."""
    wrong = {}
    for kind in TYPES[engine]:
        outcome = ask(readers[engine], kind, operator)
        if outcome != ("runs" if kind in operator.kinds_on(engine) else "refused"):
            wrong[kind] = outcome

    assert wrong == {}


def ask(reader, kind, operator):
    """Return what comes of an operator on a column of this kind."""
    others = {"keyword": "null", "list": (OPERANDS[kind],), "regex": "a", "pattern": "a*", "search": "a"}
    operand = others.get(operator.operand, OPERANDS[kind])
    table = table_name(reader.served, "odd")
    try:
        reader.page(Query(table, Selection(()), Compare(Path(f"c_{kind}"), operator.name, operand)))
        if operator.has_quantifiers:
            reader.page(Query(table, Selection(()), Compare(Path(f"c_{kind}"), operator.name, (operand, operand), "all")))
    except (NotOffered, QueryError):
        return "refused"
    except QaplaError as error:
        # Which operators a type has that is in no table, or a shape, only the server knows.
        return "runs" if kind in ("unknown", "geometry") and error.code in ("42883", "42725") else f"{error.code} {error.message}"
    return "runs"


@pytest.mark.parametrize("name", [name for name, cast in CASTS.items() if name == cast.name])
@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_a_cast_is_offered_as_the_table_says(readers, engine, name):
    """A text can be cast to it, or the cast is refused by name."""
    reader = readers[engine]
    query = Query(table_name(reader.served, "odd"), Selection((Field(Path("c_text"), name),)))

    if engine in CASTS[name].engines:
        assert reader.page(query).rows() == []
    else:
        with pytest.raises(NotOffered, match="cast to"):
            reader.page(query)


FAILING_CASTS = [
    ("many", "integer", "22P02"), ("1.5", "integer", "22P02"), ("99999999999", "integer", "22003"), ("-32769", "smallint", "22003"),
    ("many", "numeric", "22P02"), ("many", "double precision", "22P02"), ("many", "boolean", "22P02"),
    ("many", "date", "22007"), ("many", "timestamp", "22007"), ("2024-02-30", "date", "22008"), ("2024-01-02 25:00", "timestamp", "22008"),
]  # fmt: skip


@pytest.fixture(scope="module")
def uncastable():
    """A driver for each engine, whose table has a row for each cast that fails."""
    rows = ", ".join(f"({index}, '{text}')" for index, (text, _, _) in enumerate(FAILING_CASTS))
    with ExitStack() as stack:
        found = {}
        for engine in ENGINE_NAMES:
            url = stack.enter_context(make_database(engine))
            script = f"CREATE TABLE word (id integer PRIMARY KEY, t varchar(40));\nINSERT INTO word VALUES {rows};\n"
            found[engine] = TableReadDriver(stack.enter_context(serve(url, script)), READ_RIGHTS)
        yield found


@pytest.mark.parametrize("index", range(len(FAILING_CASTS)))
@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_a_cast_that_fails_says_why(uncastable, engine, index):
    """The SQLSTATE is the same on every engine, wherever the cast stands in the statement, and the message is of no column."""
    reader, (_, cast, code) = uncastable[engine], FAILING_CASTS[index]
    field, row = Field(Path("t"), cast), Compare(Path("id"), "eq", str(index))
    table = table_name(reader.served, "word")

    several = Compare(Path("id"), "in", (str(index), "99"))
    for items, where in (((field,), row), ((Aggregate("count", Path("t"), cast),), row), ((field,), several)):
        with pytest.raises(QaplaError) as raised:
            reader.page(Query(table, Selection(items), where))

        assert (raised.value.code, raised.value.status) == (code, 400)
        assert "column" not in raised.value.message
        assert engine != "mariadb" or raised.value.message.endswith(cast)


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"])
def test_bits_are_cast_by_their_digits_or_their_number(engine):
    """To a text of all zeros and ones, or to the number that they are."""
    script = "CREATE TABLE flag (id integer PRIMARY KEY, b bit(5));\nINSERT INTO flag VALUES (1, b'10101'), (2, b'00001'), (3, NULL);\n"
    casts = ("text", "integer", "bigint")

    with make_database(engine) as url, serve(url, script) as served:
        select = Selection((*(Field(Path("b"), cast, cast) for cast in casts), Field(Path("b"))))
        rows = TableReadDriver(served, READ_RIGHTS).page(Query(table_name(served, "flag"), select)).rows()

    assert [row.pop("b") for row in rows] == [row["text"] for row in rows] == ["10101", "00001", None]
    assert [(row["integer"], row["bigint"]) for row in rows] == [(21, 21), (1, 1), (None, None)]
