"""``lazydb add``, ``check``, ``list``, ``show``, ``refresh``, ``pause``, ``resume`` and ``remove``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lazydb.commands.choices import Choices, connection_options
from lazydb.commands.output import count, example, facts, json_option, note, say, show, table
from lazydb.commands.session import open_lazydb

if TYPE_CHECKING:
    from lazydb.connections import Connections, Refreshed
    from lazydb.records import Registered
    from qapla.database.check import Checked, Step


@click.command(
    "add",
    epilog=example("lazydb add postgresql://me:secret@db.example.org/shop --writable", "lazydb add sqlite:///music.sqlite --name music"),
)
@click.argument("url")
@connection_options
@click.option("--paused", is_flag=True, help="Register it even if it cannot be reached; serve it after lazydb resume.")
@json_option
def add_command(url: str, choices: Choices, paused: bool, as_json: bool) -> None:
    """Test the database at URL and register it.

    The same database again updates its settings. When the test fails nothing is registered, unless it is added --paused. Nothing is
    ever written into the database itself.
    """
    with open_lazydb() as app:
        connections = app["connections"]
        spec = choices.spec(url, connections.origins["command line"])
        note(f"testing {spec.engine} at {spec.place} …")
        added = connections.add(spec, name=choices.name, settings=choices.settings, paused=paused)
    found = added.connection
    outcome = {"name": found.name, "is_new": added.is_new, **_facts(found), "steps": _steps(added.checked)}
    done = "registered" if added.is_new else "was registered already; its settings are updated"
    failure = added.checked.failure if added.checked else None
    state = f"paused, since it cannot be used now: {failure.message}" if failure else _found(found)
    show(outcome, as_json, lambda: say(f"{found.name}: {done} ({state})"))


@click.command("check", epilog=example("lazydb check shop", "lazydb check mysql://me:secret@db.example.org/shop"))
@click.argument("name_or_url", metavar="NAME|URL")
@connection_options
@json_option
def check_command(name_or_url: str, choices: Choices, as_json: bool) -> None:
    """Test a registered database, or the one at a URL, without changing anything.

    Each step is told with its time: find the host, connect, TLS, log in, read the catalog.
    """
    from lazydb.options import as_stored

    with open_lazydb() as app:
        connections = app["connections"]
        if ":" in name_or_url:  # no name has one
            checked = connections.test(choices.spec(name_or_url, connections.origins["command line"]), choices.settings)
        else:
            known = connections.get(name_or_url)
            checked = connections.test(known.spec, {**as_stored(known.options), **choices.settings}, name=known.name)
    show({"ok": checked.ok, "steps": _steps(checked)}, as_json, lambda: _tell_steps(checked))
    click.get_current_context().exit(0 if checked.ok else 1)


@click.command("list", epilog=example("lazydb list"))
@json_option
def list_command(as_json: bool) -> None:
    """List the registered databases."""
    with open_lazydb() as app:
        found = app["connections"].list()

    def for_people() -> None:
        if not found:
            say("no database is registered; lazydb add URL registers one, lazydb demo shows what that is like")
            return
        headings = ("NAME", "ENGINE", "WHERE", "STATE", "TABLES", "ACCESS", "LAST READ")
        table(headings, [_line(connection) for connection in found])

    show([{"name": connection.name, **_facts(connection)} for connection in found], as_json, for_people)


@click.command("show", epilog=example("lazydb show shop"))
@click.argument("name")
@json_option
def show_command(name: str, as_json: bool) -> None:
    """Show one database: where it is, its settings, and what was found in it."""
    from lazydb.options import as_shown

    with open_lazydb() as app:
        known = app["connections"].get(name)
        report = _report(app["connections"], known)
    settings = as_shown(known.options)

    def for_people() -> None:
        found = _facts(known)
        facts((label.replace("_", " "), found[label]) for label in found)
        say("\nsettings")
        facts((f"  {label}", _as_text(value)) for label, value in settings.items() if value not in ([], {}, ""))
        if report:
            say("\nreport")
            for line in report:
                say(f"  {line['subject']}: {line['what']} ({line['why']})")

    show({"name": known.name, **_facts(known), "settings": settings, "report": report}, as_json, for_people)


@click.command("refresh", epilog=example("lazydb refresh shop", "lazydb refresh"))
@click.argument("name", required=False)
@json_option
def refresh_command(name: str | None, as_json: bool) -> None:
    """Read the structure of a database again (of every database that is not paused, without a NAME) and say what changed."""
    from qapla.errors import QaplaError

    outcomes: dict[str, Any] = {}
    with open_lazydb() as app:
        connections = app["connections"]
        names = [name] if name else [known.name for known in connections.list() if not known.paused]
        for each in names:
            note(f"reading {each} …")
            try:
                outcomes[each] = connections.refresh(each)
            except QaplaError as error:
                if name:
                    raise
                outcomes[each] = error

    show({each: _refreshed(outcome) for each, outcome in outcomes.items()}, as_json, lambda: _tell_refreshed(outcomes))
    click.get_current_context().exit(1 if any(isinstance(outcome, QaplaError) for outcome in outcomes.values()) else 0)


@click.command("pause", epilog=example("lazydb pause shop"))
@click.argument("name")
@json_option
def pause_command(name: str, as_json: bool) -> None:
    """Stop serving a database for a while: callers get 503. Nothing is forgotten."""
    with open_lazydb() as app:
        app["connections"].pause(name)
    show({"name": name, "state": "paused"}, as_json, lambda: say(f"{name}: paused"))


@click.command("resume", epilog=example("lazydb resume shop"))
@click.argument("name")
@json_option
def resume_command(name: str, as_json: bool) -> None:
    """Serve a paused database again."""
    with open_lazydb() as app:
        app["connections"].resume(name)
        state = app["connections"].get(name).state
    show({"name": name, "state": state}, as_json, lambda: say(f"{name}: served again"))


@click.command("remove", epilog=example("lazydb remove shop --yes"))
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove_command(name: str, yes: bool, as_json: bool) -> None:
    """Forget a database: its registration, its password, its settings. Nothing in the database itself is touched."""
    with open_lazydb() as app:
        known = app["connections"].get(name)
        if not yes:
            click.confirm(f"forget {name!r} ({known.engine} at {known.spec.place})?", abort=True, err=True)
        app["connections"].remove(name)
    show({"name": name, "state": "removed"}, as_json, lambda: say(f"{name}: removed; nothing in the database itself was touched"))


def _as_text(value: Any) -> Any:
    """Return the value of a setting in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    return "(none)" if value is None else value


