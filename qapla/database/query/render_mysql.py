"""MariaDB and MySQL print JSON.

``JSON_OBJECT`` would pass bytes through raw and write a space where ISO 8601 has a ``T``; ``CONCAT`` of cells, each valid JSON, does not.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from qapla.database.query import json_mysql
from qapla.database.query.casts import cast_mysql, print_bits
from qapla.database.query.render import DECIMAL, LONG_KINDS, TextRenderer
from qapla.database.query.sql import Literal, Slot, Sql, join, sql
from qapla.errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qapla.database.query.printing import CellForm
    from qapla.database.query.shape import JsonPattern, Ref, Term
    from qapla.database.schema.description import ColumnType

_HEX = Literal('"\\\\x')
_QUOTE = Literal('"')


class MariadbRenderer(TextRenderer):
    """MariaDB 10.6 and newer: ``GROUP_CONCAT`` has a LIMIT there, and takes no derived table that looks outside."""

    key = "mariadb"
    no_limit = " LIMIT 18446744073709551615"
    as_text = "CAST({} AS CHAR)"
    compares_rows = False
    looks_outside = False
    exact_collation = "utf8mb4_nopad_bin"  # of texts in JSON, whose case and blanks count
    has_separate_cells = True
    placed_kinds = frozenset({"integer", "decimal", "text", "date", "timestamp", "uuid"})

    def step(self, column: Sql, ref: Ref) -> Sql:
        """Walk by ``JSON_EXTRACT``; a JSON null is NULL as text."""
        found = json_mysql.extract(column, ref.steps)
        if not ref.as_text:
            return found
        return sql(f"(IF(JSON_TYPE({{}}) = 'NULL', NULL, JSON_UNQUOTE({{}})) COLLATE {self.exact_collation})", found, found)

    def cast(self, value: Sql, type: ColumnType, cast: str) -> Sql:
        """Cast, and refuse what cannot be cast."""
        return cast_mysql(value, type, cast)

    def bind_json(self, text: str, column: str) -> object:
        """Return the text that ``compared_json`` gives of the same value."""
        return json_mysql.bind(text, column)

    def compared_json(self, value: Sql) -> Sql:
        """Compare by a text made of it, whose order is that of JSON."""
        return json_mysql.make_key(value)

    def take_json_apart(self, operator: str, text: str, column: str, add: Callable[[object], int]) -> JsonPattern | None:
        """Take it apart: ``JSON_CONTAINS`` takes a value for an array that has it, however deep."""
        return json_mysql.take_apart(operator, text, column, add)

    def contains_json(self, operator: str, value: Sql, pattern: JsonPattern) -> Sql:
        """Compare part by part."""
        return json_mysql.contains(operator, value, pattern)

    def operand(self, slot: int, type: ColumnType) -> Sql:
        """Compare a FLOAT with a FLOAT: as a double, 0.1 is another number."""
        return sql("CAST({} AS FLOAT)", Slot(slot)) if _is_single(type) else Sql((Slot(slot),))

    def order_value(self, value: Sql, type: ColumnType) -> Sql:
        """Sort an enum by its number, as ORDER BY does and comparisons do not, and a FLOAT by the double it is."""
        if type.kind == "enum":
            return sql("({} + 0)", value)
        return sql("CAST({} AS DOUBLE)", value) if _is_single(type) else super().order_value(value, type)

    def order_term(self, value: Sql, term: Term) -> Sql:
        """Return one term; there is no NULLS FIRST."""
        found = sql("{} DESC" if term.descending else "{}", value)
        if not term.nullable or term.nulls_first != term.descending:
            return found
        return sql("{} IS NULL" + (" DESC" if term.nulls_first else "") + ", {}", value, found)

    def order_element(self, value: Sql, term: Term) -> Sql:
        """Say where NULLs come in any case: in the order of ``GROUP_CONCAT`` they would be level with zero and the empty text."""
        found = sql("{} DESC" if term.descending else "{}", value)
        return sql("{} IS NULL" + (" DESC" if term.nulls_first else "") + ", {}", value, found) if term.nullable else found

    def contains(self, value: Sql, slot: int) -> Sql:
        """Compare in lower case: a collation that ignores case would ignore accents, too."""
        return sql("LOWER(CONVERT({} USING utf8mb4)) LIKE LOWER({}) COLLATE utf8mb4_bin", value, Slot(slot))

    def aggregate(self, function: str, value: Sql, type: ColumnType) -> tuple[Sql, ColumnType]:
        """Return an aggregate; the average of exact numbers is exact, and of integers has only four digits by itself."""
        if function != "avg":
            return super().aggregate(function, value, type)
        if type.kind not in ("integer", "decimal"):
            return super().aggregate(function, sql("CAST({} AS DOUBLE)", value), type)
        return sql("avg(CAST({} AS DECIMAL({},{})))", value, *map(str, _averaged_digits(type))), DECIMAL

    def place(self, value: Sql, type: ColumnType) -> Sql:
        """Return a number or a string."""
        if type.kind in ("integer", "decimal", "float", "boolean", "enum"):
            return sql("COALESCE({}, 'null')", value)
        if type.kind in ("binary", "bits"):
            return sql("COALESCE(CONCAT({}, LOWER(HEX({})), {}), 'null')", _HEX, value, _QUOTE)
        return sql("COALESCE(JSON_QUOTE(CAST({} AS CHAR)), 'null')", value)

    def bind_place(self, value: str | int | float | bool, type: ColumnType) -> object:
        """Return a number for a number: compared with a text, it would be rounded to a double."""
        try:
            if isinstance(value, bool):
                return int(value)
            if type.kind in ("integer", "boolean", "enum"):
                return int(value)
            if type.kind == "decimal":
                return Decimal(value)
            if type.kind == "float":
                return float(value)
            if type.kind in ("binary", "bits") and isinstance(value, str):
                return bytes.fromhex(value.removeprefix("\\x"))
        except (ValueError, InvalidOperation):
            raise QueryError(f"{str(value)[:60]!r} in the cursor is not of type {type.name!r}", hint="take it from 'Link'") from None
        return value

    def cell(self, value: Sql, type: ColumnType) -> Sql:
        """Return the JSON text of a value."""
        found = self._cell(value, type)
        return sql("COALESCE({}, 'null')", found)

    def separate(self, value: Sql, type: ColumnType) -> tuple[Sql, CellForm]:
        """Fetch texts and bytes as they are: CONCAT and HEX make nothing larger than ``max_allowed_packet``."""
        forms: dict[str, CellForm] = {"text": "text", "binary": "binary", "json": "maybe_json"}
        form = forms.get(type.kind)
        return (value, form) if form is not None else super().separate(value, type)

    def _cell(self, value: Sql, type: ColumnType) -> Sql:
        kind = type.kind
        if type.name == "numeric":  # of a cast: with all the digits that a decimal may have
            return sql("TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST({} AS DECIMAL(65,30))))", value)
        if kind in ("integer", "decimal"):
            return sql("({} + 0)", value) if "zerofill" in type.name.lower() or type.name.lower().startswith("year") else value
        if kind == "float":
            return self._single(value) if _is_single(type) else value
        if kind == "boolean":
            return sql("CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE {} END", value, value)
        if kind == "binary":
            return sql("CONCAT({}, LOWER(HEX({})), {})", _HEX, value, _QUOTE)
        if kind == "bits":
            return sql("CONCAT({}, {}, {})", _QUOTE, print_bits(value, type), _QUOTE)
        if kind in ("timestamp", "timestamp_tz"):
            return self._timestamp(value, type)
        if kind in ("date", "time"):
            return sql("CONCAT({}, {}, {})", _QUOTE, value, _QUOTE)
        if kind == "json":
            return sql("IF(JSON_VALID({}), {}, JSON_QUOTE({}))", value, value, value)
        if kind == "geometry":
            return sql("JSON_QUOTE(ST_AsText({}))", value)
        return sql("JSON_QUOTE({})" if kind in ("text", "enum") else "JSON_QUOTE(CAST({} AS CHAR))", value)

    def _single(self, value: Sql) -> Sql:
        """Return the six digits of a FLOAT where they are the number, else all digits of the double that it is."""
        return sql("IF(CAST(CONCAT({}) AS FLOAT) = {}, {}, CAST({} AS DOUBLE))", value, value, value, value)

    def _timestamp(self, value: Sql, type: ColumnType) -> Sql:
        """Return it with a ``T``, without the zeros of a fraction that is not there, and with the session's zone, which is UTC."""
        zone = Literal('+00:00"' if type.kind == "timestamp_tz" else '"')
        text = sql("REPLACE({}, ' ', 'T')", value)
        if type.precision or "(" in type.name or type.name == "timestamp":
            text = sql("IF(LOCATE('.', {}), TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {})), {})", value, text, text)
        return sql("CONCAT({}, {}, {})", _QUOTE, text, zone)

    def preview(self, value: Sql, type: ColumnType, length: int) -> Sql:
        """Cut on the server."""
        if type.kind == "binary":
            return sql("COALESCE(OCTET_LENGTH({}), 'null')", value)
        if type.kind not in LONG_KINDS:
            return self.cell(value, type)
        text, most = sql("ST_AsText({})" if type.kind == "geometry" else "CONVERT({} USING utf8mb4)", value), str(int(length))
        cut = sql("CONCAT(LEFT({}, {}), {})", text, most, Literal("…"))
        return sql("COALESCE(JSON_QUOTE(IF(CHAR_LENGTH({}) > {}, {}, {})), 'null')", text, most, cut, text)

    def joined(self, pieces: Sequence[Sql]) -> Sql:
        """Join with CONCAT."""
        return sql("CONCAT({})", join(", ", pieces))

    def many(self, body: Sql, source: Sql, order: Sql, limits: tuple[int | None, int | None]) -> Sql:
        """Aggregate in the order asked for, and as many as asked for."""
        limit, offset = limits
        cut = Sql(())
        if offset is not None:
            cut = sql(" LIMIT {}, {}", Slot(offset), Slot(limit) if limit is not None else "18446744073709551615")
        elif limit is not None:
            cut = sql(" LIMIT {}", Slot(limit))
        rows = sql("GROUP_CONCAT({}{} SEPARATOR ','{})", body, order, cut)
        return sql("(SELECT {} FROM {})", self.array(rows), source)

    def key_of_cell(self, cell: Sql) -> Sql:
        """Compare every byte: a collation would take two cells for one that differ in case."""
        return sql("CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin", cell)

    def grouped_rows(self, body: Sql, rest: Sql, *, has_groups: bool) -> Sql:
        """Return the array of the one row that an aggregate without groups gives; ``grouping.embed_groups`` makes the others."""
        return sql("(SELECT {} FROM {})", self.joined((Sql((Literal("["),)), body, Sql((Literal("]"),)))), rest)


