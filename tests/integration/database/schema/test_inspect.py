"""Every engine's oddities come out right, and the same things come out the same on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qapla.database.schema.description import Column, DatabaseSchema, ForeignKey, Table, TableName
from qapla.database.schema.inspect import inspect
from qapla.database.schema.storage import from_json, to_json
from qapla.testing.oddities import connected, make_oddities
from qapla.testing.servers import ENGINE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD_NAME = "a table, with \"quotes\" / slash % and 'more'"
LONG_NAME = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def odd(request: pytest.FixtureRequest) -> Iterator[DatabaseSchema]:
    """Give the description of a database full of oddities, once per engine."""
    with make_oddities(request.param) as url, connected(url) as connection:
        yield inspect(connection)


def get(schema: DatabaseSchema, name: str) -> Table:
    table = schema.find_table(name)
    assert table is not None, name
    return table


def column(schema: DatabaseSchema, table: str, name: str) -> Column:
    return get(schema, table).by_name[name]


def foreign_key(schema: DatabaseSchema, table: str, *columns: str) -> ForeignKey:
    return next(key for key in get(schema, table).foreign_keys if key.columns == columns)


def reported(schema: DatabaseSchema, subject: str) -> str:
    return "; ".join(f"{finding.what}: {finding.why}" for finding in schema.report if finding.subject.split(".")[-1] == subject)


class TestEveryEngine:
    """What is true on all of them"""

    def test_round_trip(self, odd: DatabaseSchema) -> None:
        """The JSON form of a real schema reads back equal."""
        assert from_json(to_json(odd)) == odd

    def test_default_schema(self, odd: DatabaseSchema) -> None:
        """The first exposed schema is the default; SQLite has none."""
        assert odd.default_schema == (odd.schemas[0] if odd.schemas else None)
        assert (odd.default_schema is None) == (odd.engine == "sqlite")

    def test_generated_keys(self, odd: DatabaseSchema) -> None:
        """A key that the database counts up by itself may be left out."""
        assert column(odd, "customer", "id").generated == "by_default"
        assert column(odd, "orders", "id").generated == "by_default"
        assert column(odd, "employee", "id").generated == (None if odd.engine != "sqlite" else "by_default")

    def test_computed_columns(self, odd: DatabaseSchema) -> None:
        """A computed column cannot be written."""
        taxed = column(odd, "orders", "taxed")

        assert (taxed.generated, taxed.type.kind) == ("always", "decimal")

    def test_defaults_and_nullability(self, odd: DatabaseSchema) -> None:
        """Defaults are the engine's text; a column without any has None."""
        total, name = column(odd, "orders", "total"), column(odd, "customer", "name")

        assert (total.default, total.nullable) == ("0.00", True)
        assert (name.default, name.nullable) == (None, False)
        assert (total.type.kind, total.type.precision, total.type.scale) == ("decimal", 10, 2)

    def test_composite_primary_key_keeps_its_order(self, odd: DatabaseSchema) -> None:
        """The key's own order counts, not that of the columns."""
        attends = get(odd, "attends")

        assert attends.primary_key is not None
        assert attends.primary_key.columns == ("course_id", "student_id") == attends.identity.columns

    def test_two_keys_to_one_table(self, odd: DatabaseSchema) -> None:
        """Each foreign key has its own columns and rules."""
        billing, shipping = foreign_key(odd, "orders", "billing"), foreign_key(odd, "orders", "shipping")

        assert billing.target == shipping.target == get(odd, "customer").name
        assert (billing.on_delete, shipping.on_update) == ("CASCADE", "SET NULL")
        assert billing.target_columns == shipping.target_columns == ("id",)

    def test_composite_foreign_key(self, odd: DatabaseSchema) -> None:
        """Columns stay in pairs."""
        key = foreign_key(odd, "delivery", "order_id", "line")

        assert (key.target.name, key.target_columns) == ("item", ("order_id", "line"))

    def test_relations(self, odd: DatabaseSchema) -> None:
        """Self references, one-to-one and many-to-many are derived."""
        ways = {(r.source.name, r.target.name, r.kind, r.one_to_one) for r in odd.relations}

        assert {
            ("employee", "employee", "to_one", False),
            ("employee", "employee", "to_many", False),
            ("employee", "locker", "to_one", True),
            ("student", "course", "many_to_many", False),
            ("course", "student", "many_to_many", False),
        } <= ways

    def test_unique_set_identifies_rows_without_a_primary_key(self, odd: DatabaseSchema) -> None:
        """A unique set of not-null columns will do, one that may be NULL will not."""
        table = get(odd, "unique_only")

        assert (table.identity.by, table.identity.columns) == ("unique", ("b", "a"))
        assert {key.columns for key in table.unique} == {("b", "a"), ("c",)}

    def test_table_without_any_key(self, odd: DatabaseSchema) -> None:
        """Its rows cannot be addressed, and the report says so; half a unique index is no key either."""
        assert get(odd, "no_key").identity.by == "none"
        assert get(odd, "almost_unique").identity.by == "none"
        assert "no primary key" in reported(odd, "no_key")

    @pytest.mark.parametrize("name", [ODD_NAME, "select", "naïve Ünïcode 表", LONG_NAME])
    def test_any_name(self, odd: DatabaseSchema, name: str) -> None:
        """Quotes, slashes, percent signs, unicode, reserved words and long names are names."""
        on_mariadb = {ODD_NAME: ODD_NAME + " `", LONG_NAME: LONG_NAME + "l"}
        names = on_mariadb if odd.engine == "mariadb" else {"naïve Ünïcode 表": "naïve Ünïcode 表 🙂"}

        assert get(odd, names.get(name, name)).identity.by == "primary_key"

    def test_any_column_name(self, odd: DatabaseSchema) -> None:
        """Columns may be called anything, too."""
        table = get(odd, ODD_NAME + (" `" if odd.engine == "mariadb" else ""))

        assert {"a column", "50%", "%s %(x)s", 'a"b', "a/b,c.d"} <= set(table.by_name)

    @pytest.mark.parametrize("name", ["rpc", "-"])
    def test_unreachable_names_are_reported(self, odd: DatabaseSchema, name: str) -> None:
        """Tables that no URL can name are listed, with a line in the report."""
        assert get(odd, name).columns
        assert "has no URL" in reported(odd, name)

    def test_views(self, odd: DatabaseSchema) -> None:
        """A view has columns, the key of its one table where the engine writes through it, and is written only there."""
        view = get(odd, "plain_view")

        assert (view.kind, [c.name for c in view.columns][:2]) == ("view", ["id", "name"])
        assert view.identity.by == ("none" if odd.engine == "sqlite" else "primary_key")
        assert view.insertable == (odd.engine != "sqlite")

    def test_comments(self, odd: DatabaseSchema) -> None:
        """Comments come with tables and columns where the engine has them."""
        has = odd.engine != "sqlite"

        assert get(odd, "customer").comment == ("Who buys" if has else None)
        assert column(odd, "customer", "name").comment == ('As on the "invoice", 100 % exact' if has else None)

    def test_kinds(self, odd: DatabaseSchema) -> None:
        """Every type has its kind."""
        kinds = {c.name: c.type.kind for c in get(odd, "kinds").columns}

        assert " ".join(f"{name}:{kind}" for name, kind in kinds.items()) == KINDS[odd.engine]


