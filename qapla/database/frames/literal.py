"""A SELECT as one text for PostgreSQL, with its values in it: ``COPY`` and the readers that use it bind no parameters.

Each value is quoted by libpq through the connection that it is written for, as psycopg does on the client's side. Such a text is never
logged, and never part of an error.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection


def write(statement: Any, connection: Connection) -> str:
    """Return *statement* as text, its values quoted for *connection*."""
    from psycopg import sql

    driver: Any = connection.connection.driver_connection
    dialect = copy(connection.dialect)

    base: Any = dialect.statement_compiler  # which one that is, only the engine knows

    class Compiler(base):
        """The dialect's own compiler, with psycopg's quotes around every value."""

        def render_literal_value(self, value: Any, type_: Any) -> str:
            """Return a value as the driver would send it, and of the type that it would have there."""
            known = type_.dialect_impl(self.dialect)
            process = known.bind_processor(self.dialect)
            quoted = sql.Literal(process(value) if process is not None else value).as_string(driver).strip().replace("%", "%%")
            quoted = f"({quoted})" if quoted.startswith("-") else quoted
            plain = getattr(known, "impl_instance", known).dialect_impl(self.dialect)
            return str(self.render_bind_cast(type_, plain, quoted)) if plain.render_bind_cast else quoted

    dialect.statement_compiler = Compiler
    text = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return text.replace("%%", "%")  # doubled for drivers that put values in by %
