"""Describe one database's API as OpenAPI 3.1: the tables that the caller may use, with what he may do.

Names of operations come from the tables alone, so that generated clients stay the same when rights change. Documents are kept per
schema, rights and place; a refresh makes new ones.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qapla.driver.keys import table_path
from qapla.plugins.rest import batchdoc, jsonschema
from qapla.plugins.rest.calldoc import TAG, CallWriter, visible_functions
from qapla.plugins.rest.components import PARAMETERS, make_components, make_security
from qapla.plugins.rest.language import EMBED_PARAMETERS, ROOT_PARAMETERS
from qapla.plugins.rest.operations import Described, collection_operations, refs, row_operations, shared_answers
from qapla.plugins.rest.slugs import fold, make_slug, make_slugs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qapla.database.catalog import Served
    from qapla.database.schema.description import Column, Function, Relation, Table, TableName
    from qapla.ports import Operation, Rights

OPERATIONS: tuple[Operation, ...] = ("select", "insert", "update", "delete")
_kept: OrderedDict[Any, bytes] = OrderedDict()
_KEPT_AT_MOST = 64
_lock = threading.Lock()

Allowed = frozenset[str]


@dataclass(frozen=True)
class Visible:
    """What a caller may do with a table; ``read`` and ``insert`` and ``update`` have the columns of it that he may."""

    read: Table
    allowed: Allowed
    insert: Table
    update: Table


def document_bytes(served: Served, rights: Rights, path: str, profile: str | None = None, cookie: str | None = None) -> bytes:
    """Return the document as JSON, made once for each schema, set of rights and place.

    Args:
        path: where the API of the database is.
        cookie: the name of the cookie with the admin's session, where there is an admin.
    """
    tables = visible_tables(served, rights, profile)
    rights_key = tuple((each.allowed, *(tuple(part.by_name) for part in (each.read, each.insert, each.update))) for each in tables)
    functions = visible_functions(served, rights, profile)
    names = (tuple(each.read.name for each in tables), tuple(function.name for function in functions), len(functions))
    withheld = frozenset(served.withheld.items())
    key = (served.name, path, profile, cookie, served.schema.fingerprint or id(served.schema), served.options, names, rights_key, withheld)
    with _lock:
        body = _kept.get(key)
        if body is not None:
            _kept.move_to_end(key)
            return body
    document = make_document(served, tables, path, cookie, functions)
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    with _lock:
        _kept[key] = body
        while len(_kept) > _KEPT_AT_MOST:
            _kept.popitem(last=False)
    return body


def visible_tables(served: Served, rights: Rights, profile: str | None = None) -> list[Visible]:
    """Return the tables of one schema that the caller may use, each with what he may do with it."""
    namespace = profile or served.schema.default_schema
    found = []
    for table in served.schema.tables:
        if table.name.schema == namespace and table.name.name.split("/")[0] not in ("rpc", "-"):
            possible = _possible(served, table)
            allowed: Allowed = frozenset(name for name in OPERATIONS if name in possible and rights.allows(name, *table.name))
            if allowed:
                read, insert, update = (_narrow(table, rights, operation) for operation in OPERATIONS[:3])
                found.append(Visible(read, allowed, insert, update))
    return found


def _narrow(table: Table, rights: Rights, operation: Operation) -> Table:
    """Return the table with the columns for which *operation* is allowed."""
    columns = tuple(column for column in table.columns if rights.allows(operation, *table.name, column.name))
    return table if len(columns) == len(table.columns) else replace(table, columns=columns)


def _possible(served: Served, table: Table) -> set[str]:
    possible = {"select"}
    if served.options.writable:
        possible |= {name for name, can in (("insert", table.insertable), ("update", table.updatable), ("delete", table.deletable)) if can}
    return possible


def make_document(
    served: Served, tables: list[Visible], path: str, cookie: str | None = None, functions: list[Function] | None = None
) -> dict[str, Any]:
    """Return the document."""
    document = {**_head(served, tables, path), "paths": {}, "components": make_components(served, cookie)}
    reading, writing = (make_security(served, cookie, right) for right in ("read", "write"))
    if served.options.openapi_security_active:
        document["security"] = reading
    writer = _Writer(served, {each.read.name: each for each in tables}, document)
    if served.options.openapi_security_active and writing != reading:
        writer.writing = writing
    for each in tables:
        writer.add(each)
    if functions:
        _add_functions(document, writer, served, cookie, functions)
    document["paths"][batchdoc.PATH] = batchdoc.PATH_ITEM
    return document


def _add_functions(document: dict[str, Any], writer: _Writer, served: Served, cookie: str | None, functions: list[Function]) -> None:
    """Add the functions. A POST with the admin's session needs its token, also where nothing is written."""
    posting = [{**ways, "csrf": []} if "session" in ways else ways for ways in make_security(served, cookie, "read")]
    has_own = served.options.openapi_security_active and posting != document["security"]
    described = {name: writer.slugs[name.name] for name, each in writer.visible.items() if "select" in each.allowed}
    calls = CallWriter(served, described, writer.profiles, posting if has_own else None, writer.writing)
    document["paths"] |= calls.paths(functions)
    document["tags"].append({"name": TAG, "description": "Stored functions"})


def _head(served: Served, tables: list[Visible], path: str) -> dict[str, Any]:
    schema = served.schema
    return {
        "openapi": "3.1.0",
        "info": {
            "title": served.name,
            "version": schema.fingerprint[:12] or "1",
            "description": f"{len(tables)} tables and views of a {schema.engine} {schema.version} database, in the PostgREST dialect.",
        },
        "servers": [{"url": served.options.openapi_server_proxy_uri or path}],
        "tags": [_tag(each.read) for each in tables],
    }


