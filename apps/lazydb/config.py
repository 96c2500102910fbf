"""The registered databases as TOML, to keep under version control or to carry to another machine.

One table per database: how to reach it, and what of its settings differs from the defaults. Secrets are never in the file, only
the names of the environment variables that hold them::

    [databases.shop]
    engine = "postgresql"
    host = "db.example.org"
    port = 5432
    database = "shop"
    user = "lazydb"
    password = { env = "SHOP_PASSWORD" }
    writable = true
    db_max_rows = 1000

``url = "postgresql://lazydb@db.example.org/shop"`` may stand in place of the fields, without a password in it.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lazydb.options import as_stored, map_secrets, read_options
from qapla.database.spec import SERVER_FIELDS, ConnectionSpec, check_name, from_fields
from qapla.database.url import read_url, shown
from qapla.errors import InputError, NameTaken, QaplaError
from qapla.settings import ENVIRONMENT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lazydb.connections import Connections
    from lazydb.records import Registered

OWN_VARIABLES, PASSWORD_VARIABLES = ("LAZYDB_", ENVIRONMENT_PREFIX), "LAZYDB_PASSWORD_"
FIELDS = ("engine", "path", *SERVER_FIELDS)
HEADER = (
    "The databases that lazydb serves; lazydb config import reads it.",
    "Passwords are not here: each names an environment variable. Users and tokens are not exported.",
)


@dataclass(frozen=True)
class Entry:
    """One database of a file, checked."""

    name: str
    spec: ConnectionSpec
    settings: dict[str, Any]
    paused: bool


@dataclass(frozen=True)
class Imported:
    """What became of one database of a file. ``problem``: it is registered, but paused, since it cannot be used now."""

    name: str
    is_new: bool
    problem: str | None = None


def export_config(connections: Connections) -> str:
    """Return every registered database as TOML."""
    import tomlkit

    document = tomlkit.document()
    for line in HEADER:
        document.add(tomlkit.comment(line))
    tables = tomlkit.table(is_super_table=True)
    for known in connections.list():
        table = tomlkit.table()
        for name, value in _described(known).items():
            table.add(name, _inline(value) if isinstance(value, dict) else value)
        tables.add(known.name, table)
    document.add("databases", tables)
    return tomlkit.dumps(document)


def import_config(connections: Connections, text: str, environment: Mapping[str, str] = os.environ) -> list[Imported]:
    """Register every database of *text*. Nothing is registered when anything in it is wrong.

    One that is registered already gets the settings of the file. One that cannot be reached is registered paused.

    Raises:
        InputError: the text is no TOML, or something in it is unknown, wrong, not allowed, or names a variable that is not set.
        NameTaken: another database has one of the names.
    """
    entries = [_read_entry(connections, name, table, environment) for name, table in _read_tables(text).items()]
    for entry in entries:
        known = connections.find(entry.name)
        if known is not None and known.spec.target != entry.spec.target:
            raise NameTaken(f"name {entry.name!r} is taken by another database", hint="nothing was imported; rename one of them")
    return [_register(connections, entry) for entry in entries]


def _described(known: Registered) -> dict[str, Any]:
    fields = {name: value for name, value in known.spec.as_fields().items() if name in FIELDS}
    if known.has_password:
        fields["password"] = _variable(known.name)
    settings = map_secrets(as_stored(known.options), lambda name, _value: _variable(f"{known.name} {name}"))
    return {**fields, **settings, **({"paused": True} if known.paused else {})}


def _variable(name: str) -> dict[str, str]:
    return {"env": f"{PASSWORD_VARIABLES}{re.sub('[^A-Z0-9]', '_', name.upper())}"}


def _inline(value: dict[str, Any]) -> Any:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(value)
    return table


def _read_tables(text: str) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError("the configuration is no TOML", hint=re.sub(r"\s+", " ", str(error))[:200]) from None
    for name in document:
        if name != "databases":
            raise InputError(f"the configuration has an unknown part {shown(name)}", hint="there is [databases.NAME]")
    tables = document.get("databases", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise InputError("'databases' is not a set of tables", hint="write [databases.NAME]")
    return tables


def _read_entry(connections: Connections, name: str, table: dict[str, Any], environment: Mapping[str, str]) -> Entry:
    try:
        check_name(name)
        given = dict(table)
        paused = given.pop("paused", False)
        if not isinstance(paused, bool):
            raise InputError("'paused' is not true or false")
        fields = {field: given.pop(field) for field in FIELDS if field in given}
        if "url" in given:
            fields = {**_fields_of_url(given.pop("url")), **fields}
        if "password" in fields:
            fields["password"] = _read_secret("password", fields["password"], environment)
        spec = from_fields(fields, origin=connections.origins["import"])
        settings = map_secrets(
            {setting.replace("-", "_"): value for setting, value in given.items()},
            lambda setting, value: _read_secret(setting, value, environment),
        )
        read_options(settings, engine=spec.engine)
        return Entry(name, spec, settings, paused)
    except QaplaError as error:
        raise InputError(f"database {shown(name)}: {error.message}", hint=error.hint or "nothing was imported") from None


def _fields_of_url(url: Any) -> dict[str, Any]:
    fields = dict(read_url(str(url)))
    if fields.get("password"):
        raise InputError("the url has a password in it", hint='write password = { env = "NAME_OF_A_VARIABLE" }')
    return fields


def _read_secret(what: str, reference: Any, environment: Mapping[str, str]) -> str:
    if not isinstance(reference, dict) or set(reference) != {"env"} or not isinstance(reference["env"], str):
        raise InputError(f"the {what} is written out", hint=f'write {what} = {{ env = "NAME_OF_A_VARIABLE" }}')
    name = reference["env"]
    if name.startswith(OWN_VARIABLES) and not name.startswith(PASSWORD_VARIABLES):  # a file must not send our key to its host
        raise InputError(f"variable {shown(name)} is not for passwords of databases", hint=f"call it {PASSWORD_VARIABLES}NAME")
    value = environment.get(name)
    if value is None:
        raise InputError(f"variable {shown(name)}, which holds the {what}, is not set", hint="nothing was imported")
    return value


def _register(connections: Connections, entry: Entry) -> Imported:
    from lazydb.connections import CheckFailed

    try:
        added = connections.add(entry.spec, name=entry.name, settings=entry.settings, paused=entry.paused)
        return Imported(entry.name, added.is_new)
    except CheckFailed as error:
        added = connections.add(entry.spec, name=entry.name, settings=entry.settings, paused=True)
        return Imported(entry.name, added.is_new, error.message)
