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
        has_put: whether PUT is there, where rows can be inserted and changed.
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
    has_put: bool = True

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


def shared_answers(slug: str) -> dict[str, Any]:
    """Return the answers with rows of one table, to be kept among the components."""
    rows = {"schema": {"type": "array", "items": _schema(slug)}}
    row = {"schema": _schema(slug)}
    return {
        f"{slug}.rows": {
            "description": "Rows; of a write with `return=representation`",
            "headers": _headers("content_range", "link", "location", "preference_applied"),
            "content": {
                "application/json": rows,
                "application/vnd.pgrst.array+json;nulls=stripped": rows,
                "application/vnd.pgrst.object+json": row,
                "application/vnd.pgrst.object+json;nulls=stripped": row,
                "text/csv": _TEXT,
                "application/x-ndjson": _TEXT,
                **_FILES,
            },
        },
        f"{slug}.row": {
            "description": "The row",
            "headers": _headers("etag", "location", "preference_applied"),
            "content": {"application/json": row, "application/vnd.pgrst.object+json": row},
        },
    }


def make_body(name: str, *, is_list: bool = False) -> dict[str, Any]:
    """Return a body with one row, or with any number of rows.

    Forms are told in words: generators that meet one schema in two formats make code that sends a row of JSON as a form.
    """
    schema: dict[str, Any] = _schema(name)
    text = "A row" + (", or a list of rows" if is_list else "") + ". One row may come as a form, too, `application/x-www-form-urlencoded`."
    schema = {"oneOf": [schema, {"type": "array", "items": schema}]} if is_list else schema
    return {"description": text, "required": True, "content": {"application/json": {"schema": schema}, "text/csv": _TEXT}}


def collection_operations(table: Described) -> dict[str, Any]:
    """Return the operations of ``/{table}``."""
    found: dict[str, Any] = {}
    name, allowed = table.name, table.allowed
    changes = refs(_CHANGE) + table.filters
    rows = _response(f"{table.slug}.rows")
    written, sent = {"200": rows, "204": _response("done")}, (*WRITE_ERRORS, *BODY_ERRORS)
    if "select" in allowed:
        answers = {"200": rows, "206": rows, **make_errors((*READ_ERRORS, 416))}
        found["get"] = table.operation("list", f"List {name}", answers, refs(_LIST) + table.filters, is_write=False)
    if "insert" in allowed:
        answers = {"200": rows, "201": rows, **make_errors(sent)}
        parameters = refs(("select", "columns", "on_conflict", "prefer_insert"))
        body = make_body(table.fresh, is_list=True)
        found["post"] = table.operation("insert", f"Insert into {name}", answers, parameters, body)
    if "update" in allowed:
        body = make_body(table.change)
        found["patch"] = table.operation("update", f"Change rows of {name}", {**written, **make_errors(sent)}, changes, body)
    if {"insert", "update"} <= allowed and table.has_put and table.key_filters:
        answers = {"201": rows, **written, **make_errors(sent)}
        parameters = refs(("select", "prefer_write")) + table.key_filters
        body = make_body(table.fresh)
        found["put"] = table.operation("put", f"Replace or create the row of {name} with a key", answers, parameters, body)
    if "delete" in allowed:
        found["delete"] = table.operation("delete", f"Remove rows of {name}", {**written, **make_errors(WRITE_ERRORS)}, changes)
    return found


def row_operations(table: Described) -> dict[str, Any]:
    """Return the operations of ``/{table}/{key}``."""
    found: dict[str, Any] = {"parameters": [table.key]}
    name, allowed = table.name, table.allowed
    row, done, sent = _response(f"{table.slug}.row"), _response("done"), (*WRITE_ERRORS, 412, *BODY_ERRORS)
    if "select" in allowed:
        first = {**shared_answers(table.slug)[f"{table.slug}.row"], "links": table.links} if table.links else row
        answers = {"200": first, "304": _response("unchanged"), **make_errors(READ_ERRORS)}
        found["get"] = table.operation("get", f"Get one row of {name}", answers, refs(("select", "if_none_match")), is_write=False)
    change = refs(("select", "if_match", "prefer_write"))
    if {"insert", "update"} <= allowed and table.has_put:
        answers = {"200": row, "201": row, "204": done, **make_errors(sent)}
        found["put"] = table.operation("replace", f"Replace or create a row of {name}", answers, change, make_body(table.fresh))
    if "update" in allowed:
        answers = {"200": row, "204": done, **make_errors(sent)}
        found["patch"] = table.operation("change", f"Change one row of {name}", answers, change, make_body(table.change))
    if "delete" in allowed:
        answers = {"200": row, "204": done, **make_errors((*WRITE_ERRORS, 412))}
        found["delete"] = table.operation("remove", f"Remove one row of {name}", answers, change)
    return found


def _response(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{name}"}


def refs(names: tuple[str, ...], place: str = "parameters") -> list[dict[str, Any]]:
    """Return references to components."""
    return [{"$ref": f"#/components/{place}/{name}"} for name in names]


def _headers(*names: str) -> dict[str, Any]:
    return {name.replace("_", "-").title().replace("Etag", "ETag"): {"$ref": f"#/components/headers/{name}"} for name in names}


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