def _facts(known: Registered) -> dict[str, Any]:
    snapshot, spec = known.snapshot, known.spec
    return {
        "engine": known.engine,
        "version": snapshot.version if snapshot else None,
        "where": spec.place,
        "user": spec.user,
        "state": known.state,
        "problem": known.problem or known.error,
        "access": _access(known),
        "tables": snapshot.tables if snapshot else None,
        "views": snapshot.views if snapshot else None,
        "report_lines": snapshot.findings if snapshot else None,
        "last_read": snapshot.taken_at if snapshot else None,
        "seconds_to_read": round(snapshot.seconds, 3) if snapshot else None,
        "latency_ms": round(known.latency_s * 1000, 1) if known.latency_s is not None else None,
    }


def _access(known: Registered) -> str:
    options = known.options
    anonymous = {"none": "", "read": ", anyone may read", "write": ", anyone may write"}[options.anonymous]
    return ("writable" if options.writable else "read-only") + anonymous


def _line(known: Registered) -> tuple[Any, ...]:
    snapshot = known.snapshot
    tables = snapshot.tables + snapshot.views if snapshot else None
    return known.name, known.engine, known.spec.place, known.state, tables, _access(known), snapshot and snapshot.taken_at


def _found(known: Registered) -> str:
    snapshot = known.snapshot
    if snapshot is None:
        return known.state
    views = f", {count(snapshot.views, 'view')}" if snapshot.views else ""
    report = f", {count(snapshot.findings, 'line')} in the report" if snapshot.findings else ""
    return f"{_access(known)}; {count(snapshot.tables, 'table')}{views}{report}"


def _report(connections: Connections, known: Registered) -> list[dict[str, Any]]:
    from dataclasses import asdict

    from qapla.database.schema.storage import from_json

    body = connections.snapshot_body(known.id)
    return [asdict(finding) for finding in from_json(body).report] if body else []


def _steps(checked: Checked | None) -> list[dict[str, Any]]:
    from dataclasses import asdict

    return [asdict(step) for step in checked.steps] if checked else []


def _tell_steps(checked: Checked) -> None:
    table(("STEP", "", "TIME", "FOUND"), [_step_line(step) for step in checked.steps])
    failure = checked.failure
    if failure is not None:
        say(failure.message)
        if failure.hint:
            say(f"  {failure.hint}")


def _step_line(step: Step) -> tuple[str, ...]:
    return step.name, "ok" if step.ok else "FAILED", f"{step.seconds * 1000:.0f} ms", step.message


def _refreshed(outcome: Any) -> dict[str, Any]:
    from dataclasses import asdict

    if isinstance(outcome, Exception):
        return {"ok": False, "error": str(outcome)}
    return {"ok": True, "is_first": outcome.is_first, "changes": [asdict(change) for change in outcome.changes]}


def _tell_refreshed(outcomes: dict[str, Refreshed | Exception]) -> None:
    if not outcomes:
        say("there is nothing to read: no database is registered, or all are paused")
    for name, outcome in outcomes.items():
        if isinstance(outcome, Exception):
            say(f"{name}: {outcome}")
        elif outcome.is_first:
            say(f"{name}: read for the first time ({_found(outcome.connection)})")
        elif not outcome.changes:
            say(f"{name}: nothing changed")
        else:
            say(f"{name}: {count(len(outcome.changes), 'change')}")
            for change in outcome.changes:
                say(f"  {change.severity}: {change.sentence}")
