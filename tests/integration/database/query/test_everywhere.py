"""Any question has one answer: SQLite, PostgreSQL and MariaDB give the one that Python computes from the rows, ugly ones included.

``QAPLA_TEST_EXAMPLES=5000`` asks more questions, other ones each time.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from decimal import Decimal
from itertools import count
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from qapla.database.query.description import Aggregate, And, Compare, Embed, Exists, Field, Not, Or, Order, Path, Query, Selection, Window
from qapla.driver.table_read import TableReadDriver
from qapla.plugins.rest.printing import print_query
from qapla.ports import READ_RIGHTS
from qapla.testing.reference import Json, Reference
from qapla.testing.served import serve, table_name
from qapla.testing.servers import ENGINE_NAMES, make_database

MORE = int(os.environ.get("QAPLA_TEST_EXAMPLES", "0"))
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
asked = settings(
    max_examples=MORE or 250, derandomize=not MORE, deadline=None, database=None, phases=PHASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip

TYPES = {
    "sqlite": {"text": "TEXT", "real": "REAL", "bool": "BOOLEAN", "at": "TIMESTAMP", "json": "JSON"},
    "postgresql": {"text": 'text COLLATE "C"', "real": "double precision", "bool": "boolean", "at": "timestamp", "json": "jsonb"},
    "mariadb": {
        "text": "text CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", "real": "double", "bool": "tinyint(1)", "at": "datetime(6)",
        "json": "json",
    },
}  # fmt: skip
SCRIPT = """
CREATE TABLE author (id integer PRIMARY KEY, name {text}, boss_id integer, b {bool},
  CONSTRAINT boss FOREIGN KEY (boss_id) REFERENCES author (id));
CREATE TABLE book (id integer PRIMARY KEY, author_id integer, editor_id integer, n integer, d numeric(12,3), f {real}, t {text}, b {bool},
  day date, at {at}, j {json},
  CONSTRAINT writer FOREIGN KEY (author_id) REFERENCES author (id), CONSTRAINT editor FOREIGN KEY (editor_id) REFERENCES author (id));
CREATE TABLE tag (id integer PRIMARY KEY, t {text});
CREATE TABLE book_tag (book_id integer NOT NULL, tag_id integer NOT NULL, since date, PRIMARY KEY (book_id, tag_id),
  CONSTRAINT tagged FOREIGN KEY (book_id) REFERENCES book (id), CONSTRAINT tagging FOREIGN KEY (tag_id) REFERENCES tag (id));
