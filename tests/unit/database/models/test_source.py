"""Source of models: names that Python can have, text that is nothing but literals, the plainest word for a type."""

from __future__ import annotations

import ast

import pytest
import sqlalchemy as sa

from qapla.database.models.source import make_source
from qapla.database.models.source.fields import default_sql, escaped
from qapla.database.models.source.names import Names, attribute_name, class_name, singular
from qapla.database.models.source.text import broken, call, docstring, literal
from qapla.database.models.source.types import choose_word, split_name
from qapla.database.schema.construction import Built, Check, Construction, Index, NamedType, Part
from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Identity, Key, Kind, Table, TableName

EVIL = [
    '"""\nimport os; os.system("x")\n"""',
    "'); import os #",
    "x = __import__('os')",
    "a\nb",
    "\\",
    '\\"""',
    "{0}{x}%s %(x)s",
    "\u202eevil",
    "\x00\x1b[31m",
    "'\"'\"",
    "# noqa\nraise SystemExit",
]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("name", "name"), ("größe", "größe"), ("class", "class_"), ("2nd", "column_2nd"), ("a b", "a_b"), ("", "column"), ("😀", "column"),
        ("__class__", "class_"), ("_private", "private"), ("None", "None_"), ("a-b.c", "a_b_c"), ("ﬁeld", "field"), ("-", "column"),
    ],
)  # fmt: skip
def test_attribute_names(column: str, expected: str) -> None:
    """A name that Python can have is kept; others are made of their letters and digits."""
    assert attribute_name(column) == expected
    assert expected.isidentifier()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("orders", "Order"), ("order_lines", "OrderLine"), ("ORDER_LINES", "OrderLine"), ("HTTPLog", "HTTPLog"),
        ("2nd list", "Table2ndList"), ("", "Table"), ("-", "Table"), ("none", "NoneTable"),
        ("people", "Person"), ("Sales & Co.", "SalesCo"), ("表", "表"),
    ],
)  # fmt: skip
def test_class_names(table: str, expected: str) -> None:
    """A model is called after its table, in the singular."""
    assert class_name(table) == expected
    assert expected.isidentifier()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("orders", "order"), ("addresses", "address"), ("queries", "query"), ("boxes", "box"), ("status", "status"),
        ("statuses", "status"), ("houses", "house"),
        ("news", "news"), ("classes", "class"), ("bus", "bus"), ("series", "series"), ("People", "Person"), ("as", "as"),
    ],
)  # fmt: skip
def test_singular(word: str, expected: str) -> None:
    """A plural loses its ending; a word that is none stays."""
    assert singular(word) == expected


def test_names_are_given_once() -> None:
    """Who comes second gets the other name, then a number."""
    names = Names({"save"})

    assert [names.give("save"), names.give("a"), names.give("a", "b"), names.give("a", "b")] == ["save_2", "a", "b", "a_2"]


@pytest.mark.parametrize("value", [*EVIL, 1, 1.5, None, True, ["a", 1], ("a",), ("a", "b"), {"a b": [1]}, ""])
def test_literals(value: object) -> None:
    """A literal is read back as what it was made of."""
    assert ast.literal_eval(literal(value)) == value
    assert literal(value).isprintable()


def test_no_other_literals() -> None:
    """What is no plain value is refused, not printed."""
    with pytest.raises(TypeError, match="object has no literal"):
        literal(object())


@pytest.mark.parametrize("text", [*EVIL, "plain", "Ends with a dot.", "x" * 200, 'say "no"'])
def test_docstrings(text: str) -> None:
    """A docstring is one plain line, or one of ours."""
    found = docstring(text, "Ours.")

    [only] = ast.parse(found).body
    assert isinstance(only, ast.Expr)
    assert ast.literal_eval(only.value) in {"Ours.", text, f"{text}."}


def test_long_calls_are_broken() -> None:
    """A call too long for a line has a line for each argument, a text too long for one is cut into pieces."""
    text = "words and words " * 20

    lines = call("f", ["1", f"comment={literal(text)}"], 4, before="x = ")

    assert len(lines) > 5
    assert max(map(len, lines)) <= 120
    [assignment] = ast.parse("\n".join(line[4:] for line in lines)).body
    assert isinstance(assignment, ast.Assign)
    assert isinstance(assignment.value, ast.Call)
    assert ast.literal_eval(assignment.value.keywords[0].value) == text


def test_what_is_no_text_is_not_broken() -> None:
    """Code that is too long stays in its line."""
    assert broken("lambda: " + "a + " * 40 + "a", 0) == ["lambda: " + "a + " * 40 + "a,"]


