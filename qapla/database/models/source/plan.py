"""What a module of models has to say about one database: decisions only, no text. ``source`` writes them down.

A foreign key of one column that leads to the key of another model is a ``ForeignKey`` that makes this column. Others are a ``ForeignKey``
over fields that are declared by themselves: those of several columns, to other columns, of another type, or that share a column. What
``ForeignKey`` cannot say at all (deferred keys, names with a point in them) is a constraint of SQLAlchemy, with a relation beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from qapla.database.models.naming import plural
from qapla.database.models.source.between import find_between, is_plain
from qapla.database.models.source.names import Names, attribute_name, class_name, singular
from qapla.database.schema.diff import same_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from qapla.database.schema.construction import Construction
    from qapla.database.schema.description import DatabaseSchema, ForeignKey, Table, TableName


@dataclass
class Link:
    """A foreign key and its names: the attribute here that gives the row, and the one there that gives the rows which point to it."""

    key: ForeignKey
    target: ModelPlan
    attribute: str
    reverse: str
    kind: Literal["column", "fields", "constraint"]

    @property
    def is_field(self) -> bool:
        """Tell whether it makes its column itself."""
        return self.kind == "column"


@dataclass
class ManyLink:
    """A way to many rows through the table between. ``through`` is its model; None where it says nothing but which rows belong together."""

    attribute: str
    target: ModelPlan
    reverse: str
    between: Table
    through: ModelPlan | None
    source_key: ForeignKey
    target_key: ForeignKey


@dataclass
class ModelPlan:
    """One model: its class, its table, and the names of its attributes by column."""

    name: str
    table: Table
    names: Names
    attributes: dict[str, str] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    many: list[ManyLink] = field(default_factory=list)

    @property
    def is_view(self) -> bool:
        """Tell whether nobody creates it as a table."""
        return self.table.kind != "table"

    @property
    def key(self) -> tuple[str, ...]:
        """Return the columns of the primary key."""
        return self.table.primary_key.columns if self.table.primary_key else ()

    def field_link(self, column: str) -> Link | None:
        """Return the link whose field makes this column."""
        return next((link for link in self.links if link.is_field and column in link.key.columns), None)


@dataclass(frozen=True)
class Plan:
    """Everything: the models in an order in which most targets come first, and the tables that are only in the middle of two models."""

    schema: DatabaseSchema
    construction: Construction
    models: tuple[ModelPlan, ...]

    def is_before(self, one: ModelPlan, other: ModelPlan) -> bool:
        """Tell whether a model is declared before another."""
        return self.models.index(one) < self.models.index(other)


def make_plan(schema: DatabaseSchema, construction: Construction, *, reserved: Collection[str], taken: Collection[str] = ()) -> Plan:
    """Decide what the models of *schema* are.

    Args:
        reserved: attributes that a model has already.
        taken: names of the module that no model can have.
    """
    classes = Names(taken)
    models: dict[TableName, ModelPlan] = {}
    between = find_between(schema)
    plain = {name for name, keys in between.items() if is_plain(schema, construction, name, keys)}
    for table in _sorted(schema.tables, schema.default_schema):
        if table.columns and table.name not in plain:
            models[table.name] = ModelPlan(classes.give(class_name(table.name.name)), table, Names(reserved))
    for model in models.values():
        _name_columns(model)
    for model in models.values():
        _name_links(model, models, construction)
    for name, (near, far) in between.items():
        _name_many(schema.by_name[name], near, far, models)
    return Plan(schema, construction, tuple(_in_order(list(models.values()))))


def _sorted(tables: Sequence[Table], default_schema: str | None) -> list[Table]:
    """Return tables before views, those of the default schema first: they get the plain names."""
    return sorted(tables, key=lambda table: (table.kind != "table", table.name.schema != default_schema, str(table.name)))


def _name_columns(model: ModelPlan) -> None:
    """Give each column its attribute: those that keep their own name first, so that no other takes it."""
    columns = [column.name for column in model.table.columns]
    for column in sorted(columns, key=lambda name: (attribute_name(name) != name, columns.index(name))):
        wanted = attribute_name(column)
        model.attributes[column] = model.names.give(wanted, f"{wanted}_")


def _name_links(model: ModelPlan, models: Mapping[TableName, ModelPlan], construction: Construction) -> None:
    used = [column for key in model.table.foreign_keys for column in key.columns]
    deferrable = construction.of(model.table.name).deferrable
    for key in model.table.foreign_keys:
        target = models.get(key.target)
        if target is None or len(key.columns) != len(key.target_columns) or target.is_view:
            continue
        alone = all(used.count(column) == 1 for column in key.columns)
        dotted = any("." in part for part in (*key.target, *key.target_columns) if part)  # SQLAlchemy would read something else
        kind: Literal["column", "fields", "constraint"] = "constraint" if dotted or key.columns in deferrable else "fields"
        attribute = _link_name(model, key) if kind == "fields" and alone and _is_whole(model, key, target) else None
        if attribute is not None:
            kind = "column"
        else:
            attribute = model.names.give(_own_link_name(key, target))
        model.links.append(Link(key, target, attribute, _reverse_name(model, key, target, attribute), kind))


def _is_whole(model: ModelPlan, key: ForeignKey, target: ModelPlan) -> bool:
    """Tell whether a field can make the column: one, to the key of the other model, of the same type, with nothing special about it."""
    if len(key.columns) != 1 or key.target_columns != target.key:
        return False
    column, other = model.table.by_name[key.columns[0]], target.table.by_name[key.target_columns[0]]
    return same_text(column.type.name, other.type.name) and column.generated is None and column.type.kind != "enum"


def _link_name(model: ModelPlan, key: ForeignKey) -> str | None:
    """Return the name of a field: without ``_id`` where the column has it; None where it, or its key's attribute, is taken."""
    column = model.attributes[key.columns[0]]
    wanted = attribute_name(column.removesuffix("_id") if column.endswith("_id") and len(column) > 3 else column)
    names = (wanted, f"{wanted}_id")
    if any(name != column and not model.names.is_free(name) for name in names):
        return None
    for name in names:
        if name != column:
            model.names.give(name)
    model.attributes[key.columns[0]] = names[1]
    return wanted


