"""Register the database of a PostgREST configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lazydb.commands.output import note

if TYPE_CHECKING:
    from pathlib import Path

    from lazydb.commands.choices import Choices
    from lazydb.connections import Connections
    from lazydb.postgrest import Moved
    from qapla.database.spec import ConnectionSpec


def read_moved(connections: Connections, file: Path) -> tuple[Moved, ConnectionSpec, str | None]:
    """Read the configuration: *file*, the environment, and what the database itself says.

    Returns:
        The configuration, where the database is, and the name of the database where it is registered, and down now.

    Raises:
        QaplaError: something in it is wrong, or a database that is not registered cannot be asked; ``CheckFailed`` says what failed.
    """
    from lazydb.connections import CheckFailed
    from lazydb.indatabase import read_database
    from lazydb.postgrest import Configuration
    from qapla.database.spec import parse_url
    from qapla.errors import InputError, QaplaError

    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"the configuration {file.name!r} is not UTF-8") from None
    configuration = Configuration(text, os.environ)
    spec = parse_url(configuration.uri, origin=connections.origins["command line"])
    note(f"testing {spec.engine} at {spec.place} …")
    try:
        configuration.take_database(spec, read_database)
    except QaplaError as error:
        checked = connections.test(spec)
        if checked.ok:
            raise  # what the database says cannot be read, for another reason
        known = connections.find_by_target(spec)
        if known is None:
            raise CheckFailed(checked) from error
        return configuration.finish(), spec, known.name
    return configuration.finish(), spec, None


def add_moved(connections: Connections, moved: Moved, spec: ConnectionSpec, choices: Choices) -> str:
    """Register the database, or give it the settings of the file again; return its name. The command line's own settings win."""
    added = connections.add(spec, name=choices.name, settings={**moved.settings, **choices.settings})
    return added.connection.name
