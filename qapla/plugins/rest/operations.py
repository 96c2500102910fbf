"""The operations of OpenAPI documents: what can be done with a collection and with a row."""

from __future__ import annotations

from typing import Any


def _query(name: str, text: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": kind, **more}}


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}


PARAMETERS: dict[str, Any] = {
    "select": _query("select", "Columns and embedded tables: `id,total:amount,client(name)`"),
    "order": _query("order", "`name.desc.nullslast,id`"),
    "limit": _query("limit", "At most so many rows", "integer", minimum=0),
    "offset": _query("offset", "Pass over so many rows first", "integer", minimum=0),
    "after": _query("after", "A cursor from the Link header of the page before"),
    "and": _query("and", "All of these: `(a.eq.1,b.gt.2)`"),
    "or": _query("or", "Any of these: `(a.eq.1,b.gt.2)`"),
    "columns": _query("columns", "The columns to take from the body"),
    "on_conflict": _query("on_conflict", "The unique columns by which a row counts as there already"),
    "prefer_read": _header("Prefer", "`count=exact`, `count=planned` or `count=estimated`"),
    "prefer_write": _header("Prefer", "`return=representation`, `return=minimal`, `return=headers-only`; `tx=rollback`; `missing=default`"),
    "prefer_batch": _header("Prefer", "`tx=rollback`: a dry run of the whole"),
    "range": _header("Range", "`0-9`: the first ten rows"),
    "if_match": _header("If-Match", "The ETag of the row as it was read: 412 when it is another by now"),
    "if_none_match": _header("If-None-Match", "An ETag: 304 when the row is still that"),
}
RESPONSES: dict[str, Any] = {
    "error": {"description": "An error", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}},
}
_LIST = ("select", "order", "limit", "offset", "after", "and", "or", "range", "prefer_read")
_CHANGE = ("select", "and", "or", "prefer_write")


def collection_operations(table: str, slug: str, allowed: frozenset[str], filters: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the operations of ``/{table}``."""
    found: dict[str, Any] = {}
    rows = {"type": "array", "items": _ref(slug)}
    if "select" in allowed:
        answers = {"200": _rows("The rows", rows), "206": _rows("Some of the rows, with their total in Content-Range", rows), "416": _ERROR}
        found["get"] = _operation("list", table, slug, f"List {table}", answers, _refs(_LIST) + filters)
    if "insert" in allowed:
        answers = {"201": _rows("Inserted", rows), "409": _ERROR}
        body = _body({"oneOf": [_ref(f"{slug}.new"), {"type": "array", "items": _ref(f"{slug}.new")}]})
        parameters = _refs(("select", "columns", "on_conflict", "prefer_write"))
        found["post"] = _operation("insert", table, slug, f"Insert into {table}", answers, parameters, body)
    if "update" in allowed:
        answers = {"200": _rows("The changed rows", rows), "204": {"description": "Changed"}, "409": _ERROR}
        found["patch"] = _operation("update", table, slug, f"Change rows of {table}", answers, _refs(_CHANGE) + filters, _body(_ref(slug)))
    if "delete" in allowed:
        answers = {"200": _rows("The removed rows", rows), "204": {"description": "Removed"}, "409": _ERROR}
        found["delete"] = _operation("delete", table, slug, f"Remove rows of {table}", answers, _refs(_CHANGE) + filters)
    return found


def row_operations(table: str, slug: str, allowed: frozenset[str], key: dict[str, Any]) -> dict[str, Any]:
    """Return the operations of ``/{table}/{key}``."""
    found: dict[str, Any] = {"parameters": [key]}
    row = {"200": _row("The row", slug), "404": _ERROR}
    if "select" in allowed:
        answers = {**row, "304": {"description": "Not modified"}}
        found["get"] = _operation("get", table, slug, f"Get one row of {table}", answers, _refs(("select", "if_none_match")))
    change = _refs(("select", "if_match", "prefer_write"))
    if {"insert", "update"} <= allowed:
        answers = {"200": row["200"], "201": _row("Created", slug), "412": _ERROR}
        body = _body(_ref(f"{slug}.new"))
        found["put"] = _operation("replace", table, slug, f"Replace or create a row of {table}", answers, change, body)
    if "update" in allowed:
        answers = {**row, "204": {"description": "Changed"}, "409": _ERROR, "412": _ERROR}
        found["patch"] = _operation("change", table, slug, f"Change one row of {table}", answers, change, _body(_ref(slug)))
    if "delete" in allowed:
        answers = {"204": {"description": "Removed"}, "404": _ERROR, "409": _ERROR, "412": _ERROR}
        found["delete"] = _operation("remove", table, slug, f"Remove one row of {table}", answers, _refs(("if_match", "prefer_write")))
    return found


_ERROR = {"$ref": "#/components/responses/error"}


def _operation(
    verb: str,
    table: str,
    slug: str,
    summary: str,
    answers: dict[str, Any],
    parameters: list[dict[str, Any]],
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": f"{verb}_{slug}", "tags": [table], "summary": summary, "parameters": parameters}
    if body is not None:
        found["requestBody"] = body
    found["responses"] = {**answers, "default": _ERROR}
    return found


def _ref(slug: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{slug}"}


def _refs(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}, "text/csv": {"schema": {"type": "string"}}}}


def _rows(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}, "text/csv": {"schema": {"type": "string"}}, "application/x-ndjson": {}}
    return {"description": text, "content": content}


def _row(text: str, slug: str) -> dict[str, Any]:
    return {
        "description": text,
        "headers": {"ETag": {"description": "Changes with the row", "schema": {"type": "string"}}},
        "content": {"application/json": {"schema": _ref(slug)}},
    }
