"""``lazydb export-project``: a registered database as an application of its own, which needs no lazydb."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from lazydb.commands.output import example, json_option, note, say, show
from lazydb.commands.session import open_lazydb


@click.command("export-project", epilog=example("lazydb export-project shop", "lazydb export-project shop --output ~/src/shop"))
@click.argument("name")
@click.option("--output", metavar="FOLDER", type=click.Path(path_type=Path), help="A new or empty folder. Default: one of its name here.")
@json_option
def export_project_command(name: str, output: Path | None, as_json: bool) -> None:
    """Write a whole qapla application for the registered database NAME: models, migrations, drivers, its REST API, and tests.

    The database is read now, with the settings of the connection: its schemas and tables, and whether it takes writes. Nothing in it is
    changed. No password is written: the application takes its URL from the environment.
    """
    from lazydb.project import export

    with open_lazydb() as app:
        note(f"reading {name} \u2026")
        home, files = export(app["connections"], name, output)
    package = next(path.parts[0] for path in files if path.name == "services.py")
    outcome = {"name": name, "folder": str(home.absolute()), "package": package, "files": [str(path) for path in files]}

    def for_people() -> None:
        say(f"{name}: {len(files)} files in {home}. Next:\n")
        say(f"    cd {shlex.quote(str(home))} && pip install -e '.[test]'")
        say(f"    export {package.upper()}_DATABASE_URL=\u2026    # README.md says which")
        say("    qapla database migrate")
        say("    qapla serve")

    show(outcome, as_json, for_people)
