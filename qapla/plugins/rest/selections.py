"""Read ``select=``: fields, casts, JSON paths, aggregates, and embeds to any allowed depth."""

from __future__ import annotations

import re
from typing import Literal, cast

from qapla.database.query.description import Aggregate, Embed, Field, Path, Selection
from qapla.errors import TooLarge
from qapla.plugins.rest.scanner import Scanner

AGGREGATES = frozenset({"count", "sum", "avg", "max", "min"})
MAX_ITEMS = 2000
_CAST = re.compile(r"[^\W\d][\w $]*")
_AGGREGATE = re.compile(r"\.(\w+)\(\)")


def parse_select(text: str, max_depth: int = 8) -> Selection:
    """Return the selection that ``select=`` writes; the empty text selects no column."""
    scan = Scanner(text, "select parameter")
    scan.skip_space()
    selection = _parse_items(scan, max_depth)
    scan.end()
    return selection


def _parse_items(scan: Scanner, depth: int) -> Selection:
    scan.skip_space()
    if scan.at_end or scan.has(")"):
        return Selection(())
    items = [_parse_item(scan, depth)]
    while scan.take(","):
        items.append(_parse_item(scan, depth))
        if len(items) > MAX_ITEMS:
            raise TooLarge(f"the select parameter has more than {MAX_ITEMS} items", status=400)
    return Selection(tuple(items))


def _parse_item(scan: Scanner, depth: int) -> Field | Aggregate | Embed:
    scan.skip_space()
    if scan.take("..."):
        name, _quoted = scan.name()
        return _parse_embed(scan, name, None, depth, spread=True)
    if scan.take("*"):
        scan.skip_space()
        return Field(Path("*"))
    name, quoted = scan.name()
    alias = None
    if scan.has(":") and not scan.has("::"):
        scan.take(":")
        alias = name
        scan.skip_space()
        name, quoted = scan.name()
    if name == "count" and not quoted and scan.take("()"):
        return Aggregate("count", cast=_parse_cast(scan), alias=alias)
    if scan.has("!") or scan.has("("):
        return _parse_embed(scan, name, alias, depth)
    return _parse_field(scan, name, alias)


def _parse_field(scan: Scanner, name: str, alias: str | None) -> Field | Aggregate:
    path = scan.path(name)
    type_name = _parse_cast(scan)
    start, found = scan.place, scan.match(_AGGREGATE)
    if not found:
        scan.skip_space()
        return Field(path, type_name, alias)
    if found[1] not in AGGREGATES:
        scan.place = start + 1
        scan.fail("an aggregate: count(), sum(), avg(), max() or min()")
    function = cast("Literal['count', 'sum', 'avg', 'max', 'min']", found[1])
    return Aggregate(function, path, type_name, _parse_cast(scan), alias)


def _parse_cast(scan: Scanner) -> str | None:
    if not scan.take("::"):
        return None
    found = scan.match(_CAST)
    if not found:
        scan.fail("the name of a type")
    return found[0].strip()


def _parse_embed(scan: Scanner, name: str, alias: str | None, depth: int, *, spread: bool = False) -> Embed:
    if depth <= 0:
        raise TooLarge("embeds are nested too deep", status=400, hint="ask for the inner rows in a request of their own")
    hint: str | None = None
    join: Literal["left", "inner"] | None = None
    while scan.take("!"):
        word, quoted = scan.name('"inner", "left" or a hint: a foreign key, a column or a table')
        if word in ("inner", "left") and not quoted and join is None:
            join = cast("Literal['left', 'inner']", word)
        elif hint is None:
            hint = word
        else:
            scan.fail('"("')
    scan.expect("(")
    selection = _parse_items(scan, depth - 1)
    scan.expect(")", '"," or ")"')
    scan.skip_space()
    return Embed(name, hint, alias, join or "left", spread, selection)
