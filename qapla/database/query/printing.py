"""Rows that the database has printed as JSON, as what is sent: one array, lines of JSON, or CSV.

CSV is exact: numbers keep the digits that the database printed, NULL is nothing and the empty text is ``""``; arrays, objects and
embedded rows stand there as JSON.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from qapla.database.query.flatcsv import make_flat
from qapla.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qapla.database.query.shape import AnyCell, Read

Body = bytes | str | None
CellForm = Literal["json", "text", "binary", "maybe_json"]  # of a fetched cell: JSON already, or yet to be printed
TOO_LARGE = "54000"  # the code of a row that the database cannot print in one piece
_NEEDS_QUOTES = re.compile(r'[",\r\n]').search
_NESTED = (dict, list)


class Number(str):
    """The digits of a number as they came."""


def clean(body: Body) -> bytes:
    """Return the JSON of a row as UTF-8.

    A file of SQLite may hold text that is no UTF-8; what is wrong in it is shown as U+FFFD.

    Raises:
        DatabaseError: the server did not print it, as it is larger than what it sends (54000).
    """
    if body is None:
        raise DatabaseError(
            "a row is larger than what the server sends at once", code="54000", status=400, hint="choose fewer columns with select"
        )
    if isinstance(body, str):
        return body.encode()
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").encode()
    return body


def print_array(bodies: Sequence[Body]) -> bytes:
    """Return the JSON array of rows."""
    if None in bodies:
        clean(None)
    if bodies and isinstance(bodies[0], str):
        return ("[" + ",".join(bodies) + "]").encode()  # type: ignore[arg-type]
    return clean(b"[" + b",".join(bodies) + b"]")  # type: ignore[arg-type]


def split_array(body: bytes) -> list[bytes]:
    """Return the JSON of each row of an array that ``print_array`` made.

    Raises:
        DatabaseError: a row is nested deeper than Python reads (54001).
    """
    text, place, found = body.decode(), 1, list[bytes]()
    try:
        while place < len(text) - 1:
            start = place
            place = _PLAIN.raw_decode(text, start)[1]
            found.append(text[start:place].encode())
            place += 1  # the comma
    except RecursionError:
        raise _too_deep() from None
    return found


def print_row(names: Sequence[str], forms: Sequence[CellForm], cells: Sequence[Any]) -> bytes:
    """Return the JSON object of cells that were fetched one by one: for a row that its database could not print in one piece."""
    parts = zip(names, forms, cells, strict=True)
    printed = (f"{json.dumps(name, ensure_ascii=False)}:{_print_cell(form, cell)}" for name, form, cell in parts)
    return ("{" + ",".join(printed) + "}").encode("utf-8", "replace")


def _print_cell(form: CellForm, cell: Any) -> str:
    if cell is None:
        return "null"
    if form == "binary":
        return f'"\\\\x{bytes(cell).hex()}"'
    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
    if form == "json" or (form == "maybe_json" and _is_json(text)):
        return text
    return json.dumps(text, ensure_ascii=False)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(word: str) -> None:
    raise ValueError(word)


def print_json(chunks: Iterable[Sequence[Body]]) -> Iterator[bytes]:
    """Yield one JSON array, chunk by chunk."""
    opening = b"["
    for bodies in chunks:
        yield opening + print_array(bodies)[1:-1]
        opening = b","
    yield b"]" if opening == b"," else b"[]"


def print_lines(chunks: Iterable[Sequence[Body]]) -> Iterator[bytes]:
    """Yield one line of JSON per row. A line break inside can only be white space of a JSON column: in a text it is escaped."""
    for bodies in chunks:
        yield join_lines(bodies) + b"\n"


def join_lines(bodies: Sequence[Body]) -> bytes:
    """Return one line of JSON per row."""
    if {body.__class__ for body in bodies} == {bytes}:
        text = clean(b"\n".join(bodies))  # type: ignore[arg-type]
        if text.count(b"\n") == len(bodies) - 1 and b"\r" not in text:
            return text
    return b"\n".join([clean(body).replace(b"\n", b" ").replace(b"\r", b" ") for body in bodies])


def print_csv(chunks: Iterable[Sequence[Body]], names: Sequence[str]) -> Iterator[bytes]:
    """Yield CSV with a header (RFC 4180, but lines end in a line feed, as PostgreSQL has it)."""
    yield (",".join(_quote(name) for name in names) + "\n").encode()
    print_flat = make_flat(names)
    for bodies in chunks:
        cleaned = [clean(body) for body in bodies]
        lines = print_flat(b"".join(cleaned).decode(), len(cleaned))
        if lines is None:
            lines = "".join([_csv_line(body, names) for body in cleaned])
        yield lines.encode("utf-8", "replace")


def _csv_line(body: bytes, names: Sequence[str]) -> str:
    # Digits as plain str: faster than a class of ours, which is needed only to print what is nested again.
    row = _PLAIN.decode(body.decode())
    for value in row.values():
        if type(value) in _NESTED:
            row = parse(body, digits=True)
            break
    return ",".join([_cell(row.get(name)) for name in names]) + "\n"


def parse(body: bytes, *, digits: bool = False) -> Any:
    """Return JSON that a database printed, with its numbers exact: int and Decimal, or with *digits* as ``Number``.

    Raises:
        DatabaseError: a JSON column is nested deeper than Python reads (54001); the bytes themselves are fine.
    """
    text = body.decode()
    try:
        if digits:
            return _DIGITS.decode(text)
        try:
            return _QUICK.decode(text)
        except ValueError:
            return _EXACT.decode(text)
    except RecursionError:
        raise _too_deep() from None


def parse_plain(body: bytes) -> Any:
    """Return the same with digits as plain texts, which is faster; for rows without objects and arrays in them."""
    return _PLAIN.decode(body.decode())


def _too_deep() -> DatabaseError:
    hint = "leave that column out, or read it as JSON"
    return DatabaseError("a value is nested deeper than can be taken apart", code="54001", status=400, hint=hint)


def list_names(read: Read) -> tuple[str, ...]:
    """Return the names of the cells of *read*, in their order."""
    return tuple(name for cell in read.cells for name in _names(cell))


def _names(cell: AnyCell) -> tuple[str, ...]:
    if hasattr(cell, "names"):
        return cell.names
    if hasattr(cell, "key"):
        return (cell.key,)
    return list_names(cell.read)


def _read_integer(digits: str) -> int | Decimal:
    """Return an integer of any size; Python reads no more than 4,300 digits as an int."""
    return int(digits) if len(digits) < 4000 else Decimal(digits)


_PLAIN = json.JSONDecoder(parse_float=str, parse_int=str)
_DIGITS = json.JSONDecoder(parse_float=Number, parse_int=Number)
_QUICK = json.JSONDecoder(parse_float=Decimal)  # refuses integers of more digits than Python reads at once
_EXACT = json.JSONDecoder(parse_float=Decimal, parse_int=_read_integer)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return _quote(value if isinstance(value, str) else print_value(value))


def _quote(text: str) -> str:
    if not text or text == "NULL" or _NEEDS_QUOTES(text):  # NULL without quotes is read as none
        return '"' + text.replace('"', '""') + '"'
    return text


def print_value(value: Any) -> str:
    """Return a value as JSON again, digits as they came."""
    if isinstance(value, Number):
        return value
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{print_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(print_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
