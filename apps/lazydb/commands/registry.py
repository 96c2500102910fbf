"""``lazydb migrate`` and ``lazydb backup``: lazydb's own registry."""

from __future__ import annotations

from pathlib import Path

import click

from lazydb.commands.output import example, json_option, say, show
from lazydb.commands.session import open_lazydb


@click.command("migrate", epilog=example("lazydb migrate"))
@json_option
def migrate_command(as_json: bool) -> None:
    """Bring lazydb's own registry up to date.

    Every start does this, under a lock; the command is for those who want it done before. Registered databases are not touched.
    """
    from qapla.database import migrate

    with open_lazydb() as app:
        database = app["database"]["main"]
        revision = sorted(migrate.current(database))
        place = database.safe_url
    show({"revision": revision, "registry": place}, as_json, lambda: say(f"the registry is up to date (revision {', '.join(revision)})"))


@click.command("backup", epilog=example("lazydb backup lazydb-2026-11-21.sqlite"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def backup_command(file: Path, as_json: bool) -> None:
    """Copy lazydb's own registry into FILE, a SQLite database.

    The secret key is not in it: keep that apart (LAZYDB_SECRET_KEY, or the key file in LAZYDB_HOME). Registered databases are not copied.
    """
    from lazydb.backup import back_up

    with open_lazydb() as app:
        rows = back_up(app["database"]["main"], file.absolute())
    told = f"the registry is copied to {file.name} ({rows} rows); the secret key is not in it, keep that apart"
    show({"file": str(file.absolute()), "rows": rows}, as_json, lambda: say(told))
