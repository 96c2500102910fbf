"""SQLite prints JSON.

Any cell of any column may hold any type, so every expression asks for the type it finds, first for the one that is likely.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from qapla.database.functions import check_pattern, plain_moment
from qapla.database.query.casts import cast_sqlite
from qapla.database.query.render import INTEGER, JSON, LONG_KINDS, NUMBER, TextRenderer
from qapla.database.query.sql import Literal, Slot, Sql, join, sql
from qapla.database.query.values import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qapla.database.query.shape import JsonPattern, Ref
    from qapla.database.schema.description import ColumnType

_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_PLAIN_KEY = re.compile(r'[^"\\\x00-\x1f\x7f-\U0010ffff]+')  # another one may be spelled in several ways, and SQLite compares the spelling
JOINED_AT_ONCE = 40  # pieces between parentheses, so that wide tables do not nest too deeply
REAL = "qapla_real"  # our own function on every connection (``connect.py``): SQLite's printf is wrong in the last digit now and then
_ANY = (
    "CASE typeof({0}) WHEN 'text' THEN json_quote({0}) WHEN 'integer' THEN {0} WHEN 'real' THEN " + REAL + "({0})"
    " WHEN 'null' THEN 'null' ELSE {1} || lower(hex({0})) || '\"' END"
)
_NUMBER = (
    "CASE typeof({0}) WHEN 'integer' THEN {0} WHEN 'real' THEN " + REAL + "({0}) WHEN 'text' THEN json_quote({0})"
    " WHEN 'null' THEN 'null' ELSE {1} || lower(hex({0})) || '\"' END"
)
_BOOLEAN = "CASE {0} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE {any} END"
_TIMESTAMP = "CASE WHEN {0} GLOB '????-??-?? ??:??*' THEN json_quote(substr({0}, 1, 10) || 'T' || substr({0}, 12)) ELSE {any} END"
_JSON = "CASE WHEN typeof({0}) = 'text' AND json_valid({0}) THEN {0} ELSE {any} END"


def _fill(template: str, value: Sql) -> Sql:
    """Put *value* and the start of a hex string into a template that names them several times."""
    hexes = Literal('"\\\\x')
    pieces = template.replace("{any}", _ANY).replace("{0}", "\0v\0").replace("{1}", "\0x\0").split("\0")
    parts: list[Sql | str] = [value if piece == "v" else Sql((hexes,)) if piece == "x" else piece for piece in pieces if piece]
    return sql("{}" * len(parts), *parts)


class SqliteRenderer(TextRenderer):
    """SQLite 3.38 and newer."""

    key = "sqlite"
    no_limit = " LIMIT -1"
    placed_kinds = frozenset({"integer", "float", "decimal", "text", "enum", "uuid"})

    def step(self, column: Sql, ref: Ref) -> Sql:
        """Walk by ``json_extract``; what is not JSON has nothing inside."""
        if not all(isinstance(step, int) or _PLAIN_KEY.fullmatch(step) for step in ref.steps):
            function = "qapla_step_text" if ref.as_text else "qapla_step"
            return sql(function + "({}, {})", column, Literal(json.dumps(ref.steps)))
        path = Literal(_path(ref.steps))
        if not ref.as_text:
            return sql("CASE WHEN json_valid({}) THEN {} -> {} END", column, column, path)
        text = sql("json_extract({}, {})", column, path)
        return sql(
            "CASE WHEN json_valid({}) THEN CASE json_type({}, {}) WHEN 'text' THEN {} WHEN 'null' THEN NULL"
            " ELSE ({} -> {}) || '' END END",  # a plain text, or json_quote would take it for JSON
            *(column, column, path, text, column, path),
        )

    def cast(self, value: Sql, type: ColumnType, cast: str) -> Sql:
        """Cast by our own function."""
        return cast_sqlite(value, type, cast)

    def check_regex(self, pattern: str) -> None:
        """Refuse what our own function cannot read.

        Raises:
            ValueRefused: 2201B.
        """
        check_pattern(pattern)

    def bind_json(self, text: str, column: str) -> object:
        """Return the text, which has to be JSON."""
        return read_text(text, JSON, "sqlite", column)

    def compared_json(self, value: Sql) -> Sql:
        """Compare by our own collation, as text: a column that is called JSON keeps the text ``5`` as a number."""
        return sql("(CAST(qapla_text({}) AS TEXT) COLLATE qapla_json)", value)

    def take_json_apart(self, operator: str, text: str, column: str, add: Callable[[object], int]) -> JsonPattern | None:
        """Leave it whole, if it is JSON: our own function reads it."""
        read_text(text, JSON, "sqlite", column)
        return None

    def help_operand(self, value: object, type: ColumnType) -> tuple[object, object] | None:
        """Return a moment in one form, and its day: files hold moments with ``T`` or space, with and without a fraction."""
        if type.kind not in ("timestamp", "timestamp_tz") or not isinstance(value, str):
            return None
        plain = plain_moment(value)
        return plain, plain[:10]

    def assisted(self, operator: str, value: Sql, slot: int, helper: int) -> Sql:
        """Compare moments: by the text on other days, which an index serves, and in one form on that very day."""
        day = Slot(helper)
        on_that_day = sql("{} >= {} AND {} < {} || '~'", value, day, value, day)
        same_day = sql("{} AND qapla_moment({}) {} {}", on_that_day, value, _SIGNS.get(operator, "="), Slot(slot))
        if operator in ("gt", "gte"):
            return sql("({} >= {} || '~' OR ({}))", value, day, same_day)
        if operator in ("lt", "lte"):
            return sql("(({} < {} AND typeof({}) = 'text') OR ({}))", value, day, value, same_day)
        if operator == "neq":
            return sql("NOT ({})", same_day)
        if operator == "isdistinct":
            return sql("({} IS NULL OR NOT ({}))", value, same_day)
        return same_day

    def needs_folding(self, pattern: str) -> bool:
        """Tell whether there is a letter beyond a to z, of which LIKE ignores the case."""
        return not pattern.isascii()

    def folded(self, value: Sql, slot: int) -> Sql:
        """Compare in lower case, by our own function; no index would serve ``ilike`` anyway."""
        return sql("qapla_lower(CAST({} AS BLOB)) LIKE qapla_lower(CAST({} AS BLOB)) ESCAPE '\\'", value, Slot(slot))

    def contains(self, value: Sql, slot: int) -> Sql:
        """Use LIKE, which ignores the case of the letters a to z."""
        return sql("{} LIKE {} ESCAPE '\\'", value, Slot(slot))

    def place(self, value: Sql, type: ColumnType) -> Sql:
        """Return the value as it is stored: no ``true``, no ``T``."""
        return _fill(_ANY, value)

    def keep_place(self, value: object) -> str | int | float | bool | None:
        """Return a number as the double that it is: SQLite compares a text by other rules."""
        return value if value is None or isinstance(value, str | int) else float(str(value))

    def bind_place(self, value: str | int | float | bool, type: ColumnType) -> object:
        """Return the value by its own type, since a column has none; bytes only where they are usual."""
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return float(value)  # larger integers are reals in SQLite
        if type.kind == "binary" and isinstance(value, str) and value.startswith("\\x"):
            try:
                return bytes.fromhex(value[2:])
            except ValueError:
                return value
        return value

    def cell(self, value: Sql, type: ColumnType) -> Sql:
        """Return the JSON text of a value."""
        if type.kind in ("integer", "decimal", "float"):
            return _fill(_NUMBER, value)
        template = {"boolean": _BOOLEAN, "timestamp": _TIMESTAMP, "timestamp_tz": _TIMESTAMP, "json": _JSON}.get(type.kind, _ANY)
        return _fill(template, value)

    def preview(self, value: Sql, type: ColumnType, length: int) -> Sql:
        """Cut texts and count bytes, whatever the column's type says."""
        if type.kind not in LONG_KINDS and type.kind != "binary":
            return self.cell(value, type)
        most = str(int(length))
        cut = sql("substr({}, 1, {}) || {}", value, most, Literal("…"))
        text = sql("json_quote(CASE WHEN length({}) > {} THEN {} ELSE {} END)", value, most, cut, value)
        other = self.cell(value, type)
        return sql("CASE typeof({}) WHEN 'text' THEN {} WHEN 'blob' THEN length({}) ELSE {} END", value, text, value, other)

    def joined(self, pieces: Sequence[Sql]) -> Sql:
        """Join with ``||``, in groups."""
        while len(pieces) > JOINED_AT_ONCE:
            groups = [pieces[index : index + JOINED_AT_ONCE] for index in range(0, len(pieces), JOINED_AT_ONCE)]
            pieces = [sql("({})", join(" || ", group)) for group in groups]
        return join(" || ", pieces)

    def many(self, body: Sql, source: Sql, order: Sql, limits: tuple[int | None, int | None]) -> Sql:
        """Aggregate over an ordered subselect: SQLite keeps its order."""
        rows = sql("(SELECT {} AS j FROM {}{}{})", body, source, order, self.limits(*limits))
        return sql("(SELECT {} FROM {})", self.array(sql("group_concat(j, ',')")), rows)

    def aggregate(self, function: str, value: Sql, type: ColumnType) -> tuple[Sql, ColumnType]:
        """Return an aggregate; a sum of integers is one, exact, and an average always real."""
        found, result = super().aggregate(function, value, type)
        return found, {"count": INTEGER, "avg": NUMBER}.get(function, result)


def _path(steps: tuple[str | int, ...]) -> str:
    """Return a path of SQLite: ``$."a"[0]``, from the end ``[#-1]``."""
    return "$" + "".join(f'."{step}"' if isinstance(step, str) else f"[{step}]" if step >= 0 else f"[#{step}]" for step in steps)
