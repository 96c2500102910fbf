"""qapla.database.models.description: models as a schema, equal to what introspection finds"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, relationship

from qapla.database import drivers, models
from qapla.database.catalog import Options
from qapla.database.connect import make_engine_from_url
from qapla.database.models.description import describe
from qapla.database.schema.diff import diff
from qapla.database.schema.inspect import inspect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Engine

LONG = "a_very_long_name_of_a_table_that_is_cut_where_an_engine_says_so"  # 62 characters


def make_models() -> list[type]:
    """Return models with every type that all engines have, and keys of every sort."""

    class Base(DeclarativeBase):
        pass

    between = sa.Table(
        "between",
        Base.metadata,
        sa.Column("question_id", sa.ForeignKey("question.id"), primary_key=True),
        sa.Column("odd_id", sa.ForeignKey('Odd "name" %.id'), primary_key=True),
    )

    class Question(Base):
        __tablename__ = "question"
        __table_args__ = (sa.UniqueConstraint("code", "amount"), sa.Index("ix_code", "code", unique=True), {"comment": "it's 100%"})
        id = sa.Column(sa.Integer, primary_key=True)
        title = sa.Column(sa.String(200), nullable=False, unique=True, server_default="it's")
        amount = sa.Column(sa.Numeric(10, 2), server_default="1.50")
        whole = sa.Column(sa.Numeric(7))
        code = sa.Column(sa.CHAR(5), server_default="é")
        body = sa.Column(sa.Text, comment="with a % in it")
        is_open = sa.Column(sa.Boolean, server_default=sa.true())
        is_good = sa.Column(sa.Boolean, nullable=False, server_default=sa.false())
        share = sa.Column(sa.Float)
        exact = sa.Column(sa.Double, server_default="1.5")
        large = sa.Column(sa.BigInteger, server_default="0")
        small = sa.Column(sa.SmallInteger, server_default="-1")
        votes = sa.Column(sa.Integer, server_default="0")
        day = sa.Column(sa.Date)
        made = sa.Column(sa.DateTime, server_default=sa.func.now())
        zoned = sa.Column(sa.DateTime(timezone=True))
        at = sa.Column(sa.Time)
        token = sa.Column(sa.Uuid)
        data = sa.Column(sa.JSON)
        raw = sa.Column(sa.LargeBinary)
        short = sa.Column(sa.LargeBinary(20))
        colour = sa.Column(sa.Enum("red", "it's blue", name="colour"))
        lasts = sa.Column(sa.Interval)
        others = relationship(lambda: Odd, secondary=between)

    class Odd(Base):
        __tablename__ = 'Odd "name" %'
        id = sa.Column(sa.BigInteger, sa.Identity(), primary_key=True)
        first = sa.Column("question id", sa.ForeignKey("question.id", ondelete="CASCADE"))
        second = sa.Column(sa.ForeignKey("question.id", onupdate="SET NULL"), unique=True)
        named = sa.Column(sa.Integer, sa.ForeignKey("question.id", name="fk_named"))

    class Pair(Base):
        __tablename__ = LONG
        number = sa.Column(sa.Integer, primary_key=True)
        text = sa.Column(sa.String(3), primary_key=True)
        also_a_very_long_name_of_a_column = sa.Column(sa.Integer, unique=True)

    return [Question, Odd, Pair]


@pytest.fixture
def engine(fresh_database: URL) -> Iterator[Engine]:
    """Give an engine on an empty database of each engine."""
    found = make_engine_from_url(fresh_database, Options(writable=True))
    yield found
    found.dispose()


class TestDescribe:
    """describe(models, engine)"""

    def test_equals_introspection(self, engine: Engine) -> None:
        """What the models say is what is found in the database when their tables are made: tables, relations, schemas and version."""
        models: list[Any] = make_models()
        models[0].metadata.create_all(engine)
        with engine.connect() as connection:
            found = inspect(connection)

        described = describe(models, engine)

        assert diff(described, found) == ()
        assert described.relations == found.relations
        assert [(each.unique, each.foreign_keys, each.primary_key) for each in described.tables] == [
            (each.unique, each.foreign_keys, each.primary_key) for each in found.tables
        ]

    def test_needs_no_connection(self, engine: Engine, engine_name: str) -> None:
        """The name of an engine is enough where the default schema is given."""
        models: list[Any] = make_models()
        models[0].metadata.create_all(engine)
        with engine.connect() as connection:
            found = inspect(connection)

        described = describe(models, engine_name, default_schema=found.default_schema)

        assert [change.what for change in diff(described, found)] == ["version"]


class OwnBase(models.Model):
    """Models with tables of their own, whatever other modules declare."""

    __abstract__ = True
    metadata = sa.MetaData()


class Reading(OwnBase):
    """Every field there is."""

    whole = models.Integer(bits=16)
    share = models.Float()
    price = models.Decimal(10, 2)
    title = models.Char(max_length=20, unique=True, comment="100% 'quoted'")
    code = models.Varchar(5, fixed=True)
    body = models.Text(null=True)
    is_open = models.Boolean(default=True)
    day = models.Date(index=True)
    shown = models.DateTime()
    made = models.Timestamp()
    at = models.Time()
    token = models.UUID()
    name = models.GUID()
    data = models.JSON()
    raw = models.Binary()
    short = models.Binary(max_length=30)
    place = models.IP()
    colour = models.Enum("red", "it's blue")


class Label(OwnBase):
    """A key of two columns."""

    shelf = models.Char(max_length=8, primary_key=True)
    place = models.Integer(primary_key=True)
    secret = models.Password(null=True)


class Remark(OwnBase):
    """A row that points at others, and at itself."""

    reading = models.ForeignKey(Reading, on_delete="cascade")
    answers = models.ForeignKey("self", null=True, related_name="answered_by")
    label = models.ForeignKey(Label, null=True)
    labels = models.ManyToMany(Label, related_name="remarks_of_all")


def test_models_of_ours(engine_name: str, fresh_database: URL) -> None:
    """Every field of a model is described as it is found in the table that it makes."""
    with getattr(drivers, engine_name.capitalize())(fresh_database) as db:
        db.create_tables(Reading, Label, Remark)
        found = db.discover()

    described = describe([Reading, Label, Remark], engine_name, default_schema=found.default_schema)

    assert [change.sentence for change in diff(described, found) if change.what != "version"] == []
    assert described.relations == found.relations


OWN_TYPES = {
    "postgresql": [
        postgresql.ARRAY(sa.String(3)), postgresql.ARRAY(sa.Numeric(5, 1)), postgresql.INT4RANGE(), postgresql.TSTZRANGE(),
        postgresql.INET(), postgresql.CIDR(), postgresql.MACADDR(), postgresql.BIT(3), postgresql.BIT(5, varying=True),
        postgresql.JSONB(), postgresql.OID(), postgresql.TIMESTAMP(precision=3), postgresql.TIME(precision=0), sa.REAL(), sa.CHAR(),
        postgresql.TIMESTAMP(timezone=True, precision=6), postgresql.TSVECTOR(), sa.Float(24), sa.Float(53), sa.Numeric(),
        postgresql.MONEY(), postgresql.BYTEA(),
    ],
    "mariadb": [
        mysql.INTEGER(unsigned=True), mysql.TINYINT(1), mysql.TINYINT(), mysql.BIGINT(unsigned=True), mysql.MEDIUMINT(), mysql.DOUBLE(),
        mysql.DATETIME(fsp=6), mysql.TIME(fsp=3), mysql.TIMESTAMP(fsp=2), mysql.LONGTEXT(), mysql.TINYTEXT(), mysql.MEDIUMBLOB(),
        mysql.YEAR(), mysql.BIT(3), mysql.BIT(), sa.VARBINARY(16), sa.BINARY(4), sa.BINARY(), mysql.SET("a", "b"),
        mysql.ENUM("a", "it's", "b, c"), mysql.DECIMAL(unsigned=True), sa.Text(300), sa.Text(20_000), sa.LargeBinary(70_000),
        sa.Float(53), sa.REAL(), sa.NVARCHAR(9), mysql.ENUM("%s", "50%"), models.Native("enum('%s','a%%b','50%')"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", ["enum('%s','x')", "enum('a%%b','50%')"])
def test_native_type(text: str) -> None:
    """The text of a native type stays as it is, also where a driver reads percent signs."""
    table = sa.Table("own", sa.MetaData(), sa.Column("e", models.Native(text, kind="enum")))
    single = mysql.dialect(paramstyle="named")
    single.identifier_preparer._double_percents = False

    assert f"e {text}" in str(sa.schema.CreateTable(table).compile(dialect=single))
    assert f"e {text.replace('%', '%%')}" in str(sa.schema.CreateTable(table).compile(dialect=mysql.dialect()))


@pytest.mark.parametrize("engine_name", OWN_TYPES)
def test_own_types_of_an_engine(engine: Engine, engine_name: str) -> None:
    """Types that only one engine has are described as they are found."""
    metadata = sa.MetaData()
    columns = [sa.Column(f"c{number}", type_) for number, type_ in enumerate(OWN_TYPES[engine_name])]
    table = sa.Table("own", metadata, sa.Column("id", sa.Integer, primary_key=True), *columns)
    metadata.create_all(engine)
    with engine.connect() as connection:
        found = inspect(connection)

    described = describe(table, engine)

    assert [column.type for column in described.tables[0].columns] == [column.type for column in found.tables[0].columns]
