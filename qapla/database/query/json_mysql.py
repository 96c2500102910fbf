"""JSON on MariaDB and MySQL, compared as PostgreSQL compares ``jsonb``: by texts whose order is that of the values.

Such a text, a *key*, starts with the place of the value's type, then has the string, or the number moved above zero with all of its
digits, so that any two can be compared. Arrays and objects have no key to be compared by; they are sorted by their text.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from qapla.database.jsonorder import ARRAY, BOOLEAN, NULL, NUMBER, STRING, NoJson, parse, rank
from qapla.database.query.shape import JsonPattern
from qapla.database.query.sql import Literal, Slot, Sql, join, sql
from qapla.errors import NotOffered, ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = Decimal(4).scaleb(34)  # numbers beyond it are level with it
_MOVED = Decimal(5).scaleb(34)
_DIGITS = 66
_END = "\x01"  # behind a string: the collation would ignore blanks at its end
MAX_FROM_END = 3  # each doubles the text of the path
BEYOND = 10**9  # an index that no array has
_NUMBERS = "('INTEGER', 'DOUBLE', 'DECIMAL', 'UNSIGNED INTEGER')"


def make_key(value: Sql) -> Sql:
    """Return the key of a JSON value; NULL of what is no JSON."""
    number = sql(f"LEAST(GREATEST(CAST(JSON_UNQUOTE({{}}) AS DECIMAL(65,30)), -{MOST:f}), {MOST:f}) + {_MOVED:f}", value)
    return sql(
        "(CASE WHEN JSON_TYPE({}) = 'NULL' THEN '0' WHEN JSON_TYPE({}) = 'STRING' THEN CONCAT('1', JSON_UNQUOTE({}), {})"
        f" WHEN JSON_TYPE({{}}) IN {_NUMBERS} THEN CONCAT('2', LPAD(CAST({{}} AS CHAR), {_DIGITS}, '0'))"
        " WHEN JSON_TYPE({}) = 'BOOLEAN' THEN CONCAT('3', {})"
        " WHEN JSON_TYPE({}) = 'ARRAY' THEN CONCAT(IF(JSON_LENGTH({}) = 0, '!', '4'), {})"
        " WHEN JSON_TYPE({}) = 'OBJECT' THEN CONCAT('5', {}) END COLLATE utf8mb4_bin)",
        *(value, value, value, Literal(_END), value, number, value, value, value, value, value, value, value),
    )


def bind(text: str, column: str) -> str:
    """Return the key of a JSON operand.

    Raises:
        ValueRefused: it is no JSON, or a number with more digits than a decimal has. NotOffered: it is an array or an object.
    """
    return _bind(_parse(text, column), column)


def take_apart(operator: str, text: str, column: str, add: Callable[[object], int]) -> JsonPattern:
    """Return an operand of ``cs`` or ``cd`` with its scalars in slots.

    Raises:
        NotOffered: there are arrays or objects in an array; or it is an object, for ``cd``.
    """
    value = _parse(text, column)
    if operator == "cd" and isinstance(value, dict):
        raise _not_offered(operator, column, "an object")
    return _take_apart(operator, value, column, add)


def contains(operator: str, value: Sql, pattern: JsonPattern) -> Sql:
    """Return the test that a value contains what *pattern* has, or with ``cd`` is contained in it."""
    if operator == "cd":
        found = _contained(value, pattern)
    elif pattern.form == "scalar":
        found = sql("({} OR ({} AND {}))", _equals(value, pattern.slots[0]), _is("ARRAY", value), _has(value, pattern.slots[0]))
    else:
        found = _contains(value, pattern)
    return sql("CASE WHEN {} IS NULL THEN NULL ELSE COALESCE({}, 0) END", value, found)


def _parse(text: str, column: str) -> Any:
    try:
        return parse(text)
    except NoJson:
        hint = 'a text is written "text", in quotes'
        raise ValueRefused(f"column {column!r}: {text[:100]!r} is not JSON", code="22P02", hint=hint) from None


def _bind(value: Any, column: str) -> str:
    place = rank(value)
    if place >= ARRAY:
        hint = "compare its parts with ->, or use cs"
        raise NotOffered(f"comparing column {column!r} with an array or an object is not offered here", hint=hint)
    if place == NUMBER:
        return f"{place}{_number_key(value, column)}"
    if place == STRING:
        return f"{place}{value}{_END}"
    return f"{place}{str(value).lower()}" if place == BOOLEAN else str(NULL)


def _number_key(value: Decimal, column: str) -> str:
    with localcontext() as context:
        context.prec = 120
        if (value and not -31 < value.adjusted() < 36) or abs(value) > MOST or value != round(value, 30):
            raise ValueRefused(f"column {column!r}: number {str(value)[:60]!r} has more digits than can be compared", code="22003")
        return f"{value + _MOVED:.30f}".zfill(_DIGITS)


def _take_apart(operator: str, value: Any, column: str, add: Callable[[object], int]) -> JsonPattern:
    if isinstance(value, dict):
        return JsonPattern("object", members=tuple((key, _take_apart(operator, each, column, add)) for key, each in value.items()))
    if isinstance(value, list):
        if any(rank(each) >= ARRAY for each in value):
            raise _not_offered(operator, column, "arrays or objects in an array")
        return JsonPattern("array", tuple(add(_bind(each, column)) for each in value))
    return JsonPattern("scalar", (add(_bind(value, column)),))


def _not_offered(operator: str, column: str, what: str) -> NotOffered:
    hint = "compare its parts with ->, or keep the elements in a table of their own"
    return NotOffered(f"operator {operator!r} of column {column!r} is not offered for {what}", hint=hint)


def _contains(value: Sql, pattern: JsonPattern) -> Sql:
    if pattern.form == "scalar":
        return _equals(value, pattern.slots[0])
    if pattern.form == "array":
        return sql("({})", join(" AND ", [_is("ARRAY", value), *(_has(value, slot) for slot in pattern.slots)]))
    members = [_contains(sql("JSON_EXTRACT({}, {})", value, Literal(path((key,)))), each) for key, each in pattern.members]
    return sql("({})", join(" AND ", [_is("OBJECT", value), *(sql("COALESCE({}, 0)", member) for member in members)]))


def _contained(value: Sql, pattern: JsonPattern) -> Sql:
    if pattern.form == "scalar":
        return _equals(value, pattern.slots[0])
    if not pattern.slots:
        return sql("({} AND JSON_LENGTH({}) = 0)", _is("ARRAY", value), value)
    places = join(", ", [Slot(slot) for slot in pattern.slots])
    strange = sql("EXISTS (SELECT 1 FROM {} WHERE {} NOT IN ({}))", _elements(value), make_key(sql("j.x")), places)
    return sql("CASE WHEN {} THEN NOT {} ELSE {} IN ({}) END", _is("ARRAY", value), strange, make_key(value), places)


def _is(type: str, value: Sql) -> Sql:
    return sql(f"JSON_TYPE({{}}) = '{type}'", value)


def _equals(value: Sql, slot: int) -> Sql:
    return sql("{} = {}", make_key(value), Slot(slot))


def _has(value: Sql, slot: int) -> Sql:
    return sql("EXISTS (SELECT 1 FROM {} WHERE {} = {})", _elements(value), make_key(sql("j.x")), Slot(slot))


def _elements(value: Sql) -> Sql:
    return sql("JSON_TABLE({}, '$[*]' COLUMNS (x JSON PATH '$')) AS j", value)


def extract(column: Sql, steps: tuple[str | int, ...]) -> Sql:
    """Return what *steps* lead to. An index is one of an array: ``$[0]`` of anything else would be the thing itself."""
    if sum(isinstance(step, int) and step < 0 for step in steps) > MAX_FROM_END:
        raise NotOffered(f"more than {MAX_FROM_END} indexes from the end in one path are not offered here", hint="count from the beginning")
    found = sql("JSON_EXTRACT({}, {})", column, _path(column, steps))
    arrays = [steps[:index] for index, step in enumerate(steps) if isinstance(step, int)]
    if not arrays:
        return found
    tests = [sql("JSON_TYPE(JSON_EXTRACT({}, {})) = 'ARRAY'", column, _path(column, before)) for before in arrays]
    return sql("IF({}, {}, NULL)", join(" AND ", tests), found)


def _path(column: Sql, steps: tuple[str | int, ...]) -> Sql:
    """Return a path, in which an index from the end is counted for each row: MariaDB keeps what ``[-1]`` was in the first one."""
    last = next((index for index in range(len(steps) - 1, -1, -1) if isinstance(steps[index], int) and int(steps[index]) < 0), None)
    if last is None:
        return Sql((Literal(path(steps)),))
    before, rest = _path(column, steps[:last]), path(steps[last + 1 :]).removeprefix("$")
    count = sql("JSON_LENGTH({}, {})", column, before)
    place = sql(f"IF({{}} < {-int(steps[last])}, {BEYOND}, {{}} - {-int(steps[last])})", count, count)
    return sql("CONCAT({}, '[', {}, {})", before, place, Literal("]" + rest))


def path(steps: tuple[str | int, ...]) -> str:
    """Return a path of MariaDB: ``$."a"[0]``."""
    return "$" + "".join(
        '."{}"'.format(step.replace("\\", "\\\\").replace('"', '\\"')) if isinstance(step, str) else f"[{step}]" for step in steps
    )

