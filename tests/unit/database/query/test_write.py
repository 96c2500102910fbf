"""Statements of writes, without a server."""

from __future__ import annotations

import pytest

from qapla.database.query.description import MISSING, Insert, OnConflict, Update
from qapla.database.query.merge import merge_statements
from qapla.database.query.sql import Sql
from qapla.database.query.write import (
    NOTHING,
    column_list,
    default_of,
    delete_statement,
    insert_statements,
    key_where,
    resolve_changes,
    resolve_insert,
    select_statement,
    update_statement,
)
from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Identity, Key, Table, TableName
from qapla.errors import AccessError, QueryError, ReadOnly, ValueRefused
from qapla.ports import ALL_RIGHTS, FixedRights

INTEGER, TEXT = ColumnType("integer", "integer"), ColumnType("text", "text")


def schema(engine: str = "sqlite", **parts: object) -> DatabaseSchema:
    """Describe a database with one table."""
    table = Table(
        TableName(None, "pair"),
        "table",
        (
            Column("a", INTEGER, nullable=False),
            Column("b", TEXT, default="'x'"),
            Column("c%d", TEXT),
            Column("sum", INTEGER, generated="always"),
        ),
        primary_key=Key(None, ("a",)),
        identity=Identity("primary_key", ("a",)),
        **parts,  # type: ignore[arg-type]
    )
    return DatabaseSchema(engine, "1", None, (), (table,))


PAIR = TableName(None, "pair")


def texts(insert: Insert, engine: str = "sqlite", returning: Sql = NOTHING) -> list[tuple[str, tuple[object, ...]]]:
    """Return the statements of an insert."""
    resolved = resolve_insert(insert, schema(engine), ALL_RIGHTS)
    return [(statement.sql, statement.values) for statement, _ in insert_statements(resolved, engine, returning)]


def test_rows_go_together() -> None:
    """Rows of the same columns are one statement."""
    assert texts(Insert(PAIR, ("a", "b"), ((1, "x"), (2, None)))) == [
        ('INSERT INTO "pair" ("a", "b") VALUES (?, ?), (?, ?)', (1, "x", 2, None)),
    ]


def test_defaults_part_rows_but_keep_their_order() -> None:
    """A row that leaves a column to its default is a statement of its own."""
    found = texts(Insert(PAIR, ("a", "b"), ((1, "x"), (2, MISSING), (3, "y")), missing_default=True))

    assert [values for _, values in found] == [(1, "x"), (2,), (3, "y")]


@pytest.mark.parametrize(
    ("engine", "text"), [("sqlite", 'INSERT INTO "pair" DEFAULT VALUES'), ("mariadb", "INSERT INTO `pair` () VALUES ()")]
)
def test_a_row_of_nothing_takes_all_defaults(engine: str, text: str) -> None:
    """Each engine has its own words for it."""
    assert texts(Insert(PAIR, (), ((),)), engine) == [(text, ())]


def test_many_rows_are_cut() -> None:
    """No statement has more rows, or more text, than an engine takes."""
    by_rows = texts(Insert(PAIR, ("a",), tuple((number,) for number in range(1201))))
    by_size = texts(Insert(PAIR, ("a", "b"), tuple((number, "x" * 400_000) for number in range(5))))

    assert [len(values) for _, values in by_rows] == [500, 500, 201]
    assert [len(values) for _, values in by_size] == [4, 4, 2]


def test_percent_signs_are_doubled_where_the_driver_reads_them() -> None:
    """A column may be called c%d."""
    [(text, _)] = texts(Insert(PAIR, ("c%d",), (("1",),)), "postgresql", column_list(schema().tables[0], ("a",)))

    assert text == 'INSERT INTO "pair" ("c%%d") VALUES (%s) RETURNING "pair"."a"'


@pytest.mark.parametrize(
    ("columns", "action", "text"),
    [
        (("a", "b"), "merge", 'ON CONFLICT ("a") DO UPDATE SET "b" = EXCLUDED."b"'),
        (("a",), "merge", 'ON CONFLICT ("a") DO UPDATE SET "a" = EXCLUDED."a"'),
        (("a", "b"), "ignore", 'ON CONFLICT ("a") DO NOTHING'),
    ],
)
def test_conflicts_go_by_the_key(columns: tuple[str, ...], action: str, text: str) -> None:
    """Every other column is taken over, or nothing happens."""
    insert = Insert(PAIR, columns, (tuple("1" for _ in columns),), on_conflict=OnConflict(action))  # type: ignore[arg-type]

    assert texts(insert)[0][0].endswith(text)


