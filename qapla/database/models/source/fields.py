"""The lines of a model's fields, and of its links to other models."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.models.keys import make_object_name
from qapla.database.models.naming import plural
from qapla.database.models.source.text import call, literal
from qapla.database.models.source.types import Word, choose_word, split_name

if TYPE_CHECKING:
    from qapla.database.models.source.plan import Link, ManyLink, ModelPlan, Plan
    from qapla.database.schema.description import Column

_SEQUENCE = re.compile(r"nextval\('((?:[^']|'')*)'(?:::regclass)?\)")
_BIND = re.compile(r"(?<![:\w\\]):(?=\w)")  # what text() would take for a parameter
_SIMPLE = re.compile(r"""[+-]?[\d.]+(e[+-]?\d+)?|'(?:[^']|'')*'|"(?:[^"]|"")*"|x'[0-9a-f]*'|\w+|\(.*\)""", re.IGNORECASE | re.DOTALL)


def field_lines(column: Column, model: ModelPlan, plan: Plan) -> list[str]:
    """Return the lines of one column."""
    link = model.field_link(column.name)
    if link is not None:
        return _link_field(column, link, model, plan)
    built = plan.construction.of(model.table.name)
    charset, collation = built.collations.get(column.name, (None, None))
    table_charset, table_collation = built.options.get("default charset"), built.options.get("collate")
    is_own = (charset, collation) != (table_charset, table_collation) and collation not in ("default", table_collation)
    own = column.type.kind in ("text", "enum") and (charset or collation) and is_own
    word = choose_word(column.type, plan.schema.engine, charset if own else None, collation if own else None)
    word, options = _with_key(word, column, model, plan)
    arguments = [*word.arguments, *options, *_common(column, model.attributes[column.name], model, plan)]
    return call(f"models.{word.field}", arguments, 4, before=f"{model.attributes[column.name]} = ")


def _with_key(word: Word, column: Column, model: ModelPlan, plan: Plan) -> tuple[Word, list[str]]:
    """Return the field of a column that is the key or a part of it, and what makes it so."""
    if column.name not in model.key:
        return word, []
    is_number = word.field == "Integer" and "unsigned=True" not in word.arguments
    if len(model.key) == 1 and column.generated is not None and is_number:
        bits = next((each for each in word.arguments if each.startswith("bits=")), "bits=32")
        is_file = get_engine(plan.schema.engine).is_file
        return Word("PrimaryKey", () if bits == "bits=64" or is_file else (bits,)), []
    options = ["primary_key=True"]
    if word.field == "Integer":
        numbered = column.generated == "by_default"
        options += [f"autoincrement={numbered}"] * (len(model.key) == 1 or numbered)
    return word, options


def _common(column: Column, attribute: str, model: ModelPlan, plan: Plan) -> list[str]:
    """Return the options that every field has."""
    found = [f"column={literal(column.name)}"] * (attribute != column.name)
    if column.nullable and column.name not in model.key:
        found.append("null=True")
    found += ["unique=True"] * is_plain_unique(column.name, model, plan)
    found += _value_options(column, model, plan)
    if column.comment:
        found.append(f"comment={literal(column.comment)}")
    return found


def _value_options(column: Column, model: ModelPlan, plan: Plan) -> list[str]:
    """Return what says how a value comes to be: computed, numbered, or a default."""
    built = plan.construction.of(model.table.name)
    computed = built.computed.get(column.name)
    if computed is not None:
        return [f"server_default=sa.Computed({literal(escaped(computed.sql))}, persisted={computed.stored})"]
    identity = built.identities.get(column.name)
    if identity is not None:
        return [f"server_default=sa.Identity({', '.join(_identity(identity))})"]
    if column.default is None or model.is_view:
        return []
    sequence = _SEQUENCE.fullmatch(column.default)
    if sequence is not None:
        return _from_sequence(sequence[1], column, model, plan)
    text = built.defaults.get(column.name) or default_sql(column, plan.schema.engine)
    return [f"server_default={literal(escaped(text))}"]


