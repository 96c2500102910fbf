"""The renderer of each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.query.render import PostgresqlRenderer
from qapla.database.query.render_mysql import MariadbRenderer, MysqlRenderer
from qapla.database.query.render_sqlite import SqliteRenderer
from qapla.errors import NotOffered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.query.render import Renderer

RENDERERS: Mapping[str, Renderer] = {
    renderer.key: renderer for renderer in (PostgresqlRenderer(), MariadbRenderer(), MysqlRenderer(), SqliteRenderer())
}


def has_renderer(engine: str) -> bool:
    """Tell whether *engine* prints JSON for us."""
    return engine in RENDERERS


def get_renderer(engine: str) -> Renderer:
    """Return the renderer of *engine*.

    Raises:
        NotOffered: its tables can be described, but not read yet.
    """
    try:
        return RENDERERS[engine]
    except KeyError:
        raise NotOffered(f"reading rows is not offered for {get_engine(engine).label} yet", hint="its schema can be read") from None
