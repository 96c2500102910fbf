"""Look every name of a query up, ask the rights, read the operands: ``Query`` → ``Resolved``.

The only place on the way to a row where rights are asked, and they are asked for every table and column that the query touches:
shown, filtered by, ordered by, embedded, or passed through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.database.catalog import Options
from qapla.database.dialects import get_engine
from qapla.database.query.casts import get_cast
from qapla.database.query.computed import find_computed, get_column
from qapla.database.query.conditions import ConditionResolver
from qapla.database.query.description import Aggregate, Embed, Field, Order, Path
from qapla.database.query.keyset import find_place, read_place
from qapla.database.query.lookups import INCOMPARABLE, UNORDERED
from qapla.database.query.relations import get_relation
from qapla.database.query.render import ref_type
from qapla.database.query.shape import (
    AggregateCell,
    All,
    Cell,
    Columns,
    EmbedCell,
    HasRows,
    Read,
    Ref,
    Resolved,
    SpreadCells,
    Term,
    is_grouped,
)
from qapla.database.schema.description import TableName
from qapla.errors import AccessError, NotAuthenticated, NotFound, NotOffered, QueryError, TooLarge, nearest
from qapla.ports import READ_RIGHTS

if TYPE_CHECKING:
    from qapla.database.query.description import Condition, Query, Selection
    from qapla.database.query.shape import AnyCell, AnyTest
    from qapla.database.schema.description import Column, DatabaseSchema, Function, Relation, Table
    from qapla.ports import Rights

SUMMABLE = frozenset({"integer", "decimal", "float", "interval", "unknown"})
DEFAULTS = Options()
UNSORTED = UNORDERED | {"json", "composite", "unknown"}  # PostgreSQL has no order for some of these
COUNT = Path("count")  # where no column is called so it counts the rows, as PostgreSQL reads "t"."count", and clients rely on it
MAX_NUMBER = 2**62  # of rows; more than this is no number for an engine


def resolve(query: Query, schema: DatabaseSchema, rights: Rights, options: Options = DEFAULTS, *, is_list: bool = True) -> Resolved:
    """Return the shape of *query* and its operands.

    Args:
        is_list: rows are cut into pages, so that the identity's columns complete an order; a stream needs none.

    Raises:
        QueryError: a name is not there (42703, PGRST200, PGRST205) or ambiguous (PGRST201); NotOffered: this engine has not got it.
        ValueRefused: an operand cannot be read. AccessError: the caller may not read it.
    """
    return Resolver(schema, rights, options).resolve(query, is_list=is_list)


class Embeds(dict[str, HasRows]):
    """The embeds of a selection by the names under which filters know them; ``inner`` are those that a row has to have."""

    def __init__(self) -> None:
        self.inner: list[HasRows] = []

    def add(self, embed: Embed, test: HasRows) -> None:
        """Add one; of several with one name the first is meant, as by the parameters of a URL."""
        self.setdefault(embed.alias or embed.relation, test)
        if embed.join == "inner":
            self.inner.append(test)


class Resolver:
    """One query being looked up. Operands are collected in the order in which they are met."""

    def __init__(self, schema: DatabaseSchema, rights: Rights, options: Options = DEFAULTS) -> None:
        self.schema = schema
        self.rights = rights
        self.options = options
        self.engine = get_engine(schema.engine)
        self.operands: list[object] = []
        self.guards: dict[TableName, AnyTest] = {}
        self.volatile: dict[Function, None] = {}
        self._rows = getattr(rights, "rows", None)

    def resolve(self, query: Query, *, is_list: bool) -> Resolved:
        """Resolve a whole query."""
        table = self.get_table(query.table)
        cells, embeds = self.resolve_selection(table, query.select, 0)
        where = self.resolve_where(table, query.where, embeds)
        grouped = is_grouped(cells)
        limit = self._get_limit(query.window.limit)
        order = self.resolve_order(table, query.order, query.select)
        if grouped:
            self._check_groups(cells, order)
        elif is_list and (limit is not None or query.window.offset or query.window.after is not None):
            order = self._complete(table, order)
        cursor = query.window.after
        after = None
        if cursor is not None:
            if grouped or not self._has_key(table):
                raise QueryError(f"'after' needs a table with a key, and {table.name.name!r} has none", hint="use offset")
            order, after = read_place(cursor, query.order, order, table, self)
        is_keyed = is_list and not grouped and limit is not None and self._has_key(table)
        place = find_place(table, cells, order, self) if is_keyed else None
        read = Read(
            table=table.name,
            cells=cells,
            where=where,
            order=order,
            after=after,
            limit=None if limit is None else self.add(limit + 1),
            offset=self.add(min(query.window.offset, MAX_NUMBER)) if query.window.offset else None,
            keys=is_keyed and place is None,
            total=query.count == "exact",
            guards=tuple(self.guards.items()),
        )
        return Resolved(
            shape=read,
            operands=tuple(self.operands),
            limit=limit,
            offset=query.window.offset,
            backward=cursor is not None and cursor.backward,
            started=cursor is not None,
            count=query.count,
            order=query.order if is_keyed else (),
            place=place,
            volatile=tuple(self.volatile),
        )

    # ------------------------------------------------------------------------------------------------ names and rights

    def add(self, value: object) -> int:
        """Keep an operand and return its slot."""
        self.operands.append(value)
        return len(self.operands) - 1

    def get_table(self, name: TableName) -> Table:
        """Return the table, which the caller may read."""
        table = self.schema.by_name.get(name)
        if table is None:
            raise NotFound(
                f"Could not find the table {str(name)[:200]!r} in the schema cache",
                code="PGRST205",
                hint=nearest(name.name[:100], (each.name.name for each in self.schema.tables)),
            )
        if not self.rights.allows("select", table.name.schema, table.name.name):
            raise self._denied(f"permission denied for table {table.name.name}")
        if self._rows is not None and name not in self.guards:
            self._guard(table, self._rows(*name))
        return table

    def _guard(self, table: Table, rows: Condition | None) -> None:
        """Remember which rows of *table* there are for the caller; the columns that say so need not be his to read."""
        if rows is not None:
            free = Resolver(self.schema, READ_RIGHTS, self.options)
            free.operands = self.operands
            self.guards[table.name] = ConditionResolver(free, table, {}).resolve(rows)

    def get_column(self, table: Table, name: str) -> Column:
        """Return a column, which the caller may read."""
        column = table.by_name.get(name)
        if column is None and find_computed(self.schema, table, name) is not None:
            return self._get_computed(table, name)
        if column is None:
            raise QueryError(
                f"column {table.name.name}.{name[:100]} does not exist", code="42703", hint=nearest(name[:100], table.by_name)
            )
        if not self.rights.allows("select", table.name.schema, table.name.name, name):
            raise self._denied(f"permission denied for column {table.name.name}.{name}")
        return column

    def _get_computed(self, table: Table, field: str) -> Column:
        """Return a computed field."""
        function = find_computed(self.schema, table, field)
        assert function is not None
        self._check_function(table, TableName(function.schema, function.name))
        return get_column(self.schema, table, field)

    def _check_function(self, table: Table, function: TableName) -> None:
        """Refuse a function of a row that the caller may not call; it sees the whole row, so that the caller has to be able to, too."""
        allows = self.rights.allows
        may_see = all(allows("select", *table.name, column.name) for column in table.columns)
        if not may_see or not allows("execute", *function):
            raise self._denied(f"permission denied for function {function.name}")
        known = self.schema.functions_by_name.get(function, ())
        self.volatile |= dict.fromkeys(each for each in known if each.volatility == "volatile")

    def _get_relation(self, table: Table, target: str, hint: str | None) -> Relation:
        """Return the relation that an embed means, whose function the caller may call."""
        relation = get_relation(self.schema, table, target, hint)
        if relation.function is not None:
            self._check_function(table, relation.function)
        return relation

    def get_ref(self, table: Table, path: Path, cast: str | None = None) -> tuple[Ref, Column]:
        """Return a value of a row, and its column."""
        column = self.get_column(table, path.column)
        if path.steps and column.type.kind not in ("json", "array", "composite", "unknown"):
            raise QueryError(
                f"column {column.name!r} is of type {column.type.name!r} and has no steps into it",
                code="42883",
                hint="-> and ->> are for JSON",
            )
        return Ref(path.column, path.steps, path.as_text, self._get_cast(cast)), column

    def _get_cast(self, cast: str | None) -> str | None:
        return None if cast is None else get_cast(cast, self.engine)

    def _denied(self, message: str) -> AccessError:
        return AccessError(message) if self.rights.authenticated else NotAuthenticated(message, headers={"WWW-Authenticate": "Bearer"})

    def _get_limit(self, limit: int | None) -> int | None:
        most = self.options.db_max_rows
        if most is None:
            return limit if limit is None else min(limit, MAX_NUMBER)
        return most if limit is None else min(limit, most)

    # ------------------------------------------------------------------------------------------------ what comes back

    def resolve_selection(
        self, table: Table, selection: Selection | None, depth: int
    ) -> tuple[tuple[AnyCell, ...], Embeds]:
        """Return the cells, and the embeds."""
        embeds = Embeds()
        if selection is None:
            return (self._all_columns(table, None),), embeds
        cells: list[AnyCell] = []
        for item in selection.items:
            if isinstance(item, Embed):
                relation, read = self._resolve_embed(table, item, depth)
                embeds.add(item, HasRows(relation, read))
                if item.spread:
                    cells.append(self._spread(relation, read))
                elif read.cells or item.select is None:
                    cells.append(EmbedCell(item.alias or item.relation, relation, read))
            elif isinstance(item, Aggregate):
                cells.append(self._resolve_aggregate(table, item))
            elif item.path.column == "*" and not item.path.steps:
                cells.append(self._all_columns(table, item.preview))
            elif item.path == COUNT and COUNT.column not in table.by_name and item.cast is None:
                cells.append(AggregateCell(item.alias or COUNT.column, "count", None, None))
            else:
                cells.append(self._resolve_field(table, item))
        return tuple(cells), embeds

    def _all_columns(self, table: Table, preview: int | None) -> Columns:
        allows = self.rights.allows
        schema, name = table.name
        return Columns(tuple(column.name for column in table.columns if allows("select", schema, name, column.name)), preview)

    def _resolve_field(self, table: Table, field: Field) -> Cell:
        ref, _ = self.get_ref(table, field.path, field.cast)
        steps = [step for step in field.path.steps if isinstance(step, str)]
        return Cell(field.alias or (steps[-1] if steps else field.path.column), ref, field.preview)

    def _resolve_aggregate(self, table: Table, item: Aggregate) -> AggregateCell:
        if not self.options.db_aggregates_enabled:
            raise QueryError("Use of aggregate functions is not allowed", code="PGRST123")
        key = item.alias or item.function
        if item.path is None:
            return AggregateCell(key, "count", None, self._get_cast(item.cast))
        ref, column = self.get_ref(table, item.path, item.path_cast)
        type = ref_type(ref, column.type)
        if (item.function in ("sum", "avg") and type.kind not in SUMMABLE) or (item.function in ("max", "min") and type.kind == "json"):
            message = f"function {item.function}() is not for column {column.name!r} of type {type.name!r}"
            raise QueryError(message, code="42883", hint=f"cast it: {column.name}::numeric.{item.function}()")
        return AggregateCell(key, item.function, ref, self._get_cast(item.cast))

    def _resolve_embed(self, table: Table, embed: Embed, depth: int) -> tuple[Relation, Read]:
        if depth >= self.options.max_embed_depth:
            raise TooLarge(f"embeds are nested deeper than {self.options.max_embed_depth}")
        relation = self._get_relation(table, embed.relation, embed.hint)
        target = self.get_table(relation.target)
        if relation.via is not None:
            self.get_table(relation.via.table)
        cells, embeds = self.resolve_selection(target, embed.select, depth + 1)
        where = self.resolve_where(target, embed.where, embeds)
        if embed.window.after is not None:
            raise NotOffered(f"'after' is not offered inside the embed {embed.relation!r}", hint="use its limit and offset")
        order = self.resolve_order(target, embed.order, embed.select)
        grouped = is_grouped(cells)
        if grouped and not embed.spread:
            self._check_groups(cells, order)
        limit, offset = embed.window.limit, embed.window.offset
        if relation.kind != "to_one" and not grouped:
            order = self._complete(target, order) if limit is not None or offset or order or embed.spread else order
            if embed.spread and not self._has_key(target):
                order = self._complete_by_all(target, order)
        read = Read(
            table=target.name,
            cells=cells,
            where=where,
            order=order,
            limit=None if limit is None else self.add(min(limit, MAX_NUMBER)),
            offset=self.add(min(offset, MAX_NUMBER)) if offset else None,
        )
        return relation, read

    def _spread(self, relation: Relation, read: Read) -> SpreadCells:
        if relation.kind != "to_one" and read.is_grouped:
            raise QueryError(
                "Feature not implemented",
                code="PGRST127",
                details="Aggregates are not implemented for one-to-many or many-to-many spreads.",
                hint="embed it without the dots",
            )
        return SpreadCells(relation, read)

    # ------------------------------------------------------------------------------------------------ which, and in which order

    def resolve_where(self, table: Table, where: Condition | None, embeds: Embeds | None = None) -> AnyTest | None:
        """Return the conditions on a table, with those that its inner embeds add."""
        parts: list[AnyTest] = []
        if where is not None:
            parts.append(ConditionResolver(self, table, embeds or {}).resolve(where))
        if embeds is not None:
            parts.extend(embeds.inner)
        if len(parts) > 1:
            return All(tuple(parts))
        return parts[0] if parts else None

    def resolve_order(self, table: Table, order: tuple[Order, ...], select: Selection | None) -> tuple[Term, ...]:
        """Return the terms of an order; a column that is named twice counts the first time."""
        return tuple(self._resolve_term(table, term, select) for term in order)

    def _resolve_term(self, table: Table, term: Order, select: Selection | None) -> Term:
        relation = None
        if term.embed is not None:
            relation = self._get_ordering_relation(table, term.embed, select)
            table = self.get_table(relation.target)
        ref, column = self.get_ref(table, term.path)
        if not ref.steps and (column.type.kind in UNORDERED or column.type.name in INCOMPARABLE.get(self.engine.key, ())):
            raise QueryError(f"column {column.name!r} of type {column.type.name!r} has no order", code="42883")
        nulls_first = term.descending if term.nulls is None else term.nulls == "first"
        return Term(ref, term.descending, nulls_first, column.nullable or bool(ref.steps) or relation is not None, relation)

    def _get_ordering_relation(self, table: Table, name: str, select: Selection | None) -> Relation:
        hint, target = None, name
        for embed in select.embeds if select is not None else ():
            if name in (embed.alias, embed.relation):
                target, hint = embed.relation, embed.hint
        relation = self._get_relation(table, target, hint)
        if relation.kind != "to_one":
            raise QueryError(
                f"A related order on {name[:100]!r} is not possible",
                code="PGRST118",
                details=f"{table.name.name!r} and {name[:100]!r} do not form a many-to-one or one-to-one relationship",
            )
        return relation

    def _complete(self, table: Table, order: tuple[Term, ...]) -> tuple[Term, ...]:
        """Return the order with the identity's columns behind it, in the last term's direction: an index on both can serve it."""
        if not self._has_key(table):
            return order
        named = {term.ref.column for term in order if term.relation is None and not term.ref.steps}
        descending = order[-1].descending if order else False
        rest = (Term(Ref(name), descending, descending, False) for name in table.identity.columns if name not in named)
        return (*order, *rest)

    def _complete_by_all(self, table: Table, order: tuple[Term, ...]) -> tuple[Term, ...]:
        """Return the order with all columns behind it that have one: rows without a key that are level in it look alike."""
        readable = [column for column in table.columns if self.rights.allows("select", *table.name, column.name)]
        rest = (Term(Ref(column.name), False, False, column.nullable) for column in readable if column.type.kind not in UNSORTED)
        return (*order, *rest)

    def _has_key(self, table: Table) -> bool:
        """Tell whether rows have an identity whose values the caller may see: a cursor shows them."""
        if table.identity.by == "none":
            return False
        return all(self.rights.allows("select", *table.name, name) for name in table.identity.columns)

    def _check_groups(self, cells: tuple[AnyCell, ...], order: tuple[Term, ...]) -> None:
        """Refuse an order by what the groups do not have."""
        groups = _groups(cells, None)
        for term in order:
            if (term.relation, term.ref) not in groups:
                raise QueryError(
                    f"column {term.ref.column!r} must be selected to order groups by it", code="42803", hint="add it to select"
                )


def _groups(cells: tuple[AnyCell, ...], relation: Relation | None) -> set[tuple[Relation | None, Ref]]:
    """Return what groups can be ordered by: columns of the row itself, and those of a related row that is spread."""
    found = {(relation, cell.ref) for cell in cells if isinstance(cell, Cell)}
    found |= {(relation, Ref(name)) for cell in cells if isinstance(cell, Columns) for name in cell.names}
    for cell in cells:
        if isinstance(cell, SpreadCells) and cell.relation.kind == "to_one" and relation is None:
            found |= _groups(cell.read.cells, cell.relation)
    return found