def _tag(table: Table) -> dict[str, str]:
    tag = {"name": table.name.name}
    if table.comment:
        tag["description"] = table.comment
    return tag


class _Writer:
    """Adds tables to a document."""

    def __init__(self, served: Served, visible: Mapping[TableName, Visible], document: dict[str, Any]) -> None:
        self.schema = served.schema
        self.withheld = served.withheld
        self.visible = visible
        self.document = document
        self.writing: list[dict[str, list[str]]] | None = None
        self.profiles = (("accept_profile",), ("content_profile",)) if len(served.schema.schemas) > 1 else ((), ())
        namespaces = {name.schema for name in visible}
        self.slugs = make_slugs(table.name.name for table in served.schema.tables if table.name.schema in namespaces)

    def add(self, each: Visible) -> None:
        """Add one table: its schemas, filters and operations."""
        table, allowed = each.read, each.allowed
        described = Described(
            name=table.name.name,
            slug=self.slugs[table.name.name],
            allowed=allowed,
            filters=self._add_filters(table),
            key_filters=self._key_filters(table),
            key=_key_parameter(table) if table.identity.columns else None,
            links=self._links(table),
            profiles=self.profiles,
            writing=self.writing,
            has_put="PUT" not in self.withheld.get(table.name, ()),
            **self._add_schemas(each),
        )
        self.document["components"]["responses"] |= shared_answers(described.slug)
        paths = self.document["paths"]
        if operations := collection_operations(described):
            paths[f"/{table_path(table)}"] = operations
        if described.key is not None:
            paths[f"/{table_path(table)}/{{key}}"] = row_operations(described)

    def _add_schemas(self, each: Visible) -> dict[str, str]:
        """Add the schemas of rows; return the names of those that are sent."""
        slug = self.slugs[each.read.name.name]
        schemas = self.document["components"]["schemas"]
        schemas[slug] = jsonschema.describe_row(each.read, self.schema, self._relations(each.read))
        fresh, change = f"{slug}.new", f"{slug}.change"
        new_row, changes = jsonschema.describe_new_row(each.insert), jsonschema.describe_changes(each.update)
        if "insert" in each.allowed:
            schemas[fresh] = new_row
        if "update" in each.allowed and ("insert" not in each.allowed or new_row != changes):
            schemas[change] = changes
        else:
            change = fresh
        return {"fresh": fresh, "change": change}

    def _add_filters(self, table: Table) -> list[dict[str, Any]]:
        """Add the parameter of each column; return references to them.

        A generator makes one name of ``order`` and ``"order"``, and then nothing of the operation: such a column is filtered by ``and``.
        """
        slug, taken = self.slugs[table.name.name], {fold(name) for name in PARAMETERS}
        found = {}
        for column in table.columns:
            if fold(column.name) not in taken:
                taken.add(fold(column.name))
                found[f"filter.{slug}.{make_slug(column.name)}"] = _filter_parameter(column)
        self.document["components"]["parameters"] |= found
        return refs(tuple(found))

    def _key_filters(self, table: Table) -> list[dict[str, Any]]:
        """Return the parameters that name a row by its primary key (PUT of a collection)."""
        key = table.primary_key
        if key is None or table.identity.by != "primary_key" or not all(name in table.by_name for name in key.columns):
            return []
        return [{**_filter_parameter(table.by_name[name], f"`eq.` and the value of {name}"), "required": True} for name in key.columns]

    def _links(self, table: Table) -> dict[str, Any]:
        """Return where a row leads: to the row that a key of it points at, and to the lists of the rows that point at it."""
        found: dict[str, Any] = {}
        for relation in self._relations(table):
            if (link := self._link(relation, self.visible[relation.target].read)) is not None:
                name = make_slug(relation.name)
                found[name if name not in found else f"{name}.{make_slug(relation.constraint or relation.hints[0])}"] = link
        return found

    def _relations(self, table: Table) -> Iterator[Relation]:
        """Yield the relations of a table to what the caller may read, through what he may read."""
        for relation in self.schema.relations_of.get(table.name, ()):
            others = (relation.target, relation.via.table) if relation.via is not None else (relation.target,)
            if all(name in self.visible and "select" in self.visible[name].allowed for name in others):
                yield relation

    def _link(self, relation: Relation, target: Table) -> dict[str, Any] | None:
        columns, others = relation.columns, relation.target_columns
        if relation.kind == "many_to_many" or len(columns) != 1 or not all(map(_is_plain, (*columns, *others))):
            return None
        slug, value = self.slugs[target.name.name], f"$response.body#/{columns[0]}"
        if relation.kind == "to_one" and others == target.identity.columns:
            return {"operationId": f"get_{slug}", "parameters": {"path.key": value}}
        return {"operationId": f"list_{slug}", "parameters": {f"query.{others[0]}": f"eq.{{{value}}}"}}


def _filter_parameter(column: Column, text: str | None = None) -> dict[str, Any]:
    name = column.name
    written = name if _is_plain(name) else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    described = text or f"{column.type.name}; a filter, `eq.…`, `gt.…`, `is.null`" + (f". {column.comment}" if column.comment else "")
    return {"name": written, "in": "query", "required": False, "description": described, "schema": {"type": "string"}}


def _is_plain(name: str) -> bool:
    return bool(re.fullmatch(r"\w[\w $]*\w|\w", name)) and name not in ROOT_PARAMETERS | EMBED_PARAMETERS | {"not"}


def _key_parameter(table: Table) -> dict[str, Any]:
    names = table.identity.columns
    text = f"The value of {names[0]}" if len(names) == 1 else f"The values of {', '.join(names)}, separated by commas"
    text += '; one that is empty or has `,` `/` `"` `\\` in it stands in double quotes'
    return {"name": "key", "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
