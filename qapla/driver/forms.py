"""The forms of a body: which the database makes by itself, and which are made here of what it printed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qapla.database.query.nulls import strip_nulls
from qapla.database.query.renderers import get_renderer
from qapla.database.query.shape import Cell, Columns
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.database.query.printing import Body
    from qapla.database.query.shape import Form, Resolved
    from qapla.database.schema.description import DatabaseSchema

MAPPED = ("geometry", "geography")  # types of PostGIS; PostgreSQL's own point and polygon are on no map


def form_bodies(resolved: Resolved, form: Form, schema: DatabaseSchema) -> tuple[Resolved, Callable[[Body], bytes] | None]:
    """Return *resolved* with bodies of this *form*, and what has to be made of each of them here; None: nothing.

    Raises:
        NotOffered: the rows are no features (406).
    """
    if form == "row":
        return resolved, None
    if form == "feature":
        _require_features(resolved, schema)
    if form in get_renderer(schema.engine).forms:
        return replace(resolved, shape=replace(resolved.shape, form=form)), None
    return resolved, strip_nulls


def _require_features(resolved: Resolved, schema: DatabaseSchema) -> None:
    if "postgis" not in schema.capabilities:
        raise NotOffered("answers as GeoJSON are not offered by this database", hint="they need PostgreSQL with PostGIS", status=406)
    columns = schema.by_name[resolved.shape.table].by_name
    names: list[str] = []
    for cell in resolved.shape.cells:
        if isinstance(cell, Columns):
            names.extend(cell.names)
        elif isinstance(cell, Cell) and not cell.ref.steps and cell.ref.cast is None:
            names.append(cell.ref.column)
    if not any(columns[name].type.name.lower().removeprefix("public.").startswith(MAPPED) for name in names):
        what = f"rows of {resolved.shape.table.name!r} without a geometry are no GeoJSON"
        raise NotOffered(what, hint="select a column of type geometry or geography", status=406)
