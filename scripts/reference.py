"""Write the reference of the framework, ``docs/framework/reference/``, from its docstrings and the help of its commands.

Griffe reads the source; nothing is imported but the command line. ``PAGES`` says what belongs to the public face of qapla, and where.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import griffe

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "framework" / "reference"
NOTE = "<!-- Written by scripts/reference from the docstrings; do not edit. -->"

# Page -> its title, and the modules on it, each with the names that are shown; a module without names is its own text.
PAGES: dict[str, tuple[str, dict[str, str]]] = {
    "application": (
        "Applications, plugins, scopes",
        {
            "qapla.application": "Application",
            "qapla.plugin": "Plugin",
            "qapla.installed": "",
            "qapla.scope": "Scope find_current current",
            "qapla.settings": "Settings Paths",
            "qapla.web": "include_plugin find_application",
            "qapla.guest": "",
            "qapla.proxies": "",
            "qapla.refusals": "add_translation",
            "qapla.serving": "Serving serve",
            "qapla.shell": "",
        },
    ),
    "databases": (
        "Databases",
        {
            "qapla.database.application": "DatabaseApplication",
            "qapla.database.database": "Database",
            "qapla.database.plugin": "DatabasePlugin",
            "qapla.database.web": "",
            "qapla.database.web.plugin": "",
            "qapla.database.session": "Sessions",
            "qapla.database.decorators": "WithDatabase",
            "qapla.database.aftercommit": "after_commit",
            "qapla.database.replicas": "",
            "qapla.database.routing": "RoutedSession",
            "qapla.database.asynchronous": "",
            "qapla.database.outage": "find_outage",
            "qapla.database.work": "",
            "qapla.database.order": "",
            "qapla.database.doubt": "look resolve Doubt Report",
        },
    ),
    "migrations": (
        "Migrations",
        {
            "qapla.database.env": "AlembicEnv",
            "qapla.database.ownership": "",
            "qapla.database.migrate": "plan upgrade is_current is_at Plan Step",
            "qapla.database.drift": "find_drift",
            "qapla.database.recreate": "recreate",
            "qapla.database.identity": "refuse_unless_test",
        },
    ),
    "drivers": ("Drivers", {"qapla.driver": "", "qapla.driver.read": "ReadDriver Page", "qapla.driver.write": "WriteDriver"}),
    "repositories": (
        "Repositories",
        {
            "qapla.driver.repositories.repository": "Repository",
            "qapla.driver.repositories.query": "Query",
            "qapla.driver.repositories.hash": "HashRepository",
            "qapla.driver.repositories.document": "DocumentRepository",
            "qapla.driver.repositories.sorted_set": "SortedSetRepository SortedSetOptions",
            "qapla.driver.repositories.geospatial": "GeoSpatialRepository GeoSpatialOptions GeoMember",
            "qapla.driver.repositories.members": "ListRepository ListOptions SetRepository SetOptions",
            "qapla.driver.repositories.boolean": "BooleanRepository",
            "qapla.driver.repositories.collection": "SortedSetEntity GeoSpatialEntity ListEntity SetEntity",
            "qapla.driver.repositories.service": "Service make_service",
            "qapla.driver.repositories.cache": "Cache CacheType",
            "qapla.driver.repositories.redis": "RedisMemoryDataSource",
            "qapla.driver.repositories.sql": "SQLFallbackDataSource",
            "qapla.driver.repositories.table": "entity_table",
            "qapla.driver.repositories.source": "MemoryDataSource FallbackDataSource",
            "qapla.driver.repositories.sentinel": "SentinelMemoryDataSource",
            "qapla.driver.repositories.sharded": "ShardedMemoryDataSource",
            "qapla.driver.repositories.sync": "sync SyncRepository SyncQuery SyncService",
            "qapla.plugins.repositories": "",
            "qapla.plugins.repositories.plugin": "RepositoriesPlugin",
            "qapla.plugins.repositories.declared": "Declared Options",
            "qapla.plugins.repositories.kept": "Repositories",
            "qapla.plugins.repositories.decorators": "WithRepositories",
        },
    ),
    "controllers": (
        "Controllers",
        {
            "qapla.plugins.controllers": "",
            "qapla.plugins.controllers.controller": "Controller JsonController RestfulController QuitController FinalizeController",
            "qapla.plugins.controllers.form": "FormController JsonFormController",
            "qapla.plugins.controllers.driver": "Driver",
            "qapla.plugins.controllers.plugin": "ControllersPlugin",
            "qapla.plugins.controllers.directives": "add_controller add_controllers add_controllers_from",
            "qapla.plugins.controllers.file": "",
        },
    ),
    "models": (
        "Models",
        {
            "qapla.database.drivers": "Driver Sqlite Postgresql Mysql Mariadb Oracle Lazydb open_url",
            "qapla.database.models.bound": "Bound",
            "qapla.database.models.binding": "bound innermost require_bound",
            "qapla.database.models.model": "Model",
            "qapla.database.models.belonging": "bound_of find_using",
            "qapla.database.models.field": "Field",
            "qapla.database.models.fields": "Varchar Char Text Boolean UUID GUID JSON Binary IP Enum Other",
            "qapla.database.models.numbers": "Integer PrimaryKey Float Decimal",
            "qapla.database.models.times": "Date Time DateTime Timestamp",
            "qapla.database.models.password": "Password Hashed",
            "qapla.database.models.links": "ForeignKey",
            "qapla.database.models.middle": "ManyToMany Rows",
            "qapla.database.models.reference": "Reference",
            "qapla.database.models.queryset": "QuerySet",
            "qapla.database.models.objects": "BaseModel",
            "qapla.database.models.manager": "BaseManager",
            "qapla.database.pool": "init_pool get_pool Pool",
            "qapla.database.named": "Named find_named",
        },
    ),
    "frames": (
        "Data frames",
        {
            "qapla.database.frames": "",
            "qapla.database.frames.pandas": "read_frame",
            "qapla.database.frames.arrow": "read_table",
            "qapla.database.frames.polars": "read_frame",
            "qapla.database.frames.dask": "read_frame",
            "qapla.database.frames.write": "to_table Written",
        },
    ),
    "rest-for-models": (
        "REST for models",
        {
            "qapla.plugins.rest.marks": "Marks",
            "qapla.plugins.rest.program": "ModelApplication",
            "qapla.database.models.description": "describe model_columns",
        },
    ),
    "plugins": (
        "Shipped plugins",
        {
            "qapla.plugins.logging": "",
            "qapla.plugins.metrics": "",
            "qapla.plugins.health": "",
            "qapla.plugins.redis": "",
            "qapla.plugins.session": "",
            "qapla.plugins.csrf": "",
            "qapla.plugins.auth": "",
            "qapla.plugins.celery": "",
            "qapla.plugins.celery.task": "AppTask",
            "qapla.plugins.celery.configuration": "",
            "qapla.plugins.celery.receipts": "",
            "qapla.plugins.celery.outbox": "",
            "qapla.plugins.tasks": "",
            "qapla.plugins.tasks.plugin": "",
        },
    ),
    "testing": (
        "Tests of applications",
        {
            "qapla.testing.plugin": "",
            "qapla.database.testing": "BaseApplicationFixture",
            "qapla.testing.fixtures": "WebFixture",
            "qapla.database.shared": "",
            "qapla.testing.statements": "at_most",
            "qapla.testing.fakes": "fake_of",
            "qapla.testing.contracts": "",
            "qapla.testing.servers": "",
            "qapla.testing.processes": "",
        },
    ),
    "ports": ("Ports: what plugins are to each other", {"qapla.ports": "*"}),
    "errors": ("Errors", {"qapla.errors": "*"}),
}
OF_PLUGINS = "What plugins add is there when the application has them. `qapla celery …` hands on to Celery's own command."
DOORS = {"start", "stop", "enter", "exit", "includeme", "commands"}  # that every plugin has
SPECIAL = {"__getitem__", "__iter__", "__contains__", "__call__"}
TITLES = {"parameters": "Arguments", "raises": "Raises", "attributes": "Attributes", "returns": "Returns", "yields": "Yields"}


def make_pages() -> dict[str, str]:
    """Return all pages by file name."""
    pages = {f"{name}.md": make_page(title, modules) for name, (title, modules) in PAGES.items()}
    pages["settings.md"] = make_settings()
    pages["commands.md"] = make_commands()
    titles = {name: title for name, (title, _) in PAGES.items()} | {"settings": "All settings", "commands": "Commands"}
    index = [f"- [{titles[name]}]({name}.md)" for name in titles]
    text = "What stands in the docstrings, page by page. The settings of a plugin are with the plugin."
    pages["README.md"] = "\n".join([NOTE, "", "# Reference", "", text, "", *index, ""])
    return pages


def make_page(title: str, modules: dict[str, str]) -> str:
    """Return one page."""
    parts = [NOTE, f"# {title}"]
    for path, names in modules.items():
        module = load(path)
        parts.append(f"## `{path}`")
        parts += render(module)
        chosen = public(module) if names == "*" else names.split()
        for name in chosen:
            parts += describe(module.members[name])
    return "\n\n".join(parts) + "\n"


def load(path: str) -> Any:
    """Return the module, read from the source."""
    file = ROOT.joinpath(*path.split("."))
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    return griffe.visit(path, file, file.read_text(), docstring_parser=griffe.Parser.google, docstring_options={"warnings": False})


def public(module: Any) -> list[str]:
    """Return the names of what is defined in *module* and has a docstring, in its order."""
    found = [item for item in module.members.values() if not item.is_alias and not item.name.startswith("_") and item.docstring]
    return [item.name for item in sorted(found, key=lambda item: item.lineno) if item.is_class or item.is_function]


def describe(item: Any) -> Iterator[str]:
    """Yield the paragraphs about a class with its methods, or about a function."""
    yield f"### `{item.name}`"
    if not item.is_class:
        yield signature(item)
        yield from render(item)
        return
    if "__init__" in item.members:
        yield signature(item.members["__init__"], item.name)
    elif any("dataclass" in str(decorator.value) for decorator in item.decorators):
        yield fields_of(item)
    yield from render(item)
    hidden = DOORS if any(str(base) == "Plugin" for base in item.bases) else set()
    for member in sorted(item.members.values(), key=lambda member: member.lineno or 0):
        if member.is_alias or not member.docstring or member.name in hidden or (member.name.startswith("_") and member.name not in SPECIAL):
            continue
        if member.is_function:
            yield signature(member)
            yield from render(member)
        elif member.is_attribute:
            first, *rest = render(member)
            yield f"**`{member.name}`** {first}"
            yield from rest


def signature(function: Any, name: str = "") -> str:
    """Return how *function* is called, in a fence."""
    parts, positional, before = [], True, ""
    for parameter in function.parameters:
        if parameter.name in {"self", "cls"}:
            continue
        kind = parameter.kind.value
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        if before == "positional-only" != kind:
            parts.append("/")
        if kind == "keyword-only" and positional:
            parts.append("*")
        before = kind
        positional = positional and kind not in {"keyword-only", "variadic positional"}
        text = stars + parameter.name + (f": {parameter.annotation}" if parameter.annotation else "")
        if parameter.default is not None and not stars:
            text += f" = {parameter.default}" if parameter.annotation else f"={parameter.default}"
        parts.append(text)
    parts += ["/"] * (before == "positional-only")
    returns = f" -> {function.returns}" if function.returns and not name else ""
    is_block = any("contextmanager" in str(decorator.value) for decorator in function.decorators)
    if is_block:
        returns = re.sub(r"^ -> \w+\[(.*)\]$", r" as \1", returns).replace(" as None", "")
    head = f"{name or function.name}({', '.join(parts)}){returns}"
    if len(head) > 120:
        head = f"{name or function.name}(\n    " + ",\n    ".join(parts) + f",\n){returns}"
    prefix = ("async " if "async" in function.labels else "") + ("with " if is_block else "")
    return f"```\n{prefix}{head}\n```"


def fields_of(item: Any) -> str:
    """Return how a dataclass is made, in a fence."""
    fields = [member for member in item.members.values() if member.is_attribute and member.annotation and not member.name.startswith("_")]
    lines = [f"    {field.name}: {field.annotation}," for field in fields if "property" not in field.labels]
    return "```\n" + "\n".join([f"{item.name}(", *lines, ")"]) + "\n```"


def render(item: Any) -> Iterator[str]:
    """Yield the paragraphs of a docstring, as Markdown."""
    for section in item.docstring.parsed if item.docstring else ():
        kind = section.kind.value
        if kind == "text":
            yield from paragraphs(section.value)
        elif kind in TITLES:
            rows = [f"- {entry(kind, row)}" for row in section.value]
            yield f"{TITLES[kind]}:\n\n" + "\n".join(rows)
        else:  # what looks like a section of Google's and is none of ours
            raise ValueError(f"{item.path}: a section of kind {kind!r}")


def entry(kind: str, row: Any) -> str:
    """Return one line of a list of arguments, errors or attributes."""
    name = str(row.annotation) if kind == "raises" else row.name
    text = inline(" ".join(row.description.split()))
    return f"`{name}`: {text}" if name else text


def paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs of Markdown from those of a docstring."""
    blocks: list[str] = []
    for block in re.split(r"\n[ \t]*\n", text.strip("\n")):
        if blocks and block.startswith("    ") and blocks[-1].startswith("    "):
            blocks[-1] += "\n\n" + block  # a blank line in the middle of code
        else:
            blocks.append(block)
    for block in blocks:
        if block.startswith("    "):
            yield fence(block)
        elif re.match(r"(Adds|Settings|Uses) {2,}", block):
            for part in re.split(r"\n(?=\S)", block):
                word, _, rest = part.partition(" ")
                yield f"**{word}** " + inline(" ".join(rest.split()))
        elif re.match(r"\S.*\n    \S", block):  # a term, and below it what it means
            yield "\n".join(f"- {inline(part)}" for part in terms(block))
        elif block.startswith("- ") or re.match(r"\d\. ", block):
            yield inline(re.sub(r"\n +", " ", block))
        elif block.rstrip() != "::":
            yield inline(re.sub(r"::$", ":", " ".join(block.split())))


