"""The lines of what belongs to a table as a whole: keys of several columns, unique sets, checks, indexes, options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.database.dialects import get_engine
from qapla.database.models.source.fields import default_constraint, escaped, is_plain_unique
from qapla.database.models.source.text import broken, call, literal
from qapla.database.models.source.types import split_name
from qapla.database.schema.description import TableName

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.models.source.plan import ModelPlan, Plan
    from qapla.database.schema.construction import Built, Index, Part
    from qapla.database.schema.description import ForeignKey, Key

_KEPT_OPTIONS = ("autoincrement", "with_rowid", "strict", "partition_by", "partitions", "engine", "default charset", "collate")
_USUAL_ENGINE = "InnoDB"


def table_lines(model: ModelPlan, plan: Plan) -> list[str]:
    """Return ``__table_args__``, if there is anything in it."""
    parts = list(_parts(model, plan)) if not model.is_view else []
    options = _options(model, plan)
    if not parts and not options:
        return []
    if not parts:
        line = f"    __table_args__ = {literal(options)}"
        if len(line) <= 120:
            return [line]
    lines = ["    __table_args__ = ("]
    for part in parts:
        lines += part
    if options:
        lines += ["        {", *(line for key, value in options.items() for line in _option(key, value)), "        },"]
    return [*lines, "    )"]


def _option(key: str, value: Any) -> list[str]:
    found = broken(literal(value), 12)
    if len(found) == 1:
        return [f"            {literal(key)}: {found[0].strip()}"]
    return [f"            {literal(key)}: {found[0].strip()}", *found[1:]]


def _parts(model: ModelPlan, plan: Plan) -> Iterator[list[str]]:
    table, built, engine = model.table, plan.construction.of(model.table.name), plan.schema.engine
    key = table.primary_key
    if key is not None:
        in_order = tuple(column.name for column in table.columns if column.name in key.columns)
        usual = built.primary_key_name in (None, default_constraint(engine, table.name.name, (), "pkey"))
        if in_order != key.columns or not usual:
            name = [] if usual else [f"name={literal(built.primary_key_name)}"]
            yield _argument("sa.PrimaryKeyConstraint", [*map(literal, key.columns), *name])
    indexes = {index.name for index in built.indexes}
    for unique in table.unique:
        is_index = unique.name in indexes and get_engine(engine).has_index_kinds
        if not is_index and not (len(unique.columns) == 1 and is_plain_unique(unique.columns[0], model, plan)):
            yield _unique(unique, model, plan)
    for check in built.checks:
        if not _is_of_type(check.sql, model, plan):
            name = [f"name={literal(check.name)}"] if check.name and not _is_made_up(check.name, model, plan) else []
            yield _argument("sa.CheckConstraint", [literal(escaped(check.sql)), *name])
    for index in built.indexes:
        if not _is_made_by_key(index, model, plan):
            yield _argument("sa.Index", _index(index, plan))


def _argument(function: str, arguments: list[str]) -> list[str]:
    return call(function, arguments, 8, after=",")


def _rules(key: ForeignKey, model: ModelPlan, plan: Plan) -> list[str]:
    usual = get_engine(plan.schema.engine).default_rule
    found = [f"name={literal(key.name)}"] * bool(key.name)  # also the usual one: in a circle of tables keys are dropped by their names
    found += [f"ondelete={literal(key.on_delete)}"] * (key.on_delete != usual)
    found += [f"onupdate={literal(key.on_update)}"] * (key.on_update != usual)
    deferrable = plan.construction.of(model.table.name).deferrable
    if key.columns in deferrable:
        found.append("deferrable=True")
        begins = deferrable[key.columns]
        found += [f"initially={literal(begins)}"] * bool(begins)
    return found


def _unique(key: Key, model: ModelPlan, plan: Plan) -> list[str]:
    usual = default_constraint(plan.schema.engine, model.table.name.name, key.columns, "key")
    name = [] if key.name in (None, usual) else [f"name={literal(key.name)}"]
    return _argument("sa.UniqueConstraint", [*map(literal, key.columns), *name])


def _is_of_type(sql: str, model: ModelPlan, plan: Plan) -> bool:
    """Tell whether a check only says what a type says already: JSON of MariaDB."""
    return any(sql == f"json_valid(`{column.name.replace('`', '``')}`)" and column.type.kind == "json" for column in model.table.columns)


def _is_made_up(name: str, model: ModelPlan, plan: Plan) -> bool:
    """Tell whether an engine has named a check by itself."""
    return name.startswith("CONSTRAINT_") and name[11:].isdigit()


def _is_made_by_key(index: Index, model: ModelPlan, plan: Plan) -> bool:
    """Tell whether an index is there because of a constraint: MariaDB and MySQL make one for each foreign key and unique set."""
    if get_engine(plan.schema.engine).has_index_kinds:
        return False
    is_unique = index.unique and any(key.name == index.name for key in model.table.unique)
    return is_unique or any(key.name == index.name for key in model.table.foreign_keys)


def _index(index: Index, plan: Plan) -> list[str]:
    engine = plan.schema.engine
    parts = [_part(part, engine) for part in index.parts]
    options = [f"{engine}_{key}={_index_option(key, value)}" for key, value in index.options]
    return [literal(index.name), *parts, *["unique=True"] * index.unique, *options]


def _index_option(key: str, value: Any) -> str:
    return f"sa.text({literal(escaped(value))})" if key == "where" else literal(value)


def _part(part: Part, engine: str) -> str:
    if part.is_column and not part.sorting:
        return literal(part.text)
    sql = part.text
    mark = get_engine(engine).quote
    if part.is_column:
        sql = mark + part.text.replace(mark, mark * 2) + mark
    elif not sql.startswith("("):
        sql = f"({sql})" if " " in sql and not get_engine(engine).is_file else sql
    order = " ".join(word.upper().replace("_", " ") for word in part.sorting)
    return f"sa.text({literal(escaped(f'{sql} {order}'.strip()))})"


def _options(model: ModelPlan, plan: Plan) -> dict[str, Any]:
    """Return the dictionary of ``__table_args__``."""
    table = model.table
    found: dict[str, Any] = {}
    if table.name.schema is not None and table.name.schema != plan.schema.default_schema:
        found["schema"] = table.name.schema
    if table.comment:
        found["comment"] = table.comment
    if not model.is_view:
        found |= {f"{plan.schema.engine}_{key}": value for key, value in _own_options(plan.construction.of(table.name))}
    return found


def _own_options(built: Built) -> Iterator[tuple[str, Any]]:
    for key, value in built.options.items():
        if key in _KEPT_OPTIONS and not (key == "engine" and value == _USUAL_ENGINE) and key not in ("default charset", "collate"):
            yield key, value


def after_lines(model: ModelPlan, plan: Plan) -> list[str]:
    """Return the constraints that stand behind all classes, where every column that they lead to is there."""
    lines: list[str] = []
    for link in model.links:
        if link.kind != "constraint":
            continue
        here = [f"{model.name}.__table__.c[{literal(column)}]" for column in link.key.columns]
        there = [f"{link.target.name}.__table__.c[{literal(column)}]" for column in link.key.target_columns]
        arguments = [f"[{', '.join(here)}]", f"[{', '.join(there)}]", *_rules(link.key, model, plan)]
        lines += call("sa.ForeignKeyConstraint", arguments, 0, before=f"{model.name}.__table__.append_constraint(", after=")")
    for other in _row_types(model, plan):
        lines.append(f"{model.name}.__table__.add_is_dependent_on({other.name}.__table__)")
    return lines


def _row_types(model: ModelPlan, plan: Plan) -> Iterator[ModelPlan]:
    """Yield the models whose rows are the type of a column: PostgreSQL wants their tables first."""
    for column in model.table.columns:
        if not column.type.is_composite or model.is_view:
            continue
        *schema, name = split_name(column.type.name.removesuffix("[]"))
        wanted = TableName(schema[0] if schema else plan.schema.default_schema, name)
        yield from (other for other in plan.models if other.table.name == wanted and other is not model)
