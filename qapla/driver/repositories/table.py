"""The automatic table of documents: one row per entity of any repository, its fields as JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Dialect, MetaData, PrimaryKeyConstraint, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.mysql.base import MySQLDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

NAME = "qapla_entity"
LONGEST_NAME, LONGEST_KEY = 100, 600  # characters; together what every engine takes as a primary key


class ExactText(TypeDecorator[str]):
    """Text whose every character counts: what MySQL compares by default finds ``a`` by ``A``, and by ``a `` with a space."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return text that is compared as it is."""
        length = self.impl_instance.length  # type: ignore[attr-defined]
        if not isinstance(dialect, MySQLDialect):
            return dialect.type_descriptor(String(length))
        collation = "utf8mb4_nopad_bin" if dialect.is_mariadb else "utf8mb4_0900_bin"
        return dialect.type_descriptor(mysql.VARCHAR(length, charset="utf8mb4", collation=collation))


def entity_table(metadata: MetaData, name: str = NAME) -> Table:
    """Add the table of documents to *metadata*: that of a database's models, say, so that its migrations make it."""
    long_text = mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin")
    return Table(
        name,
        metadata,
        Column("repository", ExactText(LONGEST_NAME)),
        Column("key", ExactText(LONGEST_KEY)),
        Column("data", Text().with_variant(long_text, "mysql", "mariadb"), nullable=False),
        # What tells rows apart comes first: a planner without statistics would else read a whole repository for every few keys.
        PrimaryKeyConstraint("key", "repository"),
    )
