"""The tables of the contract of engines, made by SQLAlchemy: a shop that is read, a desk where is written, types of every kind."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import DATETIME

from qapla.database.database import open_engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.types import TypeEngine

SHOP = sa.MetaData()
CLIENT = sa.Table(
    "client",
    SHOP,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("vip", sa.Boolean),
    sa.Column("note", sa.String(80)),
)
ORDERS = sa.Table(
    "orders",
    SHOP,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("client_id", sa.ForeignKey("client.id")),
    sa.Column("total", sa.Numeric(10, 2)),
    sa.Column("made", sa.DateTime),
)
LINE = sa.Table(
    "line",
    SHOP,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("what", sa.String(80)),
)
TAG = sa.Table(
    "tag",
    SHOP,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("label", sa.String(80)),
)
ORDER_TAG = sa.Table(
    "order_tag",
    SHOP,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tag.id"), primary_key=True),
)
WORKER = sa.Table(
    "worker",
    SHOP,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(80)),
    sa.Column("boss_id", sa.ForeignKey("worker.id", name="boss_fk")),
    sa.Column("deputy_id", sa.ForeignKey("worker.id", name="deputy_fk")),
)
SHOP_ROWS: Mapping[sa.Table, Sequence[tuple[Any, ...]]] = {
    CLIENT: [(1, "Ann", True, None), (2, 'bob "x" é😀', False, "50%_off"), (3, "Cy", None, "")],
    ORDERS: [
        (1, 1, "10.50", datetime(2024, 1, 2, 3, 4, 5)),
        (2, 1, "3", None),
        (3, 2, "99.99", datetime(2024, 1, 2, 3, 4, 6)),
        (4, None, None, None),
    ],
    LINE: [(1, 1, "pen"), (1, 2, "ink"), (3, 1, "desk")],
    TAG: [(1, "red"), (2, "blue")],
    ORDER_TAG: [(1, 1), (1, 2), (3, 2)],
    WORKER: [(1, "Eve", None, None), (2, "Dan", 1, None), (3, "Flo", 1, 2)],
}

DESK = sa.MetaData()
sa.Table(
    "customer",
    DESK,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40), nullable=False, unique=True),
    sa.Column("city", sa.String(40), server_default="Kopenhagen"),
)
sa.Table(
    "orders",
    DESK,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("customer_id", sa.ForeignKey("customer.id", ondelete="CASCADE"), nullable=False),
    sa.Column("total", sa.Numeric(12, 2)),
    sa.Column("paid", sa.Boolean),
    sa.Column("made_at", sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")),
    sa.Column("note", sa.JSON),
    sa.Column("twice", sa.Integer, sa.Computed("customer_id * 2", persisted=True)),
    sa.CheckConstraint("total >= 0", name="total_positive"),
)
sa.Table(
    "line",
    DESK,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("place", sa.String(10), primary_key=True),
    sa.Column("amount", sa.Integer),
)
sa.Table("log", DESK, sa.Column("word", sa.String(40)))
DESK_TABLES = ("line", "orders", "customer", "log")  # none points to one before it
sa.event.listen(DESK, "after_create", sa.DDL("CREATE VIEW names AS SELECT DISTINCT name FROM customer"))

KINDS: Mapping[str, TypeEngine[Any]] = {
    "boolean": sa.Boolean(),
    "integer": sa.BigInteger(),
    "decimal": sa.Numeric(12, 3),
    "float": sa.Double(),
    "text": sa.String(40),
    "date": sa.Date(),
    "time": sa.Time(),
    "timestamp": sa.DateTime(),
    "json": sa.JSON(),
    "binary": sa.LargeBinary(),
}


def make_shop(url: sa.URL) -> None:
    """Make the tables of the shop and their rows in the empty database at *url*."""
    engine = open_engine(url, {})
    with engine.begin() as connection:
        SHOP.create_all(connection)
        for table, rows in SHOP_ROWS.items():
            for row in rows:
                connection.execute(table.insert().values([_bind(column, value) for column, value in zip(table.columns, row, strict=True)]))
    engine.dispose()


def make_tables(url: sa.URL, metadata: sa.MetaData) -> None:
    """Make the tables of *metadata* in the database at *url*."""
    engine = open_engine(url, {})
    with engine.begin() as connection:
        metadata.create_all(connection)
    engine.dispose()


def _bind(column: sa.Column[Any], value: Any) -> Any:
    """Return *value* for an INSERT; a decimal as text in the statement, for drivers that have floats only."""
    return sa.literal_column(value) if isinstance(column.type, sa.Numeric) and isinstance(value, str) else value
