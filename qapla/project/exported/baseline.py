"""The first migration: the statements that make a database like the one that was exported, as its engine takes them."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import orm

from qapla.database.dialects import get_engine
from qapla.database.models.source.text import literal
from qapla.database.schema.views import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.engine.interfaces import Dialect

    from qapla.database.schema.construction import NamedType
    from qapla.database.schema.description import ColumnType, DatabaseSchema, TableName

HEAD = '''"""The database as it was

Revision ID: 0001
Revises:
"""

from alembic import op
from qapla.database.baseline import is_there, run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
'''
BODY = '''


def upgrade() -> None:
    """Make everything in an empty database; where it is there already, nothing has to be done."""
    if not is_there(op.get_bind(), TABLES):
        run(STATEMENTS)


def downgrade() -> None:
    """Drop everything."""
    run(DROPS)
'''


@dataclass(frozen=True)
class Baseline:
    """What the first migration makes: its tables, the statements in their order, and those that take it back."""

    tables: tuple[tuple[str | None, str], ...]
    statements: tuple[str, ...]
    drops: tuple[str, ...]

    def source(self) -> str:
        """Return the migration as Python."""
        lists = [
            _assignment("TABLES", [literal(pair) for pair in self.tables]),
            _assignment("STATEMENTS", [_statement(each) for each in self.statements]),
            _assignment("DROPS", [_statement(each) for each in self.drops]),
        ]
        return "\n".join([HEAD, *lists]) + BODY


def make_baseline(
    source: str,
    schema: DatabaseSchema,
    types: Sequence[NamedType],
    views: Sequence[tuple[TableName, str]],
) -> Baseline:
    """Return what makes the database of *schema*, as the models in *source* say it.

    Args:
        source: the text of ``make_source``, which is run here: it has nothing in it but literals and calls of ours.
        types: extensions, domains, composite types, in the order in which they are made; enums come from the columns.
        views: the statements that make them, in their order.
    """
    dialect = _dialect(schema.engine)
    made: list[str] = [each.create for each in types]
    quote = dialect.identifier_preparer.quote
    named = get_engine(schema.engine).has_named_types
    if named:
        others = sorted({str(table.name.schema) for table in schema.tables} - {str(schema.default_schema)})
        made = [f"CREATE SCHEMA IF NOT EXISTS {quote(name)}" for name in others] + made
    with _Imported(source) as module:
        tables = [model.__table__ for model in _models(module) if not model.__read_only__]
        tables += [table for model in _models(module) for table in model.__middles__.values()]
        made += _creation(module.Model.metadata, tables, dialect)
    drops = [f"DROP {_view(schema, name, text)}" for name, text in reversed(views)]
    described = [(name, text) for name, text in views if named and schema.by_name[name].comment]
    remarks = [f"COMMENT ON {_view(schema, name, text)} IS {_sql_text(schema, name)}" for name, text in described]
    drops += _removal(tables, dialect)
    if named:
        drops += [f"DROP TYPE {each}" for each in _enums(schema) if all(each != made_type.name for made_type in types)]
        drops += [f"DROP {_kind_of(each)} {each.name}" for each in reversed(types) if _kind_of(each) != "EXTENSION"]
    pairs = [(table.schema, table.name) for table in tables]
    return Baseline(tuple(pairs), (*made, *(text for _, text in views), *remarks), tuple(drops))


def _view(schema: DatabaseSchema, name: TableName, statement: str) -> str:
    """Return a view as statements about it name it: ``VIEW "big"``."""
    kind = "MATERIALIZED VIEW" if statement.startswith("CREATE MATERIALIZED ") else "VIEW"
    place = f"{quoted(schema.engine, name.schema)}." if name.schema and name.schema != schema.default_schema else ""
    return f"{kind} {place}{quoted(schema.engine, name.name)}"


def _sql_text(schema: DatabaseSchema, name: TableName) -> str:
    return "'" + str(schema.by_name[name].comment).replace("'", "''") + "'"


def _kind_of(made: NamedType) -> str:
    return made.create.split(" ", 2)[1]


def _enums(schema: DatabaseSchema) -> list[str]:
    """Return the enums that columns have, by their names as PostgreSQL writes them."""

    def inside(found: ColumnType | None) -> Iterator[str]:
        if found is not None and found.kind == "enum":
            yield found.name
        if found is not None and found.kind == "array":
            yield from inside(found.item)

    return sorted({name for table in schema.tables if table.kind == "table" for column in table.columns for name in inside(column.type)})


def _dialect(engine: str) -> Dialect:
    """Return the dialect that writes percent signs as they are."""
    kind: Any = sa.make_url(f"{get_engine(engine).drivername}://").get_dialect()
    found: Dialect = kind(paramstyle="named")
    found.identifier_preparer._double_percents = False  # that of PyMySQL does it whatever the style
    return found


def _creation(metadata: sa.MetaData, tables: list[sa.Table], dialect: Dialect) -> list[str]:
    """Return what SQLAlchemy would run to make *tables*."""
    found: list[str] = []

    def take(statement: Any, *arguments: Any, **options: Any) -> None:
        found.append(str(statement.compile(dialect=dialect)).strip())

    metadata.create_all(_mock(dialect, take), tables=tables, checkfirst=False)
    return list(dict.fromkeys(found))  # an enum that several tables have is made once


def _mock(dialect: Dialect, take: Any) -> Any:
    from sqlalchemy.engine.mock import MockConnection

    return MockConnection(dialect, take)


def _removal(tables: list[sa.Table], dialect: Dialect) -> list[str]:
    """Return what drops *tables*, those that point at others first; keys in a circle before."""
    drops: list[str] = []
    droppable = (lambda key: None if key.name else False) if dialect.supports_alter else None  # by its name; one in each circle has one
    for table, constraints in reversed(sa.schema.sort_tables_and_constraints(tables, filter_fn=droppable)):
        if table is not None:
            drops.append(str(sa.schema.DropTable(table).compile(dialect=dialect)).strip())
            continue
        for constraint in sorted(constraints, key=lambda each: str(each.name)):
            if dialect.supports_alter:
                drops.insert(0, str(sa.schema.DropConstraint(constraint).compile(dialect=dialect)).strip())
    return drops


class _Imported:
    """A module made of text, for the time of a ``with``."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._name = f"qapla_exported_{secrets.token_hex(8)}"  # a name that was used before would mean the same models again

    def __enter__(self) -> Any:
        self._module: Any = ModuleType(self._name)
        sys.modules[self._name] = self._module
        exec(compile(self._source, self._name, "exec"), self._module.__dict__)  # noqa: S102 - literals and calls of ours
        orm.configure_mappers()
        return self._module

    def __exit__(self, *error: object) -> None:
        del sys.modules[self._name]


def _models(module: Any) -> list[Any]:
    base = module.Model
    return [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, base) and each is not base]


def _assignment(name: str, values: Iterable[str]) -> str:
    lines = [f"    {value}," for value in values]
    return "\n".join([f"{name} = (", *lines, ")"]) if lines else f"{name} = ()"


def _statement(text: str) -> str:
    """Return a statement as a literal: over several lines where that is sure to mean the same."""
    text = "\n".join(line.rstrip().replace("\t", "    ") for line in text.splitlines()) if _is_layout(text) else text
    plain = text.replace("\n", "")
    if "\n" in text and plain.isprintable() and '"""' not in text and "\\" not in text and not text.endswith('"'):
        return f'"""{text}"""'
    return literal(text)


def _is_layout(text: str) -> bool:
    """Tell whether tabs and ends of lines in a statement are layout: no text or name in quotes has any."""
    inside: str | None = None
    for character in text:
        if inside is None and character in "'\"`":
            inside = character
        elif character == inside:
            inside = None
        elif inside is not None and character in "\t\n\r":
            return False
    return True
