"""Which rows were asked for and which came: ``Range``, ``Content-Range``, ``Link``."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from qapla.database.query.cursor import write_cursor
from qapla.database.query.description import Window
from qapla.errors import QueryError
from qapla.plugins.rest.language import MAX_CACHED, Limits, parse_query
from qapla.plugins.rest.printing import print_query

if TYPE_CHECKING:
    from qapla.database.query.description import Cursor
    from qapla.database.schema.description import TableName

_RANGE = re.compile(r"(\d{1,18})-(\d{0,18})")


def narrow(window: Window, header: str | None) -> Window:
    """Return the rows that are both in *window* and in the header ``Range: 0-9`` (both ends included).

    A header that is no range of items (``bytes=0-``) is passed over, as PostgREST does.

    Raises:
        QueryError: PGRST103 (416), the range ends before it begins, or nothing is in both.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if not found:
        return window
    first, last = int(found[1]), int(found[2]) if found[2] else None
    if last is not None and last < first:
        raise _unsatisfiable("The lower boundary must be lower than or equal to the upper boundary in the Range header.")
    end = None if last is None else last + 1
    window_end = None if window.limit is None else window.offset + window.limit
    start = max(first, window.offset)
    ends = [value for value in (end, window_end) if value is not None]
    if window.limit == 0 or not ends:
        return replace(window, offset=start)
    if min(ends) <= start:
        raise _unsatisfiable("The Range header and limit and offset have no row in common.")
    return replace(window, offset=start, limit=min(ends) - start)


def check_offset(window: Window, count: int, total: int | None) -> None:
    """Refuse an offset behind the last row, where the total is known.

    Raises:
        QueryError: PGRST103 (416).
    """
    if total is not None and count == 0 and window.offset > total:
        raise _unsatisfiable(f"An offset of {window.offset} was requested, but there are only {total} rows.", total)


def _unsatisfiable(details: str, total: int | None = None) -> QueryError:
    headers = {"Content-Range": content_range(Window(), 0, total)}
    return QueryError("Requested range not satisfiable", code="PGRST103", status=416, details=details, headers=headers)


def content_range(window: Window, count: int, total: int | None) -> str:
    """Return ``Content-Range``: ``0-9/100``; ``*`` for what is not known, such as the place of a page after a cursor."""
    rows = f"{window.offset}-{window.offset + count - 1}" if count and window.after is None else "*"
    return f"{rows}/{'*' if total is None else total}"


def expect_rows(window: Window, most: int | None, total: int | None) -> int:
    """Return how many of *total* rows come in *window*, of which no answer has more than *most*; 0 where it is not known."""
    if total is None or window.after is not None:
        return 0
    left = max(total - window.offset, 0)
    return min(each for each in (left, window.limit, most) if each is not None)


def find_next(window: Window, most: int | None) -> Window | None:
    """Return the first row behind those that come in *window*, of which no answer has more than *most*; None where all or none come."""
    limit = min((each for each in (window.limit, most) if each is not None), default=None)
    return None if not limit else replace(window, offset=window.offset + limit, limit=1)


def is_partial(window: Window, count: int, total: int | None) -> bool:
    """Tell whether the answer is 206: the total is known, and there are more rows than came."""
    return total is not None and count < total and (count > 0 or window.offset > 0)


def first_page(path: str, question: str, limit: int) -> str:
    """Return the URL of the first *limit* rows.

    Args:
        path: of the table, encoded.
        question: the query as a query string, without its window.
    """
    return f"{path}?{question}&limit={limit}" if question else f"{path}?limit={limit}"


def make_links(start: str, window: Window, size: int, last: Cursor | None) -> str:
    """Return the ``Link`` header of a page that has more rows behind it.

    Args:
        start: the URL of the first page.
        size: how many rows came.
        last: the place of the last of them; without one (no key) the next page goes on by ``offset``.
    """
    place = f"offset={window.offset + size}" if last is None else f"after={write_cursor(last)}"
    return f'<{start}&{place}>; rel="next", <{start}>; rel="first"'


def print_question(text: str, table: TableName, limits: Limits) -> str:
    """Return the query string *text* as it is printed, without its window: what all pages of a list have in common."""
    return (_print_cached if len(text) <= MAX_CACHED else _print)(text, table, limits)


def _print(text: str, table: TableName, limits: Limits) -> str:
    return print_query(replace(parse_query(text, table, limits), window=Window()))


_print_cached = lru_cache(maxsize=1024)(_print)
