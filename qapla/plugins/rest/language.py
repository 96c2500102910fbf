"""Read the query string of a URL as a ``Query``: the language of PostgREST, plus ``after``.

Needs no schema: names and operands stay text. Whatever comes in ends as a ``Query`` or as a QueryError that names the place and what
was expected there (PGRST100). ``printing.print_query`` is the inverse. What the grammar has and an engine or this release has not is
refused by ``query.resolve``, by name.

    select=id,total:amount::text,data->a->>b,sum:amount.sum(),client!fk!inner(name),...owner(mail)
    total=gt.100   name=not.like(any).{a*,b*}   or=(a.eq.1,not.and(b.is.null,"c d".in.(1,"2,3")))
    order=client(name).desc.nullslast,id        limit=20&offset=40 or after=<cursor>
    client.name=eq.x   client.or=(…)   client.order=name   client.limit=1   client=not.is.null
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import unquote_to_bytes

from qapla.database.query.cursor import read_cursor
from qapla.database.query.description import ALL_COLUMNS, Not, Query, Selection, Window
from qapla.errors import QueryError, TooLarge
from qapla.plugins.rest.conditions import parse_filter, parse_group, parse_order
from qapla.plugins.rest.embeds import Extras, Way, with_exists, with_extras
from qapla.plugins.rest.scanner import Scanner
from qapla.plugins.rest.selections import parse_select

if TYPE_CHECKING:
    from qapla.database.schema.description import TableName

ROOT_PARAMETERS = frozenset({"select", "columns", "on_conflict", "after"})
EMBED_PARAMETERS = frozenset({"order", "limit", "offset", "and", "or"})  # at the end of a path: client.order
MAX_PARAMETERS = 1000
MAX_CACHED = 500  # characters of a query string that is remembered: lists are asked for again and again
MAX_LENGTH = 256 * 1024  # characters of a query string
_MAX_ROWS = 2**63 - 1

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_INTEGER = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Limits:
    """How deep a query may go."""

    filter_depth: int = 32
    embed_depth: int = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query string says: the query, and two lists that belong to writes."""

    query: Query
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None


def parse(text: str, table: TableName, limits: Limits = Limits()) -> Asked:
    """Return what the query string *text* asks of *table*.

    Args:
        text: as it stands in the URL, percent-encoded, without the ``?``.

    Raises:
        QueryError: it is malformed; the message has the place.
        TooLarge: deeper or longer than *limits* allow.
    """
    return (_parse_cached if len(text) <= MAX_CACHED else _parse)(text, table, limits)


def parse_query(text: str, table: TableName, limits: Limits = Limits()) -> Query:
    """Return the read that the query string *text* asks for; parameters of writes are refused.

    Raises:
        QueryError: it is malformed, or has ``columns`` or ``on_conflict``.
    """
    asked = parse(text, table, limits)
    for name, given in (("columns", asked.columns), ("on_conflict", asked.on_conflict)):
        if given is not None:
            hint = f'a column of this name is written "{name}" in double quotes'
            raise QueryError(f"parameter {name!r} belongs to writes", hint=hint)
    return asked.query


def decode_parameters(text: str) -> list[tuple[str, str]]:
    """Return the names and values of a query string or a form, decoded: ``+`` and percent-encoding, as UTF-8.

    Raises:
        QueryError: bad percent-encoding, bytes that are not UTF-8, a parameter without ``=``.
    """
    if len(text) > MAX_LENGTH:
        raise TooLarge(f"the query string has more than {MAX_LENGTH} characters", status=414)
    found = []
    for pair in text.split("&"):
        if pair:
            name, equals, value = pair.partition("=")
            if not equals:
                raise QueryError(f"parameter {_decode(name)[:100]!r} has no value", hint="a filter is written column=operator.value")
            found.append((_decode(name), _decode(value)))
    if len(found) > MAX_PARAMETERS:
        raise TooLarge(f"the query string has more than {MAX_PARAMETERS} parameters", status=400)
    return found


