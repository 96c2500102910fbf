"""The ``qapla`` command: look into an application, and run what its plugins offer.

The application is named by ``--app``, by the environment variable ``QAPLA_APP``, or by ``[tool.qapla] app`` in the ``pyproject.toml`` of
the folder where one is: ``package.module:attribute``, an ``Application`` or a class of one. Plugins add sub-commands by their method
``commands``.
"""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qapla.application import Application
from qapla.errors import ConfigurationError, QaplaError, tell
from qapla.installed import list_plugins
from qapla.project.here import find_app_name, look_here
from qapla.settings import masked

if TYPE_CHECKING:
    from collections.abc import Sequence


LAZY = {"models": "qapla.database.models.command"}  # commands whose modules are imported when they are called

APP_VARIABLE = "QAPLA_APP"
NAME_IT = "use --app package.module:attribute, or set QAPLA_APP"


class AppGroup(click.Group):
    """Commands of our own, then those of the application's plugins. The application is loaded when they are asked for."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return all names."""
        own = [*super().list_commands(context), *LAZY]
        try:
            return sorted({*own, *self._of_plugins(context).commands})
        except QaplaError as error:  # our own commands help where something is wrong
            show(error)
            return own

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return the command, one of our own first."""
        if name in LAZY:
            command: click.Command = getattr(import_module(LAZY[name]), f"{name}_command")
            return command
        return super().get_command(context, name) or self._of_plugins(context).commands.get(name)

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; what is missing may be one of an application that nobody has named."""
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            if app_name(context):
                raise
            raise click.UsageError(f"{error.message} No application is named: {NAME_IT}.", context) from error

    def _of_plugins(self, context: click.Context) -> click.Group:
        group = click.Group()
        if app_name(context):
            for plugin in prepared(context).plugins:
                plugin.commands(group)
        return group


def app_name(context: click.Context) -> str | None:
    """Return how the application is named; ``--help`` is answered before Click has looked into the environment."""
    return context.find_root().params.get("app") or os.environ.get(APP_VARIABLE) or find_app_name()


def prepared(context: click.Context) -> Application:
    """Return the application that the command is about: its settings read, its plugins declared, none started.

    Raises:
        ConfigurationError: none is named, or there is none of that name.
    """
    root = context.find_root()
    if root.obj is None:
        root.obj = find_application(app_name(root)).prepare("command")
    application: Application = root.obj
    return application


def find_application(name: str | None) -> Application:
    """Return the application called *name*, ``package.module:attribute``.

    Raises:
        ConfigurationError: there is none.
    """
    if not name:
        raise ConfigurationError("no application is named", hint=NAME_IT)
    module, _, attribute = name.partition(":")
    try:
        place = import_module(module)
    except QaplaError:
        raise
    except Exception as error:
        if is_missing(module, error):
            raise ConfigurationError(f"application {name!r} cannot be found: {error}", hint="package.module:attribute") from error
        raise ConfigurationError(f"application {name!r} cannot be imported: {tell(error)}") from error
    try:
        found = getattr(place, attribute or "main")
    except AttributeError as error:
        raise ConfigurationError(f"application {name!r} cannot be found: {error}", hint="package.module:attribute") from error
    if isinstance(found, type) and issubclass(found, Application):
        return found()
    if not isinstance(found, Application):
        hint = "a subclass of qapla.application.Application"
        raise ConfigurationError(f"{name!r} is no application but a {type(found).__name__}", hint=hint)
    return found


def is_missing(module: str, error: Exception) -> bool:
    """Tell whether *error* says that there is no such module, and not that something is wrong in it."""
    if not module or module.startswith("."):
        return True
    return isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}.")


