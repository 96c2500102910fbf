"""Describe one database's API as OpenAPI 3.1: the tables that the caller may use, with what he may do.

Names of operations come from the table alone, so that generated clients stay the same when other tables come and go. Documents are
kept per schema, rights and place; a refresh makes new ones.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from qapla.driver.keys import table_path
from qapla.plugins.rest import batchdoc, jsonschema
from qapla.plugins.rest.language import EMBED_PARAMETERS, ROOT_PARAMETERS
from qapla.plugins.rest.operations import PARAMETERS, RESPONSES, collection_operations, row_operations

if TYPE_CHECKING:
    from qapla.database.catalog import Served
    from qapla.database.schema.description import DatabaseSchema, Table
    from qapla.ports import Operation, Rights

OPERATIONS: tuple[Operation, ...] = ("select", "insert", "update", "delete")
_kept: OrderedDict[Any, bytes] = OrderedDict()
_KEPT_AT_MOST = 64
_lock = threading.Lock()

Allowed = frozenset[str]


def document_bytes(served: Served, rights: Rights, path: str, profile: str | None = None) -> bytes:
    """Return the document as JSON, made once for each schema, set of rights and place."""
    tables = visible_tables(served, rights, profile)
    rights_key = tuple((table.name, allowed) for table, allowed in tables)
    key = (served.name, path, profile, served.schema.fingerprint or id(served.schema), served.options, rights_key)
    with _lock:
        body = _kept.get(key)
        if body is not None:
            _kept.move_to_end(key)
            return body
    body = json.dumps(make_document(served, tables, path), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    with _lock:
        _kept[key] = body
        while len(_kept) > _KEPT_AT_MOST:
            _kept.popitem(last=False)
    return body


def visible_tables(served: Served, rights: Rights, profile: str | None = None) -> list[tuple[Table, Allowed]]:
    """Return the tables of one schema that the caller may use, each with what he may do with it."""
    namespace = profile or served.schema.default_schema
    found = []
    for table in served.schema.tables:
        if table.name.schema == namespace and table.name.name.split("/")[0] not in ("rpc", "-"):
            possible = _possible(served, table)
            allowed: Allowed = frozenset(name for name in OPERATIONS if name in possible and rights.allows(name, *table.name))
            if allowed:
                found.append((table, allowed))
    return found


def _possible(served: Served, table: Table) -> set[str]:
    possible = {"select"}
    if served.options.writable:
        possible |= {name for name, can in (("insert", table.insertable), ("update", table.updatable), ("delete", table.deletable)) if can}
    return possible


def make_document(served: Served, tables: list[tuple[Table, Allowed]], path: str) -> dict[str, Any]:
    """Return the document. *path* is where the API of the database is."""
    schema = served.schema
    slugs = {table.name: make_slug(table.name.name) for table, _ in tables}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": served.name,
            "version": schema.fingerprint[:12] or "1",
            "description": f"{len(tables)} tables and views of a {schema.engine} {schema.version} database, in the PostgREST dialect.",
        },
        "servers": [{"url": path}],
        "tags": [_tag(table) for table, _ in tables],
        "paths": {},
        "components": {
            "parameters": PARAMETERS,
            "responses": RESPONSES,
            "schemas": {"error": jsonschema.ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "A token: lazydb token add"}},
        },
        "security": [{"token": []}, *([] if served.options.anonymous == "none" else [{}])],
    }
    for table, allowed in tables:
        _add_table(document, schema, table, allowed, slugs[table.name])
    document["paths"][batchdoc.PATH] = batchdoc.PATH_ITEM
    return document


def _add_table(document: dict[str, Any], schema: DatabaseSchema, table: Table, allowed: Allowed, slug: str) -> None:
    schemas = document["components"]["schemas"]
    schemas[slug] = jsonschema.describe_row(table, schema)
    if "insert" in allowed:
        schemas[f"{slug}.new"] = jsonschema.describe_new_row(table, schema)
    filters = [_filter_parameter(column.name, column.type.name, column.comment) for column in table.columns]
    document["paths"][f"/{table_path(table)}"] = collection_operations(table.name.name, slug, allowed, filters)
    if table.identity.columns:
        key = _key_parameter(table)
        document["paths"][f"/{table_path(table)}/{{key}}"] = row_operations(table.name.name, slug, allowed, key)


def _tag(table: Table) -> dict[str, str]:
    tag = {"name": table.name.name}
    if table.comment:
        tag["description"] = table.comment
    return tag


def _filter_parameter(name: str, type_name: str, comment: str | None) -> dict[str, Any]:
    written = name if _is_plain(name) else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    text = f"{type_name}; a filter, `eq.…`, `gt.…`, `is.null`" + (f". {comment}" if comment else "")
    return {"name": written, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}


def _is_plain(name: str) -> bool:
    return bool(re.fullmatch(r"\w[\w $]*\w|\w", name)) and name not in ROOT_PARAMETERS | EMBED_PARAMETERS | {"not"}


def _key_parameter(table: Table) -> dict[str, Any]:
    names = table.identity.columns
    text = f"The value of {names[0]}" if len(names) == 1 else f"The values of {', '.join(names)}, separated by commas"
    text += '; one that is empty or has `,` `/` `"` `\\` in it stands in double quotes'
    return {"name": "key", "in": "path", "required": True, "description": text, "schema": {"type": "string"}}


def make_slug(name: str) -> str:
    """Return *name* as the keys of a document allow it; what had to be replaced is told apart by a short hash."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
    if slug == name and slug != "error":
        return slug
    return f"{slug}_{hashlib.blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=3).hexdigest()}"