def _decode(text: str) -> str:
    if _BAD_PERCENT.search(text):
        raise QueryError(f"{text[:100]!r} in the URL is not percent-encoded correctly", hint="a percent sign is written %25")
    if "%" not in text and "+" not in text and text.isascii():
        return text
    try:
        return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise QueryError(f"{text[:100]!r} in the URL is not UTF-8", hint="percent-encode the bytes of the text in UTF-8") from error


def _parse(text: str, table: TableName, limits: Limits) -> Asked:
    select: Selection | None = None
    lists: dict[str, tuple[str, ...]] = {}
    token: str | None = None
    extras: dict[Way, Extras] = {}
    seen: set[str] = set()
    for key, value in decode_parameters(text):
        if key in ROOT_PARAMETERS:
            if key in seen:
                raise QueryError(f"parameter {key!r} is there twice")
            seen.add(key)
            if key == "select":
                select = parse_select(value, limits.embed_depth)
            elif key == "after":
                token = value
            else:
                lists[key] = parse_names(value, key)
        else:
            _add_parameter(extras, key, value, limits)
    root = extras.pop((), None) or Extras()
    select = ALL_COLUMNS if select is None else select
    where = root.where
    if select.embeds or extras:
        select = with_extras(select, extras)
        where = with_exists(where, select)
    after = read_cursor(token, root.order) if token is not None else None
    query = Query(table, select, where, root.order, Window(root.limit, root.offset, after))
    return Asked(query, lists.get("columns"), lists.get("on_conflict"))


_parse_cached = lru_cache(maxsize=1024)(_parse)


# -- parameters ---------------------------------------------------------------------------------------------------------------


def _add_parameter(extras: dict[Way, Extras], key: str, value: str, limits: Limits) -> None:
    scan = Scanner(key, "parameter name")
    way: list[str] = []
    name, quoted = scan.name()
    while scan.take("."):
        way.append(name if quoted or name != "not" else ".not")  # a bare "not" stands only before and/or
        name, quoted = scan.name()
    path = scan.path(name)
    scan.end()
    special = not quoted and not path.steps and name in EMBED_PARAMETERS
    negated = special and name in ("and", "or") and bool(way) and way[-1] == ".not"
    target = extras.setdefault(tuple("not" if part == ".not" else part for part in (way[:-1] if negated else way)), Extras())
    if not special:
        target.parts.append(parse_filter(path, value))
    elif name == "order":
        if target.order:
            raise QueryError(f"parameter {key[:100]!r} is there twice", hint="terms of an order are separated by commas")
        target.order = parse_order(value)
    elif name == "limit":
        limit = _parse_count(value, "limit")
        target.limit = limit if target.limit is None else min(target.limit, limit)
    elif name == "offset":
        target.offset = max(target.offset, _parse_count(value, "offset"))
    else:
        tree = parse_group(Scanner(value, "logic tree"), cast("Literal['and', 'or']", name), limits.filter_depth)
        target.parts.append(Not(tree) if negated else tree)


def _parse_count(text: str, name: str) -> int:
    if not _INTEGER.fullmatch(text):
        Scanner(text, name).fail("an integer")
    count = int(text) if len(text) < 20 else _MAX_ROWS + 1
    if text.startswith("-") and count != 0:
        details = f"{name.capitalize()} should be greater than or equal to zero."
        raise QueryError("Requested range not satisfiable", code="PGRST103", status=416, details=details)
    if count > _MAX_ROWS:
        raise QueryError(f"{name} {text[:40]!r} is too large", hint=f"the largest is {_MAX_ROWS}")
    return count


def parse_names(text: str, subject: str) -> tuple[str, ...]:
    """Return the names in a list like ``columns=a,"b c"``."""
    scan = Scanner(text, f"{subject} parameter")
    names = [scan.name()[0]]
    while scan.take(","):
        scan.skip_space()
        names.append(scan.name()[0])
    scan.end()
    return tuple(names)
