"""``qapla models URL``: the models of a database that exists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command("models")
@click.argument("url")
@click.option("--output", "-o", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write there, not to the terminal.")
@click.option("--schema", "schemas", multiple=True, help="A schema; again for several. By default all that the account may read.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Tables to take: table or schema.table, * for any letters.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Tables to leave out.")
@click.option("--force", is_flag=True, help="Write over FILE.")
def models_command(
    url: str, output: Path | None, schemas: Sequence[str], include: Sequence[str], exclude: Sequence[str], force: bool
) -> None:
    """Print Python that declares a model for every table and view of the database at URL. Nothing in it is changed.

    A password had better not stand in a command: leave it out of URL, and it is taken from QAPLA_PASSWORD.

    Example: qapla models postgresql://me@db.example.org/shop --output models.py
    """
    from qapla.database.models.generated import open_target, read_models, write_models

    with open_target(url) as connection:
        text = read_models(connection, schemas=schemas, include=include, exclude=exclude)
    if output is None:
        click.echo(text, nl=False)
        return
    write_models(text, output, overwrite=force)
    click.echo(f"{text.count('__tablename__')} models in {output}")