@pytest.mark.parametrize(
    ("engine", "found", "expected"),
    [
        ("postgresql", ColumnType("integer", "integer"), "Integer()"),
        ("postgresql", ColumnType("integer", "bigint"), "Integer(bits=64)"),
        ("postgresql", ColumnType("text", "character varying(40)", length=40), "Varchar(max_length=40)"),
        ("postgresql", ColumnType("decimal", "numeric(10,2)", precision=10, scale=2), "Decimal(10, 2)"),
        ("postgresql", ColumnType("json", "jsonb"), "JSON()"),
        ("postgresql", ColumnType("json", "json"), "Other(sa.JSON)"),
        ("postgresql", ColumnType("array", "integer[]", item=ColumnType("integer", "integer")), "Other(postgresql.ARRAY(sa.Integer))"),
        ("postgresql", ColumnType("enum", "mood", values=("a", "b")), 'Enum("a", "b", type_name="mood")'),
        ("postgresql", ColumnType("enum", 'x."my mood"', values=("a",)), 'Other(sa.Enum("a", name="my mood", schema="x"))'),
        ("postgresql", ColumnType("unknown", "xml"), 'Other(models.Native("xml"))'),
        ("mariadb", ColumnType("boolean", "tinyint(1)"), "Boolean()"),
        ("mariadb", ColumnType("integer", "int(10) unsigned"), "Integer(unsigned=True)"),
        ("mariadb", ColumnType("enum", "enum('a','b')", values=("a", "b")), 'Enum("a", "b")'),
        ("mariadb", ColumnType("integer", "mediumint(9)"), "Other(mysql.MEDIUMINT)"),
        ("sqlite", ColumnType("integer", "INTEGER"), "Integer()"),
        ("sqlite", ColumnType("text", "varchar(20)", length=20), "Varchar(max_length=20)"),
        ("sqlite", ColumnType("unknown", "WEIRD THING"), 'Other(models.Native("WEIRD THING"))'),
        ("oracle", ColumnType("integer", "NUMBER(5,0)", precision=5), "Other(oracle.NUMBER(5, 0))"),
    ],
)
def test_words(engine: str, found: ColumnType, expected: str) -> None:
    """The plainest word that makes the same type on the same engine."""
    word = choose_word(found, engine)

    assert f"{word.field}({', '.join(word.arguments)})" == expected


@pytest.mark.parametrize(("text", "parts"), [("mood", ["mood"]), ('"a.b"."c""d"', ["a.b", 'c"d']), ("x.y", ["x", "y"])])
def test_names_of_types(text: str, parts: list[str]) -> None:
    """A name as PostgreSQL prints it is taken apart at the point that is no part of it."""
    assert split_name(text) == parts


@pytest.mark.parametrize("engine", ["postgresql", "mariadb", "sqlite", "oracle"])
@pytest.mark.parametrize("evil", EVIL)
def test_nothing_in_a_database_becomes_code(engine: str, evil: str) -> None:
    """Names, comments, defaults, checks, types: whatever they are, the module has classes, calls and literals of ours only."""
    schema = None if engine == "sqlite" else evil
    kind = ColumnType("unknown", evil)
    enum = ColumnType("enum", f'"{evil}"', values=(evil, "b"))
    columns = (
        Column(evil, kind, comment=evil, default=evil),
        Column(f"{evil}2", enum, comment=evil),
        Column(f"{evil}3", ColumnType("array", f"{evil}[]", item=kind), default=f"nextval('{evil}'::regclass)"),
    )
    name = TableName(schema, evil)
    key = Key(evil, (evil, f"{evil}2"))
    identity = Identity("primary_key", (evil,))
    table = Table(name, "table", columns, primary_key=Key(None, (evil,)), identity=identity, unique=(key,), comment=evil)
    view = Table(TableName(schema, f"{evil} view"), "view", columns, comment=evil)
    built = Built(
        primary_key_name=evil,
        indexes=(Index(evil, (Part(evil), Part(evil, is_column=False, sorting=("desc",))), options=(("where", evil), ("using", evil))),),
        checks=(Check(evil, evil),),
        collations={evil: (None, evil)},
        options={"partition_by": evil},
    )
    described = DatabaseSchema(engine, "1", None if engine == "sqlite" else "public", (), (table, view))

    tree = ast.parse(make_source(described, Construction({name: built}, (NamedType(evil, evil),))))

    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {each.split(".")[0] for each in called} <= {"models", "sa", "orm", "postgresql", "mysql", "oracle"}
    assert {type(node) for node in tree.body} <= {ast.Expr, ast.Import, ast.ImportFrom, ast.ClassDef}


def test_nothing_known_of_how_it_is_built() -> None:
    """A description alone is enough."""
    table = Table(TableName(None, "note"), "table", (Column("id", ColumnType("integer", "INTEGER"), False, None, "by_default"),))

    assert "class Note(Model)" in make_source(DatabaseSchema("sqlite", "3", None, (), (table,)))


@pytest.mark.parametrize(
    ("engine", "kind", "default", "expected"),
    [
        ("mysql", "text", "it's \\ so", "'it''s \\\\ so'"),
        ("mysql", "integer", "5", "5"),
        ("mysql", "timestamp", "CURRENT_TIMESTAMP(3)", "CURRENT_TIMESTAMP(3)"),
        ("mariadb", "text", "'it''s'", "'it''s'"),
        ("sqlite", "text", "'x'", "'x'"),
        ("sqlite", "timestamp", "CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"),
        ("sqlite", "timestamp", "datetime('now')", "(datetime('now'))"),
        ("postgresql", "text", "'x'::text", "'x'::text"),
    ],
)
def test_defaults(engine: str, kind: Kind, default: str, expected: str) -> None:
    """A default is written as a CREATE TABLE takes it; catalogs leave out quotes or brackets."""
    assert default_sql(Column("a", ColumnType(kind, kind), default=default), engine) == expected


def test_no_parameters() -> None:
    """SQL in which something looks like a parameter means itself."""
    sql = "'a:b'::text || ' :c' || \'d\'"

    assert str(sa.text(escaped(sql)).compile()) == sql
