"""Python that declares the models of a database: a ``DatabaseSchema`` becomes text, and nothing is asked of anybody.

What a person would have written, as far as a catalog tells it: fields and links of ``models`` where they can say a thing exactly, types and
constraints of SQLAlchemy where they cannot. Importing the text and creating its tables gives a database that introspection finds equal.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qapla.database import models
from qapla.database.dialects import get_engine
from qapla.database.models.source.fields import field_lines, link_lines
from qapla.database.models.source.plan import make_plan
from qapla.database.models.source.tables import after_lines, table_lines
from qapla.database.models.source.text import WIDTH, docstring, literal
from qapla.database.schema.construction import Construction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qapla.database.models.source.plan import ModelPlan, Plan
    from qapla.database.schema.description import DatabaseSchema, Table

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
BASE = "Model"
TAKEN = ("models", "sa", "orm", "postgresql", "mysql", "oracle", BASE)
KEYLESS_KINDS = ("json", "array", "composite", "geometry", "unknown")  # values that no set takes


def make_source(schema: DatabaseSchema, construction: Construction | None = None) -> str:
    """Return a module that declares a model for every table and view of *schema*.

    Args:
        construction: indexes, checks and computed values; without it the models have none.
    """
    plan = make_plan(schema, construction or Construction(), reserved={*dir(models.Model), *TAKEN}, taken=TAKEN)
    body: list[str] = []
    for model in plan.models:
        body += ["", "", *model_lines(model, plan)]
    after = [line for model in plan.models for line in after_lines(model, plan)]
    body += ["", "", *after] if after else []
    text = "\n".join(body)
    return "\n".join([*head_lines(plan, text), *base_lines(plan), text]).rstrip("\n") + "\n"


def name_models(schema: DatabaseSchema, construction: Construction | None = None) -> Sequence[tuple[str, Table]]:
    """Return the names of the models that ``make_source`` declares, in their order, each with its table."""
    plan = make_plan(schema, construction or Construction(), reserved={*dir(models.Model), *TAKEN}, taken=TAKEN)
    return [(model.name, model.table) for model in plan.models]


def head_lines(plan: Plan, body: str) -> list[str]:
    """Return the docstring and the imports that *body* needs."""
    label = get_engine(plan.schema.engine).label
    lines = [f'"""The models of a database of {label}, written from its catalog: one class per table."""', "", "import sqlalchemy as sa"]
    dialects = [name for name in ("mysql", "oracle", "postgresql") if f"{name}." in body]
    lines += ["from qapla.database import models"]
    lines += ["from sqlalchemy import orm"] * ("orm.relationship(" in body)
    return [*lines, *[f"from sqlalchemy.dialects import {', '.join(dialects)}"] * bool(dialects)]


def base_lines(plan: Plan) -> list[str]:
    """Return the class that all models are made of, and the types that are made before tables."""
    lines = ["", "", f"class {BASE}(models.Model):", '    """The base of every model here."""', "", "    __abstract__ = True"]
    lines += ["    metadata = sa.MetaData()"]
    if plan.construction.types:
        lines += ["", "", "models.make_types(", f"    {BASE}.metadata,", "    {"]
        for made in plan.construction.types:
            lines += [f"        {literal(made.name)}: {literal(made.create)},"]
        lines += ["    },", ")"]
    return lines


def model_lines(model: ModelPlan, plan: Plan) -> list[str]:
    """Return the class of one model."""
    table = model.table
    lines = [f"class {model.name}({BASE}):", f"    {docstring(table.comment, _what(model))}", ""]
    lines += [f"    __tablename__ = {literal(table.name.name)}"]
    lines += ["    __read_only__ = True"] * model.is_view
    lines += table_lines(model, plan)
    if not model.key:
        lines += key_lines(model)
    lines += [""]
    for column in table.columns:
        lines += field_lines(column, model, plan)
    return [*lines, *link_lines(model, plan)]


def _what(model: ModelPlan) -> str:
    """Return a sentence about a table without a comment; its name is in it where that cannot be read as anything else."""
    table = model.table
    kind = {"table": "table", "foreign": "table elsewhere"}.get(table.kind, "view")
    name = f"``{table.name.name}``" if _PLAIN.fullmatch(table.name.name) else f"a {kind}"
    if table.kind == "table":
        return f"A row of {name}."
    return f"A row of {name}, a {kind}: to be read." if "`" in name else f"A row of {name}, to be read."


def key_lines(model: ModelPlan) -> list[str]:
    """Return what tells rows apart where no key does: the shortest unique set, else all their values."""
    columns = model.table.identity.columns or tuple(
        column.name for column in model.table.columns if column.type.kind not in KEYLESS_KINDS
    ) or tuple(column.name for column in model.table.columns)  # fmt: skip
    names = [literal(model.attributes[column]) for column in columns]
    line = f'    __mapper_args__ = {{"primary_key": [{", ".join(names)}]}}'
    if len(line) <= WIDTH:
        return [line]
    return ["    __mapper_args__ = {", '        "primary_key": [', *(f"            {name}," for name in names), "        ],", "    }"]
