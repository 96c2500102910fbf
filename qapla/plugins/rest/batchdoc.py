"""Describe ``/-/batch`` for OpenAPI documents."""

from __future__ import annotations

from typing import Any

from qapla.plugins.rest.parts import MAX_REQUESTS, METHODS

PATH = "/-/batch"
_TEXT = """Several requests as one transaction, in their order, all or nothing. A request may use what an earlier one answered:
`{"$ref": "1.id"}` in its body, `{$ref:1.id}` in its path. When one is refused, the status and the error are that request's, and
`responses` has its answer alone."""
_HEADERS = {"type": "object", "additionalProperties": {"type": "string"}}
_REQUEST = {
    "type": "object",
    "required": ["path"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": ["string", "integer"], "pattern": r"^[\w-]{1,100}$", "description": "Its number in the list, unless given"},
        "method": {"type": "string", "enum": list(METHODS), "default": "GET"},
        "path": {"type": "string", "description": "Below the database: `/orders?id=eq.1`"},
        "headers": _HEADERS,
        "body": {"description": "A JSON value; a text where Content-Type is another one"},
    },
}
_RESPONSE = {
    "type": "object",
    "required": ["id", "status", "headers", "body"],
    "properties": {"id": {"type": "string"}, "status": {"type": "integer"}, "headers": _HEADERS, "body": {}},
}


def _list_of(name: str, item: dict[str, Any], **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": [name], "properties": {name: {"type": "array", "items": item, **more}}}
    return {"application/json": {"schema": schema}}


PATH_ITEM: dict[str, Any] = {
    "post": {
        "operationId": "batch",
        "summary": "Several requests as one transaction",
        "description": _TEXT,
        "parameters": [{"$ref": "#/components/parameters/prefer_batch"}],
        "requestBody": {"required": True, "content": _list_of("requests", _REQUEST, maxItems=MAX_REQUESTS)},
        "responses": {
            "200": {"description": "All of them", "content": _list_of("responses", _RESPONSE)},
            "default": {"$ref": "#/components/responses/error"},
        },
    }
}