def _own_link_name(key: ForeignKey, target: ModelPlan) -> str:
    """Return the name of a relation that is no field: after its column, else after where it leads."""
    if len(key.columns) == 1 and key.columns[0].endswith("_id") and len(key.columns[0]) > 3:
        return attribute_name(key.columns[0].removesuffix("_id"))
    return attribute_name(singular(target.table.name.name.lower())) if len(key.columns) > 1 else f"{attribute_name(key.columns[0])}_row"


def _reverse_name(model: ModelPlan, key: ForeignKey, target: ModelPlan, attribute: str) -> str:
    word = attribute_name(singular(model.table.name.name.lower()))
    own = word if is_unique(model, key.columns) else attribute_name(plural(word))
    return target.names.give(own, f"{attribute}_{own}", f"{own}_by_{attribute}")


def is_unique(model: ModelPlan, columns: tuple[str, ...]) -> bool:
    """Tell whether these columns are the key, or a unique set: one row at most has their values."""
    return columns == model.key or any(key.columns == columns for key in model.table.unique)


def _name_many(between: Table, near: ForeignKey, far: ForeignKey, models: Mapping[TableName, ModelPlan]) -> None:
    """Give the first side of a many-to-many relation its attribute, and the other side the way back."""
    source, target, through = models[near.target], models[far.target], models.get(between.name)
    attribute = source.names.give(_many_name(far), attribute_name(f"{_many_name(far)}_by_{between.name.name}"))
    reverse = target.names.give(_many_name(near), attribute_name(f"{_many_name(near)}_by_{between.name.name}"))
    source.many.append(ManyLink(attribute, target, reverse, between, through, near, far))


def _many_name(key: ForeignKey) -> str:
    column = key.columns[0].lower()
    word = column.removesuffix("_id") if column.endswith("_id") and len(column) > 3 else key.target.name.lower()
    return attribute_name(plural(singular(word)))


def _in_order(models: list[ModelPlan]) -> Iterator[ModelPlan]:
    """Yield the models, those that others point at first; where they point at each other, by name."""
    waiting, done = list(models), set[str]()
    while waiting:
        ready = (model for model in waiting if all(link.target.name in done or link.target is model for link in _all_links(model)))
        model = next(ready, waiting[0])
        waiting.remove(model)
        done.add(model.name)
        yield model


def _all_links(model: ModelPlan) -> list[Link | ManyLink]:
    return [*model.links, *model.many]

