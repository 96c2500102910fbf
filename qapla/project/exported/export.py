"""Make the files of an application out of a database that is there. All of them, or none; nothing is overwritten."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.models.source import make_source, name_models
from qapla.database.models.source.text import call, literal
from qapla.database.schema.construction import read_construction
from qapla.database.schema.views import read_extensions, read_views
from qapla.errors import InputError, NameTaken, NotFound
from qapla.project.exported.baseline import make_baseline
from qapla.project.make import check_home, render_templates, write_files
from qapla.project.names import check_name, make_class_name

if TYPE_CHECKING:

    from sqlalchemy import Connection

    from qapla.database.schema.construction import Construction, NamedType
    from qapla.database.schema.description import DatabaseSchema, TableName
    from qapla.database.spec import ConnectionSpec

TEMPLATES = Path(__file__).parent / "templates"
WRITES = ["delete", "patch", "post"]
LONGEST = 40


@dataclass(frozen=True)
class Exported:
    """What an application is made of.

    Attributes:
        served: what the database is called in URLs.
        writable: whether the API of the application takes writes.
    """

    served: str
    spec: ConnectionSpec
    schema: DatabaseSchema
    construction: Construction
    types: tuple[NamedType, ...]
    views: tuple[tuple[TableName, str], ...]
    writable: bool


def read_exported(connection: Connection, schema: DatabaseSchema, spec: ConnectionSpec, served: str, *, writable: bool) -> Exported:
    """Read everything that the application needs from the database behind *connection*.

    Raises:
        NotFound: there is no table. DatabaseError: the catalog cannot be read.
    """
    views = read_views(connection, schema)
    made = {name for name, _ in views}
    tables = tuple(table for table in schema.tables if table.columns and (table.kind == "table" or table.name in made))
    if not any(table.kind == "table" for table in tables):
        raise NotFound(f"database {served!r} has no table that its account may read, so there is no application to make of it")
    construction = read_construction(connection, schema)
    types = (*read_extensions(connection, schema), *construction.types)
    return Exported(served, spec, replace(schema, tables=tables), construction, types, views, writable)


def choose_name(served: str) -> str:
    """Return the name of the package: that of the database, made so that Python can import it and nobody else has it."""
    name = re.sub(r"[^a-z0-9]+", "_", served.lower()).strip("_")[:LONGEST]
    name = name if name[:1].isalpha() else f"database_{name}".rstrip("_")
    try:
        check_name(name)
    except (InputError, NameTaken):
        name = f"{name}_app"
        check_name(name)
    return name


def export_project(found: Exported, folder: Path | None = None) -> tuple[Path, list[Path]]:
    """Make the application in *folder*, by default a new one of its name here; return where it is, and its files.

    Raises:
        NameTaken: there is something in *folder*. InputError: it cannot be made.
    """
    name = choose_name(found.served)
    home = folder if folder is not None else Path(name)
    check_home(home)
    files = render(found, name)
    write_files(home, files)
    return home, sorted(files)


def render(found: Exported, name: str) -> dict[Path, str]:
    """Return the content of every file by its path in the new folder."""
    source = make_source(found.schema, found.construction)
    engine = get_engine(found.schema.engine)
    spec = replace(found.spec, engine=found.schema.engine)
    tests = _tests_spec(spec)
    count = len(found.schema.tables)
    values = {
        "name": name,
        "class_name": make_class_name(name),
        "title": name.replace("_", " ").capitalize(),
        "variable": name.upper(),
        "served": found.served,
        "extras": f"[{engine.extra}]" if engine.extra else "",
        "url": literal(spec.to_url()),
        "tests_url": literal(tests.to_url()),
        "shown_url": _shown(spec),
        "shown_tests_url": _shown(tests),
        "count": f"{count} table{'s' if count > 1 else ''} and views",
        "access": _access(found),
        "missing": _missing(found),
        "secret": secrets.token_hex(32),
    }
    files = render_templates(TEMPLATES, name, values)
    baseline = make_baseline(source, found.schema, found.types, found.views)
    files[Path(name, "models.py")] = source
    files[Path(name, "drivers.py")] = _drivers(found, name)
    files[Path(name, "services.py")] = _services(found, name)
    files[Path("migrations", "versions", "0001_baseline.py")] = baseline.source()
    return files


def _tests_spec(spec: ConnectionSpec) -> ConnectionSpec:
    if spec.path is not None:
        path = Path(spec.path)
        return replace(spec, path=str(path.with_name(f"{path.stem}_tests{path.suffix}")))
    return replace(spec, database=f"{spec.database}_tests")


def _shown(spec: ConnectionSpec) -> str:
    """Return a URL with a place for the password, which is for people to fill in."""
    text = spec.to_url()
    at = text.find("@")
    return text if spec.path is not None or at < 0 else f"{text[:at]}:PASSWORD{text[at:]}"


def _access(found: Exported) -> str:
    if found.writable:
        return "It takes writes, as it did there."
    return "It is read only, as it was there: `services.py` says so."


def _missing(found: Exported) -> str:
    """Return what of the database is not in the migration, for the README."""
    kinds = ["triggers", "grants"]
    kinds += ["functions and procedures"] if found.schema.functions else []
    listed = f"{', '.join(kinds[:-1])} and {kinds[-1]}"
    return f"\nNot in the migration: {listed}, which a database that is there goes on having."


def _drivers(found: Exported, name: str) -> str:
    models = name_models(found.schema, found.construction)
    own = [model for model, table in models if table.kind == "table"]
    writes = "ReadDriver, WriteDriver" if own else "ReadDriver"
    lines = ['"""Every question to the database, and every change to it. Nothing else has SQL in it."""', ""]
    lines += ["from __future__ import annotations", "", f"from qapla.driver import {writes}", "", f"from {name} import models"]
    for model, table in models:
        lines += ["", "", f"class {model}ReadDriver(ReadDriver[models.{model}]):", f'    """Questions about ``{model}``."""']
        lines += ["", f"    model = models.{model}"]
        if table.kind == "table":
            lines += ["", "", f"class {model}WriteDriver(WriteDriver[models.{model}]):", f'    """Changes to ``{model}``."""']
            lines += ["", f"    model = models.{model}"]
    return "\n".join(lines) + "\n"


def _services(found: Exported, name: str) -> str:
    models = name_models(found.schema, found.construction)
    read_only = not found.writable or any(table.kind != "table" for _, table in models)
    lines = ['"""Which tables have a REST API, and what it is served without."""', "", "from __future__ import annotations", ""]
    lines += ["from qapla.plugins.rest.marks import Marks", "", f"from {name} import models", ""]
    lines += [*[f"READ_ONLY = {literal(WRITES)}", ""] * read_only, "served = Marks()"]
    for model, table in models:
        arguments = [f"models.{model}", *["without=READ_ONLY"] * (table.kind != "table" or not found.writable)]
        lines += call("served", arguments)
    return "\n".join(lines) + "\n"
