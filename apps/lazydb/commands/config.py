"""``lazydb config export`` and ``lazydb config import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lazydb.commands.output import count, example, json_option, say, show
from lazydb.commands.session import open_lazydb

if TYPE_CHECKING:
    from lazydb.config import Imported


@click.group("config", epilog=example("lazydb config export lazydb.toml", "lazydb config import lazydb.toml"))
def config_command() -> None:
    """Export and import the registered databases as TOML. Passwords are never in the file, only names of environment variables."""


@config_command.command("export", epilog=example("lazydb config export lazydb.toml", "lazydb config export -"))
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@json_option
def export_command(file: Path, force: bool, as_json: bool) -> None:
    """Write every registered database into FILE ("-": standard output)."""
    from lazydb.config import export_config
    from qapla.errors import Conflict, InputError

    with open_lazydb() as app:
        text = export_config(app["connections"])
        number = len(app["connections"].list())
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    if file.exists() and not force:
        raise Conflict(f"file {file.name!r} is there already", hint="overwrite it with --force")
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"file {file.name!r} cannot be written: {error.strerror}") from None
    show({"file": str(file.absolute()), "databases": number}, as_json, lambda: say(f"{count(number, 'database')} written to {file.name}"))


@config_command.command("import", epilog=example("SHOP_PASSWORD=… lazydb config import lazydb.toml"))
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@json_option
def import_command(file: Path, as_json: bool) -> None:
    """Register every database in FILE; one that is registered already gets the settings of the file.

    Nothing is registered when anything in the file is wrong. A database that cannot be reached is registered paused. As a file may come
    from somebody else, SQLite files have to be below LAZYDB_SQLITE_FOLDERS, and private addresses need LAZYDB_ALLOW_PRIVATE=1.
    """
    from lazydb.config import import_config

    with open_lazydb() as app:
        imported = import_config(app["connections"], read_config(file))
    outcome = [{"name": each.name, "is_new": each.is_new, "problem": each.problem} for each in imported]
    show(outcome, as_json, lambda: tell_imported(imported))
    click.get_current_context().exit(1 if any(each.problem for each in imported) else 0)


def read_config(file: Path) -> str:
    """Return the text of *file*.

    Raises:
        InputError: it cannot be read as text.
    """
    from qapla.errors import InputError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"file {file.name!r} cannot be read as text") from None


def tell_imported(imported: list[Imported]) -> None:
    """Print what became of each database."""
    if not imported:
        say("there is no database in the file")
    for each in imported:
        done = "registered" if each.is_new else "was registered already; its settings are updated"
        say(f"{each.name}: paused, since it cannot be used now: {each.problem}" if each.problem else f"{each.name}: {done}")
