"""Put what parameters say about an embed (``client.order=name``) where it belongs: into that embed of the selection."""

from __future__ import annotations

from dataclasses import replace

from qapla.database.query.description import ALL_COLUMNS, And, Compare, Condition, Embed, Exists, Not, Or, Order, Selection, Window
from qapla.errors import QueryError
from qapla.plugins.rest.conditions import negate

Way = tuple[str, ...]  # the names of embeds that lead to one; () is the table itself


class Extras:
    """What parameters say about one embed (or the table) besides its selection."""

    __slots__ = ("limit", "offset", "order", "parts")

    def __init__(self) -> None:
        self.parts: list[Condition] = []
        self.order: tuple[Order, ...] = ()
        self.limit: int | None = None
        self.offset = 0

    def add(self, other: Extras) -> None:
        """Take what *other* says, too: an embed can be addressed by its alias and by its relation."""
        if self.order and other.order:
            raise QueryError("the order of an embed is given twice", hint="terms of an order are separated by commas")
        self.parts += other.parts
        self.order = self.order or other.order
        self.limit = min((limit for limit in (self.limit, other.limit) if limit is not None), default=None)
        self.offset = max(self.offset, other.offset)

    @property
    def where(self) -> Condition | None:
        if len(self.parts) > 1:
            return And(tuple(self.parts))
        return self.parts[0] if self.parts else None


def with_extras(selection: Selection, extras: dict[Way, Extras]) -> Selection:
    """Return *selection* with the filters, order and window that parameters give to its embeds.

    Raises:
        QueryError: PGRST108, a parameter names an embed that is not in the selection.
    """
    inner: dict[int, dict[Way, Extras]] = {}
    for way, extra in extras.items():
        inner.setdefault(_find_embed(selection, way[0]), {}).setdefault(way[1:], Extras()).add(extra)
    items = list(selection.items)
    for place, item in enumerate(items):
        if isinstance(item, Embed):
            items[place] = _embed_with_extras(item, inner.get(place, {}))
    return Selection(tuple(items))


def _find_embed(selection: Selection, name: str) -> int:
    for names_of in (lambda embed: embed.alias or embed.relation, lambda embed: embed.relation):
        for place, item in enumerate(selection.items):
            if isinstance(item, Embed) and names_of(item) == name:
                return place
    raise QueryError(
        f"{name[:100]!r} is not an embedded resource in this request",
        code="PGRST108",
        hint=f"Verify that {name[:100]!r} is included in the 'select' query parameter.",
    )


def _embed_with_extras(embed: Embed, extras: dict[Way, Extras]) -> Embed:
    own = extras.pop((), None) or Extras()
    select = with_extras(embed.select or ALL_COLUMNS, extras)
    where = with_exists(own.where, select)
    return replace(embed, select=select, where=where, order=own.order, window=Window(own.limit, own.offset))


def with_exists(condition: Condition | None, selection: Selection) -> Condition | None:
    """Return *condition* with ``client=not.is.null`` read as a condition on the embed of that name."""
    names = {embed.alias or embed.relation for embed in selection.embeds} | {embed.relation for embed in selection.embeds}
    return _read_exists(condition, names) if condition is not None and names else condition


def _read_exists(condition: Condition, names: set[str]) -> Condition:
    if isinstance(condition, Compare):
        is_null = condition.operator == "is" and condition.operand == "null" and not condition.path.steps
        return Not(Exists(condition.path.column)) if is_null and condition.path.column in names else condition
    if isinstance(condition, Not):
        part = _read_exists(condition.part, names)
        return negate(part) if isinstance(part, Not) and isinstance(part.part, Exists) else Not(part)
    if isinstance(condition, And):
        return And(tuple(_read_exists(part, names) for part in condition.parts))
    if isinstance(condition, Or):
        return Or(tuple(_read_exists(part, names) for part in condition.parts))
    return condition
