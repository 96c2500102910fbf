"""Rows of models as data frames, whole (pandas, Arrow, Polars) or in parts that many workers read (Dask), and frames back as tables.

::

    from qapla.database.frames import to_table

    frame = Choice.select().as_df()
    to_table(frame, "choices", if_exists="replace")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qapla.database.frames.write import Written, to_table

__all__ = ["Written", "to_table"]


def __getattr__(name: str) -> Any:
    """Import what needs Arrow when it is asked for: models work without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from qapla.database.frames.installed import get_library

    return getattr(get_library("qapla.database.frames.write"), name)
