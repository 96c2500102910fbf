"""Write a ``Query`` as the query string of a URL: the inverse of ``language.parse``.

Links, ``curl`` lines and pages are printed queries, never glued strings. Names and values stand bare where they can, else in quotes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from qapla.database.query.cursor import write_cursor
from qapla.database.query.description import ALL_COLUMNS, Aggregate, And, Compare, Embed, Exists, Field, Not, Or, Search
from qapla.errors import QueryError
from qapla.plugins.rest.language import EMBED_PARAMETERS, ROOT_PARAMETERS
from qapla.plugins.rest.scanner import BARE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.query.description import Condition, Order, Path, Query, Selection, Window

_SAFE = "!$'()*,;:@/?-._~"  # what a query string may hold as it is (RFC 3986 §3.4), without what separates parameters
_RESERVED = ROOT_PARAMETERS | EMBED_PARAMETERS | {"not"}


def print_query(query: Query) -> str:
    """Return *query* as a query string, percent-encoded; empty when it asks for everything.

    Raises:
        QueryError: it has something that URLs have no words for (a search of the admin's lists).
    """
    return "&".join(f"{quote(name, safe=_SAFE)}={quote(value, safe=_SAFE + '=')}" for name, value in print_parameters(query))


def print_parameters(query: Query) -> list[tuple[str, str]]:
    """Return the parameters of *query*, not encoded."""
    parameters = [] if query.select == ALL_COLUMNS else [("select", print_select(query.select))]
    parameters += _print_extras("", query.where, query.order, query.window)
    parameters += _print_embeds("", query.select)
    return parameters


def quote_text(text: str) -> str:
    """Return *text* in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_name(name: str, reserved: frozenset[str] | tuple[str, ...] = ()) -> str:
    """Return *name* as it is written in a URL: bare where that reads back as the same."""
    bare = BARE_NAME.fullmatch(name) and name == name.strip() and name not in reserved
    return name if bare else quote_text(name)


def print_path(path: Path, reserved: frozenset[str] | tuple[str, ...] = ()) -> str:
    """Return a column with its JSON steps: ``data->a->>0``."""
    text = "*" if path.column == "*" and not path.steps else print_name(path.column, reserved)
    for place, step in enumerate(path.steps):
        arrow = "->>" if path.as_text and place == len(path.steps) - 1 else "->"
        text += arrow + (str(step) if isinstance(step, int) else _print_step(step))
    return text


def _print_step(step: str) -> str:
    return quote_text(step) if step.lstrip("-").isdecimal() else print_name(step)


def _print_extras(prefix: str, where: Condition | None, order: tuple[Order, ...], window: Window) -> Iterator[tuple[str, str]]:
    parts = where.parts if isinstance(where, And) and len(where.parts) > 1 else (where,) if where is not None else ()
    for part in parts:
        yield _print_filter(prefix, part)
    if order:
        yield f"{prefix}order", ",".join(print_order(term) for term in order)
    if window.limit is not None:
        yield f"{prefix}limit", str(window.limit)
    if window.offset:
        yield f"{prefix}offset", str(window.offset)
    if window.after is not None:
        yield f"{prefix}after", write_cursor(window.after)


def _print_embeds(prefix: str, selection: Selection) -> Iterator[tuple[str, str]]:
    for embed in selection.embeds:
        inner = f"{prefix}{print_name(embed.alias or embed.relation, frozenset(_RESERVED))}."
        yield from _print_extras(inner, embed.where, embed.order, embed.window)
        if embed.select is not None:
            yield from _print_embeds(inner, embed.select)


# -- conditions ---------------------------------------------------------------------------------------------------------------


def _print_filter(prefix: str, condition: Condition) -> tuple[str, str]:
    """Return one parameter: ``column=op.value``, or ``and=(…)``."""
    inner, negated = (condition.part, "not.") if isinstance(condition, Not) else (condition, "")
    if isinstance(inner, (And, Or)):
        name = "and" if isinstance(inner, And) else "or"
        return f"{prefix}{negated}{name}", _print_parts(inner)
    if isinstance(inner, Not):
        return f"{prefix}not.and", f"({_print_part(inner)})"
    path, text = _print_comparison(inner, negated, frozenset(_RESERVED), at_end=True)
    return prefix + path, text


def _print_parts(group: And | Or) -> str:
    return "(" + ",".join(_print_part(part) for part in group.parts) + ")"


def _print_part(condition: Condition) -> str:
    inner, negated = (condition.part, "not.") if isinstance(condition, Not) else (condition, "")
    if isinstance(inner, (And, Or)):
        return f"{negated}{'and' if isinstance(inner, And) else 'or'}{_print_parts(inner)}"
    if isinstance(inner, Not):
        return f"not.and({_print_part(inner)})"
    path, text = _print_comparison(inner, negated, frozenset(), at_end=False)
    return f"{path}.{text}"


def _print_comparison(condition: Condition, negated: str, reserved: frozenset[str], *, at_end: bool) -> tuple[str, str]:
    if isinstance(condition, Exists):
        return print_name(condition.embed, reserved), "is.null" if negated else "not.is.null"
    if isinstance(condition, Search) or not isinstance(condition, Compare) or condition.cast:
        raise QueryError("this question cannot be written as a URL of the REST API", hint="a search over all columns has no words there")
    operator = negated + condition.operator
    if condition.quantifier:
        text = f"{operator}({condition.quantifier}).{{{','.join(quote_text(value) for value in condition.operand or ())}}}"
    elif isinstance(condition.operand, tuple):
        text = f"{operator}.({','.join(_print_value(value, empty_bare=False) for value in condition.operand)})"
    else:
        argument = f"({condition.argument})" if condition.argument else ""
        operand = condition.operand or ""
        text = f"{operator}{argument}.{operand if at_end else _print_value(operand, empty_bare=True)}"
    return print_path(condition.path, reserved), text


def _print_value(value: str, *, empty_bare: bool) -> str:
    """Return a value as it stands in a list: in quotes when it holds what separates or looks like quotes."""
    if not value:
        return "" if empty_bare else '""'
    return quote_text(value) if any(sign in value for sign in ',()"\\{}') or value != value.strip() else value


# -- select and order ---------------------------------------------------------------------------------------------------------


def print_select(selection: Selection) -> str:
    """Return a selection as ``select=`` has it."""
    return ",".join(_print_item(item) for item in selection.items)


def _print_item(item: Field | Aggregate | Embed) -> str:
    alias = f"{print_name(item.alias)}:" if item.alias is not None else ""
    if isinstance(item, Embed):
        return _print_embed(item, alias)
    if isinstance(item, Field):
        return alias + print_path(item.path) + _print_cast(item.cast)
    if item.path is None:
        return f"{alias}count(){_print_cast(item.cast)}"
    return f"{alias}{print_path(item.path)}{_print_cast(item.path_cast)}.{item.function}(){_print_cast(item.cast)}"


def _print_cast(name: str | None) -> str:
    return f"::{name}" if name else ""


def _print_embed(embed: Embed, alias: str) -> str:
    hint = f"!{print_name(embed.hint, ('inner', 'left'))}" if embed.hint is not None else ""
    join = "!inner" if embed.join == "inner" else ""
    inner = "*" if embed.select is None else print_select(embed.select)
    return f"{'...' if embed.spread else alias}{print_name(embed.relation, ('count',))}{hint}{join}({inner})"


def print_order(term: Order) -> str:
    """Return one term of an order: ``client(name).desc.nullslast``."""
    path = print_path(term.path)
    text = f"{print_name(term.embed)}({path})" if term.embed is not None else path
    return text + (".desc" if term.descending else "") + (f".nulls{term.nulls}" if term.nulls else "")