@click.group(cls=AppGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--app", envvar=APP_VARIABLE, is_eager=True, help="The application: package.module:attribute.")
def cli(app: str | None) -> None:
    """Look into an application and run the commands of its plugins.

    Example: qapla --app lazydb.application:main settings
    """


@cli.command()
@click.pass_context
def settings(context: click.Context) -> None:
    """Show the settings, secrets masked, and where each was set."""
    found = prepared(context).settings
    for key, value in sorted(masked(found).items()):
        click.echo(f"{key} = {value!r}    # {found.origin(key)}")


@cli.command()
@click.option("--installed", is_flag=True, help="Those that can be declared by name, whether this application has them or not.")
@click.pass_context
def plugins(context: click.Context, installed: bool) -> None:
    """Show the plugins in the order in which they start."""
    if installed:
        for name, entry in list_plugins().items():
            click.echo(f"{name:20} {entry.value:60} {entry.dist.name if entry.dist else ''}")
        return
    for plugin in prepared(context).plugins:
        click.echo(f"{plugin.key:20} {type(plugin).__module__}.{type(plugin).__qualname__}")


@cli.command()
@click.option("-c", "source", metavar="CODE", help="Run this instead of asking for input.")
@click.pass_context
def shell(context: click.Context, source: str | None) -> None:
    """Open Python with the application started: app, settings, scope, and the session of each database by its name.

    Code that is piped in is run, too. Nothing is kept without commit().

    Example: qapla shell -c "print(main.execute(text('SELECT 1')).scalar())"
    """
    from qapla.shell import run_shell

    run_shell(find_application(app_name(context)), source)


@cli.command()
@click.argument("text", required=False, default="")
@click.pass_context
def routes(context: click.Context, text: str) -> None:
    """Show which addresses are answered: methods, path, name and view, in the order in which they are tried; only lines with TEXT.

    Example: qapla routes /api
    """
    from qapla.routes import list_routes, print_routes

    for line in print_routes(list_routes(prepared(context))):
        if text in line:
            click.echo(line)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of processes.")
@click.option("--reload", is_flag=True, help="Start again when a source file changes; for development.")
@click.pass_context
def serve(context: click.Context, host: str, port: int, workers: int, reload: bool) -> None:
    """Serve the application, until Ctrl+C.

    Example: qapla serve --port 8080 --workers 2
    """
    from qapla.serving import Serving, serve, source_folders

    name = app_name(context)
    kind = type(find_application(name)).__name__
    folders = source_folders(name) if reload else ()
    chosen = Serving(name or "", workers, reload=folders, host=host, port=port)
    serve(chosen, lambda: click.echo(f"{kind} is served at {chosen.url}; Ctrl+C stops it"))


@cli.command()
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--database", type=click.Choice(["sqlite", "postgresql", "mariadb"]), default="sqlite", show_default=True, help="Its engine.")
def startproject(name: str, folder: Path | None, database: str) -> None:
    """Make an application called NAME, to begin with, in FOLDER or a new folder of its name.

    It runs, and has a model, a migration, controllers, a task and tests. Nothing is overwritten.

    Example: qapla startproject blog --database postgresql
    """
    from qapla.project.make import make_project

    home = folder if folder is not None else Path(name)
    files = make_project(name, database, home)
    click.echo(f"{len(files)} files in {home}. Next:\n")
    for command in (f"cd {shlex.quote(str(home))} && pip install -e '.[test]'", "qapla database migrate", "qapla serve"):
        click.echo(f"    {command}")


def ignore_old_warnings() -> None:
    """Say nothing of what Pyramid and Cornice still ask setuptools for; nobody who reads it here can change that."""
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of ours are one line on stderr and exit code 1."""
    look_here()
    ignore_old_warnings()
    try:
        cli.main(args=list(arguments) if arguments is not None else None, prog_name="qapla")
    except QaplaError as error:
        show(error)
        sys.exit(1)


def show(error: QaplaError) -> None:
    """Say on stderr what is wrong."""
    click.echo(f"qapla: {error}", err=True)
    for note in getattr(error, "__notes__", ()):
        click.echo(f"       {note}", err=True)

