"""How each engine prints rows as JSON, exactly, and what else differs in the SQL of a read: one renderer per engine.

PostgreSQL prints JSON well by itself. SQLite and MariaDB do not (15 digits, ``Inf``, raw bytes, at most 127 arguments), so there a
row is put together as text, cell by cell, and every cell is an expression that gives valid JSON whatever is stored in it.

Words used here: a *value* is what is compared and sorted; a *cell* is what stands in the answer for it; a *body* is the JSON of a row.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qapla.database.query.casts import TYPES
from qapla.database.query.sql import Literal, Slot, Sql, join, name, sql
from qapla.database.schema.description import ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qapla.database.query.printing import CellForm
    from qapla.database.query.shape import Form, JsonPattern, Ref, Term
    from qapla.database.schema.description import Kind

TEXT = ColumnType("text", "text")
JSON = ColumnType("json", "json")
JSON_BODY = ColumnType("json", "")  # of a printed cell that groups
INTEGER = ColumnType("integer", "bigint")
DECIMAL = ColumnType("decimal", "decimal")  # with any digits
NUMBER = ColumnType("float", "double precision")
LONG_KINDS: frozenset[Kind] = frozenset({"text", "json", "array", "composite", "unknown", "geometry", "range"})


def ref_type(ref: Ref, type: ColumnType) -> ColumnType:
    """Return the type of what *ref* gives of a column of *type*."""
    return TYPES[ref.cast] if ref.cast is not None else step_type(ref, type)


def step_type(ref: Ref, type: ColumnType) -> ColumnType:
    """Return the type of what the steps of *ref* lead to, before a cast."""
    if not ref.steps:
        return type
    return TEXT if ref.as_text else JSON


class Renderer:
    """What is the same on all engines, or nearly."""

    key = ""
    no_limit = ""  # what must stand before OFFSET when there is no limit
    as_text = "CAST({} AS TEXT)"
    nulls_are_small = True  # NULL sorts before everything else
    cuts_first = False  # a window has to be cut out before cells are printed, or all rows of the table are printed and sorted
    compares_rows = True  # (a, b) > (x, y) uses an index
    looks_outside = True  # a derived table in a subselect may name the row outside
    has_separate_cells = False  # ``separate`` is there: for rows that are too large to be printed in one piece
    placed_kinds: frozenset[Kind] = frozenset()  # whose cells, read back, are the very value that was sorted
    forms: frozenset[Form] = frozenset({"row"})  # of a body that the database makes by itself

    # ------------------------------------------------------------------------------------------------ values

    def value(self, column: Sql, ref: Ref, type: ColumnType) -> Sql:
        """Return the value of *ref*, whose *column* is of *type*."""
        value = self.step(column, ref) if ref.steps else column
        return self.cast(value, step_type(ref, type), ref.cast) if ref.cast else value

    def step(self, column: Sql, ref: Ref) -> Sql:
        """Return what the steps of *ref* lead to in a JSON column."""
        raise NotImplementedError

    def cast(self, value: Sql, type: ColumnType, cast: str) -> Sql:
        """Return *value*, of *type*, as another type of ``casts.CASTS``."""
        raise NotImplementedError

    def check_regex(self, pattern: str) -> None:
        """Refuse a regular expression that is none, where the engine would say it too late."""

    def bind_json(self, text: str, column: str) -> object:
        """Return what is bound for a JSON operand of a comparison."""
        return text

    def compared_json(self, value: Sql) -> Sql:
        """Return a JSON value as it is compared and sorted."""
        return value

    def containing_json(self, value: Sql) -> Sql:
        """Return a JSON value as the SQL of ``cs`` and ``cd`` takes it."""
        return value

    def take_json_apart(self, operator: str, text: str, column: str, add: Callable[[object], int]) -> JsonPattern | None:
        """Return a JSON operand of ``cs`` or ``cd`` as ``contains_json`` wants it, None where the operator's own SQL takes it whole."""
        return None

    def contains_json(self, operator: str, value: Sql, pattern: JsonPattern) -> Sql:
        """Return the test of ``cs`` or ``cd``."""
        raise NotImplementedError

    def operand(self, slot: int, type: ColumnType) -> Sql:
        """Return an operand that a value of *type* is compared with."""
        return Sql((Slot(slot),))

    def help_operand(self, value: object, type: ColumnType) -> tuple[object, object] | None:
        """Return the operand in the form that ``assisted`` compares, and a second value that it needs; None: compare as usual."""
        return None

    def assisted(self, operator: str, value: Sql, slot: int, helper: int) -> Sql:
        """Return a comparison with an operand that ``help_operand`` has prepared."""
        raise NotImplementedError

    def order_value(self, value: Sql, type: ColumnType) -> Sql:
        """Return what a value of *type* is sorted by."""
        return self.compared_json(value) if type.kind == "json" else value

    def order_term(self, value: Sql, term: Term) -> Sql:
        """Return one term of ORDER BY."""
        direction = " DESC" if term.descending else ""
        default_first = not term.descending if self.nulls_are_small else term.descending
        if not term.nullable or term.nulls_first == default_first:
            return sql("{}" + direction, value)
        return sql("{}" + direction + (" NULLS FIRST" if term.nulls_first else " NULLS LAST"), value)

    def order_element(self, value: Sql, term: Term) -> Sql:
        """Return one term of ORDER BY inside the aggregate that makes an array."""
        return self.order_term(value, term)

    def aggregate(self, function: str, value: Sql, type: ColumnType) -> tuple[Sql, ColumnType]:
        """Return an aggregate and the type of what it gives."""
        if function in ("max", "min"):
            return sql(function + "({})", value), type
        return sql(function + "({})", value), {"count": INTEGER, "sum": type, "avg": NUMBER}[function]

    def needs_folding(self, pattern: str) -> bool:
        """Tell whether ``folded`` has to be used for a pattern that ignores case."""
        return False

    def folded(self, value: Sql, slot: int) -> Sql:
        """Return ``ilike`` for a pattern that needs folding."""
        raise NotImplementedError

    def contains(self, value: Sql, slot: int) -> Sql:
        """Return the test that a text contains the pattern in *slot*, case ignored."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ places of keyset paging

    def place(self, value: Sql, type: ColumnType) -> Sql:
        """Return *value*, as ``order_value`` gave it, as JSON that ``bind_place`` understands."""
        raise NotImplementedError

    def places(self, places: Sequence[Sql]) -> Sql:
        """Return the JSON array of *places*."""
        raise NotImplementedError

    def keep_place(self, value: object) -> str | int | float | bool | None:
        """Return a value out of the JSON of a row as a cursor keeps it; decimals as text, so that no digit is lost."""
        return value if value is None or isinstance(value, str | int) else str(value)

    def bind_place(self, value: str | int | float | bool, type: ColumnType) -> object:
        """Return what is bound for a value of a cursor."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ cells and rows

    def cell(self, value: Sql, type: ColumnType) -> Sql:
        """Return what stands in the answer for a value of *type*."""
        raise NotImplementedError

    def separate(self, value: Sql, type: ColumnType) -> tuple[Sql, CellForm]:
        """Return what to fetch for a value where Python prints the row, and in which form it comes."""
        return self.cell(value, type), "json"

    def preview(self, value: Sql, type: ColumnType, length: int) -> Sql:
        """Return the cell of a value that is cut after *length* characters; of bytes their number."""
        raise NotImplementedError

    def body(self, cells: Sequence[tuple[str, Sql]], source: Sql, alias: str) -> tuple[Sql, Sql]:
        """Return the JSON object of *cells*, and what to select it from."""
        raise NotImplementedError

    def formed(self, body: Sql, form: Form) -> Sql:
        """Return the *body* of a row in one of ``forms``."""
        return body

    def one(self, body: Sql, rest: Sql) -> Sql:
        """Return the cell with the one row that ``FROM`` *rest* gives."""
        raise NotImplementedError

    def many(self, body: Sql, source: Sql, order: Sql, limits: tuple[int | None, int | None]) -> Sql:
        """Return the cell with the array of all rows."""
        raise NotImplementedError

    def spread(self, cell: Sql, rest: Sql) -> Sql:
        """Return a single cell of the one row that ``FROM`` *rest* gives."""
        raise NotImplementedError

    def element(self, cell: Sql) -> Sql:
        """Return a cell as an element of an array that ``many`` makes."""
        return cell

    def key_of_cell(self, cell: Sql) -> Sql:
        """Return a cell as a value to group by."""
        return cell

    def cell_of_key(self, value: Sql) -> Sql:
        """Return the cell that ``key_of_cell`` was given."""
        return value

    def grouped(self, cells: Sequence[tuple[str, Sql]], rest: Sql) -> tuple[Sql, Sql]:
        """Return the JSON object of *cells* that hold aggregates, and what to select it from."""
        body, _ = self.body(cells, Sql(()), "")
        return body, rest

    def grouped_rows(self, body: Sql, rest: Sql, *, has_groups: bool) -> Sql:
        """Return the cell with the array of rows that hold aggregates; *rest* is what ``grouped`` gave."""
        return self.many(body, rest, Sql(()), (None, None))

    def count(self) -> Sql:
        """Return the number of rows, of the same type as a body."""
        return sql(self.as_text, "count(*)")

    def limits(self, limit: int | None, offset: int | None) -> Sql:
        """Return LIMIT and OFFSET."""
        if offset is None:
            return sql(" LIMIT {}", Slot(limit)) if limit is not None else Sql(())
        if limit is None:
            return sql(self.no_limit + " OFFSET {}", Slot(offset))
        return sql(" LIMIT {} OFFSET {}", Slot(limit), Slot(offset))