def test_updates_and_deletes_bind_in_order() -> None:
    """Values of SET come before those of WHERE where the text has them so."""
    table = schema().tables[0]
    where = key_where(table, ("a",))

    update = update_statement(table, [("b", "new"), ("c%d", None)], where, [7], "sqlite")
    delete = delete_statement(table, where, [7], "mariadb", column_list(table, ("a",)))
    locked = [select_statement(table, ("a",), where, [7], engine, lock=True).sql for engine in ("sqlite", "postgresql")]

    assert (update.sql, update.values) == ('UPDATE "pair" SET "b" = ?, "c%d" = ? WHERE "pair"."a" = ?', ("new", None, 7))
    assert (delete.sql, delete.values) == ("DELETE FROM `pair` WHERE `pair`.`a` = %s RETURNING `pair`.`a`", (7,))
    assert [text.endswith(" FOR UPDATE") for text in locked] == [False, True]


def test_a_default_is_the_keyword_or_its_own_text() -> None:
    """SQLite cannot say SET b = DEFAULT."""
    table = schema().tables[0]
    defaults = {engine: [("b", default_of(table.by_name["b"], engine))] for engine in ("sqlite", "mariadb")}

    found = [update_statement(table, changes, Sql(()), [], engine) for engine, changes in defaults.items()]

    assert [(each.sql, each.values) for each in found] == [
        ("UPDATE \"pair\" SET \"b\" = ('x')", ()),
        ("UPDATE `pair` SET `b` = DEFAULT", ()),
    ]


@pytest.mark.parametrize(
    ("insert", "code"),
    [
        (Insert(PAIR, ("aa",), ((1,),)), "PGRST204"),
        (Insert(PAIR, ("a", "a"), ((1, 2),)), "42701"),
        (Insert(PAIR, ("a",), ((1,),), on_conflict=OnConflict("merge", ("b",))), "42P10"),
        (Insert(PAIR, ("a",), ((1,),), on_conflict=OnConflict("merge", ("z",))), "PGRST204"),
    ],
)
def test_names_that_are_wrong(insert: Insert, code: str) -> None:
    """Each has its code."""
    with pytest.raises(QueryError) as caught:
        resolve_insert(insert, schema(), ALL_RIGHTS)

    assert (caught.value.code, caught.value.status) == (code, 400)


def test_what_the_database_makes_cannot_be_written() -> None:
    """428C9, in inserts and in updates; a row that does not mention it is fine."""
    for act in (
        lambda: resolve_insert(Insert(PAIR, ("sum",), ((1,),)), schema(), ALL_RIGHTS),
        lambda: resolve_changes(Update(PAIR, (("sum", 1),)), schema(), ALL_RIGHTS),
    ):
        with pytest.raises(ValueRefused) as caught:
            act()
        assert caught.value.code == "428C9"

    assert texts(Insert(PAIR, ("a", "sum"), ((1, MISSING),))) == [('INSERT INTO "pair" ("a") VALUES (?)', (1,))]


def test_tables_that_take_nothing_say_so() -> None:
    """405, naming the table."""
    with pytest.raises(ReadOnly) as caught:
        resolve_insert(Insert(PAIR, ("a",), ((1,),)), schema(insertable=False), ALL_RIGHTS)

    assert "'pair'" in caught.value.message


def test_rights_are_asked_for_each_column() -> None:
    """Who may not set a column is told which."""

    class Some(FixedRights):
        def allows(self, operation: object, schema: str | None, table: str, column: str | None = None) -> bool:
            return column != "b"

    with pytest.raises(AccessError) as caught:
        resolve_insert(Insert(PAIR, ("a", "b"), ((1, "x"),)), schema(), Some(frozenset()))

    assert "pair.b" in caught.value.message


def test_merges_where_there_is_no_on_conflict() -> None:
    """Oracle: the given rows are matched by the columns of the conflict; ignored, what is there stays."""
    rows = ((1, "x"), (2, MISSING), (3, "z"))
    merge, ignore = (
        resolve_insert(Insert(PAIR, ("a", "b"), rows, missing_default=True, on_conflict=OnConflict(action)), schema("oracle"), ALL_RIGHTS)
        for action in ("merge", "ignore")
    )

    first, second, third = (statement for statement, _ in merge_statements(merge, "oracle"))

    assert first.sql == (
        'MERGE INTO "pair" USING (SELECT :1 AS "a", :1 AS "b" FROM DUAL) "given" ON ("pair"."a" = "given"."a")'
        ' WHEN MATCHED THEN UPDATE SET "pair"."b" = "given"."b"'
        ' WHEN NOT MATCHED THEN INSERT ("a", "b") VALUES ("given"."a", "given"."b")'
    )
    assert [statement.values for statement in (first, second, third)] == [(1, "x"), (2,), (3, "z")]
    assert "MATCHED THEN UPDATE" not in second.sql + next(merge_statements(ignore, "oracle"))[0].sql


def test_oracle_takes_one_row_in_values() -> None:
    """Elsewhere many of them are one statement."""
    insert = Insert(PAIR, ("a",), ((1,), (2,)))

    assert [len(texts(insert, engine)) for engine in ("oracle", "postgresql")] == [2, 1]