def terms(block: str) -> Iterator[str]:
    """Yield ``term: what it means``."""
    for part in re.split(r"\n(?=\S)", block):
        term, _, meaning = part.partition("\n")
        yield f"{term.strip()}: {' '.join(meaning.split())}"


def fence(block: str) -> str:
    """Return an indented block as code."""
    lines = [line[4:] for line in block.splitlines()]
    return "```\n" + "\n".join(lines) + "\n```"


def inline(text: str) -> str:
    """Return text with the code in it as Markdown writes it; what looks like a tag outside of code is none."""
    parts = re.split(r"(``.+?``)", text)
    return "".join(f"`{part[2:-2]}`" if part.startswith("``") else part.replace("<", "&lt;") for part in parts)


def make_settings() -> str:
    """Return the page of all settings, from every module that reads some."""
    parts = [NOTE, "# All settings", "By the module that reads them. Settings of Celery, and of Pyramid, are in their manuals."]
    for file in sorted((ROOT / "qapla").rglob("*.py")):
        path = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        docstring = load(path).docstring
        found = re.search(r"^Settings {2,}(.*(?:\n {4,}.*)*)", docstring.value, re.MULTILINE) if docstring else None
        if found:
            page = next((f"[`{path}`]({name}.md)" for name, (_, modules) in PAGES.items() if path in modules), f"`{path}`")
            parts.append(f"**{page}** {inline(' '.join(found[1].split()))}")
    return "\n\n".join(parts) + "\n"


def make_commands() -> str:
    """Return the page of commands, from their help."""
    from qapla.cli import AppGroup, cli
    from qapla.database.commands import database

    parts = [NOTE, "# Commands", OF_PLUGINS]
    own: dict[str, click.Command] = {**cli.commands, "database": database} if isinstance(cli, AppGroup) else {}
    for name in sorted(own):
        parts += command_help(own[name], f"qapla {name}")
    return "\n\n".join(parts) + "\n"


def command_help(command: click.Command, name: str) -> Iterator[str]:
    """Yield what ``--help`` says, of a group and all its commands."""
    text = command.get_help(click.Context(command, info_name=name, max_content_width=110, terminal_width=110))
    yield f"## `{name}`"
    yield f"```\n{text}\n```"
    if isinstance(command, click.Group):
        for sub in sorted(command.commands):
            yield from command_help(command.commands[sub], f"{name} {sub}")


def main() -> None:
    """Write the pages, and remove those that are none any more."""
    pages = make_pages()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in {path.name for path in FOLDER.glob("*.md")} - set(pages):
        (FOLDER / old).unlink()
    for name, text in pages.items():
        (FOLDER / name).write_text(text)
    sys.stdout.write(f"{len(pages)} pages in {FOLDER.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
