"""The operations of OpenAPI documents: what can be done with a collection and with a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qapla.plugins.rest.components import BODY_ERRORS, READ_ERRORS, WRITE_ERRORS, make_errors

_LIST = ("select", "order", "limit", "offset", "after", "and", "or", "range", "prefer_read")
_CHANGE = ("select", "and", "or", "prefer_write")
_TEXT = {"schema": {"type": "string"}}
_FILES: dict[str, Any] = {"application/vnd.apache.arrow.stream": {}, "application/vnd.apache.parquet": {}}


@dataclass(frozen=True)
class Described:
    """What the operations of one table are made from.

    Args:
        slug: the name of its schemas and operations.
        fresh: the schema of a row that is inserted; ``change`` of columns that are changed.
        filters: references to the filters of its columns; ``key_filters`` the filters that name one row by its primary key.
        key: the parameter of the URL of one row, where rows have one.
        links: where a row leads.
        profiles: the parameters that choose a schema, for reading and for writing.
        writing: the security of a write, where it is not that of all.
    """

    name: str
    slug: str
    allowed: frozenset[str]
    fresh: str
    change: str
    filters: list[dict[str, str]]
    key_filters: list[dict[str, Any]] = field(default_factory=list)
    key: dict[str, Any] | None = None
    links: dict[str, Any] = field(default_factory=dict)
    profiles: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    writing: list[dict[str, list[str]]] | None = None

    def operation(
        self,
        verb: str,
        summary: str,
        answers: dict[str, Any],
        parameters: list[dict[str, Any]],
        body: dict[str, Any] | None = None,
        *,
        is_write: bool = True,
    ) -> dict[str, Any]:
        """Return one operation."""
        parameters = parameters + refs(self.profiles[is_write])
        found: dict[str, Any] = {"operationId": f"{verb}_{self.slug}", "tags": [self.name], "summary": summary, "parameters": parameters}
        if body is not None:
            found["requestBody"] = body
        if is_write and self.writing is not None:
            found["security"] = self.writing
        found["responses"] = answers
        return found


def collection_operations(table: Described) -> dict[str, Any]:
    """Return the operations of ``/{table}``."""
    found: dict[str, Any] = {}
    name, allowed = table.name, table.allowed
    changes = refs(_CHANGE) + table.filters
    if "select" in allowed:
        headers = _headers("content_range", "link", "preference_applied")
        answers = {
            "200": _rows("The rows", table.slug, headers),
            "206": _rows("A part of the rows, with their total in `Content-Range`", table.slug, headers),
            **make_errors((*READ_ERRORS, 416)),
        }
        answers["200"]["content"] |= _FILES
        found["get"] = table.operation("list", f"List {name}", answers, refs(_LIST) + table.filters, is_write=False)
    if "insert" in allowed:
        headers = _headers("content_range", "location", "preference_applied")
        answers = {
            "200": _rows("Inserted or changed, where `resolution=` was preferred", table.slug, headers),
            "201": _rows("Inserted; rows come with `return=representation`", table.slug, headers),
            **make_errors((*WRITE_ERRORS, *BODY_ERRORS)),
        }
        parameters = refs(("select", "columns", "on_conflict", "prefer_insert"))
        found["post"] = table.operation("insert", f"Insert into {name}", answers, parameters, _body(table.fresh, is_list=True))
    if "update" in allowed:
        answers = {**_written("changed", table.slug), **make_errors((*WRITE_ERRORS, *BODY_ERRORS))}
        found["patch"] = table.operation("update", f"Change rows of {name}", answers, changes, _body(table.change))
    if {"insert", "update"} <= allowed and table.key_filters:
        answers = {"201": _rows("Created", table.slug, {}), **_written("replaced", table.slug)}
        answers |= make_errors((*WRITE_ERRORS, *BODY_ERRORS))
        parameters = refs(("select", "prefer_write")) + table.key_filters
        found["put"] = table.operation("put", f"Replace or create the row of {name} with a key", answers, parameters, _body(table.fresh))
    if "delete" in allowed:
        answers = {**_written("removed", table.slug), **make_errors(WRITE_ERRORS)}
        found["delete"] = table.operation("delete", f"Remove rows of {name}", answers, changes)
    return found


def row_operations(table: Described) -> dict[str, Any]:
    """Return the operations of ``/{table}/{key}``."""
    found: dict[str, Any] = {"parameters": [table.key]}
    name, allowed = table.name, table.allowed
    row = {"200": _row("The row", table)}
    if "select" in allowed:
        unchanged = {"description": "The row is still the one that `If-None-Match` names", "headers": _headers("etag")}
        answers = {"200": _row("The row", table, table.links), "304": unchanged, **make_errors(READ_ERRORS)}
        found["get"] = table.operation("get", f"Get one row of {name}", answers, refs(("select", "if_none_match")), is_write=False)
    change = refs(("select", "if_match", "prefer_write"))
    empty = {"204": {"description": "Done; `return=minimal` was preferred", "headers": _headers("preference_applied")}}
    if {"insert", "update"} <= allowed:
        answers = {**row, "201": _row("Created", table), **empty, **make_errors((*WRITE_ERRORS, 412, *BODY_ERRORS))}
        found["put"] = table.operation("replace", f"Replace or create a row of {name}", answers, change, _body(table.fresh))
    if "update" in allowed:
        answers = {**row, **empty, **make_errors((*WRITE_ERRORS, 412, *BODY_ERRORS))}
        found["patch"] = table.operation("change", f"Change one row of {name}", answers, change, _body(table.change))
    if "delete" in allowed:
        answers = {
            "200": _row("The row that was removed, where `return=representation` was preferred", table),
            "204": {"description": "Removed"},
            **make_errors((*WRITE_ERRORS, 412)),
        }
        found["delete"] = table.operation("remove", f"Remove one row of {name}", answers, change)
    return found


def refs(names: tuple[str, ...], place: str = "parameters") -> list[dict[str, Any]]:
    """Return references to components."""
    return [{"$ref": f"#/components/{place}/{name}"} for name in names]


def _written(done: str, slug: str) -> dict[str, Any]:
    headers = _headers("content_range", "preference_applied")
    empty = {"description": f"The rows are {done}", "headers": headers}
    return {"200": _rows(f"The rows that are {done}, where `return=representation` was preferred", slug, headers), "204": empty}


def _headers(*names: str) -> dict[str, Any]:
    return {name.replace("_", "-").title().replace("Etag", "ETag"): {"$ref": f"#/components/headers/{name}"} for name in names}


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _body(name: str, *, is_list: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = _schema(name)
    schema = {"oneOf": [schema, {"type": "array", "items": schema}]} if is_list else schema
    content = {"application/json": {"schema": schema}, "application/x-www-form-urlencoded": {"schema": _schema(name)}, "text/csv": _TEXT}
    return {"required": True, "content": content}


def _rows(text: str, slug: str, headers: dict[str, Any]) -> dict[str, Any]:
    rows = {"schema": {"type": "array", "items": _schema(slug)}}
    content = {
        "application/json": rows,
        "application/vnd.pgrst.array+json;nulls=stripped": rows,
        "application/vnd.pgrst.object+json": {"schema": _schema(slug)},
        "application/vnd.pgrst.object+json;nulls=stripped": {"schema": _schema(slug)},
        "text/csv": _TEXT,
        "application/x-ndjson": _TEXT,
    }
    return {"description": text, "headers": headers, "content": content}


def _row(text: str, table: Described, links: dict[str, Any] | None = None) -> dict[str, Any]:
    content = {name: {"schema": _schema(table.slug)} for name in ("application/json", "application/vnd.pgrst.object+json")}
    found = {"description": text, "headers": _headers("etag"), "content": content}
    return {**found, "links": links} if links else found
