"""Read the body of a write - JSON, CSV or a form - as columns and rows.

Whatever is malformed is refused with the place in it: size before anything is read, then encoding, syntax, depth, rows. Numbers stay
exact: integers as int, everything with a point or an exponent as Decimal. Cells of CSV and forms are ``TextValue``: text that its
column reads, as an operand of a filter is read.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from qapla.database.query.description import MISSING, TextValue
from qapla.errors import InputError, QueryError, TooLarge, ValueRefused
from qapla.plugins.rest.language import decode_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qapla.database.catalog import Options

JSON_TYPES = frozenset({"application/json", "application/vnd.pgrst.object+json", "application/vnd.pgrst.array+json"})
FORM_TYPE = "application/x-www-form-urlencoded"
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_CHARSET = re.compile(r"""charset\s*=\s*"?([^\s";]+)""", re.IGNORECASE)
_CSV_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|\Z)')
_MAX_DIGITS = 4000  # of an integer; Python's own conversion stops at 4300, and its cost grows with the square
_MAX_EXPONENT = 200_000  # PostgreSQL's numeric has 131,072 digits before its point


@dataclass(frozen=True, slots=True)
class Body:
    """The rows in a body, one tuple per row in the order of ``columns``. ``is_single`` when one object was sent, not a list."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    is_single: bool = False


def read_body(raw: bytes, content_type: str | None, columns: tuple[str, ...] | None, options: Options) -> Body:
    """Return the rows in *raw*.

    Args:
        content_type: the header as it came; JSON when there is none.
        columns: the only columns to take, from ``columns=``; then rows may differ in their keys.

    Raises:
        InputError: 415 PGRST107 for another type or charset, 400 PGRST102 for what cannot be read.
        TooLarge: over a limit of *options*.
    """
    media, charset = split_type(content_type)
    text = decode_body(raw, charset)
    if media in JSON_TYPES:
        body = _read_json(text, columns, options)
    elif media == "text/csv":
        body = _read_csv(text, options)
    elif media == FORM_TYPE:
        body = _read_form(text)
    else:
        message = f"Content-Type not acceptable: {media[:100]}"
        raise InputError(message, code="PGRST107", status=415, hint=f"send application/json, text/csv or {FORM_TYPE}")
    return body if columns is None or media in JSON_TYPES else _choose(body, columns)


def split_type(content_type: str | None) -> tuple[str, str]:
    """Return media type and charset of a ``Content-Type``; JSON in UTF-8 where it says nothing.

    Raises:
        InputError: the charset is not one of UTF-8 (415 PGRST107).
    """
    media, _, parameters = (content_type or "application/json").partition(";")
    found = _CHARSET.search(parameters)
    charset = found[1].lower() if found else "utf-8"
    if charset not in _CHARSETS:
        raise InputError(f"charset {charset[:60]!r} is not understood", code="PGRST107", status=415, hint="send the body in UTF-8")
    return media.strip().lower() or "application/json", charset


def decode_body(raw: bytes, charset: str) -> str:
    """Return the text of a body.

    Raises:
        QueryError: PGRST102, it is not in *charset*.
    """
    try:
        if not charset.startswith("utf"):
            return raw.decode("ascii")
        return raw.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise _unreadable(f"the body is not {charset.upper()}: byte {error.start + 1} of it", None) from error


def _unreadable(message: str, hint: str | None) -> QueryError:
    return QueryError(message, code="PGRST102", hint=hint)


# -- JSON ---------------------------------------------------------------------------------------------------------------------


def _read_json(text: str, columns: tuple[str, ...] | None, options: Options) -> Body:
    value = load_json(text, options.max_json_depth)
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _unreadable("the body is neither an object nor an array of objects", None)
    _limit_rows(len(items), options)
    names = columns if columns is not None else tuple(items[0]) if items else ()
    if columns is None:
        expected = set(names)
        for place, item in enumerate(items):
            if item.keys() != expected:
                hint = f"object {place + 1} has other keys than the first; name the columns in columns= to send objects that differ"
                raise _unreadable("All object keys must match", hint)
        rows = tuple([tuple([item[name] for name in names]) for item in items])
    else:
        rows = tuple(tuple(item.get(name, MISSING) for name in names) for item in items)
    return Body(names, rows, isinstance(value, dict))


