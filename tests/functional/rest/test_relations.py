"""Which relation an embed means: by target, constraint, column and hint, on each engine."""

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
CREATE TABLE person (id integer PRIMARY KEY, name varchar(20), boss_id integer,
  CONSTRAINT boss FOREIGN KEY (boss_id) REFERENCES person (id));
CREATE TABLE letter (id integer PRIMARY KEY, body varchar(20), from_id integer, to_id integer,
  CONSTRAINT sender FOREIGN KEY (from_id) REFERENCES person (id), CONSTRAINT recipient FOREIGN KEY (to_id) REFERENCES person (id));
CREATE TABLE follows (who integer NOT NULL, whom integer NOT NULL, since varchar(4), PRIMARY KEY (who, whom),
  CONSTRAINT follower FOREIGN KEY (who) REFERENCES person (id), CONSTRAINT followed FOREIGN KEY (whom) REFERENCES person (id));
CREATE TABLE passport (person_id integer PRIMARY KEY, number varchar(9),
  CONSTRAINT holder FOREIGN KEY (person_id) REFERENCES person (id));
CREATE TABLE club (id integer PRIMARY KEY, name varchar(20));
CREATE TABLE membership (person_id integer NOT NULL, club_id integer NOT NULL, fee numeric(6,2), PRIMARY KEY (person_id, club_id),
  CONSTRAINT member FOREIGN KEY (person_id) REFERENCES person (id), CONSTRAINT joined FOREIGN KEY (club_id) REFERENCES club (id));
CREATE VIEW sent AS SELECT id, body, from_id FROM letter;
CREATE VIEW people AS SELECT id AS number, boss_id AS above, name FROM person;
CREATE VIEW staff AS SELECT p.number, p.name, p.above, b.id AS boss_number, b.name AS boss
  FROM people p LEFT JOIN person b ON b.id = p.above;