def _identity(found: object) -> list[str]:
    """Return the options of an identity that are not what PostgreSQL and Oracle take by themselves."""
    options = dict(found)  # type: ignore[call-overload]
    given = ["always=True"] * bool(options.get("always"))
    usual = {"start": (1, None), "increment": (1, None), "cycle": (False, None), "cache": (1, 20, None)}
    given += [f"{key}={options[key]!r}" for key, values in usual.items() if options.get(key) not in values]
    return given


def _from_sequence(text: str, column: Column, model: ModelPlan, plan: Plan) -> list[str]:
    """Return the default of a column that a sequence numbers; that of SERIAL comes by itself where the column is the whole key."""
    parts = split_name(text.replace("''", "'"))
    *schema, name = parts
    is_serial = name == make_object_name(model.table.name.name, column.name, "seq") and model.key == (column.name,)
    if is_serial:
        return []
    where = f", schema={literal(schema[0])}" if schema else ""
    return [f"server_default=sa.Sequence({literal(name)}{where}, metadata=Model.metadata).next_value()"]


def default_sql(column: Column, engine: str) -> str:
    """Return a default as a CREATE TABLE takes it: the catalogs of some engines leave out quotes or brackets."""
    text = column.default or ""
    if engine == "mysql":
        return _mysql_default(text, column)
    if get_engine(engine).is_file and not _SIMPLE.fullmatch(text):
        return f"({text})"
    return text


def _mysql_default(text: str, column: Column) -> str:
    """Return a default of MySQL, whose catalog has the values of literals without quotes."""
    is_expression = re.match(r"(CURRENT_TIMESTAMP|NULL)\b", text, re.IGNORECASE) or text.startswith("b'")
    if is_expression or column.type.kind in ("integer", "float", "decimal", "boolean"):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def escaped(sql: str) -> str:
    """Return SQL in which ``text()`` finds no parameters."""
    return _BIND.sub(r"\\:", sql)


def _link_field(column: Column, link: Link, model: ModelPlan, plan: Plan) -> list[str]:
    """Return the line of a ``ForeignKey``."""
    is_key = column.name in model.key
    arguments = [_target(link.target, model, plan), *["primary_key=True"] * is_key]
    arguments += _common(column, f"{link.attribute}_id", model, plan)
    arguments += _key_options(link, model, plan)
    arguments += _reverse(link, model, is_one=is_key or "unique=True" in arguments)
    return call("models.ForeignKey", arguments, 4, before=f"{link.attribute} = ")


def _reverse(link: Link, model: ModelPlan, *, is_one: bool) -> list[str]:
    table = model.table.name.name
    return [f"related_name={literal(link.reverse)}"] * (link.reverse != (table if is_one else plural(table)))


def is_plain_unique(column: str, model: ModelPlan, plan: Plan) -> bool:
    """Tell whether a field can say by itself that no value is there twice: the set has the name that the engine gives it."""
    if model.is_view:
        return False
    indexes = {index.name for index in plan.construction.of(model.table.name).indexes}
    kinds = get_engine(plan.schema.engine).has_index_kinds
    found = [key for key in model.table.unique if key.columns == (column,) and not (kinds and key.name in indexes)]
    usual = default_constraint(plan.schema.engine, model.table.name.name, (column,), "key")
    return len(found) == 1 and found[0].name in (None, usual)


def default_constraint(engine: str, table: str, columns: tuple[str, ...], label: str) -> str | None:
    """Return the name that an engine gives to a constraint without one; None where that cannot be foretold."""
    if get_engine(engine).has_named_types:
        return make_object_name(table, "_".join(columns), label)
    return columns[0] if label == "key" and not get_engine(engine).is_file else None


