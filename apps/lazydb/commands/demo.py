"""``lazydb demo``: a real database, served, and three things to try."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lazydb.commands.output import example, note, say
from lazydb.commands.serve import login_link, make_serving, run, serving_options
from lazydb.commands.session import open_lazydb

if TYPE_CHECKING:
    from lazydb.application import LazydbApplication
    from lazydb.serve import Serving

NAME = "flights"
QUERY = "flights?select=carrier,flight,dest,planes(manufacturer,model)&distance=gt.4000&order=dep_delay.desc.nullslast&limit=3"


@click.command("demo", epilog=example("lazydb demo", "lazydb demo --port 8000"))
@serving_options
def demo_command(**serving: Any) -> None:
    """Serve a real sample database: every flight that left New York City in 2013.

    The first time it is filled into a SQLite file in LAZYDB_HOME, which takes a few seconds. It is yours: the admin can change it,
    and everybody on this machine may read it over REST.
    """
    from qapla.serving import check_port

    chosen = make_serving(**serving)
    check_port(chosen.host, chosen.port)  # before the work, not after it
    with open_lazydb() as app:
        _register(app)
        link = login_link(app, chosen)
    run(chosen, lambda: _greet(chosen, link))


def _register(app: LazydbApplication) -> None:
    from lazydb.demo import make_demo
    from qapla.database.spec import from_fields

    path = Path(app.settings["lazydb:home"]) / "demo" / "flights.sqlite"
    make_demo(path, note)
    connections = app["connections"]
    spec = from_fields({"engine": "sqlite", "path": str(path)}, origin=connections.origins["command line"])
    known = connections.find_by_target(spec)
    if known is None:
        connections.add(spec, name=NAME, settings={"anonymous": "read", "writable": True})
    elif known.snapshot is None or known.paused:
        connections.resume(known.name)


def _greet(serving: Serving, link: str | None) -> None:
    url = f"{serving.url}api/{NAME}/"
    one_liner = f"import json, urllib.request as r; print(json.load(r.urlopen('{url}airports?added=is.true')))"
    say(f"lazydb serves 336,776 flights at {serving.url}")
    say()
    say("Three things to try:")
    say(f"  {url}  in a browser")
    say(f"  curl {shlex.quote(url + QUERY)}")
    say(f'  python3 -c "{one_liner}"')
    say()
    if link:
        say("Log in to the admin (the link works once):")
        say(f"  {link}")
    else:
        say(f"The admin: {serving.url}admin/{NAME}")
    say()
    say("Ctrl+C stops it.")
    sys.stdout.flush()
