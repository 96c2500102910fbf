"""The arguments of a call: in the query string of a GET, in the body of a POST.

In the query string of a GET a filter of the rows is told from an argument by its operator, as PostgREST does: ``min=2`` is an argument,
``id=gt.2`` a filter. What no column is called is an argument all the same, so that any text can be passed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qapla.database.query.call import make_result
from qapla.database.query.description import Call, Raw, TextValue
from qapla.database.query.lookups import OPERATORS
from qapla.database.query.overloads import list_functions, takes_body
from qapla.errors import QueryError
from qapla.plugins.rest.bodies import FORM_TYPE, JSON_TYPES, decode_body, load_json, read_body, split_type
from qapla.plugins.rest.language import EMBED_PARAMETERS, ROOT_PARAMETERS, decode_parameters

if TYPE_CHECKING:
    from typing import Literal

    from qapla.database.catalog import Options, Served
    from qapla.database.schema.description import TableName

Arguments = tuple[tuple[str, object], ...]
WHOLE_TYPES: dict[str, Literal["text", "xml", "bytea"]] = {"text/plain": "text", "text/xml": "xml", "application/octet-stream": "bytea"}
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_COMPARISON = re.compile(r"(?:not\.)?([a-z]+)(?:\([^()]*\))?\.")
_RESERVED = ROOT_PARAMETERS - {"after"}  # the rows of a function have no cursors


def split_question(text: str, name: TableName, served: Served) -> tuple[Arguments, str]:
    """Return the arguments in a query string, and the rest of it: what is asked of the rows.

    Raises:
        QueryError: it is not encoded correctly.
    """
    functions = list_functions(served.schema, name)
    parameters = {each.name for function in functions for each in function.inputs if each.name is not None}
    columns = {column for function in functions for column in make_result(function, served.schema).by_name}
    arguments: list[tuple[str, object]] = []
    rest: list[str] = []
    for pair, (key, value) in zip([pair for pair in text.split("&") if pair], decode_parameters(text), strict=True):
        argument = _find_argument(key, value, parameters, columns)
        if argument is None:
            rest.append(pair)
        else:
            arguments.append((argument, TextValue(value)))
    return tuple(arguments), "&".join(rest)


def _find_argument(key: str, value: str, parameters: set[str], columns: set[str]) -> str | None:
    """Return the name of the parameter that ``key=value`` is about, or None when it is about the rows."""
    quoted = _QUOTED.fullmatch(key)
    found = _ESCAPE.sub(r"\1", quoted[1]) if quoted else key
    if not quoted and (key in _RESERVED or key.rpartition(".")[2] in EMBED_PARAMETERS):
        return None
    comparison = _COMPARISON.match(value)
    if comparison and comparison[1] in OPERATORS:
        return found if found in parameters and found not in columns else None
    if "->" in key or ("." in key and not quoted):
        return found if found in parameters else None
    return found


def print_parameter(name: str) -> str:
    """Return how a parameter of a function is called in a query string."""
    is_plain = not {'"', ".", "-", "\\"} & set(name) and name not in _RESERVED | EMBED_PARAMETERS
    return name if is_plain else '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def read_arguments(raw: bytes, content_type: str | None, columns: tuple[str, ...] | None, options: Options) -> tuple[Arguments, Raw | None]:
    """Return the arguments in a body, and the body as a whole where a function may take it like that.

    Args:
        columns: the only names to take, from ``columns=``.

    Raises:
        InputError: 415 PGRST107 for another type or charset, 400 PGRST102 for what cannot be read.
        TooLarge: over a limit of *options*.
    """
    media, charset = split_type(content_type)
    if media in WHOLE_TYPES:
        type = WHOLE_TYPES[media]
        return (), Raw(type, raw if type == "bytea" else decode_body(raw, charset), alone=True)
    if media in JSON_TYPES:
        return _read_json(decode_body(raw, charset), columns, options)
    if media == FORM_TYPE:
        pairs = decode_parameters(decode_body(raw, charset).strip())
        return tuple((key, TextValue(value)) for key, value in pairs if columns is None or key in columns), None
    body = read_body(raw, content_type, columns, options)
    return (tuple(zip(body.columns, body.rows[0], strict=True)) if body.rows else ()), None


def _read_json(text: str, columns: tuple[str, ...] | None, options: Options) -> tuple[Arguments, Raw]:
    """Return the values of an object, or of the first of several."""
    text = text if text.strip() else "{}"
    value = load_json(text, options.max_json_depth)
    item = value[0] if isinstance(value, list) and value else value
    if not isinstance(item, dict):
        return (), Raw("json", text, alone=value != [])
    names = item if columns is None else columns
    return tuple((key, item.get(key)) for key in names), Raw("json", text)


def check_body(call: Call, served: Served) -> None:
    """Refuse a body without arguments in it where no function takes it as a whole.

    Raises:
        QueryError: PGRST102.
    """
    raw = call.raw
    if raw is None or raw.type != "json" or not raw.alone:
        return
    functions = list_functions(served.schema, call.function)
    if functions and not any(takes_body(function, "json") for function in functions):
        hint = "only a function with a single json or jsonb parameter without a name takes anything else"
        raise QueryError("the body is neither an object nor an array of objects", code="PGRST102", hint=hint)
