"""What comes out can be sent back in unchanged and means the same: every kind of value, as JSON and as CSV, on each engine."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from qapla.database.catalog import Options
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import ENGINE_NAMES, make_database
from tests.functional.rest.conftest import run_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functional.rest.conftest import Client

COLUMNS = {
    "sqlite": {
        "id": "INTEGER PRIMARY KEY",
        "whole": "INTEGER",
        "exact": "NUMERIC(12,2)",
        "inexact": "REAL",
        "flag": "BOOLEAN",
        "words": "TEXT",
        "bytes": "BLOB",
        "day": "DATE",
        "moment": "TIMESTAMP",
        "data": "JSON",
    },
    "postgresql": {
        "id": "integer PRIMARY KEY",
        "whole": "bigint",
        "exact": "numeric",
        "inexact": "double precision",
        "flag": "boolean",
        "words": "text",
        "bytes": "bytea",
        "day": "date",
        "moment": "timestamp",
        "data": "jsonb",
        "zoned": "timestamptz",
        "span": "interval",
        "name": "uuid",
        "list": "text[]",
        "kind": "kind",
        "period": "int8range",
    },
    "mariadb": {
        "id": "INTEGER PRIMARY KEY",
        "whole": "BIGINT UNSIGNED",
        "exact": "DECIMAL(40,12)",
        "inexact": "DOUBLE",
        "flag": "BOOLEAN",
        "words": "TEXT CHARACTER SET utf8mb4",
        "bytes": "BLOB",
        "day": "DATE",
        "moment": "DATETIME(6)",
        "data": "JSON",
        "name": "UUID",
        "kind": "ENUM('sad', 'ok', 'it''s')",
    },
}
# What a text may have: everything but NUL, which PostgreSQL cannot hold, and half a surrogate pair, which is no text.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["", "NULL", "null", " ", '"', '""', ",", "a,b\r\nc", "\\x00", "\\N", "{}", "é😀", "=1+1", "1.0"]
)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
MOMENTS = st.datetimes().map(lambda value: value.isoformat())
VALUES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "sqlite": {"whole": st.integers(-(2**63), 2**63 - 1), "exact": NUMBERS, "moment": MOMENTS},
    "postgresql": {
        "whole": st.integers(-(2**63), 2**63 - 1),
        "exact": st.decimals(allow_nan=False, allow_infinity=False, places=30, min_value=-(10**40), max_value=10**40)
        | st.sampled_from(["NaN", "Infinity", "-Infinity"]),
        "inexact": st.sampled_from(["NaN", "Infinity", "-Infinity"]),
        "day": st.sampled_from(["infinity", "-infinity", "0044-03-15 BC", "12345-01-01"]),
        "moment": MOMENTS | st.sampled_from(["infinity", "0044-03-15T12:00:00 BC"]),
        "zoned": st.datetimes(timezones=st.just(UTC)).map(lambda value: value.isoformat()),
        "span": st.sampled_from(["1 year 2 days", "-3 mons", "00:00:00.000001", "1 day -02:00:00"]),
        "name": st.uuids(version=4).map(str),
        "list": st.lists(st.none() | TEXTS, max_size=3),
        "kind": st.sampled_from(["sad", "ok", "it's"]),
        "period": st.sampled_from(["empty", "[1,3)", "(,5)", "[-9223372036854775808,)"]),
    },
    "mariadb": {
        "whole": st.integers(0, 2**64 - 1),
        "exact": st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**20), max_value=10**20),
        "moment": MOMENTS,
        "name": st.uuids(version=4).map(str),
        "kind": st.sampled_from(["sad", "ok", "it's"]),
    },
}
EVERYWHERE: dict[str, st.SearchStrategy[Any]] = {
    "inexact": st.floats(allow_nan=False, allow_infinity=False),
    "flag": st.booleans(),
    "words": TEXTS,
    "bytes": st.binary(max_size=8).map(lambda value: "\\x" + value.hex()),
    "day": st.dates().map(str),
    "data": st.lists(JSON, max_size=3) | st.dictionaries(TEXTS, JSON, max_size=3),  # in CSV a JSON text alone is the text itself
}


def rows_of(engine: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return a strategy of rows, any cell of which may be NULL."""
    cells = dict(EVERYWHERE)
    for name, value in VALUES[engine].items():
        cells[name] = value | EVERYWHERE[name] if name in EVERYWHERE else value
    return st.lists(st.fixed_dictionaries({name: st.none() | value for name, value in cells.items()}), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def served_kinds() -> Iterator[dict[str, Any]]:
    """Serve two equal tables with every kind of column on each engine."""
    with ExitStack() as stack:
        found = {}
        for engine in ENGINE_NAMES:
            url = stack.enter_context(make_database(engine))
            columns = ", ".join(f"{name} {type}" for name, type in COLUMNS[engine].items())
            kind = "CREATE TYPE kind AS ENUM ('sad', 'ok', 'it''s');" if engine == "postgresql" else ""
            run_script(url, f"{kind} CREATE TABLE one ({columns}); CREATE TABLE two ({columns})")
            found[engine] = serve_url(url, "shop", Options(anonymous="write", writable=True, require_filter=False))
            stack.callback(found[engine].bulkhead.close)
        yield found


def print_json(value: Any) -> str:
    """Return JSON with the digits of decimals."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return f"[{','.join(map(print_json, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{print_json(item)}" for name, item in value.items()) + "}"
    return json.dumps(value)


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_what_comes_out_goes_in_again(rest_application: Client, served_kinds: dict[str, Any], engine: str) -> None:
    """The copy of a row is the row, byte for byte, by JSON and by CSV; and the row says what was sent."""
    web = rest_application
    web.serve(served_kinds[engine])

    @settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(rows_of(engine))
    def copy(rows: list[dict[str, Any]]) -> None:
        for table in ("one", "two"):
            web.delete(f"/api/shop/{table}")
        sent = [{"id": number, **row} for number, row in enumerate(rows)]
        web.post("/api/shop/one", print_json(sent).encode(), content_type="application/json", status=201)
        first = web.get("/api/shop/one?order=id")
        csv = web.get("/api/shop/one?order=id", headers={"Accept": "text/csv"})

        web.post("/api/shop/two", first.body, content_type="application/json", status=201)
        by_json = web.get("/api/shop/two?order=id").body
        web.delete("/api/shop/two")
        web.post("/api/shop/two", csv.body, content_type="text/csv", status=201)
        by_csv = web.get("/api/shop/two?order=id").body

        assert by_json == first.body
        assert by_csv == first.body
        for row, found in zip(sent, json.loads(first.body, parse_float=Decimal), strict=True):
            for name in ("id", "whole", "flag", "words", "bytes", "data", "name", "list", "kind"):
                assert found.get(name) == row.get(name)
            if isinstance(row["exact"], Decimal):
                assert Decimal(found["exact"]) == row["exact"]
            if isinstance(row["inexact"], float):
                assert float(found["inexact"]) == row["inexact"]

    copy()
