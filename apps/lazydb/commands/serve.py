"""``lazydb serve``: register what is given, then answer."""

from __future__ import annotations

import ipaddress
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lazydb.commands.admins import has_admin_with_password, make_login_link
from lazydb.commands.choices import Choices, connection_options
from lazydb.commands.output import count, example, note, say
from lazydb.commands.session import open_lazydb

if TYPE_CHECKING:
    from collections.abc import Callable

    from lazydb.application import LazydbApplication
    from lazydb.serve import Serving

LOG_LEVELS = ["debug", "info", "warning", "error"]


def serving_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of serving: ``host``, ``port``, ``workers``, ``trusted_proxies``, ``root_path``, ``log_level``."""
    for option in (
        click.option("--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True, help="Which lines the log has."),
        click.option("--root-path", default="", metavar="/PATH", help="Where a proxy in front has put lazydb."),
        click.option("--trusted-proxies", default="", metavar="A,B", help="Addresses whose X-Forwarded headers are believed."),
        click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of processes."),
        click.option("--port", type=click.IntRange(1, 65535), default=6543, show_default=True),
        click.option("--host", default="127.0.0.1", show_default=True, help="Anything but loopback needs an admin with a password."),
    ):
        function = option(function)
    return function


@click.command(
    "serve",
    epilog=example("lazydb serve", "lazydb serve sqlite:///music.sqlite --writable --anonymous read", "lazydb serve --workers 2"),
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@connection_options
@serving_options
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file to import first.")
@click.option(
    "--postgrest-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Configuration file of PostgREST: register its database and answer as PostgREST does, at / as well.",
)
def serve_command(urls: tuple[str, ...], choices: Choices, config: Path | None, postgrest_config: Path | None, **serving: Any) -> None:
    """Serve everything that is registered; each database at a URL is registered first.

    A database that is registered already gets the options given here; without a URL they change nothing. A registered database that
    is down keeps nothing else from being served.
    """
    if postgrest_config is not None:
        if urls or config is not None:
            raise click.UsageError("--postgrest-config goes without a URL and without --config", click.get_current_context())
        serve_postgrest(postgrest_config, choices, serving)
        return
    if choices.name is not None and len(urls) != 1:
        raise click.UsageError("--name goes with exactly one URL", click.get_current_context())
    chosen = make_serving(**serving)
    with open_lazydb() as app:
        _refuse_open_door(app, chosen)
        if config is not None:
            from lazydb.commands.config import read_config, tell_imported
            from lazydb.config import import_config

            tell_imported(import_config(app["connections"], read_config(config)))
        for url in urls:
            _register(app, url, choices)
        names = [connection.name for connection in app["connections"].list()]
        link = login_link(app, chosen)
    run(chosen, lambda: _greet(chosen, names, link))


def serve_postgrest(file: Path, choices: Choices, given: dict[str, Any]) -> None:
    """Serve the database of a configuration of PostgREST, below ``/api/`` and at ``/``.

    What the command line says wins over the file. Where neither says it, lazydb listens on this machine only.
    """
    from lazydb.commands.moving import add_moved, read_moved
    from qapla.database.spec import check_name

    if choices.name is not None:
        check_name(choices.name)
    with open_lazydb() as app:
        moved, spec, down = read_moved(app["connections"], file)
        wanted = {"host": moved.host, "port": moved.port, "log_level": moved.log_level}
        chosen = make_serving(**{**given, **{name: value for name, value in wanted.items() if value is not None and _is_unsaid(name)}})
        _refuse_open_door(app, chosen)
        for line in moved.notes:
            click.echo(f"lazydb: {file.name}: {line}", err=True)
        if moved.host is None and _is_unsaid("host"):
            click.echo(f"lazydb: {file.name}: server-host is not set: it listens at {chosen.host}, for this machine only", err=True)
        if down is not None:
            click.echo(f"lazydb: {down} is down; its settings stay as they were", err=True)
        name = down or add_moved(app["connections"], moved, spec, choices)
        link = login_link(app, chosen)
    run(replace(chosen, root=name), lambda: _greet(chosen, [name], link))


def _is_unsaid(option: str) -> bool:
    """Tell whether the command line leaves an option to its default."""
    from click.core import ParameterSource

    return click.get_current_context().get_parameter_source(option) is ParameterSource.DEFAULT


def make_serving(*, host: str, port: int, workers: int, trusted_proxies: str, root_path: str, log_level: str) -> Serving:
    """Check the options of serving and put them together."""
    from lazydb.serve import Serving
    from qapla.proxies import is_path

    context = click.get_current_context()
    proxies = tuple(part.strip() for part in trusted_proxies.split(",") if part.strip())
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            raise click.UsageError(f"--trusted-proxies: {proxy[:100]!r} is not an address or a network", context) from None
    if root_path and not is_path(root_path):
        raise click.UsageError(f"--root-path {root_path[:100]!r} is not a path that begins with '/'", context)
    return Serving(
        host=host,
        port=port,
        root_path=root_path.rstrip("/"),
        workers=workers,
        trusted_proxies=proxies,
        log_level=log_level,
        log_json=not sys.stderr.isatty(),
    )


def run(serving: Serving, announce: Callable[[], None]) -> None:
    """Serve until told to stop."""
    from lazydb.serve import serve

    note("starting …")
    serve(serving, announce)


def login_link(app: LazydbApplication, serving: Serving) -> str | None:
    """Return a link that logs an admin in once, as long as none has a password; None otherwise."""
    accounts = app["accounts"]
    return None if has_admin_with_password(accounts) else make_login_link(accounts, serving.url)


def _refuse_open_door(app: LazydbApplication, serving: Serving) -> None:
    from qapla.errors import ConfigurationError

    if not serving.is_local and not has_admin_with_password(app["accounts"]):
        raise ConfigurationError(
            f"host {serving.host!r} can be reached by others, and no admin has a password",
            hint="lazydb user add NAME makes one (or set LAZYDB_ADMIN_PASSWORD); else leave --host at 127.0.0.1",
        )


def _register(app: LazydbApplication, url: str, choices: Choices) -> None:
    """Register the database at *url*; one that was registered before is served even if it is down now."""
    from lazydb.connections import CheckFailed

    connections = app["connections"]
    spec = choices.spec(url, connections.origins["command line"])
    note(f"testing {spec.engine} at {spec.place} …")
    try:
        connections.add(spec, name=choices.name, settings=choices.settings)
    except CheckFailed as error:
        known = connections.find_by_target(spec)
        if known is None:
            raise
        click.echo(f"lazydb: {known.name} is down: {error.message}; its settings stay as they were", err=True)


def _greet(serving: Serving, names: list[str], link: str | None) -> None:
    say(f"lazydb serves {count(len(names), 'database')} at {serving.url}")
    for name in names:
        say(f"  {serving.url}api/{name}/")
    if not names:
        say(f"  add the first one at {serving.url}admin/ or with lazydb add URL")
    if link:
        say(f"log in to the admin, once: {link}")
    sys.stdout.flush()