KINDS = {
    "postgresql": (
        "id:integer a:boolean b:integer c:integer d:decimal e:decimal f:float g:float h:text i:text j:text k:date l:time m:timestamp "
        "n:timestamp_tz o:interval p:uuid q:json r:json s:binary t:array u:array v:array w:range x:range y:enum z:composite aa:network "
        "bb:network cc:bits dd:bits ee:geometry ff:unknown gg:unknown hh:unknown ii:text jj:array kk:time ll:composite mm:range"
    ),
    "mariadb": (
        "id:integer a:boolean b:integer c:integer d:decimal e:float f:float g:text h:text i:date j:time k:timestamp l:timestamp_tz "
        "m:json n:uuid o:binary p:binary q:bits r:enum s:text t:integer u:network v:geometry w:text x:json y:integer z:bits"
    ),
    "sqlite": (
        "id:integer a:boolean b:integer c:decimal d:float e:float f:text g:text h:date i:time j:timestamp k:timestamp l:timestamp_tz "
        "m:json n:uuid o:binary p:binary q:decimal r:unknown s:unknown t:integer"
    ),
}


def test_names() -> None:
    """A table's full name is printed with its schema, if there is one."""
    assert (str(TableName("a b", "c")), str(TableName(None, "c"))) == ("a b.c", "c")