"""
TEXTS = [
    "", " ", "a", "A", "a ", " a", "ä", "Ä", "a\u0308", "ß", "O'Brien", 'say "x"', "a\\b", "100%", "_", "*", "a*b", "a,b", "(x)", "{y}",
    "😀", "null", "NULL", "true", "line\nbreak", "tab\t", "\u200b", "zebra", "0", "00", "x" * 300, "\u001f", "</script>", "--", "a;b",
    "日本",
]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 7, 2147483647, -2147483648]
DECIMALS = ["0", "0.001", "-0.5", "1.5", "2.5", "123456789.125", "-99999.999"]
REALS = ["0.0", "0.1", "-0.125", "1e300", "-1e-300", "3.0", "0.30000000000000004"]
DAYS = ["0001-01-01", "1999-12-31", "2000-02-29", "2024-01-02", "9999-12-31"]
TIMES = ["0001-01-01T00:00:00", "2024-01-02T03:04:05", "2024-01-02T03:04:05.25", "2024-01-02T23:59:59.999999", "9999-12-31T00:00:00"]
DOCUMENTS = [
    {"a": 1, "s": "x", "k": [1, "x"]}, {"a": "1", "s": "X ", "n": 10}, {"a": None, "s": "", "n": 9}, {"a": True, "n": -5},
    {"a": [], "k": []}, {"a": {"b": 1}, "s": 'é"\\', "n": 0}, {}, [1, 2], [], [[1]], 5, "x", True, {"a": 1.5, "n": 100},
    {"a": 10, "k": ["x", None, True]}, {"a": 9},
    {"a b": 1, 'q"': 2}, {"a": "ä😀", "s": "ä😀"}, {"a": False}, {"a": -3}, {"a": 1.50}, {"a": 123456789012345678901234567890},
]  # fmt: skip


def pick(values, index):
    """Return one of *values*, or NULL now and then."""
    return None if index % (len(values) + 1) == len(values) else values[index % (len(values) + 1)]


def exact(value):
    """Return a document with decimals, as the answers have them."""
    return Json(json.loads(json.dumps(value), parse_float=Decimal)) if value is not None else None


def make_rows():
    """Make the rows of all tables."""
    authors = [
        {"id": index, "name": pick(TEXTS, index * 5), "boss_id": None if index < 3 else index // 2, "b": (True, False, None)[index % 3]}
        for index in range(1, 13)
    ]
    books = [
        {
            "id": index, "author_id": None if index % 9 == 0 else index % 11 + 1, "editor_id": None if index % 2 else index % 5 + 1,
            "n": pick(NUMBERS, index), "d": decimal(pick(DECIMALS, index // 2)), "f": decimal(pick(REALS, index)),
            "t": pick(TEXTS, index), "b": (True, False, None)[index % 3], "day": pick(DAYS, index // 3), "at": pick(TIMES, index),
            "j": exact(pick(DOCUMENTS, index)),
        }
        for index in range(1, 61)
    ]  # fmt: skip
    tags = [{"id": index, "t": pick(TEXTS, index)} for index in range(1, 9)]
    links = [{"book_id": book, "tag_id": book % 7 + 1, "since": pick(DAYS, book)} for book in range(1, 40)]
    links += [{"book_id": book, "tag_id": 8, "since": None} for book in range(1, 30, 3)]
    return {"author": authors, "book": books, "tag": tags, "book_tag": links}


def decimal(text):
    """Return the number of a text."""
    return None if text is None else Decimal(text)


def literal(value, engine):
    """Return a value in SQL."""
    if isinstance(value, Json):
        value = json.dumps(value.value, default=float)
    if isinstance(value, str):
        # Statements of a script end with a semicolon at the end of a line: no value may have one.
        if engine == "postgresql":
            return f"convert_from('\\x{value.encode().hex()}', 'UTF8')"
        return f"CAST(x'{value.encode().hex()}' AS TEXT)" if engine == "sqlite" else f"CONVERT(x'{value.encode().hex()}' USING utf8mb4)"
    return "NULL" if value is None else str(value).upper()


POSTGRESQL_TYPES = {"day": "date", "since": "date", "at": "timestamp", "j": "jsonb"}  # of what a text is not taken for


def insert(table, rows, engine):
    """Return the statement that inserts *rows*."""
    values = ", ".join("(" + ", ".join(cell(*item, engine) for item in row.items()) + ")" for row in rows)
    return f"INSERT INTO {table} VALUES {values};\n"


def cell(name, value, engine):
    """Return the value of a column in SQL; a time stamp with a space, as SQLite and MariaDB have it."""
    text = literal(value.replace("T", " ") if name == "at" and value else value, engine)
    return f"CAST({text} AS {POSTGRESQL_TYPES[name]})" if engine == "postgresql" and name in POSTGRESQL_TYPES else text


ROWS = make_rows()


@pytest.fixture(scope="module")
def everywhere():
    """The same rows on every engine, and the reference of each."""
    with ExitStack() as stack:
        found = []
        for engine in ENGINE_NAMES:
            url = stack.enter_context(make_database(engine))
            script = SCRIPT.format(**TYPES[engine]) + "".join(insert(table, rows, engine) for table, rows in ROWS.items())
            served = stack.enter_context(serve(url, script))
            found.append((engine, TableReadDriver(served, READ_RIGHTS), Reference(served.schema, ROWS)))
        yield found


# -- questions --------------------------------------------------------------------------------------------------------------------------

COLUMNS = {
    "author": {"id": "integer", "name": "text", "boss_id": "integer", "b": "boolean"},
    "book": {
        "id": "integer", "author_id": "integer", "n": "integer", "d": "decimal", "f": "real", "t": "text", "b": "boolean", "day": "date",
        "at": "timestamp", "j": "json",
    },
    "tag": {"id": "integer", "t": "text"},
    "book_tag": {"book_id": "integer", "tag_id": "integer", "since": "date"},
}  # fmt: skip
OPERANDS = {
    "integer": st.sampled_from([*map(str, NUMBERS), "3", "5"]),
    "decimal": st.sampled_from([*DECIMALS, "3", "0.50"]),
    "real": st.sampled_from([*REALS, "2"]),
    "text": st.sampled_from(TEXTS),
    "date": st.sampled_from([*DAYS, "2020-06-01"]),
    "timestamp": st.sampled_from([*TIMES, "2024-01-02T03:04:06"]),
    "json": st.sampled_from(["1", "1.0", '"1"', '"x"', "null", "true", "10", "9", '""', '"ä😀"', "-3", "123456789012345678901234567890"]),
}
PATTERNS = ["a*", "*b*", "%", "_", "A%", "*\\%", "a\\*b", "*,b", "*\\\\*", "(x)", "*\n*", "日_", "😀"]
ASCII_PATTERNS = [each for each in PATTERNS if each.isascii()]
REGEXES = ["^a", "b$", "[0-9]+", "^.$", "(x|y)", "", "a{1,2}", "^a.b$", "日"]
CONTAINED = [
    "1", '"x"', "[1]", '["x"]', "[]", '{"a": 1}', '{"k": ["x"]}', '{"a": {"b": 1}}', "{}", '{"a": null}', "[null, true]", '{"s": ""}',
]  # fmt: skip
CONTAINERS = ["[1, 2, 3]", "[]", "5", '"x"', '["x", true, 5]']
RELATIONS = {  # table: relation, hint, target, is to one
    "author": [
        ("boss", None, "author", True), ("author", "boss", "author", False), ("book", "writer", "book", False),
        ("book", "editor", "book", False),
    ],
    "book": [
        ("writer", None, "author", True), ("author", "editor", "author", True), ("tag", None, "tag", False),
        ("book_tag", None, "book_tag", False),
    ],
    "tag": [("book", None, "book", False), ("book_tag", "tag_id", "book_tag", False)],
    "book_tag": [("book", None, "book", True), ("tag_id", None, "tag", True)],
}  # fmt: skip
JSON_PATHS = [Path("j", ("a",)), Path("j", ("k", 0)), Path("j", ("k", -1)), Path("j", (1,)), Path("j", ("a b",)), Path("j", ('q"',))]
TEXT_PATHS = [Path("j", ("s",), True), Path("j", ("k", 1), True)]
PLAIN_CASTS = {
    "integer": ["text", "numeric", "bigint"], "boolean": ["text", "integer"], "date": ["text", "timestamp"], "timestamp": ["date"],
}  # fmt: skip


@st.composite
def comparisons(draw, table):
    """Make a comparison."""
    column = draw(st.sampled_from(sorted(COLUMNS[table])))
    kind = COLUMNS[table][column]
    if kind == "boolean":
        return Compare(Path(column), "is", draw(st.sampled_from(["true", "false", "null", "not_null", "unknown"])))
    operators = ["eq", "neq", "gt", "gte", "lt", "lte", "in", "isdistinct", "is", "any", "all"]
    path = Path(column)
    if kind == "json":
        path = draw(st.sampled_from([path, *JSON_PATHS, *TEXT_PATHS]))
        operators = ["eq", "neq", "in", "isdistinct", "is"] if path.as_text else [*operators, "cs", "cd"]
    if kind == "text":
        operators += ["like", "ilike", "match"]
    operator = draw(st.sampled_from(operators))
    operands = OPERANDS["text"] if path.as_text else OPERANDS[kind]
    if operator in ("in", "any", "all"):
        chosen = tuple(draw(st.lists(operands, min_size=operator != "in", max_size=3)))
        if operator == "in":
            return Compare(path, "in", chosen)
        return Compare(path, draw(st.sampled_from(["eq", "gt", "lt"])), chosen, operator)
    special = {"is": ["null", "not_null"], "like": PATTERNS, "ilike": ASCII_PATTERNS, "match": REGEXES, "cs": CONTAINED, "cd": CONTAINERS}
    return Compare(path, operator, draw(st.sampled_from(special[operator]) if operator in special else operands))


@st.composite
def conditions(draw, table, embeds=(), depth=2):
    """Make conditions, some deep, some empty."""
    form = draw(st.sampled_from(["test", "test", "not", "and", "or"])) if depth else "test"
    if form == "test":
        return Exists(draw(st.sampled_from(embeds))) if embeds and draw(st.booleans()) else draw(comparisons(table))
    inner = conditions(table, embeds, depth - 1)
    if form == "not":
        return Not(draw(inner))
    parts = tuple(draw(st.lists(inner, max_size=3)))
    return And(parts) if form == "and" else Or(parts)


@st.composite
def orders(draw, table, embeds=()):
    """Make an order, by related rows, too."""
    sortable = sorted(name for name, kind in COLUMNS[table].items() if kind != "json")  # MariaDB sorts whole documents by their text
    columns = draw(st.lists(st.sampled_from(sortable), min_size=1, max_size=2, unique=True))
    terms = [Order(Path(each), draw(st.booleans()), draw(st.sampled_from([None, "first", "last"]))) for each in columns]
    if table == "book" and draw(st.booleans()):
        terms.insert(0, Order(draw(st.sampled_from(JSON_PATHS + TEXT_PATHS)), draw(st.booleans())))
    for name, target in embeds:
        if draw(st.booleans()):
            terms.insert(0, Order(Path(draw(st.sampled_from(sorted(set(COLUMNS[target]) - {"j"})))), draw(st.booleans()), None, name))
    return tuple(terms)


@st.composite
def selections(draw, table, depth, numbers):
    """Make a selection whose cells have different names."""
    items = []
    for column in draw(st.lists(st.sampled_from(sorted(COLUMNS[table])), min_size=1, max_size=3)):
        kind = COLUMNS[table][column]
        path = draw(st.sampled_from([Path("j"), *JSON_PATHS, *TEXT_PATHS])) if kind == "json" else Path(column)
        casts = [None, *PLAIN_CASTS.get(kind, [])]
        items.append(Field(path, draw(st.sampled_from(casts)), f"c{next(numbers)}"))
    if table == "book" and draw(st.booleans()):
        items.append(Field(Path("j", ("n",), True), draw(st.sampled_from(["integer", "numeric", "text"])), f"c{next(numbers)}"))
    for _ in range(draw(st.integers(0, 2)) if depth else 0):
        items.append(draw(embeds(table, depth - 1, numbers)))
    return Selection(tuple(items))


@st.composite
def embeds(draw, table, depth, numbers):
    """Make an embed with all that it can have."""
    relation, hint, target, is_one = draw(st.sampled_from(RELATIONS[table]))
    spread = draw(st.booleans())
    select = draw(selections(target, depth, numbers))
    if not spread and not is_one and draw(st.integers(0, 3)) == 0:
        column = draw(st.sampled_from(sorted(name for name, kind in COLUMNS[target].items() if kind not in ("json", "real"))))
        select = Selection((Field(Path(column)), Aggregate("count", alias="rows")))
        return Embed(relation, hint, f"e{next(numbers)}", "left", False, select, draw(st.none() | conditions(target)))
    window = Window(draw(st.none() | st.integers(0, 3)), draw(st.integers(0, 1))) if not is_one else Window()
    alias = f"e{next(numbers)}" if not spread else None
    where, join = draw(st.none() | conditions(target)), draw(st.sampled_from(["left", "left", "inner"]))
    return Embed(relation, hint, alias, join, spread, select, where, draw(orders(target)), window)


@st.composite
def lists(draw):
    """Make a question for a list."""
    table = draw(st.sampled_from(sorted(COLUMNS)))
    select = draw(selections(table, 2, count()))
    named = [embed.alias for embed in select.embeds if embed.alias]
    ones = {name: target for name, hint, target, is_one in RELATIONS[table] if is_one and hint is None}
    sorting = [(each.alias, ones[each.relation]) for each in select.embeds if each.alias and each.relation in ones and each.hint is None]
    where = draw(st.none() | conditions(table, named))
    return table, select, where, draw(orders(table, sorting)), Window(draw(st.integers(1, 30)), draw(st.integers(0, 5)))


@st.composite
def groups(draw):
    """Make a question for groups."""
    keys = draw(st.lists(st.sampled_from(["author_id", "n", "t", "b", "day"]), max_size=2, unique=True))
    items = [Field(Path(key)) for key in keys]
    if draw(st.booleans()):
        items.append(Embed("writer", None, "w", "left", False, Selection((Field(Path("b")),))))
    if draw(st.booleans()):
        items.append(Embed("author", "editor", None, "left", True, Selection((Field(Path("boss_id"), alias="chief"),))))
    functions = draw(st.lists(st.sampled_from(["sum", "max", "min", "count", "avg"]), min_size=1, max_size=3, unique=True))
    for function in functions:
        column = draw(st.sampled_from(["n", "d", "id"] if function in ("sum", "avg") else ["n", "d", "t", "day", "id"]))
        items.append(Aggregate(function, Path(column), alias=f"a_{function}"))
    items.append(Aggregate("sum", Path("j", ("n",), True), "integer", alias="sizes"))
    return Selection(tuple(items)), draw(st.none() | conditions("book"))


# -- answers ----------------------------------------------------------------------------------------------------------------------------


def plain(value):
    """Return a value so that equal numbers are equal, whatever their digits; averages have as many as their engine likes."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    return f"{Decimal(str(value)):.10e}" if value else "0"


