"""A music shop on SQLite, served by the real command, read and written over REST."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import validate

if TYPE_CHECKING:
    import httpx

OBJECT = {"Accept": "application/vnd.pgrst.object+json"}
RETURN = {"Prefer": "return=representation"}


def exact(answer: httpx.Response) -> Any:
    return json.loads(answer.text, parse_float=Decimal)


def test_list_with_filter_order_and_embed(api: httpx.Client) -> None:
    """Rows are filtered, sorted and carry the row that they point to."""
    answer = api.get(
        "Track",
        params={
            "select": "Name,Album(Title,Artist(Name))",
            "UnitPrice": "gte.0.99",
            "AlbumId": "in.(1,2)",
            "order": "Name.desc",
            "limit": "2",
        },
    )

    assert answer.status_code == 200
    assert answer.json() == [
        {"Name": "Opening", "Album": {"Title": "First Light", "Artist": {"Name": "The Tin Drums"}}},
        {"Name": "Middle, or: 100%", "Album": {"Title": "First Light", "Artist": {"Name": "The Tin Drums"}}},
    ]


def test_many_to_many(api: httpx.Client) -> None:
    """A playlist carries its tracks through the table between them."""
    answer = api.get("Playlist", params={"select": "Name,Track(TrackId)", "Track.order": "TrackId", "order": "PlaylistId"})

    assert answer.json() == [
        {"Name": "Music", "Track": [{"TrackId": 1}, {"TrackId": 2}, {"TrackId": 5}]},
        {"Name": "Nothing yet", "Track": []},
    ]


def test_pages_lead_on(served: Any, api: httpx.Client) -> None:
    """Following the Link header shows every row once."""
    seen: list[int] = []
    path: str | None = "/api/chinook/Track?select=TrackId&order=Milliseconds.desc&limit=2"

    while path is not None:
        answer = api.get(f"{served.url}{path}")
        seen += [row["TrackId"] for row in answer.json()]
        path = answer.links.get("next", {}).get("url")

    assert seen == [4, 1, 3, 2, 5, 6]


def test_count(api: httpx.Client) -> None:
    """An exact count is in Content-Range, and a part of the rows is 206."""
    answer = api.get("Album", params={"limit": "2"}, headers={"Prefer": "count=exact"})

    assert (answer.status_code, answer.headers["Content-Range"]) == (206, "0-1/3")


def test_composite_key(api: httpx.Client) -> None:
    """A row with two keys is made, found, and removed at one URL."""
    made = api.post("PlaylistTrack", json={"PlaylistId": 2, "TrackId": 4}, headers=RETURN)
    found = api.get("PlaylistTrack/2,4")
    removed = api.delete("PlaylistTrack/2,4")
    gone = api.get("PlaylistTrack/2,4")

    assert (made.status_code, found.json()) == (201, {"PlaylistId": 2, "TrackId": 4})
    assert (removed.status_code, gone.status_code) == (204, 404)


@pytest.mark.parametrize("price", ["0.1", "1.99", "12345678.90", "0"])
def test_prices_keep_every_digit(api: httpx.Client, price: str) -> None:
    """A price comes back as it was sent, and nothing of a double shows."""
    body = f'{{"Name": "Priced", "MediaTypeId": 1, "Milliseconds": 1, "UnitPrice": {price}}}'

    answer = api.post("Track", content=body, headers={"Content-Type": "application/json", "Prefer": "return=representation,tx=rollback"})

    assert exact(answer)[0]["UnitPrice"] == Decimal(price)


def test_price_that_would_lose_digits_is_refused(api: httpx.Client) -> None:
    """What the file's double cannot hold is refused, not rounded."""
    body = '{"Name": "Priced", "MediaTypeId": 1, "Milliseconds": 1, "UnitPrice": 0.12345678901234567891}'

    answer = api.post("Track", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "22003")