CREATE VIEW members AS SELECT * FROM membership;
CREATE VIEW loud AS SELECT id + 0 AS id, upper(name) AS name FROM person;
INSERT INTO person VALUES (1, 'Ada', NULL), (2, 'Bo', 1), (3, 'Cy', 1), (4, 'Di', 2);
INSERT INTO letter VALUES (1, 'hello', 1, 2), (2, 'bye', 2, NULL);
INSERT INTO follows VALUES (2, 1, '2020'), (3, 1, '2021'), (1, 4, NULL);
INSERT INTO passport VALUES (1, 'A1');
INSERT INTO club VALUES (1, 'chess'), (2, 'go');
INSERT INTO membership VALUES (1, 1, 10.00), (1, 2, 5.50), (2, 1, 0.00);
"""


@pytest.fixture(scope="module")
def clubs() -> Iterator[dict[str, Any]]:
    """The same people on every engine."""
    with ExitStack() as stack:
        found = {}
        for engine in ENGINE_NAMES:
            url = stack.enter_context(make_database(engine))
            run_script(url, SCRIPT)
            found[engine] = serve_url(url, "clubs", Options(anonymous="read"))
            stack.callback(found[engine].bulkhead.close)
        yield found


@pytest.fixture(params=ENGINE_NAMES)
def club(request: pytest.FixtureRequest, rest_application: Client, clubs: dict[str, Any]) -> Client:
    """Give a client of the people of each engine."""
    rest_application.served = rest_application.serve(clubs[request.param])
    return rest_application


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("letter?select=id,sender(name),to_id(name)&id=eq.1", [{"id": 1, "sender": {"name": "Ada"}, "to_id": {"name": "Bo"}}]),
        ("letter?select=who:person!sender(name),to:person!to_id(name)&id=eq.2", [{"who": {"name": "Bo"}, "to": None}]),
        ("person?select=name,letter!recipient(body)&id=lte.2&order=id", [
            {"name": "Ada", "letter": []}, {"name": "Bo", "letter": [{"body": "hello"}]}]),
        ("person?select=name,boss(name,boss_id(name))&id=eq.4", [{"name": "Di", "boss": {"name": "Bo", "boss_id": {"name": "Ada"}}}]),
        ("person?select=name,staff:person!boss(name,person!boss_id(name))&id=eq.1&staff.order=id", [
            {"name": "Ada", "staff": [{"name": "Bo", "person": [{"name": "Di"}]}, {"name": "Cy", "person": []}]}]),
        ("person?select=name,followers:follows!whom(since,...follower(name))&id=eq.1&followers.order=since", [
            {"name": "Ada", "followers": [{"since": "2020", "name": "Bo"}, {"since": "2021", "name": "Cy"}]}]),
        ("person?select=name,passport(number)&id=lte.2&order=id", [
            {"name": "Ada", "passport": {"number": "A1"}}, {"name": "Bo", "passport": None}]),
        ("club?select=name,person(name)&order=id&person.order=name.desc", [
            {"name": "chess", "person": [{"name": "Bo"}, {"name": "Ada"}]}, {"name": "go", "person": [{"name": "Ada"}]}]),
        ("club?select=name,membership(fee,person(name))&id=eq.2", [
            {"name": "go", "membership": [{"fee": 5.5, "person": {"name": "Ada"}}]}]),
        ("person?select=name,club!membership!inner(name)&club.name=eq.go", [{"name": "Ada", "club": [{"name": "go"}]}]),
        ("person?select=name&order=boss(name).nullsfirst,name", [{"name": "Ada"}, {"name": "Bo"}, {"name": "Cy"}, {"name": "Di"}]),
    ],
)  # fmt: skip
def test_an_embed_finds_its_relation(club: Client, question: str, expected: list[Any]) -> None:
    """By target, constraint or column; in a table of people the constraint and the column mean the boss, the table means the staff."""
    assert club.get(f"/api/clubs/{quote(question, safe='?=&')}").json == expected


def test_several_relations_are_told_as_postgrest_does(club: Client) -> None:
    """300 with every candidate, in the words that client libraries show."""
    answer = club.get("/api/clubs/letter?select=person(name)", status=300)

    assert answer.json == {
        "code": "PGRST201",
        "message": "Could not embed because more than one relationship was found for 'letter' and 'person'",
        "details": [
            {
                "cardinality": "many-to-one", "embedding": "letter with person",
                "relationship": f"{name} using letter({column}) and person(id)",
            }
            for name, column in (("recipient", "to_id"), ("sender", "from_id"))
        ],
        "hint": "Try changing 'person' to one of the following: 'person!recipient', 'person!sender'."
        " Find the desired relationship in the 'details' key.",
    }  # fmt: skip


def test_a_junction_is_told_with_both_its_keys(club: Client) -> None:
    """A table of people that follow people joins them both ways, beside the boss and the staff."""
    answer = club.get("/api/clubs/person?select=person(name)", status=300)

    told = {(each["cardinality"], each["relationship"]) for each in answer.json["details"]}
    assert ("many-to-many", "follows using follower(who) and followed(whom)") in told
    assert ("many-to-many", "follows using followed(whom) and follower(who)") in told
    assert ("one-to-many", "boss using person(id) and person(boss_id)") in told


def test_a_wrong_hint_is_told(club: Client) -> None:
    """PGRST200 with what was searched for."""
    answer = club.get("/api/clubs/letter?select=person!nobody(name)", status=400)

    assert answer.json["code"] == "PGRST200"
    assert "using the hint 'nobody'" in answer.json["details"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("sent?select=id,person(name)&order=id", [{"id": 1, "person": {"name": "Ada"}}, {"id": 2, "person": {"name": "Bo"}}]),
        ("sent?select=body,sender(name),from_id(id)&id=eq.2", [{"body": "bye", "sender": {"name": "Bo"}, "from_id": {"id": 2}}]),
        ("person?select=name,sent(body)&id=lte.3&order=id", [
            {"name": "Ada", "sent": [{"body": "hello"}]}, {"name": "Bo", "sent": [{"body": "bye"}]}, {"name": "Cy", "sent": []}]),
        ("people?select=name,sent!inner(body)&sent.body=eq.bye", [{"name": "Bo", "sent": [{"body": "bye"}]}]),
        ("people?select=name,passport(number),letter!recipient(body)&number=eq.1", [
            {"name": "Ada", "passport": {"number": "A1"}, "letter": []}]),
        ("passport?select=number,people(name,above(name))", [{"number": "A1", "people": {"name": "Ada", "above": None}}]),
        ("people?select=name,boss(name)&number=eq.4", [{"name": "Di", "boss": {"name": "Bo"}}]),
        ("staff?select=boss,above:people!above(name)&number=eq.2", [{"boss": "Ada", "above": {"name": "Ada"}}]),
        ("people?select=name,club(name)&number=eq.1&club.order=name", [{"name": "Ada", "club": [{"name": "chess"}, {"name": "go"}]}]),
        ("person?select=name,club(name)&id=eq.2", [{"name": "Bo", "club": [{"name": "chess"}]}]),
        ("person?select=name,club!members(name)&id=eq.2", [{"name": "Bo", "club": [{"name": "chess"}]}]),
        ("club?select=name,members(people(name))&id=eq.2", [{"name": "go", "members": [{"people": {"name": "Ada"}}]}]),
        ("sent?select=id&order=person(name).desc", [{"id": 2}, {"id": 1}]),
        ("sent?select=id,...person(name)&person=not.is.null&order=id", [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bo"}]),
    ],
)  # fmt: skip
def test_a_view_has_the_relations_of_its_tables(club: Client, question: str, expected: list[Any]) -> None:
    """From it, to it, between views and through one, also where it has other names, several tables, or stands upon a view."""
    assert club.get(f"/api/clubs/{quote(question, safe='?=&')}").json == expected


def test_a_view_makes_nothing_ambiguous(club: Client) -> None:
    """A constraint means the table, not the view that shows it, and a junction is the table before it is a view."""
    assert club.get("/api/clubs/letter?select=sender(boss_id)&id=eq.1").json == [{"sender": {"boss_id": None}}]
    assert club.get("/api/clubs/club?select=person(name)&id=eq.2").json == [{"person": [{"name": "Ada"}]}]


def test_a_view_that_shows_a_key_twice_is_told_apart_by_its_column(club: Client) -> None:
    """Its own column is a hint, and the answer of 300 says so."""
    answer = club.get("/api/clubs/passport?select=staff(name)", status=300)

    assert answer.json["hint"].startswith("Try changing 'staff' to one of the following: 'staff!boss_number', 'staff!number'.")
    assert club.get("/api/clubs/passport?select=staff!number(name)").json == [{"staff": {"name": "Ada"}}]


@pytest.mark.parametrize("question", ["loud?select=id,passport(number)", "passport?select=number,loud(name)"])
def test_a_view_without_keys_has_no_relations(club: Client, question: str) -> None:
    """What is computed is no key: PGRST200 says what a view must show."""
    answer = club.get(f"/api/clubs/{question}", status=400)

    assert answer.json["code"] == "PGRST200"
    assert answer.json["hint"] == "the view 'loud' has the relations of the tables whose keys it shows whole and as they are"
    assert club.get("/api/clubs/person?select=name,gone(body)", status=400).json["code"] == "PGRST200"
