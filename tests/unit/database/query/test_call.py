"""Which function a call means, and the statement that is made of it, without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qapla.database.catalog import Options
from qapla.database.query.call import compile_call, compile_plain, find_media_domain, gives, make_result, may_call, resolve_call
from qapla.database.query.description import Call, Compare, Condition, Embed, Path, Query, Raw, Selection, TextValue, Window
from qapla.database.query.overloads import get_function
from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Function, Key, Parameter, Relation, Table, TableName
from qapla.database.schema.storage import from_json, to_json
from qapla.errors import NotFound, NotOffered, QueryError, ValueRefused
from qapla.ports import ALL_RIGHTS, READ_RIGHTS

INTEGER, TEXT, JSON = ColumnType("integer", "integer"), ColumnType("text", "text"), ColumnType("json", "json")
A, B = Parameter("a", INTEGER), Parameter("b", INTEGER, has_default=True)
ADD = Function("s", "add", (A, B), INTEGER, volatility="immutable")
TABLE = Table(TableName("s", "boss"), "table", (Column("id", INTEGER), Column("name", TEXT)), Key(None, ("id",)))
BOSSES = Function("s", "boss", (), ColumnType("composite", "boss"), returns_set=True, returns_table=TABLE.name, volatility="stable")
MANY = Function("s", "many", (Parameter("v", ColumnType("array", "text[]", item=TEXT), "variadic"),), TEXT, volatility="stable")
POINT = Parameter("p", ColumnType("composite", "spot"), cast='public."odd %s spot"')


def make_schema(*functions: Function, engine: str = "postgresql") -> DatabaseSchema:
    """Return a schema with these functions."""
    return DatabaseSchema(engine, "15", "s", ("s",), (TABLE,), functions=functions)


def compile(function: Function, *arguments: tuple[str, object], engine: str = "postgresql", **query: Any) -> tuple[str, tuple[object, ...]]:
    """Return the statement of a call, and its values."""
    schema = make_schema(function, engine=engine)
    call = Call(TableName("s", function.name), arguments, Query(TABLE.name, **query))
    statement = compile_call(resolve_call(call, function, schema, ALL_RIGHTS, Options()), schema, {})
    return statement.sql, statement.values


class TestChoice:
    """get_function"""

    @pytest.mark.parametrize(("names", "found"), [(("a",), ADD), (("a", "b"), ADD)])
    def test_goes_by_names(self, names: tuple[str, ...], found: Function) -> None:
        """What has no default must be there, nothing else may."""
        call = Call(TableName(None, "add"), tuple((name, 1) for name in names))

        assert get_function(make_schema(ADD), call) == found

    @pytest.mark.parametrize("names", [(), ("b",), ("a", "c")])
    def test_finds_nothing_else(self, names: tuple[str, ...]) -> None:
        """404, with the parameters that it has."""
        with pytest.raises(NotFound, match=r"Perhaps you meant to call the function s\.add\(a, b\)"):
            get_function(make_schema(ADD), Call(TableName("s", "add"), tuple((name, 1) for name in names)))

    def test_prefers_names_to_a_whole_body(self) -> None:
        """A function that takes the body as it is comes last."""
        whole = Function("s", "add", (Parameter(None, JSON),), JSON)
        schema = make_schema(ADD, whole)

        assert get_function(schema, Call(ADD_NAME, (("a", 1),), raw=Raw("json", '{"a":1}'))) == ADD
        assert get_function(schema, Call(ADD_NAME, (("z", 1),), raw=Raw("json", '{"z":1}'))) == whole

    def test_is_told_to_be_ambiguous(self) -> None:
        """300."""
        other = Function("s", "add", (Parameter("a", TEXT),), TEXT)

        with pytest.raises(QueryError) as caught:
            get_function(make_schema(ADD, other), Call(ADD_NAME, (("a", 1),)))

        assert (caught.value.code, caught.value.status) == ("PGRST203", 300)

    def test_knows_no_procedures_of_postgresql(self) -> None:
        """They are called on MariaDB and MySQL."""
        procedure = replace(ADD, kind="procedure")
        call = Call(ADD_NAME, (("a", 1),))

        with pytest.raises(NotFound, match="procedure"):
            get_function(make_schema(procedure), call)
        assert get_function(make_schema(procedure, engine="mariadb"), call) == procedure


ADD_NAME = TableName("s", "add")


class TestStatement:
    """compile_call"""

    def test_calls_by_names(self) -> None:
        """PostgreSQL takes them; what is left out has its default."""
        sql, values = compile(ADD, ("a", 1))

        assert '"s"."add"("a" => %s)' in sql
        assert values == ("1",)

    @pytest.mark.parametrize("engine", ["mariadb", "mysql"])
    def test_calls_by_places(self, engine: str) -> None:
        """The others go by their order."""
        sql, values = compile(ADD, ("b", 2), ("a", 1), engine=engine)

        assert "`s`.`add`(%s, %s)" in sql
        assert values == (1, 2)

    def test_reads_rows_like_a_table(self) -> None:
        """From the function, with windows and all."""
        sql, values = compile(BOSSES, window=Window(limit=2))

        assert 'FROM "s"."boss"() AS "t0" LIMIT %s) AS "t0"' in sql
        assert values == (3,)

    def test_calls_once_to_count(self) -> None:
        """The rows are kept for both."""
        sql, _ = compile(BOSSES, count="exact")

        assert sql.startswith('WITH "called" AS MATERIALIZED (')
        assert sql.count('"s"."boss"()') == 1

    def test_gathers_variadic_values(self) -> None:
        """Each time that the name is there."""
        sql, values = compile(MANY, ("v", TextValue("a")), ("v", TextValue('b"')))

        assert 'VARIADIC "v" => %s' in sql
        assert values == ('{"a","b\\""}',)

    def test_makes_composites_of_json(self) -> None:
        """By the full name of their type."""
        sql, values = compile(Function("s", "take", (POINT,), INTEGER), ("p", {"x": 1}))

        assert '"p" => (SELECT "arguments"."p" FROM json_to_record(%s) AS "arguments"("p" public."odd %%s spot"))' in sql
        assert values == ('{"p":{"x":1}}',)

    def test_of_another_engine_is_plain(self) -> None:
        """Oracle prints no JSON: it gives the value."""
        schema = make_schema(ADD, engine="oracle")
        call = resolve_call(Call(ADD_NAME, (("a", 1), ("b", 2))), ADD, schema, ALL_RIGHTS, Options())

        assert compile_plain(call, schema).sql == 'SELECT "s"."add"("a" => :1, "b" => :1) FROM DUAL'
        with pytest.raises(NotOffered):
            compile_plain(replace(call, printed="rows"), schema)

    def test_says_which_argument_is_wrong(self) -> None:
        """By its name."""
        with pytest.raises(ValueRefused, match="parameter 'a': 'x' is not an integer"):
            compile(ADD, ("a", "x"))

    def test_asks_nothing_of_a_procedure(self) -> None:
        """Its rows are known when they are there."""
        with pytest.raises(NotOffered, match="cannot be selected"):
            compile(replace(ADD, kind="procedure"), ("a", 1), engine="mariadb", window=Window(offset=1))


class TestResult:
    """What a function gives."""

    def test_is_called_like_no_table(self) -> None:
        """A function and a table may have one name."""
        result = make_result(BOSSES, make_schema(BOSSES))

        assert (result.name, result.identity.by) == (TableName("s", "boss()"), "none")
        assert result.columns == TABLE.columns

    @pytest.mark.parametrize(
        ("function", "given"),
        [
            (ADD, "values"),
            (BOSSES, "rows"),
            (replace(ADD, returns=None), "nothing"),
            (replace(ADD, parameters=(A, Parameter("x", INTEGER, "out"))), "rows"),
            (replace(ADD, columns=TABLE.columns), "rows"),
            (replace(ADD, returns=ColumnType("composite", "record")), "values"),
        ],
    )
    def test_is_rows_where_it_has_columns(self, function: Function, given: str) -> None:
        """By OUT parameters, a table, or a type."""
        assert gives(function) == given

    @pytest.mark.parametrize(
        ("name", "media"), [('"text/html"', "text/html"), ('api."*/*"', "*/*"), ("text", None), ('"a/b/c"', None), ('"x"', None)]
    )
    def test_may_be_of_a_media_type(self, name: str, media: str | None) -> None:
        """A domain called like one."""
        assert find_media_domain(replace(ADD, returns=ColumnType("text", name))) == media


def test_readers_do_not_call_what_may_write() -> None:
    """Volatile functions take the right to write."""
    writer = replace(ADD, volatility="volatile")

    assert [may_call(ADD, READ_RIGHTS), may_call(writer, READ_RIGHTS), may_call(writer, ALL_RIGHTS)] == [True, False, True]


def test_writing_a_table_is_no_right_to_call_its_namesake() -> None:
    """What a volatile function writes, nobody knows: it takes the right to write in the database."""

    class OneTable:
        authenticated = True

        def allows(self, operation: str, schema: str | None, table: str, column: str | None = None) -> bool:
            return operation in ("select", "execute") or table == "add"

    assert not may_call(replace(ADD, volatility="volatile"), OneTable())


def test_related_rows_are_those_of_the_caller() -> None:
    """Conditions on rows hold in what is embedded, too, and not on what the function gives."""

    class SomeRows:
        authenticated = True

        def allows(self, operation: str, schema: str | None, table: str, column: str | None = None) -> bool:
            return True

        def rows(self, schema: str | None, table: str) -> Condition | None:
            return Compare(Path("id"), "eq", "7")

    task = Table(TableName("s", "task"), "table", (Column("id", INTEGER), Column("boss_id", INTEGER)))
    relation = Relation("task", "to_many", TABLE.name, task.name, ("id",), ("boss_id",))
    schema = DatabaseSchema("postgresql", "15", "s", ("s",), (TABLE, task), (relation,), functions=(BOSSES,))
    query = Query(TABLE.name, Selection((Embed("task"),)))

    statement = compile_call(resolve_call(Call(TABLE.name, query=query), BOSSES, schema, SomeRows(), Options()), schema, {})

    assert statement.values == ("7",)
    assert 'FROM "s"."task" AS "t1" WHERE ("t1"."id" = %s)' in statement.sql


def test_schema_keeps_what_calls_need() -> None:
    """In its JSON form; an older one, without it, is read all the same."""
    schema = make_schema(Function("s", "take", (POINT,), INTEGER, columns=TABLE.columns, settings=(("statement_timeout", "3s"),)))

    assert from_json(to_json(schema)) == schema
    older = to_json(schema).replace(',"settings":[["statement_timeout","3s"]]', "").replace(',"cast":"public.\\"odd %s spot\\""', "")
    assert from_json(older).functions[0].inputs[0].cast is None