def unordered(rows):
    """Return rows in an order of their own."""
    return sorted((json.dumps(row, sort_keys=True) for row in rows), key=str)


@asked
@given(lists())
def test_a_list_is_the_same_everywhere(everywhere, question):
    """Filters, orders, windows, JSON, casts, embeds of any kind and depth, spreads: the rows and how many there are."""
    name, select, where, order, window = question

    for engine, reader, reference in everywhere:
        query = Query(table_name(reader.served, name), select, where, order, window, "exact")
        note(f"{engine}: {name}?{unquote(print_query(query))}")
        rows, total = reference.answer(query)
        page = reader.page(query)

        assert (engine, plain(page.rows())) == (engine, with_sorted_groups(plain(rows), page)), engine
        assert page.total == total


def with_sorted_groups(rows, page):
    """Return *rows*: the groups inside embeds come in any order, so they are put in that of the answer."""
    return [align(row, seen) for row, seen in zip(rows, plain(page.rows()), strict=False)] + rows[page.count_rows :]


def align(expected, seen):
    """Return *expected* with lists of groups in the order in which they were *seen*."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        return {key: align(value, seen.get(key)) for key, value in expected.items()}
    if isinstance(expected, list) and isinstance(seen, list) and len(expected) == len(seen):
        if expected and isinstance(expected[0], dict) and "rows" in expected[0] and unordered(expected) == unordered(seen):
            return seen
        return [align(*pair) for pair in zip(expected, seen, strict=True)]
    return expected


@settings(asked, max_examples=MORE or 80)
@given(groups())
def test_groups_are_the_same_everywhere(everywhere, question):
    """Aggregates of columns and JSON, grouped by columns, embeds and what is spread."""
    select, where = question

    for engine, reader, reference in everywhere:
        query = Query(table_name(reader.served, "book"), select, where)
        note(f"{engine}: book?{unquote(print_query(query))}")
        rows, _ = reference.answer(query)

        assert unordered(plain(reader.page(query).rows())) == unordered(plain(rows)), engine
