"""Headers: Prefer, Accept, Range, entity tags."""

from __future__ import annotations

from typing import Any

import pytest

from qapla.database.query.description import Window
from qapla.errors import InputError, QueryError
from qapla.plugins.rest.errors import NotAcceptable
from qapla.plugins.rest.etag import is_unchanged, parse_tags
from qapla.plugins.rest.formats import ROOT, ROWS, choose_format
from qapla.plugins.rest.paging import content_range, find_next, is_partial, narrow
from qapla.plugins.rest.preferences import NO_PREFERENCES, parse_preferences


class TestPrefer:
    """parse_preferences"""

    @pytest.mark.parametrize(
        ("header", "field", "value"),
        [
            ("return=representation", "returned", "representation"),
            (' return = "minimal" ; x=1, count=exact', "count", "exact"),
            ("missing=default", "missing", "default"),
            ("RETURN=minimal", "returned", "minimal"),
            ("return=minimal, return=representation", "returned", "minimal"),
            ("return=sideways", "returned", None),
            ("handling=strict, max-affected=10", "max_affected", 10),
            ("max-affected=10", "max_affected", None),
            ("tx=rollback", "tx", "rollback"),
            ("timezone=UTC", "timezone", "UTC"),
        ],
    )
    def test_reads(self, header: str, field: str, value: Any) -> None:
        """The first of two values counts, what is not valid is passed over."""
        assert getattr(parse_preferences(header, "PATCH"), field) == value

    def test_says_what_is_honoured(self) -> None:
        """Only what means something for the method."""
        applied = parse_preferences("return=minimal, count=exact, foo=bar", "GET").applied_header

        assert applied == "count=exact"
        assert parse_preferences(None, "GET") is NO_PREFERENCES

    def test_is_strict_when_asked(self) -> None:
        """PGRST122 with the names."""
        with pytest.raises(QueryError) as caught:
            parse_preferences("handling=strict, foo, return=x, tx=rollback", "POST", tx_override=False)

        assert caught.value.code == "PGRST122"
        assert caught.value.details == "Invalid preferences: foo, return=x, tx=rollback"


class TestAccept:
    """choose_format"""

    @pytest.mark.parametrize(
        ("accept", "found"),
        [
            (None, "json"),
            ("", "json"),
            ("*/*", "json"),
            ("text/csv", "csv"),
            ("TEXT/CSV ; q=0.9, application/json;q=0.5", "csv"),
            ("application/json;q=0, text/csv", "csv"),
            ("text/html, */*;q=0.1", "json"),
            ("application/vnd.pgrst.object+json; charset=utf-8", "object"),
            ("image/png, application/x-ndjson", "ndjson"),
            ("application/json;q=0, */*", "csv"),
            ("application/json;q=0.2, text/*;q=0.8", "csv"),
            ("application/*, text/csv", "json"),
            ("application/vnd.pgrst.array+json;nulls=stripped", "stripped"),
            ("application/json; nulls=stripped; charset=utf-8", "stripped"),
            ("application/vnd.pgrst.object+json; nulls=stripped", "stripped_object"),
            ("text/csv;nulls=stripped", "csv"),
            ("application/vnd.apache.arrow.stream", "arrow"),
            ("application/vnd.apache.parquet;q=1, application/json;q=0.9", "parquet"),
        ],
    )
    def test_takes_what_is_liked_best(self, accept: str | None, found: str) -> None:
        """By quality, then by order."""
        assert choose_format(accept, ROWS) == found

    def test_gives_browsers_the_page(self) -> None:
        """Programs that take anything get OpenAPI."""
        assert choose_format("text/html,application/xhtml+xml,*/*;q=0.8", ROOT) == "html"
        assert choose_format("*/*", ROOT) == "openapi"

    @pytest.mark.parametrize(
        "accept", ["image/png", "application/json;q=0", "application/vnd.pgrst.plan+json", ";", "*/*;q=0", "text/html", "image/*"]
    )
    def test_refuses_the_rest(self, accept: str) -> None:
        """406."""
        with pytest.raises(NotAcceptable):
            choose_format(accept, ROWS)


class TestRange:
    """narrow, content_range, is_partial"""

    @pytest.mark.parametrize(
        ("window", "header", "found"),
        [
            (Window(), "0-9", Window(10, 0)),
            (Window(), "5-", Window(None, 5)),
            (Window(3, 2), "0-9", Window(3, 2)),
            (Window(100, 2), "5-9", Window(5, 5)),
            (Window(0), "0-9", Window(0)),
            (Window(7), "bytes=0-9", Window(7)),
            (Window(7), None, Window(7)),
        ],
    )
    def test_takes_what_is_in_both(self, window: Window, header: str | None, found: Window) -> None:
        """The header and limit and offset."""
        assert narrow(window, header) == found

    @pytest.mark.parametrize(("window", "header"), [(Window(), "9-0"), (Window(3), "5-9")])
    def test_refuses_what_is_in_neither(self, window: Window, header: str) -> None:
        """416."""
        with pytest.raises(QueryError) as caught:
            narrow(window, header)

        assert caught.value.status == 416

    def test_has_nothing_behind_no_rows(self) -> None:
        """A limit of 0 has no next page, nor has a list without a limit."""
        assert find_next(Window(2, 4), 5) == Window(1, 6)
        assert find_next(Window(0), 5) is find_next(Window(), None) is None

    def test_writes_content_range(self) -> None:
        """``*`` for what is not known."""
        assert content_range(Window(10, 20), 5, 100) == "20-24/100"
        assert content_range(Window(10, 20), 0, None) == "*/*"
        assert is_partial(Window(10), 10, 11)
        assert not is_partial(Window(10), 10, 10)
        assert not is_partial(Window(10), 10, None)


class TestTags:
    """parse_tags, is_unchanged"""

    def test_reads_lists(self) -> None:
        """``*`` is any; weak tags keep their mark, so that they match no strong one."""
        assert parse_tags('"a", W/"b" ,"c"') == ("a", "W/b", "c")
        assert parse_tags(" * ") is None
        assert is_unchanged('W/"a"', "a")
        assert is_unchanged("*", "a")
        assert not is_unchanged('"b"', "a")

    @pytest.mark.parametrize("header", ["a", '"a', '"a" "b"', "*, *"])
    def test_refuses_the_rest(self, header: str) -> None:
        """400."""
        with pytest.raises(InputError):
            parse_tags(header)
