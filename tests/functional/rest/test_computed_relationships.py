"""Functions of a row as relations, on PostgreSQL: whatever can be asked of related rows, within the caller's rights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from qapla.database.catalog import Options
from qapla.database.query.description import Compare, Path
from qapla.ports import ALL_RIGHTS
from qapla.testing.catalogs import serve_url
from qapla.testing.oddities import run_script
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qapla.database.catalog import Served
    from qapla.database.query.description import Condition
    from qapla.ports import Operation
    from tests.functional.rest.conftest import Client

SCRIPT = '''
CREATE TABLE director (id integer PRIMARY KEY, name text, born integer);
CREATE TABLE film (id integer PRIMARY KEY, title text, made integer, director_id integer, helper_id integer,
  CONSTRAINT directed FOREIGN KEY (director_id) REFERENCES director (id),
  CONSTRAINT helped FOREIGN KEY (helper_id) REFERENCES director (id));
CREATE TABLE "Odd role" (film_id integer, "the name" text, pay integer);
CREATE TABLE seen (what text);
CREATE VIEW old AS SELECT id, title, director_id FROM film WHERE made < 1990;
INSERT INTO director VALUES (1, 'Ada', 1930), (2, 'Bo', 1950), (3, 'Cy', 1940);
INSERT INTO film VALUES (1, 'Ants', 1960, 1, 2), (2, 'Bees', 1990, 2, NULL), (3, 'Cats', 1980, NULL, 1), (4, 'Dogs', 1970, 1, 1);
INSERT INTO "Odd role" VALUES (1, 'x', 10), (1, 'y', 30), (2, 'z', 5);
CREATE FUNCTION director(film) RETURNS SETOF director ROWS 1 LANGUAGE sql STABLE
  AS 'SELECT * FROM director WHERE id = $1.director_id';
CREATE FUNCTION director(old) RETURNS director LANGUAGE sql STABLE AS 'SELECT * FROM director WHERE id = $1.director_id';
CREATE FUNCTION director("Odd role") RETURNS SETOF director ROWS 1 LANGUAGE sql STABLE
  AS 'SELECT d.* FROM director d JOIN film f ON f.director_id = d.id WHERE f.id = $1.film_id';
CREATE FUNCTION works(director) RETURNS SETOF film LANGUAGE sql STABLE AS 'SELECT * FROM film WHERE director_id = $1.id';
CREATE FUNCTION olden(director) RETURNS SETOF old LANGUAGE sql STABLE AS 'SELECT * FROM old WHERE director_id = $1.id';
CREATE FUNCTION "the ""cast"""(film) RETURNS SETOF "Odd role" LANGUAGE sql STABLE AS 'SELECT * FROM "Odd role" WHERE film_id = $1.id';
CREATE FUNCTION "before"(film) RETURNS SETOF film ROWS 1 LANGUAGE sql STABLE
  AS 'SELECT * FROM film WHERE made < $1.made ORDER BY made DESC LIMIT 1';
CREATE FUNCTION recent() RETURNS SETOF film LANGUAGE sql STABLE AS 'SELECT * FROM film WHERE made >= 1980';
CREATE FUNCTION looked(film) RETURNS SETOF director LANGUAGE sql
  AS 'INSERT INTO seen VALUES ($1.title); SELECT * FROM director';
