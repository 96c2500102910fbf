"""What all operations of an OpenAPI document share: parameters, headers, answers that are errors, ways to log in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qapla.plugins.rest.jsonschema import ERROR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qapla.database.catalog import Served


def _query(name: str, text: str, example: Any = None, kind: str = "string", **more: Any) -> dict[str, Any]:
    return _parameter("query", name, text, example, kind, **more)


def _header(name: str, text: str, example: str | None = None) -> dict[str, Any]:
    return _parameter("header", name, text, example, "string")


def _parameter(place: str, name: str, text: str, example: Any, kind: str, **more: Any) -> dict[str, Any]:
    schema = {"type": kind, **more}
    if example is not None:
        schema["examples"] = [example]
    return {"name": name, "in": place, "required": False, "description": text, "schema": schema}


PARAMETERS: dict[str, Any] = {
    "select": _query("select", "Columns and related tables: `id,total:amount,customer(name)`"),
    "order": _query("order", "`name.desc.nullslast,id`"),
    "limit": _query("limit", "At most so many rows", 20, "integer", minimum=0),
    "offset": _query("offset", "Pass over so many rows first", kind="integer", minimum=0),
    "after": _query("after", "A cursor from the `Link` header of the page before"),
    "and": _query("and", 'All of these: `(a.eq.1,b.gt.2)`; a column called like a parameter is `"order".eq.1`'),
    "or": _query("or", "Any of these: `(a.eq.1,b.gt.2)`"),
    "columns": _query("columns", "The columns to take from the body: `id,name`"),
    "on_conflict": _query("on_conflict", "The unique columns by which a row counts as there already"),
    "prefer_read": _header("Prefer", "`count=exact`, `count=planned` or `count=estimated`", "count=exact"),
    "prefer_insert": _header(
        "Prefer",
        "`return=representation`, `return=minimal` or `return=headers-only`; `resolution=merge-duplicates` or "
        "`resolution=ignore-duplicates`; `missing=default`; `tx=rollback`",
        "return=representation",
    ),
    "prefer_write": _header(
        "Prefer",
        "`return=representation` or `return=minimal`; `count=exact`; `handling=strict, max-affected=10`; `tx=rollback`",
        "return=representation",
    ),
    "prefer_call": _header("Prefer", "`count=exact`; `handling=strict, max-affected=10`; `tx=rollback`", "count=exact"),
    "prefer_batch": _header("Prefer", "`tx=rollback`: a dry run of the whole"),
    "range": _header("Range", "`0-9`: the first ten rows", "0-9"),
    "if_match": _header("If-Match", "The ETag of the row as it was read: 412 when it is another by now"),
    "if_none_match": _header("If-None-Match", "An ETag: 304 when the row is still that"),
}
HEADERS: dict[str, Any] = {
    "content_range": {"description": "Which rows these are, of how many: `0-19/42`; `*` is not known", "schema": {"type": "string"}},
    "link": {"description": "The next page, `rel=\"next\"`, where there is one, and the first", "schema": {"type": "string"}},
    "preference_applied": {"description": "Which preferences were honoured", "schema": {"type": "string"}},
    "location": {"description": "Where the new row is", "schema": {"type": "string"}},
    "etag": {"description": "Changes with the row", "schema": {"type": "string"}},
}
ERRORS: dict[int, str] = {
    300: "Several relations fit an embedded table; `details` lists them",
    400: "The request cannot be understood, or a value does not fit its column",
    401: "Credentials are missing or not valid",
    403: "Not allowed",
    404: "There is no such table, row or function",
    405: "Not possible here: the connection or the table is read-only",
    406: "No such format, or another number of rows than the one that was asked for",
    409: "A unique or foreign key is violated",
    412: "The row is another by now",
    413: "More than a limit allows",
    415: "No such format of a body",
    416: "There are not so many rows",
}
READ_ERRORS, WRITE_ERRORS = (300, 400, 401, 403, 404, 406), (300, 400, 401, 403, 404, 405, 406, 409)
BODY_ERRORS = (413, 415)


def make_errors(statuses: Iterable[int]) -> dict[str, Any]:
    """Return the answers with these statuses, and with all others."""
    found = {str(status): {"$ref": f"#/components/responses/error{status}"} for status in statuses}
    return {**found, "default": {"$ref": "#/components/responses/error"}}


def make_components(served: Served, cookie: str | None) -> dict[str, Any]:
    """Return what all operations share."""
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}}
    profiles = {}
    schemas = served.schema.schemas
    if len(schemas) > 1:
        for name in ("Accept-Profile", "Content-Profile"):
            profiles[name.lower().replace("-", "_")] = {
                **_header(name, f"The schema; {schemas[0]} unless given"),
                "schema": {"type": "string", "enum": list(schemas)},
            }
    return {
        "parameters": {**PARAMETERS, **profiles},
        "headers": HEADERS,
        "responses": {
            "error": {"description": "An error", **error},
            "done": {"description": "Done", "headers": {"Preference-Applied": {"$ref": "#/components/headers/preference_applied"}}},
            "unchanged": {"description": "The row is still the one that `If-None-Match` names"},
            **{f"error{status}": {"description": text, **error} for status, text in ERRORS.items()},
        },
        "schemas": {"error": ERROR},
        **({"securitySchemes": _schemes(served, cookie)} if served.options.openapi_security_active else {}),
    }


def _schemes(served: Served, cookie: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"token": {"type": "http", "scheme": "bearer", "description": "A token: `lazydb token add`"}}
    if served.options.jwt_secret is not None:
        text = "A JSON web token of the connection's issuer"
        found["jwt"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": text}
    if cookie is not None:
        found["session"] = {"type": "apiKey", "in": "cookie", "name": cookie, "description": "The session of the admin"}
        text = "What a write with the admin's session needs besides: the token of its pages"
        found["csrf"] = {"type": "apiKey", "in": "header", "name": "X-CSRF-Token", "description": text}
    return found


def make_security(served: Served, cookie: str | None, right: str) -> list[dict[str, list[str]]]:
    """Return the ways to show who is asking, one of which is needed for a ``read`` or a ``write``."""
    options = served.options
    found: list[dict[str, list[str]]] = [{"token": []}]
    if options.jwt_secret is not None:
        found.append({"jwt": []})
    if cookie is not None:
        found.append({"session": []} if right == "read" else {"session": [], "csrf": []})
    if options.anonymous == "write" or options.anonymous == right or options.db_anon_role is not None:
        found.append({})
    return found
