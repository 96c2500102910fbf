"""Types that only one engine has, as the engine writes them: ``models.Column(models.Native("tsvector"))``.

Values come and go as the driver has them. Types that somebody made (domains, composite types of PostgreSQL) are made by ``make_types``
before the first table that may need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import UserDefinedType

from qapla.database.dialects import get_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import MetaData

    from qapla.database.schema.description import Kind

_IS_THERE = text("SELECT to_regtype(:name) IS NOT NULL")


class Native(UserDefinedType[Any]):
    """A type by the engine's own text.

    Args:
        name: as in a CREATE TABLE statement of that engine: ``"geometry(Point,4326)"``.
        kind: what its values are, for data frames and forms: a ``Kind`` of ``qapla.database.schema.description``.
    """

    cache_ok = True

    def __init__(self, name: str, kind: Kind = "unknown") -> None:
        self.name = name
        self.kind = kind

    def get_col_spec(self, **options: Any) -> str:
        """Return the text."""
        return self.name

    def __repr__(self) -> str:
        return f"Native({self.name!r})" if self.kind == "unknown" else f"Native({self.name!r}, kind={self.kind!r})"


@compiles(Native)
def _written(type: Native, compiler: Any, **options: Any) -> str:
    """Return the text in a statement, where some drivers read a percent sign as the begin of a parameter."""
    written = type.get_col_spec(**options)
    return written.replace("%", "%%") if compiler.dialect.identifier_preparer._double_percents else written


def make_types(metadata: MetaData, types: Mapping[str, str]) -> None:
    """Have types made before tables of *metadata* are, where they are not there: PostgreSQL's ``CREATE DOMAIN``, ``CREATE TYPE``.

    Args:
        types: the statements by the names of the types, in the order in which they can be made.
    """

    def make(target: MetaData, connection: Connection, **options: Any) -> None:
        if not isinstance(connection, Connection) or not get_engine(connection.dialect.name).has_named_types:
            return  # statements are only written, or this is another engine
        for name, statement in types.items():
            if not connection.execute(_IS_THERE, {"name": name}).scalar():
                connection.exec_driver_sql(statement.replace("%", "%%"))

    event.listen(metadata, "before_create", make)
