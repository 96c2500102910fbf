"""Register the database of a PostgREST configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from lazydb.commands.output import note

if TYPE_CHECKING:
    from pathlib import Path

    from lazydb.commands.choices import Choices
    from lazydb.connections import Connections
    from lazydb.postgrest import Moved
    from qapla.database.spec import ConnectionSpec


def read_moved(connections: Connections, file: Path) -> tuple[Moved, ConnectionSpec]:
    """Read the configuration: *file*, the environment, and what the database itself says.

    A database that is registered and down now keeps what it said last.

    Raises:
        QaplaError: something in it is wrong, or the database cannot be asked.
    """
    from lazydb.indatabase import read_database
    from lazydb.postgrest import Configuration
    from qapla.database.spec import parse_url
    from qapla.errors import InputError, Unavailable

    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"the configuration {file.name!r} is not UTF-8") from None
    configuration = Configuration(text, os.environ)
    spec = parse_url(configuration.uri, origin=connections.origins["command line"])
    note(f"testing {spec.engine} at {spec.place} …")
    try:
        configuration.take_database(spec, read_database)
    except Unavailable:
        if connections.find_by_target(spec) is None:
            raise
    return configuration.finish(), spec


def add_moved(connections: Connections, moved: Moved, spec: ConnectionSpec, choices: Choices) -> str:
    """Register the database, or give it the settings of the file again; return its name. The command line's own settings win."""
    from lazydb.connections import CheckFailed

    try:
        added = connections.add(spec, name=choices.name, settings={**moved.settings, **choices.settings})
    except CheckFailed as error:
        known = connections.find_by_target(spec)
        if known is None:
            raise
        click.echo(f"lazydb: {known.name} is down: {error.message}; its settings stay as they were", err=True)
        return known.name
    return added.connection.name
