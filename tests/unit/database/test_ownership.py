"""qapla.database.ownership"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, Integer, MetaData, Table
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from qapla.database.ownership import made_tables, owned_metadata

if TYPE_CHECKING:
    from pathlib import Path


def make_model() -> type[DeclarativeBase]:
    """Return a base without tables."""

    class Model(DeclarativeBase):
        metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})

    return Model


def test_without_marks_all_tables_are_everybodys() -> None:
    """The metadata itself is returned for each database."""
    model = make_model()
    Table("word", model.metadata, Column("id", Integer, primary_key=True))

    assert owned_metadata(model, "main", ["main", "music"]) is owned_metadata(model, "music", ["main", "music"]) is model.metadata


def test_a_mark_on_a_base_or_on_a_table() -> None:
    """Who is marked has what is marked, everybody else has the rest; a table can be in two; names of constraints are kept."""
    model = make_model()

    class Music(model):  # type: ignore[valid-type, misc]
        __abstract__ = True
        __database__ = "music"

    class Song(Music):
        __tablename__ = "song"
        __table_args__ = {"comment": "does not hide the mark"}
        id: Mapped[int] = mapped_column(primary_key=True)

    for name, mark in {"word": None, "tag": "music", "both": ("main", "music")}.items():
        Table(name, model.metadata, Column("id", Integer, primary_key=True), info={"database": mark} if mark else {})
    Table("mine", model.metadata, Column("id", Integer, primary_key=True), info={"database": "main"})
    names = ["main", "music", "rest", "more"]

    owned = {name: owned_metadata(model, name, names) for name in names}

    assert {name: sorted(metadata.tables) for name, metadata in owned.items()} == {
        "main": ["both", "mine"],
        "music": ["both", "song", "tag"],
        "rest": ["word"],
        "more": ["word"],
    }
    assert owned["music"].tables["song"].primary_key.name == "pk_song"
    assert owned["music"].tables["song"].comment == "does not hide the mark"


def test_tables_that_migrations_have_made(tmp_path: Path) -> None:
    """Created or renamed to, with a schema or without; what is computed is not known."""
    file = tmp_path / "0001.py"
    file.write_text(
        "op.create_table('a', x)\nop.create_table('b', x, schema='s')\nop.rename_table('a', 'c')\n"
        "op.create_table(name)\nop.drop_table('d')\nwith op.batch_alter_table('e') as batch: pass\nop.create_table()\n"
    )

    assert made_tables([str(file)]) == {"a", "s.b", "c"}