CREATE FUNCTION noticed(film) RETURNS text LANGUAGE sql AS 'INSERT INTO seen VALUES ($1.title) RETURNING what';
CREATE FUNCTION unsaid(film) RETURNS SETOF director ROWS 1 LANGUAGE sql AS 'SELECT * FROM director WHERE id = $1.director_id';
'''
TOKEN = {"Authorization": "Bearer good"}
BACK = {**TOKEN, "Prefer": "return=representation"}


@pytest.fixture(scope="module")
def films() -> Iterator[Served]:
    """Films whose relations are functions."""
    with make_database("postgresql") as url:
        run_script(url, SCRIPT)
        served = serve_url(url, "films", Options(anonymous="read", writable=True))
        yield served
        served.bulkhead.close()


@pytest.fixture
def web(rest_application: Client, films: Served) -> Client:
    """Give a client of the films."""
    rest_application.served = rest_application.serve(films)
    return rest_application


def get(web: Client, question: str, status: int = 200, **headers: str) -> Any:
    """Return the JSON of an answer."""
    return web.get(f"/api/films/{quote(question, safe='?=&')}", headers=headers, status=status).json


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("film?select=title,director(name)&id=gte.3&order=id", [
            {"title": "Cats", "director": None}, {"title": "Dogs", "director": {"name": "Ada"}}]),
        ("old?select=title,director(name)&order=id", [
            {"title": "Ants", "director": {"name": "Ada"}}, {"title": "Cats", "director": None},
            {"title": "Dogs", "director": {"name": "Ada"}}]),
        ("Odd role?select=pay,director(name)&order=pay&limit=2", [
            {"pay": 5, "director": {"name": "Bo"}}, {"pay": 10, "director": {"name": "Ada"}}]),
        ("director?select=name,works(title)&order=id&works.order=title.desc", [
            {"name": "Ada", "works": [{"title": "Dogs"}, {"title": "Ants"}]}, {"name": "Bo", "works": [{"title": "Bees"}]},
            {"name": "Cy", "works": []}]),
        ("director?select=name,works(title)&id=eq.1&works.order=title&works.limit=1&works.offset=1", [
            {"name": "Ada", "works": [{"title": "Dogs"}]}]),
        ("director?select=name,works(title)&order=id&works.made=gt.1965", [
            {"name": "Ada", "works": [{"title": "Dogs"}]}, {"name": "Bo", "works": [{"title": "Bees"}]}, {"name": "Cy", "works": []}]),
        ("director?select=name,works!inner(title)&works.made=gt.1965&order=id", [
            {"name": "Ada", "works": [{"title": "Dogs"}]}, {"name": "Bo", "works": [{"title": "Bees"}]}]),
        ("director?select=name,works()&works=is.null", [{"name": "Cy"}]),
        ("film?select=title,director()&director=is.null", [{"title": "Cats"}]),
        ("film?select=title,director!inner()&director.name=eq.Bo", [{"title": "Bees"}]),
        ("film?select=title,...director(name)&id=gte.3&order=id", [{"title": "Cats", "name": None}, {"title": "Dogs", "name": "Ada"}]),
        ("director?select=name,...works(titles:title)&id=eq.1&works.order=title", [{"name": "Ada", "titles": ["Ants", "Dogs"]}]),
        ("film?select=title&order=director(name).desc.nullslast,title", [
            {"title": "Bees"}, {"title": "Ants"}, {"title": "Dogs"}, {"title": "Cats"}]),
        ("film?select=title,director(name,works(title,director(born)))&id=eq.2", [
            {"title": "Bees", "director": {"name": "Bo", "works": [{"title": "Bees", "director": {"born": 1950}}]}}]),
        ("director?select=name,works(count(),made.max())&id=lte.2&order=id", [
            {"name": "Ada", "works": [{"count": 2, "max": 1970}]}, {"name": "Bo", "works": [{"count": 1, "max": 1990}]}]),
        ("film?select=director!inner(name),count()&director.name=eq.Ada", [{"director": {"name": "Ada"}, "count": 2}]),
        ("film?select=...director(name),made.max()&order=director(name).nullsfirst", [
            {"name": None, "max": 1980}, {"name": "Ada", "max": 1970}, {"name": "Bo", "max": 1990}]),
        ("film?select=title,before(title,before(title))&id=eq.3", [
            {"title": "Cats", "before": {"title": "Dogs", "before": {"title": "Ants"}}}]),
        ('film?select=title,cast:"the \\"cast\\""("the name")&id=eq.1&cast.order=pay.desc', [
            {"title": "Ants", "cast": [{"the name": "y"}, {"the name": "x"}]}]),
        ("director?select=olden(title,director(name))&id=eq.1&olden.order=id", [
            {"olden": [{"title": "Ants", "director": {"name": "Ada"}}, {"title": "Dogs", "director": {"name": "Ada"}}]}]),
        ("rpc/recent?select=title,director(name)&order=id", [
            {"title": "Bees", "director": {"name": "Bo"}}, {"title": "Cats", "director": None}]),
    ],
)  # fmt: skip
def test_is_embedded_like_any_relation(web: Client, question: str, expected: Any) -> None:
    """Chosen, filtered, sorted, cut, spread, counted, nested; from tables and views, and from rows that a function gives."""
    assert get(web, question) == expected


def test_comes_before_what_keys_say(web: Client) -> None:
    """Two keys lead to the directors, and the function of that name is meant; a key is by its constraint, as ever."""
    assert get(web, "film?select=director(name),helper_id(name),who:director!helped(name)&id=eq.1") == [
        {"director": {"name": "Ada"}, "helper_id": {"name": "Bo"}, "who": {"name": "Bo"}}
    ]
    assert get(web, "film?select=director!nobody(name)", status=400)["code"] == "PGRST200"


def test_pages_go_on_by_key(web: Client) -> None:
    """In the order of a related row, with NULLs, through all pages."""
    titles, address = [], "/api/films/film?select=title,director(name)&order=director(name),title&limit=1"
    while address:
        answer = web.get(address)
        titles += [row["title"] for row in answer.json]
        address = next((link.split(">")[0][1:] for link in answer.headers.get("Link", "").split(", ") if 'rel="next"' in link), "")

    assert titles == ["Ants", "Dogs", "Bees", "Cats"]


def test_is_counted_by(web: Client) -> None:
    """Rows that have one are counted as they are found."""
    answer = web.get("/api/films/film?select=id,director!inner(name)&limit=1", headers={"Prefer": "count=exact"})

    assert answer.headers["Content-Range"] == "0-0/3"


def test_comes_back_with_what_was_written(web: Client) -> None:
    """As the row is now."""
    body = {"id": 9, "title": "Eels", "made": 1999, "director_id": 3}

    made = web.post_json("/api/films/film?select=title,director(name),before(title)", body, headers=BACK, status=201).json
    changed = web.patch_json("/api/films/film?id=eq.9&select=director(works(title))", {"director_id": 2}, headers=BACK).json
    removed = web.delete("/api/films/film?id=eq.9&select=title,director(name)", headers=BACK).json

    assert made == [{"title": "Eels", "director": {"name": "Cy"}, "before": {"title": "Bees"}}]
    assert [row["title"] for row in changed[0]["director"]["works"]] == ["Bees", "Eels"]
    assert removed == [{"title": "Eels", "director": {"name": "Bo"}}]


def test_is_in_the_description(web: Client) -> None:
    """Among the relations, with its name; no link can be made of it."""
    document = get(web, "")

    described = document["components"]["schemas"]["film"]["x-relations"]
    assert {"name": "before", "kind": "to_one", "table": "film", "hints": []} in described
    assert "works" not in str(document["paths"]["/director/{key}"]["get"]["responses"]["200"].get("links"))


@pytest.mark.parametrize("name", ["looked(name)", "noticed"])
def test_a_reader_writes_nothing(web: Client, name: str) -> None:
    """Whatever a function of a row says of itself, or does not say, over a connection that takes writes, too."""
    assert get(web, "film?select=title,unsaid(name)&id=eq.1") == [{"title": "Ants", "unsaid": {"name": "Ada"}}]

    for headers in ({}, TOKEN, {"Accept": "text/csv"}, {"Prefer": "count=exact"}):
        assert get(web, f"film?select=title,{name}&limit=1", status=405, **headers)["code"] == "25006"
    assert get(web, "seen") == []


@dataclass(frozen=True)
class Narrowed:
    """All rights but for the closed ones, and on directors only those born after 1935."""

    closed: frozenset[tuple[Operation, str]] = frozenset()
    columns: frozenset[str] = frozenset()
    authenticated: bool = True

    def allows(self, operation: Operation, schema: str | None, table: str, column: str | None = None) -> bool:
        """Tell whether *operation* is allowed."""
        return (operation, table) not in self.closed and (column is None or f"{table}.{column}" not in self.columns)

    def rows(self, schema: str | None, table: str) -> Condition | None:
        """Return which directors there are."""
        return Compare(Path("born"), "gt", "1935") if table == "director" else None


@pytest.fixture
def grant(web: Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Give what says which rights there are."""
    return lambda rights: monkeypatch.setattr(web.shop["policy"], "rights", lambda identity, name: rights)


@pytest.mark.parametrize("question", [
    "film?select=title,director(name)", "film?select=title,director!inner()", "film?select=title&order=director(name)",
    "film?select=title,...director(name)", "film?select=title,director()&director=is.null",
    "film?select=before(director(name))", "rpc/recent?select=director(name)",
])  # fmt: skip
@pytest.mark.parametrize(
    "rights",
    [
        Narrowed(closed=frozenset({("execute", "director")})),
        Narrowed(closed=frozenset({("select", "director")})),
    ],
    ids=["function", "target"],
)
def test_takes_the_right_to_the_function_and_to_the_rows(
    web: Client, grant: Callable[[Any], None], question: str, rights: Narrowed
) -> None:
    """Wherever it is named."""
    grant(rights)

    assert get(web, question, status=403, **TOKEN)["code"] == "42501"


def test_takes_the_right_to_see_the_whole_row(web: Client, grant: Callable[[Any], None]) -> None:
    """The function sees it; columns of the related rows are closed as everywhere."""
    grant(Narrowed(columns=frozenset({"film.helper_id", "director.born"})))

    assert get(web, "film?select=title,director(name)", status=403, **TOKEN)["message"] == "permission denied for function director"
    assert get(web, "old?select=title,director(*)&id=eq.1", **TOKEN) == [{"title": "Ants", "director": None}]
    assert get(web, "old?select=title,director(born)", status=403, **TOKEN)["message"] == "permission denied for column director.born"


def test_gives_only_the_rows_that_there_are_for_the_caller(web: Client, grant: Callable[[Any], None]) -> None:
    """To one, to many, counted and sorted by: of directors those born after 1935."""
    grant(Narrowed())

    assert get(web, "film?select=title,director(name)&order=id&limit=2", **TOKEN) == [
        {"title": "Ants", "director": None}, {"title": "Bees", "director": {"name": "Bo"}},
    ]  # fmt: skip
    assert get(web, "film?select=title,director!inner()&order=director(name)", **TOKEN) == [{"title": "Bees"}]
    assert get(web, "old?select=title,director(name)&id=eq.1", **TOKEN) == [{"title": "Ants", "director": None}]
    assert get(web, "film?select=unsaid(count())&id=eq.1", **TOKEN) == [{"unsaid": [{"count": 0}]}]


def test_takes_the_right_to_write_where_it_may_write(web: Client, grant: Callable[[Any], None]) -> None:
    """In the transaction of a write, or of a batch, a volatile function could: it is for those who could call it by itself."""

    class OneTable(Narrowed):
        def allows(self, operation: Operation, schema: str | None, table: str, column: str | None = None) -> bool:
            return operation in ("select", "execute") or table == "film"

    grant(OneTable())
    for question in ("id=eq.2&select=title,looked(name)", "id=eq.2&select=title,noticed", "noticed=eq.x"):
        said = web.patch_json(f"/api/films/film?{question}", {"made": 1990}, headers=BACK, status=403).json
        assert said["hint"] == "it is volatile, so that it takes the right to write"
    requests = [
        {"id": "write", "method": "PATCH", "path": "/film?id=eq.2", "body": {"made": 1990}},
        {"id": "read", "method": "GET", "path": "/film?select=title,looked(name)&limit=1"},
    ]
    batch = web.post_json("/api/films/-/batch", {"requests": requests}, headers=TOKEN, status="*").json
    assert "permission denied for function looked" in str(batch)
    grant(ALL_RIGHTS)
    told = web.patch_json("/api/films/film?id=eq.2&select=title,unsaid(name)", {"made": 1990}, headers=BACK).json

    assert told == [{"title": "Bees", "unsaid": {"name": "Bo"}}]
    assert get(web, "seen") == []
