"""compile: a resolved query → one statement, made once per shape."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from qapla.database.catalog import Options
from qapla.database.query.compile import MAX_STATEMENTS, Compiler, compile
from qapla.database.query.description import Aggregate, Compare, Cursor, Embed, Field, Order, Path, Query, Selection, Window
from qapla.database.query.resolve import resolve
from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, ForeignKey, Identity, Key, Table, TableName
from qapla.database.schema.relations import derive
from qapla.errors import AccessError, NotAuthenticated, NotFound, NotOffered, QueryError, TooLarge, ValueRefused
from qapla.ports import NO_RIGHTS, READ_RIGHTS

INTEGER, TEXT, JSON = ColumnType("integer", "integer"), ColumnType("text", "text"), ColumnType("json", "json")
ENGINES = ("postgresql", "mariadb", "mysql", "sqlite")


def table(schema, name, *columns, key=("id",), foreign_keys=()):
    return Table(
        TableName(schema, name),
        "table",
        columns,
        Key(None, key) if key else None,
        Identity("primary_key", key) if key else Identity("none"),
        foreign_keys=foreign_keys,
    )


def make_schema(engine="postgresql"):
    """Two tables with odd names, one of them without a key."""
    schema = None if engine == "sqlite" else "s"
    client = table(schema, 'cli"ent', Column("id", INTEGER, nullable=False), Column("na`me%", TEXT))
    order = table(
        schema,
        "order",
        Column("id", INTEGER, nullable=False),
        Column("client_id", INTEGER),
        Column("data", JSON),
        foreign_keys=(ForeignKey("fk", ("client_id",), client.name, ("id",)),),
    )
    log = table(schema, "log", Column("line", TEXT), key=())
    tables = (client, order, log)
    return DatabaseSchema(engine, "1", schema, (schema,) if schema else (), tables, derive(tables))


def statement(query_parts, engine="postgresql", cache=None, **window):
    schema = make_schema(engine)
    name, *parts = query_parts
    query = Query(TableName(schema.default_schema, name), *parts, **window)
    return compile(resolve(query, schema, READ_RIGHTS), schema, {} if cache is None else cache)


@dataclass(frozen=True)
class ColumnRights:
    """Rights on everything but one column."""

    hidden: str
    authenticated: bool = True

    def allows(self, operation, schema, table, column=None):
        return column != self.hidden


class TestCompile:
    """compile(resolved, schema, cache)"""

    def test_values_are_bound(self):
        """What a caller typed is in the values and nowhere in the text."""
        found = statement(("order", Selection((Field(Path("id")),)), Compare(Path("client_id"), "in", ("7", "8"))), "sqlite")

        assert found.sql.endswith('FROM "order" AS "t0" WHERE ("t0"."client_id" IN (?, ?))')
        assert found.values == (7, 8)

    @pytest.mark.parametrize(
        ("engine", "column"),
        [("postgresql", '"t0"."na`me%%"'), ("mariadb", "`t0`.`na``me%%`"), ("mysql", "`t0`.`na``me%%`"), ("sqlite", '"t0"."na`me%"')],
    )
    def test_identifiers_are_quoted_and_qualified(self, engine, column):
        """Quotes inside are doubled, and so is % where the driver would read it."""
        assert column in statement(('cli"ent',), engine).sql

    def test_a_shape_is_compiled_once(self, monkeypatch):
        """Other operands, another limit, another cursor of the same order: the text is looked up."""
        made = []
        make = Compiler.make_list
        monkeypatch.setattr(Compiler, "make_list", lambda self, read: made.append(read) or make(self, read))
        cache = {}

        for value, limit in (("1", 5), ("2", 6), ("3", 7)):
            where = Compare(Path("id"), "gt", value)
            window = Window(limit=limit, offset=limit, after=Cursor((), (int(value),)))
            found = statement(("order",), cache=cache, where=where, window=window)
            assert found.values == (value, value, limit + 1, limit)

        assert len(made) == len(cache) == 1

    def test_what_changes_the_text_changes_the_shape(self):
        """A NULL in a cursor, a number of operands, an operator: another statement."""
        cache = {}
        order = (Order(Path("client_id")),)

        statement(("order",), cache=cache, order=order, window=Window(limit=1, after=Cursor(order, (1, 1))))
        statement(("order",), cache=cache, order=order, window=Window(limit=1, after=Cursor(order, (None, 1))))
        statement(("order",), cache=cache, where=Compare(Path("id"), "in", ("1",)))
        statement(("order",), cache=cache, where=Compare(Path("id"), "in", ("1", "2")))
        statement(("order",), cache=cache, where=Compare(Path("id"), "gt", "1"))

        assert len(cache) == 5

    def test_the_cache_is_bounded(self):
        """The oldest statements make room, so that nobody fills the memory with shapes."""
        cache = {}

        for count in range(MAX_STATEMENTS + 20):
            cache.setdefault(("old", count), None)
        statement(("order",), cache=cache)

        assert len(cache) == MAX_STATEMENTS
        assert ("old", 0) not in cache

    @pytest.mark.parametrize("engine", ENGINES)
    def test_an_embed_is_part_of_the_statement(self, engine):
        """One SELECT text, with the related rows inside."""
        select = Selection((Field(Path("id")), Embed("order", order=(Order(Path("id")),), window=Window(limit=3))))

        found = statement(('cli"ent', select), engine)

        assert found.values == (3,)
        assert "t1" in found.sql

    @pytest.mark.parametrize(("nulls", "value", "reads"), [("last", 7, 2), ("first", 7, 1), ("last", None, 1)])
    def test_nulls_that_come_last_are_a_read_of_their_own(self, nulls, value, reads):
        """Behind a value in a column whose NULLs come last there are two reads, each of which enters an index: no OR between them."""
        order = (Order(Path("client_id"), nulls=nulls),)

        found = statement(("order",), order=order, window=Window(limit=2, after=Cursor(order, (value, 5))))

        assert found.sql.count(" UNION ALL ") == reads - 1
        assert (" IS NULL OR " in found.sql) is False

    def test_a_page_by_key_uses_row_comparison(self):
        """Where an index can serve it, the place is one comparison of rows."""
        order = (Order(Path("id")),)

        found = statement(("order",), order=order, window=Window(limit=2, after=Cursor(order, (5,))))

        assert '(("t0"."id") > (%s))' in found.sql
        assert found.values == ("5", 3)

    def test_oracle_is_not_read_yet(self):
        """An engine without a renderer is refused by name."""
        with pytest.raises(NotOffered, match="Oracle"):
            statement(("order",), "oracle")


class TestResolve:
    """resolve(query, schema, rights)"""

    @pytest.mark.parametrize(
        ("parts", "error", "code", "words"),
        [
            (("ordr",), NotFound, "PGRST205", "'order'"),
            (("order", Selection((Field(Path("nope")),))), QueryError, "42703", "order.nope does not exist"),
            (("order", Selection((Field(Path("clientid")),))), QueryError, "42703", "'client_id'"),
            (("order", Selection(()), Compare(Path("nope"), "eq", "1")), QueryError, "42703", "nope"),
            (("order", Selection(()), Compare(Path("id"), "equals", "1")), QueryError, "PGRST100", "'equals'"),
            (("order", Selection(()), Compare(Path("id"), "is", "nil")), QueryError, "PGRST100", "is.null"),
            (("order", Selection(()), Compare(Path("id"), "is", "true")), QueryError, "42804", "'id'"),
            (("order", Selection(()), Compare(Path("id"), "like", "1*")), QueryError, "42883", "'like'"),
            (("log", Selection(()), Compare(Path("line"), "like", "a\\")), ValueRefused, "22025", "escape"),
            (("log", Selection(()), Compare(Path("line"), "eq", "a\0")), ValueRefused, "22021", "NUL"),
            (("log", Selection(()), Compare(Path("line"), "eq", "\ud800")), ValueRefused, "22021", "Unicode"),
            (("log", Selection(()), Compare(Path("line"), "is", "null", "any")), QueryError, "PGRST100", "any"),
            (("log", Selection(()), Compare(Path("line"), "eq", "x", argument="english")), QueryError, "PGRST100", "english"),
            (("order", Selection((Field(Path("id"), cast="regclass"),))), NotOffered, "QAPLA100", "regclass"),
            (("order", Selection((Field(Path("id", ("a",))),))), QueryError, "42883", "integer"),
            (("order", Selection((Embed("clients"),))), QueryError, "PGRST200", "clients"),
            (
                ('cli"ent', Selection((Embed("order", None, None, "left", True, Selection((Aggregate("count"),))),))),
                QueryError,
                "PGRST127",
                "F",
            ),
            (('cli"ent', Selection(()), None, (Order(Path("id"), embed="order"),)), QueryError, "PGRST118", "order"),
            (("log", Selection(()), None, (), Window(after=Cursor((), ()))), QueryError, "PGRST100", "has none"),
            (("order", Selection(()), None, (), Window(after=Cursor((Order(Path("id")),), (1,)))), QueryError, "PGRST100", "another order"),
            (("order", Selection(()), None, (), Window(after=Cursor((), (1, 2)))), QueryError, "PGRST100", "does not fit"),
        ],
    )
    def test_what_is_wrong_is_named(self, parts, error, code, words):
        """Every refusal has its code, and names the thing."""
        with pytest.raises(error) as caught:
            statement(parts)

        assert caught.value.code == code
        assert words in str(caught.value)
        assert caught.value.status < 500

    @pytest.mark.parametrize("engine", ["sqlite", "mariadb"])
    def test_what_an_engine_has_not_got_is_refused_by_name(self, engine):
        """The message has the operator and the engine, the hint what to use instead."""
        with pytest.raises(NotOffered, match=r"operator 'ov' is not offered by .* \(.+\)"):
            statement(("order", Selection(()), Compare(Path("data"), "ov", "{}")), engine)

    def test_a_condition_is_bounded(self):
        """Hundreds of comparisons are refused before they are a statement."""
        with pytest.raises(TooLarge):
            statement(("order", Selection(()), Compare(Path("id"), "eq", ("1",) * 500, "any")))

    def test_embeds_are_bounded(self):
        """Deeper than ``max_embed_depth`` is refused."""
        schema = make_schema()
        embed = Embed("order", select=Selection((Embed('cli"ent'),)))

        with pytest.raises(TooLarge, match="deeper than 1"):
            resolve(Query(TableName("s", 'cli"ent'), Selection((embed,))), schema, READ_RIGHTS, Options(max_embed_depth=1))

    def test_aggregates_can_be_switched_off(self):
        """``db_aggregates_enabled`` off: PGRST123, as PostgREST says it."""
        query = Query(TableName("s", "order"), Selection((Aggregate("count"),)))

        with pytest.raises(QueryError) as caught:
            resolve(query, make_schema(), READ_RIGHTS, Options(db_aggregates_enabled=False))

        assert caught.value.code == "PGRST123"


class TestRights:
    """Rights are asked for every name that a query touches."""

    def test_no_rights_no_table(self):
        """Somebody unknown gets 401, and learns nothing of the columns."""
        with pytest.raises(NotAuthenticated) as caught:
            resolve(Query(TableName("s", "order"), Selection((Field(Path("nope")),))), make_schema(), NO_RIGHTS)

        assert (caught.value.status, caught.value.code) == (401, "42501")

    @pytest.mark.parametrize(
        "query",
        [
            Query(TableName("s", "order"), Selection((Field(Path("client_id")),))),
            Query(TableName("s", "order"), Selection(()), Compare(Path("client_id"), "eq", "1")),
            Query(TableName("s", "order"), Selection(()), order=(Order(Path("client_id")),)),
            Query(TableName("s", 'cli"ent'), Selection((Embed("order", select=Selection((Field(Path("client_id")),))),))),
            Query(TableName("s", 'cli"ent'), Selection((Embed("order", where=Compare(Path("client_id"), "eq", "1")),))),
        ],
    )
    def test_a_hidden_column_is_hidden_everywhere(self, query):
        """Shown, filtered by, ordered by, embedded: 403."""
        with pytest.raises(AccessError) as caught:
            resolve(query, make_schema(), ColumnRights("client_id"))

        assert (caught.value.status, caught.value.code) == (403, "42501")

    def test_a_hidden_key_is_in_no_cursor(self):
        """Where the key may not be seen, there is no keyset paging: its tokens would tell."""
        resolved = resolve(Query(TableName("s", "order"), window=Window(limit=1)), make_schema(), ColumnRights("id"))

        assert resolved.place is None
        assert not resolved.shape.keys
        assert resolved.shape.order == ()

    def test_all_columns_are_those_that_may_be_seen(self):
        """``*`` leaves out what the caller may not see."""
        schema = make_schema()
        found = compile(resolve(Query(TableName("s", "order")), schema, ColumnRights("client_id")), schema, {})

        assert "client_id" not in found.sql
        assert "data" in found.sql
