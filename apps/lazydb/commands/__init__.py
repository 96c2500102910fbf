"""The ``lazydb`` command. Each sub-command lives in a module of its own, imported when it is called: ``lazydb list`` must not wait
for a web framework."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

# name: (module below this package, what it does); the order is that of --help
COMMANDS = {
    "serve": ("serve", "Serve everything that is registered."),
    "demo": ("demo", "Serve a real sample database and say what to try."),
    "add": ("databases", "Test a database and register it."),
    "check": ("databases", "Test a database without changing anything."),
    "list": ("databases", "List the registered databases."),
    "show": ("databases", "Show one database, its settings and what was found in it."),
    "refresh": ("databases", "Read the structure of a database again; say what changed."),
    "pause": ("databases", "Stop serving a database for a while."),
    "resume": ("databases", "Serve a paused database again."),
    "remove": ("databases", "Forget a database; nothing in it is touched."),
    "user": ("users", "Add, list and remove who may log in."),
    "token": ("tokens", "Add, list and remove keys for programs."),
    "export-project": ("project", "Write a whole application for a registered database."),
    "config": ("config", "Export and import the registered databases as TOML."),
    "migrate": ("registry", "Bring lazydb's own registry up to date."),
    "backup": ("registry", "Copy lazydb's own registry into a file."),
    "rotate": ("rotation", "Seal every password with a new secret key."),
    "worker": ("worker", "Run background tasks from LAZYDB_BROKER_URL."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"lazydb.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is refused with the nearest name."""
        from qapla.errors import nearest

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = nearest(args[0], COMMANDS) or "see lazydb --help"
            raise click.UsageError(f"there is no command {args[0][:100]!r} ({hint})", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=(
        "\b\nExamples:\n  lazydb demo\n  lazydb serve postgresql://me:secret@db.example.org/shop\n"
        "  lazydb add sqlite:///music.sqlite --name music"
    ),
)
@click.version_option(package_name="qapla", prog_name="lazydb", message="%(prog)s %(version)s")
def cli() -> None:
    """Point it at a database and there is a REST API and an admin for it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 refused or failed, 2 used wrongly."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Whatever goes wrong is told in at most eight lines on standard error."""
    try:
        return int(cli.main(args=arguments if arguments is None else list(arguments), prog_name="lazydb", standalone_mode=False) or 0)
    except Exception as error:
        from lazydb.commands.failures import tell

        return tell(error)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        return 1
