"""A question in SQL that any worker can ask: text, parameters and columns, without a model, a table or a connection in it.

``freeze`` writes a SELECT down for one engine; ``Question.select`` gives it back as a statement in which columns can be chosen and
conditions added. Databases flatten such a subquery, so that both reach the table and its indexes.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, column, func, select, text
from sqlalchemy.types import NULLTYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Engine, Select, Subquery
    from sqlalchemy.types import TypeEngine

# Around the names of parameters while the text is written: text() reads ``:name``, and there may be other colons, quoted and not.
MARK, END = "\x01", "\x02"
INNER = "question_"  # before the names of parameters, which must not be those that an outer statement makes
KEY = "_qapla_key_{}"  # of a column of the key, which is there to be cut by, and is not one of the answer's


@dataclass(frozen=True, slots=True)
class Named:
    """A column of the answer or a parameter: SQLAlchemy's type does not compare, so that what it prints does."""

    name: str
    type: TypeEngine[Any] = field(compare=False, repr=False)
    shown: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Question:
    """A SELECT for one engine. ``columns`` are those of the answer, ``keys`` those that come after them to be cut by."""

    sql: str
    columns: tuple[Named, ...]
    keys: tuple[Named, ...] = ()
    parameters: tuple[Named, ...] = ()

    def as_subquery(self) -> Subquery:
        """Return it as a subquery, with the columns and the keys by name."""
        clause = text(self.sql)
        if self.parameters:
            clause = clause.bindparams(*(bindparam(each.name, each.value, each.type) for each in self.parameters))
        return clause.columns(*(column(each.name, each.type) for each in (*self.columns, *self.keys))).subquery("question")

    def select(self, names: Sequence[str], conditions: Iterable[ColumnElement[bool]], source: Subquery) -> Select[Any]:
        """Return the SELECT of the columns *names* of *source*, or of how many rows there are where none is named."""
        wanted: list[Any] = [source.c[name] for name in names] or [func.count().label("count")]
        return select(*wanted).select_from(source).where(*conditions)


def freeze(statement: Select[Any], names: Sequence[str], keys: Sequence[ColumnElement[Any]], engine: Engine) -> Question:
    """Write *statement* down as *engine* spells it.

    Args:
        names: what its columns are called in the answer, in order.
        keys: columns of its tables that partitions are cut by.
    """
    chosen = list(statement.selected_columns)
    labelled = [each.label(name) for each, name in zip(chosen, names, strict=True)]
    marked = [key.label(KEY.format(number)) for number, key in enumerate(keys)]
    compiled = _compile(statement.with_only_columns(*labelled, *marked, maintain_column_froms=True), engine)
    return Question(
        sql=compiled.string.replace(":", "\\:").replace(MARK, ":").replace(END, ""),
        columns=tuple(Named(name, each.type, repr(each.type)) for each, name in zip(chosen, names, strict=True)),
        keys=tuple(Named(KEY.format(number), key.type, repr(key.type)) for number, key in enumerate(keys)),
        parameters=tuple(_parameter(name, value, compiled.binds) for name, value in sorted(compiled.params.items())),
    )


def _parameter(name: str, value: Any, binds: Mapping[str, Any]) -> Named:
    type = _type_of(name, binds)
    return Named(INNER + name, type, repr(type), value)


def _type_of(name: str, binds: Mapping[str, Any]) -> TypeEngine[Any]:
    """Return the type of a parameter; those into which a list was expanded have its name and numbers, ``id_1_1`` and ``id_1_2``."""
    while name and name not in binds:
        name = name.rpartition("_")[0]
    return binds[name].type if name else NULLTYPE


def _compile(statement: Select[Any], engine: Engine) -> Any:
    dialect = copy(engine.dialect)
    dialect.paramstyle, dialect.positional = "named", False
    dialect.identifier_preparer = copy(dialect.identifier_preparer)
    dialect.identifier_preparer._double_percents = False  # text() does it again, where the driver wants it
    dialect.identifier_preparer._strings = {}  # of names as they are quoted, which the engine's own one would share

    base: Any = dialect.statement_compiler  # which one that is, only the engine knows

    class Compiler(base):
        """The engine's own compiler, which marks where parameters are, whatever the driver's style."""

        bindtemplate = compilation_bindtemplate = property(lambda self: f"{MARK}{INNER}%(name)s{END}", lambda self, template: None)

        def render_bind_cast(self, type_: Any, dbapi_type: Any, sqltext: str) -> str:
            """Leave the cast to whoever binds the value."""
            return sqltext

    dialect.statement_compiler = Compiler
    return statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