class MysqlRenderer(MariadbRenderer):
    """MySQL 8.0.14 and newer: no LIMIT in ``GROUP_CONCAT``, but a derived table may look outside."""

    key = "mysql"
    looks_outside = True
    exact_collation = "utf8mb4_0900_bin"

    def many(self, body: Sql, source: Sql, order: Sql, limits: tuple[int | None, int | None]) -> Sql:
        """Aggregate over a numbered subselect."""
        numbered = sql("SELECT {} AS j, ROW_NUMBER() OVER ({}) AS n FROM {} ORDER BY n{}", body, order, source, self.limits(*limits))
        return sql("(SELECT {} FROM ({}) AS x)", self.array(sql("GROUP_CONCAT(j ORDER BY n SEPARATOR ',')")), numbered)

    def grouped_rows(self, body: Sql, rest: Sql, *, has_groups: bool) -> Sql:
        """Return the array of all groups."""
        return self.many(body, rest, Sql(()), (None, None))


def _averaged_digits(type: ColumnType) -> tuple[int, int]:
    """Return the digits in which values are averaged, in all and behind the point: as many as PostgreSQL has, but fewer of long ones."""
    if type.kind == "integer":
        return 36, 16
    if type.precision is None:
        return 65, 30
    scale = type.scale or 0
    return 65, max(scale, min(16, 61 - type.precision + scale))  # AVG adds four more


def _is_single(type: ColumnType) -> bool:
    return type.kind == "float" and type.name.lower().startswith("float")
