"""qapla.database.models.description without a database"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase

from qapla.database.models.description import describe, model_columns
from qapla.database.schema.declared import declared_type
from qapla.database.schema.description import TableName
from qapla.errors import InputError


class Base(DeclarativeBase):
    pass


class Text(sa.TypeDecorator[str]):
    """Text that means something else."""

    impl = sa.String(40)
    cache_ok = True
    kind = "network"


class Thing(Base):
    __tablename__ = "thing"
    id = sa.Column(sa.Integer, primary_key=True)
    token = sa.Column("the token", sa.Uuid, nullable=False, comment="secret")
    colour = sa.Column(sa.Enum("red", "blue", name="colour"))
    zoned = sa.Column(sa.DateTime(timezone=True))
    lasts = sa.Column(sa.Interval)
    price = sa.Column(sa.Numeric(9, 3))
    place = sa.Column(Text)


class TestModelColumns:
    """model_columns(model)"""

    def test_tells_what_values_mean(self) -> None:
        """Without an engine the kinds are those of the values in Python, whatever an engine keeps them as."""
        found = {column.name: column.type.kind for column in model_columns(Thing)}

        assert found == {
            "id": "integer", "the token": "uuid", "colour": "enum", "zoned": "timestamp_tz", "lasts": "interval", "price": "decimal",
            "place": "network",
        }  # fmt: skip

    def test_keeps_what_readers_need(self) -> None:
        """Values of an enum, digits of a decimal, NULL and the comment are there."""
        found = {column.name: column for column in model_columns(Thing)}

        assert found["colour"].type.values == ("red", "blue")
        assert (found["price"].type.precision, found["price"].type.scale) == (9, 3)
        assert (found["the token"].nullable, found["the token"].comment) == (False, "secret")

    def test_takes_an_engine(self) -> None:
        """With an engine the kinds are those of its own types."""
        assert {column.name: column.type.kind for column in model_columns(Thing, "sqlite")}["the token"] == "text"
        assert {column.name: column.type.kind for column in model_columns(Thing, "postgresql")}["the token"] == "uuid"

    @pytest.mark.parametrize("what", [int, "Question", Base])
    def test_refuses_what_has_no_table(self, what: Any) -> None:
        """What is mapped to no table is named."""
        with pytest.raises(InputError, match="has no table"):
            model_columns(what)


class TestDescribe:
    """describe(models, engine)"""

    def test_default_schema(self) -> None:
        """Tables that name no schema are in the default one: public, the given one, or none on SQLite."""
        assert describe(Thing, "postgresql").tables[0].name == TableName("public", "thing")
        assert describe(Thing, "mariadb", default_schema="shop").tables[0].name == TableName("shop", "thing")
        assert describe(Thing, "sqlite", default_schema="shop").tables[0].name == TableName(None, "thing")

    def test_other_schemas(self) -> None:
        """A schema that a table names is one of the schemas, after the default one."""
        table = sa.Table("order", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), schema="sales")

        found = describe([table, Thing], "postgresql")

        assert found.schemas == ("public", "sales")
        assert found.find_table("order", "sales") is not None

    def test_takes_metadata(self) -> None:
        """A MetaData means all of its tables."""
        assert [table.name.name for table in describe(Base.metadata, "sqlite").tables] == ["thing"]

    def test_refuses_an_unknown_engine(self) -> None:
        """An engine that is none is named."""
        with pytest.raises(InputError, match="'postgres' is not known"):
            describe(Thing, "postgres")


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("NUMBER(19)", "NUMBER(19,0)", "integer"),
        ("INTEGER", "NUMBER(*,0)", "integer"),
        ("NUMERIC(10, 2)", "NUMBER(10,2)", "decimal"),
        ("NUMERIC", "NUMBER", "decimal"),
        ("VARCHAR2(200 CHAR)", "VARCHAR2(200)", "text"),
        ("CLOB", "CLOB", "text"),
        ("DATE", "DATE", "timestamp"),
        ("TIMESTAMP", "TIMESTAMP(6)", "timestamp"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP(6) WITH TIME ZONE", "timestamp_tz"),
        ("DOUBLE PRECISION", "FLOAT", "float"),
        ("BLOB", "BLOB", "binary"),
    ],
)
def test_types_of_oracle(text: str, name: str, kind: str) -> None:
    """Oracle keeps every number as NUMBER or FLOAT, and a date with its time."""
    found = declared_type("oracle", text)

    assert (found.name, found.kind) == (name, kind)