def link_lines(model: ModelPlan, plan: Plan) -> list[str]:
    """Return the lines of links that are no fields of one column, and remarks about constraints that no model can say."""
    lines: list[str] = []
    lines += _dangling(model)
    for sql, is_unique in plan.construction.of(model.table.name).special:
        lines.append(f"    # {sql!a} is {'a plain UNIQUE' if is_unique else 'left out'} here")
    for link in model.links:
        if link.kind == "fields":
            lines += _over_fields(link, model, plan)
        elif link.kind == "constraint":
            lines += _relation(link, model)
    for many in model.many:
        lines += _many(many, model, plan)
    return lines


def _dangling(model: ModelPlan) -> list[str]:
    """Return a remark for each foreign key that leads to nothing that has a model here."""
    linked = [link.key for link in model.links]
    keys = [key for key in model.table.foreign_keys if key not in linked]
    return [f"    # {list(key.columns)!a} lead to {str(key.target)!a}, which has no model here: left out" for key in keys]


def _over_fields(link: Link, model: ModelPlan, plan: Plan) -> list[str]:
    """Return a ``ForeignKey`` over fields of the model."""
    arguments = [_target(link.target, model, plan), f"columns={literal(tuple(model.attributes[column] for column in link.key.columns))}"]
    if link.key.target_columns != link.target.key:
        arguments.append(f"to={literal(tuple(link.target.attributes[column] for column in link.key.target_columns))}")
    arguments += [*_key_options(link, model, plan), *_reverse(link, model, is_one=False)]
    return call("models.ForeignKey", arguments, 4, before=f"{link.attribute} = ")


def _target(target: ModelPlan, model: ModelPlan, plan: Plan) -> str:
    """Return a model as a link names it: itself where it is declared already, else in quotes."""
    if target is model:
        return literal("self")
    return target.name if plan.is_before(target, model) else literal(target.name)


def _key_options(link: Link, model: ModelPlan, plan: Plan) -> list[str]:
    engine, key = plan.schema.engine, link.key
    found = [f"on_delete={literal(key.on_delete.lower())}"] * (key.on_delete != get_engine(engine).default_rule)
    found += [f"on_update={literal(key.on_update.lower())}"] * (key.on_update != get_engine(engine).default_rule)
    usual = default_constraint(engine, model.table.name.name, key.columns, "fkey")
    return [*found, *[f"constraint={literal(key.name)}"] * bool(key.name and key.name != usual)]


def _relation(link: Link, model: ModelPlan) -> list[str]:
    """Return a relation over plain columns; what it means is looked up when all models are there."""
    here = [f"{model.name}.{model.attributes[column]}" for column in link.key.columns]
    there = [f"{link.target.name}.{link.target.attributes[column]}" for column in link.key.target_columns]
    pairs = [f"orm.foreign({one}) == orm.remote({other})" for one, other in zip(here, there, strict=True)]
    condition = pairs[0] if len(pairs) == 1 else f"sa.and_({', '.join(pairs)})"
    arguments = [f"lambda: {link.target.name}", f"primaryjoin=lambda: {condition}", f"backref={literal(link.reverse)}", 'overlaps="*"']
    return call("orm.relationship", arguments, 4, before=f"{link.attribute} = ")


def _many(many: ManyLink, model: ModelPlan, plan: Plan) -> list[str]:
    """Return a ``ManyToMany``."""
    arguments = [_target(many.target, model, plan)]
    if many.through is not None:
        arguments.append(f"through={_target(many.through, model, plan)}")
    else:
        table = many.between.name.name
        arguments += [f"table={literal(table)}"] * (table != f"{model.table.name.name}_{many.attribute}")
        sides = (many.source_key.columns, many.target_key.columns)
        arguments.append(f"columns={literal(tuple(side[0] if len(side) == 1 else side for side in sides))}")
    arguments += [f"related_name={literal(many.reverse)}"] * (many.reverse != plural(model.table.name.name))
    return call("models.ManyToMany", arguments, 4, before=f"{many.attribute} = ")