def load_json(text: str, max_depth: int) -> Any:
    """Return the value of a JSON text: exact numbers, no key twice, not nested deeper than *max_depth*.

    Raises:
        QueryError: PGRST102, with line and column.
        TooLarge: nested too deep.
        ValueRefused: a number with more digits than anything can hold.
    """
    if not text.strip():
        raise _unreadable("Empty or invalid json", "the body is empty")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _unreadable("Empty or invalid json", f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise TooLarge(f"the JSON is nested deeper than {max_depth} levels") from error
    _limit_depth(value, max_depth)
    return value


def _limit_depth(value: Any, left: int) -> None:
    if left <= 0:
        raise TooLarge("the JSON is nested too deep", hint="the limit of this connection is max_json_depth")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, (dict, list)):
            _limit_depth(inner, left - 1)


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _value in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _unreadable(f"key {twice[:100]!r} is there twice in one object", None)
    return found


def _make_integer(text: str) -> int | Decimal:
    if text == "-0":
        return Decimal(text)  # a float has one, an int has none
    if len(text) > _MAX_DIGITS:
        raise ValueRefused(f"a number of {len(text)} digits is out of range", code="22003")
    return int(text)


def _make_decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("Infinity")
    if not value.is_finite() or abs(value.adjusted()) > _MAX_EXPONENT or len(text) > _MAX_EXPONENT:
        raise ValueRefused(f"the number {text[:40]} is out of range", code="22003")
    return value


def _refuse_constant(text: str) -> float:
    raise _unreadable("Empty or invalid json", f"{text} is not JSON; send it as text in quotes")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_make_object, parse_int=_make_integer, parse_float=_make_decimal, parse_constant=_refuse_constant
)


# -- CSV and forms ------------------------------------------------------------------------------------------------------------


def _read_csv(text: str, options: Options) -> Body:
    lines = _split_csv(text)
    names = next(lines, None)
    if names is None:
        raise _unreadable("the CSV is empty", "its first line has the names of the columns")
    columns = tuple(str(name) if name is not None else "" for name in names)
    if "" in columns:
        raise _unreadable("a column of the CSV has no name", "its first line has the names of the columns")
    _refuse_twice(columns)
    rows = []
    for number, cells in enumerate(lines, 2):
        if cells == [None] and len(columns) > 1:
            continue  # an empty line
        if len(cells) != len(columns):
            message = f"record {number} of the CSV has {len(cells)} cells, not {len(columns)}"
            raise _unreadable(message, "all records have as many cells as the first has names")
        rows.append(tuple(cells))
        _limit_rows(len(rows), options)
    return Body(columns, tuple(rows))


def _split_csv(text: str) -> Iterator[list[TextValue | None]]:
    """Yield the records of a CSV text (RFC 4180). An empty cell is NULL, as is ``NULL``; ``""`` is the empty text."""
    place, record = 0, list[TextValue | None]()
    while place < len(text):
        found = _CSV_FIELD.match(text, place)
        if not found:
            line = text.count("\n", 0, place) + 1
            hint = 'a cell with quotes in it stands in quotes, and each of them is doubled: ""'
            raise _unreadable(f"the CSV cannot be read at line {line}", hint)
        quoted, plain, end = found[1], found[2], found[3]
        if quoted is not None:
            record.append(TextValue(quoted.replace('""', '"')))
        else:
            record.append(None if plain in ("", "NULL") else TextValue(plain))
        place = found.end()
        if end != ",":
            yield record
            record = []
    if record:  # the text ended behind a comma
        record.append(None)
        yield record


def _read_form(text: str) -> Body:
    pairs = decode_parameters(text.strip())
    columns = tuple(name for name, _value in pairs)
    _refuse_twice(columns)
    return Body(columns, (tuple(TextValue(value) for _name, value in pairs),), is_single=True)


def _choose(body: Body, columns: tuple[str, ...]) -> Body:
    """Return *body* with these columns only."""
    places = {name: place for place, name in enumerate(body.columns)}
    rows = tuple(tuple(row[places[name]] if name in places else MISSING for name in columns) for row in body.rows)
    return Body(columns, rows, body.is_single)


def _refuse_twice(columns: Sequence[str]) -> None:
    for place, name in enumerate(columns):
        if name in columns[:place]:
            raise _unreadable(f"column {name[:100]!r} is there twice", None)


def _limit_rows(count: int, options: Options) -> None:
    if count > options.max_rows_per_request:
        raise TooLarge(f"the body has more than {options.max_rows_per_request} rows", hint="send them in several requests")
