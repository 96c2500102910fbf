"""The control of a column, and what it sends back."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace

from qapla.database.schema.description import Column, ColumnType
from qapla.plugins.admin.widgets import ColumnWidget


def test_an_uploaded_file_is_never_cut() -> None:
    """Every byte of a file gets into the column; a file that is too large was refused as a whole."""
    size = 11 * 1024 * 1024
    widget = ColumnWidget(Column("photo", ColumnType("binary", "bytea")), "update", seen="another")

    entry = widget.deserialize(None, {"value": SimpleNamespace(file=BytesIO(b"x" * size))})

    assert len(entry.text) == len("\\x") + 2 * size
