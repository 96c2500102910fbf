"""Read filters, logic trees and orders: ``not.eq.5``, ``(a.eq.1,or(…))``, ``a.desc.nullslast``."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal, cast

from qapla.database.query.description import And, Compare, Condition, Not, Or, Order, Path
from qapla.database.query.lookups import OPERATORS
from qapla.errors import TooLarge
from qapla.plugins.rest.scanner import Scanner

IS_OPERANDS = frozenset({"null", "not_null", "true", "false", "unknown"})
MAX_PARTS = 1000
MAX_TERMS = 100  # of an order
_OPERATOR = re.compile(r"(not\.)?([a-z]+)(?:\((\w*)\))?\.")
_GROUP = re.compile(r"(not\.)?(and|or)\s*\(")


def parse_filter(path: Path, text: str) -> Condition:
    """Return the condition that ``path=text`` writes, ``not.eq.5``; its value goes to the end, quotes and all."""
    scan = Scanner(text, "filter")
    condition = _parse_comparison(scan, path, to_end=True)
    scan.end()
    return condition


def _parse_comparison(scan: Scanner, path: Path, *, to_end: bool) -> Condition:
    start, found = scan.place, scan.match(_OPERATOR)
    if not found or found[2] not in OPERATORS:
        scan.place = start
        scan.fail("operator (eq, gt, …), optionally after not.")
    operator, inside = found[2], found[3]
    if operator in ("in", "is") and inside is not None:
        scan.place = start + found.end(2) - found.start()
        scan.fail('"."')
    if operator == "is":
        compare = _parse_is(scan, path, to_end=to_end)
        return negate(compare) if found[1] else compare
    compare = Compare(path, operator, None)
    if operator == "in":
        compare = replace(compare, operand=scan.listed_values())
    elif inside in ("any", "all"):
        compare = replace(compare, operand=scan.array(), quantifier=cast("Literal['any', 'all']", inside))
    else:
        if inside == "":
            scan.place = start + found.end(2) + 1 - found.start()
            scan.fail('"any", "all" or a language')
        compare = replace(compare, operand=_parse_value(scan, to_end=to_end), argument=inside)
    return Not(compare) if found[1] else compare


def _parse_is(scan: Scanner, path: Path, *, to_end: bool) -> Condition:
    start = scan.place
    value = _parse_value(scan, to_end=to_end).lower()
    if value not in IS_OPERANDS:
        scan.place = start
        scan.fail("null, not_null, true, false or unknown")
    return Not(Compare(path, "is", "null")) if value == "not_null" else Compare(path, "is", value)


def negate(condition: Condition) -> Condition:
    return condition.part if isinstance(condition, Not) else Not(condition)


def _parse_value(scan: Scanner, *, to_end: bool) -> str:
    if to_end:
        value, scan.place = scan.text[scan.place :], len(scan.text)
        return value
    return scan.braces() if scan.has("{") else scan.listed_value()


def parse_group(scan: Scanner, operator: Literal["and", "or"], depth: int) -> And | Or:
    """Return the group ``(a.eq.1,or(…))`` that is the whole text of *scan*."""
    scan.skip_space()
    scan.expect("(")
    group = _parse_parts(scan, operator, depth)
    scan.skip_space()
    scan.end()
    return group


def _parse_parts(scan: Scanner, operator: str, depth: int) -> And | Or:
    if depth <= 0:
        raise TooLarge("conditions are nested too deep", status=400, hint="write them with fewer levels of and() and or()")
    parts = [_parse_part(scan, depth)]
    while scan.take(","):
        parts.append(_parse_part(scan, depth))
        if len(parts) > MAX_PARTS:
            raise TooLarge(f"the logic tree has more than {MAX_PARTS} parts", status=400)
    scan.expect(")", '"," or ")"')
    return And(tuple(parts)) if operator == "and" else Or(tuple(parts))


def _parse_part(scan: Scanner, depth: int) -> Condition:
    scan.skip_space()
    group = scan.match(_GROUP)
    if group:
        inner = _parse_parts(scan, group[2], depth - 1)
        scan.skip_space()
        return Not(inner) if group[1] else inner
    name, _quoted = scan.name()
    path = scan.path(name)
    scan.expect(".")
    return _parse_comparison(scan, path, to_end=False)


def parse_order(text: str) -> tuple[Order, ...]:
    """Return the order that ``order=a.desc.nullslast,client(name)`` writes."""
    scan = Scanner(text, "order")
    terms = [_parse_term(scan)]
    while scan.take(","):
        terms.append(_parse_term(scan))
        if len(terms) > MAX_TERMS:
            raise TooLarge(f"the order has more than {MAX_TERMS} terms", status=400)
    scan.end()
    return tuple(terms)


def _parse_term(scan: Scanner) -> Order:
    scan.skip_space()
    name, _quoted = scan.name()
    embed = None
    if scan.take("("):
        embed = name
        path = scan.path(scan.name()[0])
        scan.expect(")")
    else:
        path = scan.path(name)
    descending = scan.take(".desc")
    if not descending:
        scan.take(".asc")
    nulls: Literal["first", "last"] | None = None
    if scan.take(".nullsfirst"):
        nulls = "first"
    elif scan.take(".nullslast"):
        nulls = "last"
    scan.skip_space()
    if not scan.at_end and not scan.has(","):
        scan.fail('"asc", "desc", "nullsfirst" or "nullslast", "," or end of input')
    return Order(path, descending, nulls, embed)
