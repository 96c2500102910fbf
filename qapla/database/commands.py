"""``qapla database …``: the declared databases of an application and their migrations.

Every command is about all databases that have migrations, unless ``--database`` names some.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from qapla.cli import prepared
from qapla.database.doubtcommand import in_doubt
from qapla.errors import ConfigurationError, QaplaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qapla.database.database import Database
    from qapla.database.migrate import Plan


def which_databases(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--database NAME`` (more than once, if you like) and ``--all`` to a command; they arrive as ``names``, empty for all."""

    def check(context: click.Context, option: click.Parameter, value: bool) -> None:
        if value and context.params.get("names"):
            raise click.UsageError("--database and --all exclude each other")

    command = click.option("--all", "all_of_them", is_flag=True, expose_value=False, callback=check, help="All; the default.")(command)
    named = click.option("--database", "names", multiple=True, is_eager=True, metavar="NAME", help="Only this one; can be repeated.")
    return named(command)


@click.group()
def database() -> None:
    """Show, migrate, compare and recreate the declared databases, and end what is in doubt."""


database.add_command(in_doubt)


@database.command()
@which_databases
@click.pass_context
def status(context: click.Context, names: tuple[str, ...]) -> None:
    """Show where each database is and whether a migration is missing. Exit code 1 if one is, or a database is away.

    Example: qapla database status
    """
    from qapla.database import migrate

    wrong = False
    with _databases(context, names) as found:
        for one in found:
            try:
                plan = migrate.plan(one)
            except QaplaError as error:
                wrong = True
                click.echo(f"{one.name:20} {error}    {one.safe_url}")
                continue
            wrong = wrong or bool(plan.steps)
            click.echo(f"{one.name:20} {', '.join(plan.current) or 'empty':20} {_missing(plan)}    {one.safe_url}")
    context.exit(1 if wrong else 0)


@database.command()
@which_databases
@click.option("--dry-run", is_flag=True, help="Show what would run, and run nothing.")
@click.option("--sql", is_flag=True, help="Print the SQL of what would run, and run nothing.")
@click.pass_context
def migrate(context: click.Context, names: tuple[str, ...], dry_run: bool, sql: bool) -> None:
    """Show which migrations are missing, then run them, under locks that hold between processes.

    Nothing runs before every database has answered.

    Example: qapla database migrate --database main
    """
    from qapla.database import lock
    from qapla.database import migrate as migrations

    with _databases(context, names) as found, ExitStack() as locks:
        plans = [migrations.plan(one) for one in found]
        if sql:
            for plan in plans:
                click.echo(f"-- {plan.database.name}: {_missing(plan)}\n{migrations.print_sql(plan)}")
            return
        if not dry_run:
            for one in [plan.database for plan in plans if plan.steps]:
                locks.enter_context(lock.hold(one))
            plans = [migrations.plan(plan.database) if plan.steps else plan for plan in plans]  # somebody may have been faster
        for plan in plans:
            _show(plan)
        missing = [] if dry_run else [plan.database for plan in plans if plan.steps]
        for number, one in enumerate(missing, 1):
            try:
                migrations.upgrade_held(one)
            except QaplaError as error:
                for other in missing[number:]:
                    error.add_note(f"database {other.name!r} was not begun")
                raise
            click.echo(f"{one.name:20} migrated")


@database.command()
@which_databases
@click.pass_context
def check(context: click.Context, names: tuple[str, ...]) -> None:
    """Compare the models with the databases. Exit code 1 if they differ, or a migration is missing.

    Example: qapla database check
    """
    from qapla.database import migrate
    from qapla.database.drift import find_drift

    wrong = False
    with _databases(context, names) as found:
        for one in found:
            plan = migrate.plan(one)
            differences = [f"{_missing(plan)}: migrate first"] if plan.steps else find_drift(one)
            wrong = wrong or bool(differences)
            click.echo(f"{one.name:20} {'differs from its models' if differences else 'is as its models say'}    {one.safe_url}")
            for difference in differences:
                click.echo(f"    {difference}")
    context.exit(1 if wrong else 0)


@database.command()
@which_databases
@click.pass_context
def recreate(context: click.Context, names: tuple[str, ...]) -> None:
    """Drop, create and migrate the databases of the tests; the settings are those of tests. Any other database is refused.

    Nothing is dropped before every database was looked at.

    Example: qapla database recreate --all
    """
    from qapla.database import migrate
    from qapla.database import recreate as recreating
    from qapla.database.identity import refuse_unless_test

    application = type(prepared(context))().prepare("tests")
    with _chosen(application, names) as found:
        for one in found:
            migrate.open_scripts(one)
            refuse_unless_test(application, one)
        for one in found:
            click.echo(f"{one.name:20} {one.safe_url}")
        for one in found:
            recreating.recreate(one)
            migrate.upgrade(one)
            click.echo(f"{one.name:20} recreated")


def _missing(plan: Plan) -> str:
    count = len(plan.steps)
    return "up to date" if not count else "1 migration is missing" if count == 1 else f"{count} migrations are missing"


def _show(plan: Plan) -> None:
    click.echo(f"{plan.database.name:20} {_missing(plan)}    {plan.database.safe_url}")
    for step in plan.steps:
        click.echo(f"    {step.revision}  {step.message}")


@contextmanager
def _databases(context: click.Context, names: tuple[str, ...]) -> Iterator[list[Database]]:
    with _chosen(prepared(context), names) as found:
        yield found


@contextmanager
def _chosen(application: Any, names: tuple[str, ...]) -> Iterator[list[Database]]:
    """Give the chosen databases of an application that is prepared; nothing else of it is started."""
    plugin = application.get_plugin("database").start(application)
    try:
        found = [plugin[name] for name in names] or [one for one in plugin if one.migrations_key is not None]
        if not found:
            raise ConfigurationError("no declared database has migrations", hint="Database('main', 'migrations')")
        yield list(dict.fromkeys(found))
    finally:
        plugin.stop(application)
        application.stop()
