"""Tables between two others: which they are, and which of them say nothing but what belongs together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.models.keys import make_object_name
from qapla.database.schema.diff import same_text

if TYPE_CHECKING:
    from qapla.database.schema.construction import Construction
    from qapla.database.schema.description import DatabaseSchema, ForeignKey, TableName

Ends = tuple["ForeignKey", "ForeignKey"]
PLAIN_RULE = "CASCADE"  # what ``ManyToMany`` makes: who is gone belongs to nobody


def find_between(schema: DatabaseSchema) -> dict[TableName, Ends]:
    """Return the tables whose primary key is made of two foreign keys, in the order of their columns, to the keys of two tables."""
    found = {}
    keys_of = {table.name: table.primary_key.columns for table in schema.tables if table.kind == "table" and table.primary_key}
    for table in schema.tables:
        keys = table.foreign_keys
        if len(keys) != 2 or table.name not in keys_of:
            continue
        places = list(table.by_name)
        near, far = sorted(keys, key=lambda key: places.index(key.columns[0]))
        columns = (*near.columns, *far.columns)
        if sorted(columns) == sorted(keys_of[table.name]) and all(key.target_columns == keys_of.get(key.target) for key in keys):
            found[table.name] = (near, far)
    return found


def is_plain(schema: DatabaseSchema, construction: Construction, name: TableName, ends: Ends) -> bool:
    """Tell whether a table between two is exactly what ``ManyToMany`` would make, so that it needs no model of its own."""
    table, built = schema.by_name[name], construction.of(name)
    columns = (*ends[0].columns, *ends[1].columns)
    in_order = tuple(table.by_name) == columns == (table.primary_key.columns if table.primary_key else ())
    is_bare = not (table.comment or table.unique or built.checks or any(column.comment for column in table.columns))
    names = {key.name for key in ends} | {key.columns[0] for key in ends}  # of the indexes that MariaDB and MySQL make for keys
    has_indexes = any(index.name not in names for index in built.indexes)
    is_leaf = all(key.target != name for other in schema.tables for key in other.foreign_keys)
    same_place = ends[0].target.schema == name.schema
    return in_order and is_bare and not has_indexes and is_leaf and same_place and _has_usual_keys(schema, name, ends)


def _has_usual_keys(schema: DatabaseSchema, name: TableName, ends: Ends) -> bool:
    for number, key in enumerate(ends, start=1):
        if key.on_delete != PLAIN_RULE or key.on_update != get_engine(schema.engine).default_rule:
            return False
        if "." in "".join((key.target.name, key.target.schema or "", *key.target_columns)):
            return False
        usual = (None, make_object_name(name.name, "_".join(key.columns), "fkey"), f"{name.name}_ibfk_{number}")
        if key.name not in usual:
            return False
        here, there = schema.by_name[name], schema.by_name[key.target]
        for column, target in zip(key.columns, key.target_columns, strict=True):
            if not same_text(here.by_name[column].type.name, there.by_name[target].type.name) or here.by_name[column].default is not None:
                return False
    return True
