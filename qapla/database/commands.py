"""``qapla database …``: the declared databases of an application and their migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from qapla.cli import prepared
from qapla.database import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.database import Database


@click.group()
def database() -> None:
    """Show and migrate the declared databases."""


@database.command()
@click.option("--database", "name", help="Only this one; default: all that have migrations.")
@click.pass_context
def status(context: click.Context, name: str | None) -> None:
    """Show where each database is and whether a migration is missing. Exit code 1 if one is.

    Example: qapla database status
    """
    behind = False
    for found in _databases(context, name):
        current = migrate.is_current(found)
        behind = behind or not current
        revisions = ", ".join(sorted(migrate.current(found))) or "empty"
        click.echo(f"{found.name:20} {revisions:20} {'up to date' if current else 'migrations are missing'}    {found.safe_url}")
    context.exit(1 if behind else 0)


@database.command(name="migrate")
@click.option("--database", "name", help="Only this one; default: all that have migrations.")
@click.pass_context
def migrate_command(context: click.Context, name: str | None) -> None:
    """Run the missing migrations, under a lock that holds between processes.

    Example: qapla database migrate --database main
    """
    for found in _databases(context, name):
        click.echo(f"{found.name:20} {'migrated' if migrate.upgrade(found) else 'was up to date'}")


def _databases(context: click.Context, name: str | None) -> Iterator[Database]:
    app = prepared(context).run_command(only=("database",))
    try:
        for found in [app["database"][name]] if name else app["database"]:
            if name or found.migrations_key is not None:
                yield found
    finally:
        app.stop()
