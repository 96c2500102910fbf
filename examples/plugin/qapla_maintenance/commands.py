"""``qapla maintenance on|off``."""

from __future__ import annotations

import click

from qapla.cli import prepared


@click.group()
def maintenance() -> None:
    """Close the application for a while, and open it again."""


@maintenance.command()
@click.argument("message", default="closed for maintenance")
@click.pass_context
def on(context: click.Context, message: str) -> None:
    """Close it; MESSAGE is what everybody is told.

    Example: qapla maintenance on "we are back at noon"
    """
    app = prepared(context).run_command(only=("maintenance",))
    app["maintenance"].begin(message)
    click.echo(f"closed: {message}")


@maintenance.command()
@click.pass_context
def off(context: click.Context) -> None:
    """Open it again."""
    app = prepared(context).run_command(only=("maintenance",))
    app["maintenance"].end()
    click.echo("open")
