"""JSON columns, casts and regular expressions over REST: the same on each engine."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from qapla.database.catalog import Options
from qapla.testing.catalogs import serve_url
from qapla.testing.oddities import run_script
from qapla.testing.servers import ENGINE_NAMES, make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functional.rest.conftest import Client

SCRIPT = """
CREATE TABLE thing (id integer PRIMARY KEY, data {json}, size varchar(40));
INSERT INTO thing VALUES (1, '{{"a": 9, "tags": ["x", "y"], "when": "2024-01-02", "deep": {{"n": [10, 20]}}}}', ' 12 ');
INSERT INTO thing VALUES (2, '{{"a": 10, "tags": [], "deep": {{"n": []}}}}', '-7');
INSERT INTO thing VALUES (3, '{{"a": "10", "tags": ["y", 5]}}', '1.5');
INSERT INTO thing VALUES (4, '{{"a": null}}', 'many');
INSERT INTO thing VALUES (5, NULL, NULL);
"""


# PostgreSQL has two types, one of which compares with nothing by itself.
COLUMNS = {**{engine: "jsonb" if engine == "postgresql" else "json" for engine in ENGINE_NAMES}, "postgresql-json": "json"}


@pytest.fixture(scope="module")
def things() -> Iterator[dict[str, Any]]:
    """The same documents on every engine."""
    with ExitStack() as stack:
        found = {}
        for engine, type in COLUMNS.items():
            url = stack.enter_context(make_database(engine.partition("-")[0]))
            run_script(url, SCRIPT.format(json=type))
            found[engine] = serve_url(url, "things", Options(anonymous="read"))
            stack.callback(found[engine].bulkhead.close)
        yield found


@pytest.fixture(params=COLUMNS)
def web(request: pytest.FixtureRequest, rest_application: Client, things: dict[str, Any]) -> Client:
    """Give a client of the documents of each engine."""
    rest_application.served = rest_application.serve(things[request.param])
    return rest_application


def ask(web: Client, question: str, status: int = 200) -> Any:
    """Return the JSON of the answer."""
    return web.get(f"/api/things/thing?{quote(question, safe='=&')}", status=status).json


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("data->a=eq.10", [2]),
        ('data->a=eq."10"', [3]),
        ("data->>a=eq.10", [2, 3]),
        ("data->a=gt.9", [2]),
        ("data->a=eq.null", [4]),
        ("data->a=in.(9,10.0)", [1, 2]),
        ("data->a=neq.9", [2, 3, 4]),
        ("data->deep->n->1=eq.20", [1]),
        ("data->deep->n->-1=eq.20", [1]),
        ('data->tags=cs.["y"]', [1, 3]),
        ("data->tags=cs.[5]", [3]),
        ('data->tags=cd.["x","y","z"]', [1, 2]),
        ('data=cs.{"tags":["x"],"a":9}', [1]),
        ("data=cd.[1,2]", []),
        ("data=neq.5", [1, 2, 3, 4]),
        ("data=in.(5,6)", []),
        ("data=isdistinct.5", [1, 2, 3, 4, 5]),
        ('data=not.cs.{"a":9}', [2, 3, 4]),
        ("data->>when=gte.2024", [1]),
        ("size=match.^[0-9 .]*$", [1, 3]),
        ("size=imatch.MAN", [4]),
        ("size=match(any).{^-,many}", [2, 4]),
        ("size=not.match.[0-9]", [4]),
    ],
)  # fmt: skip
def test_filters(web: Client, question: str, expected: list[int]) -> None:
    """JSON is compared as values, text as text."""
    assert [row["id"] for row in ask(web, f"select=id&order=id&{question}")] == expected


def test_orders(web: Client) -> None:
    """By the value in a document: null, texts, numbers by value."""
    assert [row["id"] for row in ask(web, "select=id&order=data->a,id")] == [4, 3, 1, 2, 5]
    assert [row["id"] for row in ask(web, "select=id&order=data->a.desc.nullslast,id&limit=2")] == [2, 1]


def test_orders_and_pages_by_documents(web: Client) -> None:
    """A whole document has its place, too, and a page starts behind it."""
    first = web.get("/api/things/thing?select=id&order=data&limit=1")
    second = web.get(first.headers["Link"].partition("<")[2].partition(">")[0])

    everything = [row["id"] for row in ask(web, "select=id&order=data")]
    assert (sorted(everything), everything[-1]) == ([1, 2, 3, 4, 5], 5)
    assert [row["id"] for row in first.json + second.json] == everything[:2]


def test_pages_by_the_value_in_a_document(web: Client) -> None:
    """A cursor holds it like any other value."""
    first = web.get("/api/things/thing?select=id&order=data-%3Ea,id&limit=2")
    link = first.headers["Link"].partition("<")[2].partition(">")[0]
    second = web.get(link)

    assert [row["id"] for row in first.json + second.json] == [4, 3, 1, 2]


def test_casts(web: Client) -> None:
    """In either direction, and on both sides of an aggregate."""
    assert ask(web, "select=n:size::integer,t:id::text,d:data->>when::date&id=lte.2&order=id") == [
        {"n": 12, "t": "1", "d": "2024-01-02"}, {"n": -7, "t": "2", "d": None},
    ]  # fmt: skip
    assert ask(web, "select=data->>a::integer.sum()::text&id=lte.3") == [{"sum": "29"}]
    assert ask(web, "select=data->a::numeric.max()&id=lte.2") == [{"max": 10}]
    assert ask(web, "select=id.avg()::integer&id=lte.3") == [{"avg": 2}]


@pytest.mark.parametrize("value", ["data", "data->a", "data->>a", "id::text"])
@pytest.mark.parametrize("function", ["sum", "avg", "max", "min"])
def test_json_and_texts_have_no_sum(web: Client, function: str, value: str) -> None:
    """42883 on every engine, for the largest and smallest JSON, too; what is cast has them, and texts are before each other."""
    if function in ("max", "min") and value in ("data->>a", "id::text"):
        ask(web, f"select={value}.{function}()")
    else:
        assert ask(web, f"select={value}.{function}()", status=400)["code"] == "42883"
    ask(web, f"select=data->>a::integer.{function}()")


@pytest.mark.parametrize("question", ["select=size::integer", "select=size::numeric.sum()", "select=size::date", "select=size::boolean"])
def test_what_cannot_be_cast_is_an_error(web: Client, question: str) -> None:
    """400 with a code of class 22, on every engine, and never 0."""
    answer = ask(web, f"{question}&id=eq.4", status=400)

    assert answer["code"].startswith("22")


@pytest.mark.parametrize("question", ["data->a=eq.ten", 'data->a=eq."', "data->tags=cs.{a}", "data->a=in.(1,x)"])
def test_an_operand_that_is_not_json_is_refused(web: Client, question: str) -> None:
    """22P02."""
    assert ask(web, question, status=400)["code"] == "22P02"


def test_a_regular_expression_that_is_none_is_refused(web: Client) -> None:
    """2201B."""
    assert ask(web, "size=match.(", status=400)["code"] == "2201B"