def test_lost_update_is_refused(api: httpx.Client) -> None:
    """Of two who change the same row, the second has to look again."""
    tag = api.get("Artist/3").headers["ETag"]

    unchanged = api.get("Artist/3", headers={"If-None-Match": tag})
    first = api.patch("Artist/3", json={"Name": "Somebody"}, headers={"If-Match": tag})
    second = api.patch("Artist/3", json={"Name": "Anybody"}, headers={"If-Match": tag})

    assert (unchanged.status_code, first.status_code, second.status_code) == (304, 200, 412)
    assert first.headers["ETag"] != tag
    assert api.get("Artist/3").json()["Name"] == "Somebody"


@pytest.mark.parametrize(
    ("table", "row", "status", "code"),
    [
        ("Album", {"AlbumId": 1, "Title": "Again", "ArtistId": 1}, 409, "23505"),
        ("Customer", {"FirstName": "L", "LastName": "G", "Email": "luis@example.com"}, 409, "23505"),
        ("Album", {"Title": "Nobody's", "ArtistId": 99}, 409, "23503"),
        ("Album", {"ArtistId": 1}, 400, "23502"),
        ("InvoiceLine", {"InvoiceId": 1, "TrackId": 1, "UnitPrice": 1, "Quantity": 0}, 400, "23514"),
        ("Album", {"Title": "T", "ArtistId": 1, "Colour": "red"}, 400, "PGRST204"),
        ("Album", {"Title": "T", "ArtistId": "one"}, 400, "22P02"),
    ],
)
def test_broken_constraint_is_told(api: httpx.Client, table: str, row: dict[str, Any], status: int, code: str) -> None:
    """Each constraint has the code and the status that it has on PostgreSQL."""
    answer = api.post(table, json=row)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"code", "message", "details", "hint"}


def test_row_in_use_cannot_be_deleted(api: httpx.Client) -> None:
    """Foreign keys of SQLite are enforced."""
    answer = api.delete("Artist/1")

    assert (answer.status_code, answer.json()["code"]) == (409, "23503")


def test_bulk_write_is_all_or_nothing(api: httpx.Client) -> None:
    """One wrong row keeps the others out."""
    answer = api.post("Genre", json=[{"GenreId": 10, "Name": "Folk"}, {"GenreId": 1, "Name": "Again"}])

    assert answer.status_code == 409
    assert api.get("Genre?GenreId=eq.10").json() == []


def test_csv_in_and_out(api: httpx.Client) -> None:
    """A CSV file is taken, and a list is given as one."""
    sent = 'GenreId,Name\r\n20,Samba\r\n21,"Rock, hard"\r\n'

    made = api.post("Genre", content=sent, headers={"Content-Type": "text/csv"})
    given = api.get("Genre?GenreId=gte.20&order=GenreId", headers={"Accept": "text/csv"})
    api.delete("Genre?GenreId=gte.20")

    assert made.status_code == 201
    assert given.text.splitlines() == sent.splitlines()


def test_write_without_filter_is_refused(api: httpx.Client) -> None:
    """Nobody empties a table by forgetting the filter."""
    answer = api.delete("InvoiceLine")

    assert (answer.status_code, answer.json()["code"]) == (400, "QAPLA101")


def test_self_reference(api: httpx.Client) -> None:
    """An employee carries the boss."""
    answer = api.get("Employee?select=LastName,ReportsTo(LastName)&EmployeeId=eq.3", headers=OBJECT)

    assert answer.json() == {"LastName": "Peacock", "ReportsTo": {"LastName": "Edwards"}}


def test_openapi_is_valid(api: httpx.Client) -> None:
    """The description of the API is OpenAPI 3.1 and names every table."""
    document = api.get("", headers={"Accept": "application/openapi+json"}).json()

    validate(document)
    assert document["openapi"].startswith("3.1")
    assert {"/Track", "/PlaylistTrack"} <= set(document["paths"])


@pytest.mark.parametrize(
    "path",
    ["%ff", "Track?Name=eq.%ff", "Track?limit=x", "Track?select=((", "Track/1,2,3", "Nope", "Track?nope=eq.1", "Track?TrackId=eq.x%00"],
)
def test_bad_request_is_never_a_server_error(api: httpx.Client, path: str) -> None:
    """What cannot be understood is 4xx with the thing named."""
    answer = api.get(path)

    assert 400 <= answer.status_code < 500
    assert answer.json()["message"]
