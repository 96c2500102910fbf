"""Describe the functions that a caller may call for OpenAPI documents: ``/rpc/{function}``.

Functions of one name are one path: what goes in is that of any of them, and so is what comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from qapla.database.dialects import get_engine
from qapla.database.query.call import find_media_domain, gives, make_result, may_call
from qapla.database.query.overloads import WHOLE_BODIES
from qapla.plugins.rest import jsonschema
from qapla.plugins.rest.arguments import WHOLE_TYPES, print_parameter
from qapla.plugins.rest.components import BODY_ERRORS, WRITE_ERRORS, make_errors
from qapla.plugins.rest.operations import refs
from qapla.plugins.rest.slugs import make_slugs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qapla.database.catalog import Served
    from qapla.database.schema.description import Function, Parameter, TableName
    from qapla.ports import Rights

    Security = list[dict[str, list[str]]] | None

TAG = "rpc"
_ROWS = ("select", "order", "limit", "offset", "and", "or", "prefer_read")
_STATUSES = (*WRITE_ERRORS, *BODY_ERRORS, 416)
_MEDIA = {kind: media for media, kind in WHOLE_TYPES.items()}
_ANYTHING: dict[str, Any] = {}


def visible_functions(served: Served, rights: Rights, profile: str | None = None) -> list[Function]:
    """Return the functions of one schema that the caller may call over this connection."""
    schema, options = served.schema, served.options
    namespace, kinds = profile or schema.default_schema, get_engine(schema.engine).calls
    return [
        function
        for function in schema.functions
        if function.schema == namespace
        and function.kind in kinds
        and (options.writable or function.volatility != "volatile")
        and may_call(function, rights)
    ]


class CallWriter:
    """Adds functions to a document.

    Args:
        tables: the names of the schemas of tables that are described.
        reading: the security of a GET, where it is not that of all; ``writing`` that of a POST, ``changing`` of one that may write.
        profiles: the parameters that choose a schema, for GET and for POST.
    """

    def __init__(
        self,
        served: Served,
        tables: Mapping[TableName, str],
        profiles: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
        writing: Security = None,
        changing: Security = None,
    ) -> None:
        self._served = served
        self._engine = get_engine(served.schema.engine)
        self._tables = tables
        self._profiles = profiles
        self._writing = writing
        self._changing = changing

    def paths(self, functions: list[Function]) -> dict[str, Any]:
        """Return the paths of *functions*."""
        by_name: dict[str, list[Function]] = {}
        for function in functions:
            by_name.setdefault(function.name, []).append(function)
        slugs = make_slugs(by_name)
        return {f"/rpc/{quote(name, safe='')}": self._path(name, slugs[name], overloads) for name, overloads in by_name.items()}

    def _path(self, name: str, slug: str, overloads: list[Function]) -> dict[str, Any]:
        described: dict[str, Any] = {"tags": [TAG], "summary": f"Call {name}"}
        comment = "\n\n".join(dict.fromkeys(function.comment for function in overloads if function.comment))
        if comment:
            described["description"] = comment
        answers = self._answers(overloads)
        found: dict[str, Any] = {}
        readers = [function for function in overloads if function.volatility != "volatile" and _has_names(function)]
        if readers:
            parameters = self._parameters(readers) + (refs(_ROWS) if any(map(_has_rows, readers)) else []) + refs(self._profiles[False])
            found["get"] = {"operationId": f"read_{slug}", **described, "parameters": parameters, "responses": self._answers(readers)}
        asked = refs(tuple(name for name in _ROWS if name != "prefer_read")) if any(map(_has_rows, overloads)) else []
        found["post"] = {
            "operationId": f"call_{slug}",
            **described,
            "parameters": [*asked, *refs(("prefer_call",)), *refs(self._profiles[True])],
            "requestBody": {"required": False, "content": self._bodies(overloads)},
            "responses": answers,
        }
        security = self._changing if all(function.volatility == "volatile" for function in overloads) else self._writing
        if security is not None:
            found["post"]["security"] = security
        return found

    # ------------------------------------------------------------------------------------------------ what goes in

    def _parameters(self, overloads: list[Function]) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for function in overloads:
            for parameter in function.inputs:
                name = str(parameter.name)
                is_needed = all(any(each.name == name and not each.has_default for each in other.inputs) for other in overloads)
                found.setdefault(name, self._parameter(name, parameter, is_needed=is_needed))
        return list(found.values())

    def _parameter(self, name: str, parameter: Parameter, *, is_needed: bool) -> dict[str, Any]:
        described: dict[str, Any] = {"name": print_parameter(name), "in": "query", "required": is_needed}
        described["description"] = parameter.type.name
        if parameter.mode == "variadic":
            item = jsonschema.describe_type(parameter.type.item) if parameter.type.item else {"type": "string"}
            return {**described, "schema": {"type": "array", "items": item}}
        schema = jsonschema.describe_type(parameter.type)
        is_text = schema.get("type") in ("array", "object") or "type" not in schema
        return {**described, "schema": {"type": "string"} if is_text else schema}

    def _bodies(self, overloads: list[Function]) -> dict[str, Any]:
        objects = [self._object(function) for function in overloads if _has_names(function)]
        content: dict[str, Any] = {}
        if objects:
            content = {name: {"schema": _any_of(objects)} for name in ("application/json", "application/x-www-form-urlencoded")}
        for function in overloads:
            inputs = function.inputs
            if len(inputs) == 1 and inputs[0].name is None:
                kind = next((kind for kind, names in WHOLE_BODIES.items() if inputs[0].type.name in names), None)
                if kind == "json":
                    content["application/json"] = {"schema": _ANYTHING}
                elif kind is not None:
                    content[_MEDIA[kind]] = {"schema": {"type": "string"}}  # type: ignore[index]
        return content or {"application/json": {"schema": {"type": "object", "properties": {}, "additionalProperties": False}}}

    def _object(self, function: Function) -> dict[str, Any]:
        properties = {}
        for parameter in function.inputs:
            schema = jsonschema.allow_null(jsonschema.describe_type(parameter.type))
            properties[str(parameter.name)] = {**schema, "description": parameter.type.name}
        needed = [str(parameter.name) for parameter in function.inputs if not parameter.has_default]
        found: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        return {**found, "required": needed} if needed else found

    # ------------------------------------------------------------------------------------------------ what comes out

    def _answers(self, overloads: list[Function]) -> dict[str, Any]:
        schemas: dict[str, list[dict[str, Any]]] = {}
        found: dict[str, Any] = {}
        for function in overloads:
            if gives(function) == "nothing" and function.kind == "function":
                found["204"] = {"description": "Done; it gives nothing"}
                continue
            if function.kind == "procedure":
                found["204"] = {"description": "Done; it gave nothing"}
            for media, schema in self._contents(function).items():
                schemas.setdefault(media, []).append(schema)
        if schemas:
            content = {media: {"schema": _any_of(each)} for media, each in schemas.items()}
            headers = {"Content-Range": {"$ref": "#/components/headers/content_range"}}
            found["200"] = {"description": "What it gives", "headers": headers, "content": content}
            if any(map(_has_rows, overloads)):
                found["206"] = {**found["200"], "description": "Some of what it gives, with the total in `Content-Range`"}
        return dict(sorted(found.items())) | make_errors(_STATUSES)

    def _contents(self, function: Function) -> dict[str, dict[str, Any]]:
        media = find_media_domain(function)
        if media is not None:
            return {media: {"type": "string"}}
        schema = self._result(function)
        text = {"type": "string"}
        found: dict[str, dict[str, Any]] = {"application/json": schema, "text/csv": text, "application/x-ndjson": text}
        single = schema.get("items", schema) if function.returns_set else schema
        return found if function.kind == "procedure" else {**found, "application/vnd.pgrst.object+json": single}

    def _result(self, function: Function) -> dict[str, Any]:
        if function.kind == "procedure":
            return _ANYTHING
        schema = self._served.schema
        if gives(function) == "rows":
            known = self._tables.get(function.returns_table) if function.returns_table is not None else None
            row = {"$ref": f"#/components/schemas/{known}"} if known else jsonschema.describe_row(make_result(function, schema), schema)
        else:
            assert function.returns is not None
            row = jsonschema.allow_null(jsonschema.describe_cells(function.returns, self._engine))
        return {"type": "array", "items": row} if function.returns_set else row


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON Schema of what one of *schemas* describes."""
    different = [schema for place, schema in enumerate(schemas) if schema not in schemas[:place]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def _has_names(function: Function) -> bool:
    return all(parameter.name is not None for parameter in function.inputs)


def _has_rows(function: Function) -> bool:
    return function.returns_set and gives(function) == "rows"
