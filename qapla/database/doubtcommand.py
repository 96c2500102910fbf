"""``qapla database in-doubt``: commits over several databases that were begun and not finished."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from qapla.cli import prepared
from qapla.database import doubt
from qapla.errors import QaplaError

if TYPE_CHECKING:
    from qapla.database.doubt import Doubt, Report
    from qapla.database.plugin import DatabasePlugin

ADVICE = {"commit": "commit it", "roll back": "roll it back", "wait": "wait", "leave": "leave it alone"}


@click.command(name="in-doubt")
@click.option("--resolve", is_flag=True, help="Do what is advised, in the safe order.")
@click.pass_context
def in_doubt(context: click.Context, resolve: bool) -> None:
    """List transactions that are prepared and were not ended, and say what to do. Exit code 1 if there are any, or a database is away.

    They hold locks until somebody commits them or rolls them back. What is advised is certain: see the manual for why.

    Example: qapla database in-doubt --resolve
    """
    application = prepared(context)
    plugin = application.get_plugin("database").start(application)
    try:
        report = doubt.look(plugin)
        if resolve and any(one.is_settled for one in report.doubts):
            _resolve(plugin, _wait(plugin, report))
            report = doubt.look(plugin)
        _print(report)
    finally:
        plugin.stop(application)
        application.stop()
    context.exit(1 if report.unreachable or any(not one.is_under_way for one in report.doubts) else 0)


def _wait(plugin: DatabasePlugin, report: Report) -> Report:
    """Wait until what has no age is old enough for certain: a program whose connection was cut tries again for some seconds."""
    known = {one.work for one in report.doubts}
    if all(one.age_s is not None for one in report.doubts if one.is_settled):
        return report
    click.echo(f"waiting {doubt.SETTLED_S:.0f} seconds: MariaDB and MySQL do not tell the age of what is prepared", err=True)
    time.sleep(doubt.SETTLED_S)
    report = doubt.look(plugin)
    report.doubts = [one for one in report.doubts if one.age_s is not None or one.work in known]
    return report


def _resolve(plugin: DatabasePlugin, report: Report) -> None:
    for one in report.doubts:
        try:
            for seen in doubt.resolve(plugin, one):
                click.echo(f"{'committed' if one.advice == 'commit' else 'rolled back'} {seen.name} on {seen.database}")
        except QaplaError as error:
            click.echo(str(error), err=True)


def _print(report: Report) -> None:
    for name, why in report.unreachable.items():
        click.echo(f"{name} does not answer: {why}", err=True)
    for one in report.doubts:
        click.echo(f"{one.work}  {_age(one)}  {ADVICE[one.advice]}: {one.why}")
        for seen in one.in_order:
            text = f"{seen.statement(one.advice)};" if one.is_settled else str(seen.name)
            click.echo(f"    on {seen.database}: {text}")
    if not report.doubts:
        click.echo("nothing is in doubt" if not report.unreachable else "nothing is in doubt on those that answer")


def _age(one: Doubt) -> str:
    return "of unknown age" if one.age_s is None else f"{one.age_s:.0f} s old"
