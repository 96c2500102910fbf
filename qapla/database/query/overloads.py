"""Find the function that a call means: functions of one name are told apart by the names of their parameters, as PostgREST does.

One whose parameters have the names of the arguments is taken, those with a default may be left out. Where none is, a function with a
single parameter that has no name takes the whole body, by its type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.errors import NotFound, QueryError, closest

if TYPE_CHECKING:
    from qapla.database.query.description import Call
    from qapla.database.schema.description import DatabaseSchema, Function, TableName

WHOLE_BODIES = {"json": ("json", "jsonb"), "text": ("text",), "xml": ("xml",), "bytea": ("bytea",)}


def list_functions(schema: DatabaseSchema, name: TableName) -> tuple[Function, ...]:
    """Return the functions called *name* that can be called on this engine."""
    known = schema.functions_by_name.get((name.schema or schema.default_schema, name.name), ())
    kinds = get_engine(schema.engine).calls
    return tuple(function for function in known if function.kind in kinds)


def get_function(schema: DatabaseSchema, call: Call) -> Function:
    """Return the function that *call* means.

    Raises:
        NotFound: PGRST202, there is none with such parameters.
        QueryError: PGRST203 (300), there are several.
    """
    known = list_functions(schema, call.function)
    names = frozenset(name for name, _ in call.arguments)
    found = [function for function in known if _takes(function, names, call)]
    if not found and call.raw is not None:
        found = [function for function in known if takes_body(function, call.raw.type)]
    if len(found) == 1:
        return found[0]
    raise _ambiguous(found) if found else _unknown(schema, call, known, names)


def _takes(function: Function, names: frozenset[str], call: Call) -> bool:
    inputs = function.inputs
    if call.raw is not None and call.raw.alone:
        return False
    required = {parameter.name for parameter in inputs if not parameter.has_default}
    return required <= names <= {parameter.name for parameter in inputs}


def takes_body(function: Function, type: str) -> bool:
    """Tell whether a function has a single parameter, without a name, for a whole body of this type."""
    inputs = function.inputs
    return len(inputs) == 1 and inputs[0].name is None and inputs[0].type.name in WHOLE_BODIES[type]


def print_name(schema: DatabaseSchema, name: TableName) -> str:
    """Return a function's full name for a message."""
    namespace = name.schema or schema.default_schema
    return f"{namespace}.{name.name[:100]}" if namespace else name.name[:100]


def _ambiguous(found: list[Function]) -> QueryError:
    def sign(function: Function) -> str:
        inputs = ", ".join(f"{parameter.name or ''} => {parameter.type.name}" for parameter in function.inputs)
        return f"{function.schema}.{function.name}({inputs})"

    return QueryError(
        f"Could not choose the best candidate function between: {', '.join(map(sign, found))}",
        code="PGRST203",
        status=300,
        hint="Try renaming the parameters or the function itself in the database so function overloading can be resolved",
    )


def _unknown(schema: DatabaseSchema, call: Call, known: tuple[Function, ...], names: frozenset[str]) -> NotFound:
    full = print_name(schema, call.function)
    listed = ", ".join(sorted(names))[:500]
    raw = call.raw.type if call.raw is not None else None
    if raw not in (None, "json"):
        searched, asked = f"{full} with a single unnamed {raw} parameter", full
    else:
        given = f" with parameter{'s' if len(names) > 1 else ''} {listed}" if names else " without parameters"
        searched = f"{full}{given}{' or with a single unnamed json/jsonb parameter' if raw and names else ''}"
        asked = f"{full}({listed})" if names else f"{full} without parameters"
    return NotFound(
        f"Could not find the function {asked} in the schema cache",
        code="PGRST202",
        details=f"Searched for the function {searched}, but no matches were found in the schema cache.",
        hint=_hint(schema, call, known, names),
    )


def _hint(schema: DatabaseSchema, call: Call, known: tuple[Function, ...], names: frozenset[str]) -> str | None:
    """Return what may have been meant: another function, or other parameters of this one."""
    engine = get_engine(schema.engine)
    if not engine.calls:
        return f"{engine.label} has no stored functions"
    namespace = call.function.schema or schema.default_schema
    if known and call.raw is not None and call.raw.type != "json":
        return None
    if len(known) == 1 and any(each.name is None for each in known[0].inputs):
        types = ", ".join(each.type.name for each in known[0].inputs)
        return f"its parameters ({types}) have no names: a single one of json, text, xml or bytea takes the body of a POST"
    if known:
        signs = [f"({', '.join(sorted(each.name or '' for each in function.inputs))})" for function in known]
        found = signs[0] if len(signs) == 1 else closest(f"({', '.join(sorted(names))})", signs)
        return f"Perhaps you meant to call the function {print_name(schema, call.function)}{found}" if found else None
    if (namespace, call.function.name) in schema.functions_by_name:
        return f"it is a procedure, and {engine.label}'s procedures cannot be called here: make it a function"
    callable_names = [function.name for function in schema.functions if function.schema == namespace and function.kind in engine.calls]
    found = closest(call.function.name[:100], callable_names)
    return f"Perhaps you meant to call the function {namespace}.{found}" if found else None
