"""Bodies of writes: JSON, CSV and forms become columns and rows."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qapla.database.catalog import Options
from qapla.database.query.description import MISSING, TextValue
from qapla.errors import InputError, QueryError, TooLarge, ValueRefused
from qapla.plugins.rest.bodies import Body, read_body
from qapla.plugins.rest.uploads import read_upload

OPTIONS = Options(max_json_depth=4, max_rows_per_request=3)


def read(raw: bytes, content_type: str = "application/json", columns: tuple[str, ...] | None = None) -> Body:
    """Read a body under small limits."""
    return read_body(raw, content_type, columns, OPTIONS)


class TestJson:
    """application/json"""

    def test_keeps_numbers_exact(self) -> None:
        """Integers of any size, decimals with every digit."""
        body = read(b'{"a": 123456789012345678901234567890, "b": 0.10, "c": 1e2, "d": -0}')

        assert body.rows == ((123456789012345678901234567890, Decimal("0.10"), Decimal("1e2"), 0),)
        assert body.is_single

    def test_reads_a_list(self) -> None:
        """All objects have the same keys; their order does not matter."""
        body = read(b'\xef\xbb\xbf[{"a": 1, "b": null}, {"b": "x", "a": [1]}]')

        assert body == Body(("a", "b"), ((1, None), ([1], "x")))

    def test_reads_rows_that_differ_with_columns(self) -> None:
        """What an object does not say is missing, what is not asked for is left out."""
        body = read(b'[{"a": 1, "x": 2}, {"b": 3}]', columns=("a", "b"))

        assert body.rows == ((1, MISSING), (MISSING, 3))

    def test_reads_nothing(self) -> None:
        """No rows, and a row without columns."""
        assert read(b"[]") == Body((), ())
        assert read(b"{}") == Body((), ((),), is_single=True)

    @pytest.mark.parametrize(
        ("raw", "error", "code"),
        [
            (b"[1]", QueryError, "PGRST102"),
            (b'{"a":1,"a":2}', QueryError, "PGRST102"),
            (b'[{"a":{"b":1,"b":2}}]', QueryError, "PGRST102"),
            (b'{"a": NaN}', QueryError, "PGRST102"),
            (b'{"a": -Infinity}', QueryError, "PGRST102"),
            (b"\xff", QueryError, "PGRST102"),
            (b'{"a": [[[[1]]]]}', TooLarge, "QAPLA413"),
            (b"[" * 100_000, TooLarge, "QAPLA413"),
            (b'[{"a":1},{"a":1},{"a":1},{"a":1}]', TooLarge, "QAPLA413"),
            (b'{"a": ' + b"1" * 5000 + b"}", ValueRefused, "22003"),
            (b'{"a": 1e99999999999999999999}', ValueRefused, "22003"),
            (b'{"a": 1e-999999}', ValueRefused, "22003"),
        ],
    )
    def test_refuses(self, raw: bytes, error: type[InputError], code: str) -> None:
        """Each kind of nonsense has its error."""
        with pytest.raises(error) as caught:
            read(raw)

        assert caught.value.code == code

    def test_names_the_place(self) -> None:
        """Line and column of what is not JSON."""
        with pytest.raises(QueryError, match="line 2, column 1"):
            read(b'{"a": 1,\n}')


class TestCsv:
    """text/csv"""

    @pytest.mark.parametrize(
        ("text", "rows"),
        [
            ("a,b\n1,x\n", (("1", "x"),)),
            ("a,b\r\n1,x", (("1", "x"),)),
            ('a,b\n"1","x,""y""\n"\n', (("1", 'x,"y"\n'),)),
            ('a,b\n,""\n', ((None, ""),)),
            ('a,b\nNULL,"NULL"\n', ((None, "NULL"),)),
            ("a,b\n1,", (("1", None),)),
            ("a,b\n\n1,2\n\n", (("1", "2"),)),
            ("a\n\nx\n", ((None,), ("x",))),
            ("a,b\n", ()),
        ],
    )
    def test_tells_null_from_the_empty_text(self, text: str, rows: tuple[Any, ...]) -> None:
        """RFC 4180, and an empty cell is NULL."""
        assert read(text.encode(), "text/csv; charset=utf-8").rows == rows

    def test_reads_cells_as_text(self) -> None:
        """So that the column reads them, JSON columns, too."""
        cell = read(b"a\n[1]\n", "text/csv").rows[0][0]

        assert isinstance(cell, TextValue)

    @given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.just("x")), min_size=1, max_size=3))
    def test_reads_back_what_is_quoted(self, rows: list[tuple[str, str | None]]) -> None:
        """Whatever the text is."""
        lines = "".join('"' + a.replace('"', '""') + '",' + (b or "") + "\r\n" for a, b in rows)

        assert read(("a,b\r\n" + lines).encode(), "text/csv").rows == tuple(rows)


class TestUploads:
    """read_upload"""

    def test_never_reads_more_than_allowed(self) -> None:
        """Told by the length, and where there is none."""
        with pytest.raises(TooLarge):
            read_upload({"CONTENT_LENGTH": "11", "wsgi.input": None}, 10)
        with pytest.raises(TooLarge):
            read_upload({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"x" * 11)}, 10)

        assert read_upload({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"x" * 10)}, 10) == b"x" * 10
        assert read_upload({"wsgi.input": io.BytesIO(b"x")}, 10) == b""

    @pytest.mark.parametrize("length", ["-1", "x", "1_0", "9" * 30, "٣"])
    def test_refuses_a_length_that_is_none(self, length: str) -> None:
        """400."""
        with pytest.raises(QueryError):
            read_upload({"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"x")}, 10)