class PostgresqlRenderer(Renderer):
    """Rows become JSON by ``row_to_json``; psycopg hands ``json`` on as bytes, unread."""

    key = "postgresql"
    nulls_are_small = False
    cuts_first = True
    placed_kinds = frozenset({"integer", "decimal", "float", "text", "uuid", "boolean", "enum", "date", "timestamp", "timestamp_tz"})
    forms = frozenset({"row", "stripped", "feature"})

    def step(self, column: Sql, ref: Ref) -> Sql:
        """Walk with ``->``; arrays and composites as JSON, too."""
        value = sql("to_jsonb({})", column)
        for index, step in enumerate(ref.steps):
            arrow = "->>" if ref.as_text and index == len(ref.steps) - 1 else "->"
            value = sql("{}" + arrow + "{}", value, Literal(step) if isinstance(step, str) else f"({step})")
        return sql("({})", value)

    def cast(self, value: Sql, type: ColumnType, cast: str) -> Sql:
        """Return *value* as another type: the names are PostgreSQL's own."""
        return sql("CAST({} AS " + cast + ")", value)

    def compared_json(self, value: Sql) -> Sql:
        """Compare as jsonb: json has no operators. Of what is jsonb already the cast makes nothing else, so that indexes serve it."""
        return sql("CAST({} AS jsonb)", value)

    def containing_json(self, value: Sql) -> Sql:
        """Take jsonb, too."""
        return self.compared_json(value)

    def aggregate(self, function: str, value: Sql, type: ColumnType) -> tuple[Sql, ColumnType]:
        """Return an aggregate; the largest of booleans has another name, and so has the smallest."""
        if type.kind == "boolean" and function in ("max", "min"):
            return sql("bool_or({})" if function == "max" else "bool_and({})", value), type
        return super().aggregate(function, value, type)

    def contains(self, value: Sql, slot: int) -> Sql:
        """Use ILIKE; an enum has to become text first."""
        return sql("CAST({} AS text) ILIKE {}", value, Slot(slot))

    def place(self, value: Sql, type: ColumnType) -> Sql:
        """Return the value as PostgreSQL prints it."""
        return sql("CAST({} AS text)", value)

    def places(self, places: Sequence[Sql]) -> Sql:
        """Return the JSON array of *places*."""
        return sql("json_build_array({})", join(", ", places))

    def bind_place(self, value: str | int | float | bool, type: ColumnType) -> object:
        """Return the text that PostgreSQL reads by the column's type."""
        return json.dumps(value) if isinstance(value, bool) else str(value)

    def cell(self, value: Sql, type: ColumnType) -> Sql:
        """Return the value itself: ``row_to_json`` prints it, but for oid, which it takes for a text, each integer as a number."""
        return sql("CAST({} AS bigint)", value) if type.name == "oid" else value

    def preview(self, value: Sql, type: ColumnType, length: int) -> Sql:
        """Cut on the server."""
        if type.kind == "binary":
            return sql("octet_length({})", value)
        if type.kind not in LONG_KINDS:
            return value
        text, most = sql("CAST({} AS text)", value), str(int(length))
        return sql("CASE WHEN length({}) > {} THEN left({}, {}) || {} ELSE {} END", text, most, text, most, Literal("…"), text)

    def body(self, cells: Sequence[tuple[str, Sql]], source: Sql, alias: str) -> tuple[Sql, Sql]:
        """Return ``row_to_json`` of a row made beside the source's; the planner folds it into the row itself."""
        columns = join(", ", (sql("{} AS {}", cell, name(key)) for key, cell in cells))
        row = name(f"{alias}r")
        return sql("row_to_json({})", row), sql("{} CROSS JOIN LATERAL (SELECT {}) AS {}", source, columns, row)

    def formed(self, body: Sql, form: Form) -> Sql:
        """Strip nulls, or let PostGIS make a Feature of the record that ``row_to_json`` would print."""
        if form == "stripped":
            return sql("json_strip_nulls({})", body)
        if form == "feature":
            return sql("CAST(ST_AsGeoJSON({}) AS json)", Sql(body.parts[1:-1]))
        return body

    def one(self, body: Sql, rest: Sql) -> Sql:
        """Return a scalar subselect."""
        return sql("(SELECT {} FROM {} LIMIT 1)", body, rest)

    def many(self, body: Sql, source: Sql, order: Sql, limits: tuple[int | None, int | None]) -> Sql:
        """Return an array of JSON, printed without white space."""
        return sql("array_to_json(ARRAY(SELECT {} FROM {}{}{}))", body, source, order, self.limits(*limits))

    def spread(self, cell: Sql, rest: Sql) -> Sql:
        """Return a scalar subselect."""
        return sql("(SELECT {} FROM {} LIMIT 1)", cell, rest)

    def element(self, cell: Sql) -> Sql:
        """Return JSON: an array of arrays would be one array of two dimensions."""
        return sql("to_json({})", cell)

    def key_of_cell(self, cell: Sql) -> Sql:
        """Return text: JSON has no equality."""
        return sql("CAST({} AS text)", cell)

    def cell_of_key(self, value: Sql) -> Sql:
        """Return it as JSON again."""
        return sql("CAST({} AS json)", value)

    def grouped(self, cells: Sequence[tuple[str, Sql]], rest: Sql) -> tuple[Sql, Sql]:
        """Return ``row_to_json`` of a derived table: aggregates cannot be computed beside their source."""
        columns = join(", ", (sql("{} AS {}", cell, name(key)) for key, cell in cells))
        return sql("row_to_json({})", name("g")), sql("(SELECT {} FROM {}) AS {}", columns, rest, name("g"))

    def count(self) -> Sql:
        """Return it as JSON, as a body is."""
        return sql("to_json(count(*))")


