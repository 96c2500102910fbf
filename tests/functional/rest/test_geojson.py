"""Rows as GeoJSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from qapla.database.catalog import Options
from qapla.testing.catalogs import serve_url
from qapla.testing.packages import can_install, install
from qapla.testing.servers import make_database

from .conftest import run_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Client

GEOJSON = {"Accept": "application/geo+json"}
TABLES = """
    CREATE TABLE place (id integer PRIMARY KEY, name text, spot geometry(Point, 4326));
    INSERT INTO place VALUES (1, 'Ulm', ST_SetSRID(ST_MakePoint(10, 48.4), 4326)), (2, NULL, NULL);
    INSERT INTO place SELECT n, 'p', ST_SetSRID(ST_MakePoint(n / 20, 1), 4326) FROM generate_series(3, 1500) n
"""


def has_postgis(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether the server could have PostGIS in a database."""
    return connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'").fetchone() is not None


@pytest.fixture(scope="module")
def with_postgis() -> Iterator[str]:
    """Give a database with PostGIS and places in it; skip where the server has no PostGIS and cannot be given it."""
    with make_database("postgresql") as url:
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as connection:
            package = f"postgresql-{connection.info.server_version // 10000}-postgis-3"
            if not has_postgis(connection) and can_install():
                install(package)
            if not has_postgis(connection):
                pytest.skip(f"this server has no PostGIS; get it with: apt-get install {package}")
            connection.execute("CREATE EXTENSION postgis")
        run_script(url, TABLES)
        yield url


@pytest.fixture
def atlas(rest_application: Client, with_postgis: str) -> Iterator[Client]:
    """Give a client of the places."""
    served = rest_application.serve(serve_url(with_postgis, "atlas", Options(anonymous="write", writable=True)))
    yield rest_application
    served.bulkhead.close()


def test_is_a_collection_of_features(atlas: Client) -> None:
    """The geometry of each row, and all else as its properties."""
    answer = atlas.get("/api/atlas/place?id=eq.1", headers=GEOJSON)

    assert answer.headers["Content-Type"] == "application/geo+json; charset=utf-8"
    assert answer.json == {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [10, 48.4]}, "properties": {"id": 1, "name": "Ulm"}},
        ],
    }


def test_goes_on_by_key(atlas: Client) -> None:
    """The cursor is found among the properties."""
    first = atlas.get("/api/atlas/place?limit=1&order=name.desc.nullslast", headers=GEOJSON)
    following = atlas.get(first.headers["Link"].split(">")[0].lstrip("<"), headers=GEOJSON)

    ids = [page.json["features"][0]["properties"]["id"] for page in (first, following)]
    assert ids == [1500, 1499]


def test_streams_long_lists(atlas: Client) -> None:
    """One collection, whatever its length; none at all is one, too."""
    assert len(atlas.get("/api/atlas/place", headers=GEOJSON).json["features"]) == 1500
    assert atlas.get("/api/atlas/place?id=eq.0", headers=GEOJSON).json == {"type": "FeatureCollection", "features": []}


def test_needs_a_geometry(atlas: Client) -> None:
    """406 with what to select."""
    answer = atlas.get("/api/atlas/place?select=id", headers=GEOJSON, status=406)

    assert answer.json["code"] == "QAPLA100"
    assert "geometry" in answer.json["hint"]


def test_a_written_geometry_comes_back_as_json(atlas: Client) -> None:
    """GeoJSON goes in, and comes out; as a collection of features it is refused before anything is written."""
    point = {"type": "Point", "coordinates": [1, 2]}
    headers = {"Prefer": "return=representation, tx=rollback"}
    atlas.post_json("/api/atlas/place", {"id": 9999}, headers={**headers, **GEOJSON}, status=406)

    answer = atlas.post_json("/api/atlas/place", {"id": 9999, "spot": point}, headers=headers, status=201)

    assert answer.json[0]["spot"]["coordinates"] == [1, 2]


def test_is_for_postgis(web: Client) -> None:
    """406 with what it takes."""
    answer = web.get("/api/shop/order", headers=GEOJSON, status=406)

    assert "PostGIS" in answer.json["hint"]