class TextRenderer(Renderer):
    """Rows are put together as text. A subclass says how each kind is printed, and how texts are joined."""

    null = "'null'"
    number_kinds: frozenset[Kind] = frozenset({"integer", "decimal"})

    def joined(self, pieces: Sequence[Sql]) -> Sql:
        """Return the pieces one after the other."""
        raise NotImplementedError

    def quoted(self, value: Sql) -> Sql:
        """Return a text, that is not NULL, as a JSON string."""
        raise NotImplementedError

    def array(self, rows: Sql) -> Sql:
        """Return what *rows*, an aggregate of joined bodies or NULL, is as a JSON array."""
        return self.joined((Sql((Literal("["),)), sql("COALESCE({}, '')", rows), Sql((Literal("]"),))))

    def body(self, cells: Sequence[tuple[str, Sql]], source: Sql, alias: str) -> tuple[Sql, Sql]:
        """Return ``'{"a":' || cell || ',"b":' || cell || '}'``."""
        pieces: list[Sql] = []
        for index, (key, cell) in enumerate(cells):
            pieces.append(Sql((Literal(("," if index else "{") + json.dumps(key, ensure_ascii=False) + ":"),)))
            pieces.append(cell)
        pieces.append(Sql((Literal("}" if cells else "{}"),)))
        return self.joined(pieces), source

    def one(self, body: Sql, rest: Sql) -> Sql:
        """Return a scalar subselect, ``null`` when it finds nothing."""
        return sql("COALESCE((SELECT {} FROM {} LIMIT 1), 'null')", body, rest)

    def spread(self, cell: Sql, rest: Sql) -> Sql:
        """Return a scalar subselect, ``null`` when it finds nothing."""
        return sql("COALESCE((SELECT {} FROM {} LIMIT 1), 'null')", cell, rest)

    def places(self, places: Sequence[Sql]) -> Sql:
        """Return the JSON array of *places*."""
        pieces: list[Sql] = []
        for index, place in enumerate(places):
            pieces.extend((Sql((Literal("," if index else "["),)), place))
        return self.joined((*pieces, Sql((Literal("]"),))))
