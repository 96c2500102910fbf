"""What the settings of a connection change in the answers of its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qapla.database.catalog import Options
from qapla.database.connect import make_engine_from_url
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.catalog import Served

    Client = Any

SCRIPT = (
    "CREATE TABLE moment (id INTEGER PRIMARY KEY, at TIMESTAMPTZ)",
    "INSERT INTO moment VALUES (1, '2024-07-01 12:00:00+00')",
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Keep a database on PostgreSQL whose sessions are somewhere else than in UTC."""
    with make_database("postgresql") as url:
        engine = make_engine_from_url(url, Options(writable=True))
        with engine.connect() as connection:
            for text in (*SCRIPT, f"ALTER DATABASE \"{url.database}\" SET timezone = 'Asia/Tokyo'"):
                connection.exec_driver_sql(text)
        engine.dispose()
        found = serve_url(url, "settings", Options(anonymous="write", writable=True))
        yield found
        found.bulkhead.close()


@pytest.fixture
def pg(rest_application: Client, served: Served) -> Client:
    """Give the test a client of that database."""
    rest_application.serve(served)
    return rest_application


class TestTimezone:
    """Prefer: timezone"""

    def test_moves_times_into_the_zone(self, pg: Client) -> None:
        """Times with a zone come in the one that is preferred, from reads and from writes."""
        wish = {"Prefer": "timezone=America/Los_Angeles, return=representation"}

        row = pg.get("/api/settings/moment/1", headers=wish)
        rows = pg.get("/api/settings/moment", headers=wish)
        written = pg.patch_json("/api/settings/moment?id=eq.1", {"at": "2024-07-01T14:00:00+02:00"}, headers=wish)

        assert row.json == {"id": 1, "at": "2024-07-01T05:00:00-07:00"}
        assert rows.json == written.json == [row.json]
        assert rows.headers["Preference-Applied"] == "timezone=America/Los_Angeles"
        assert pg.get("/api/settings/moment/1").json["at"] == "2024-07-01T12:00:00+00:00"

    def test_streams_in_the_zone(self, pg: Client) -> None:
        """CSV, which is streamed, is in it, too."""
        answer = pg.get("/api/settings/moment", headers={"Prefer": "timezone=Asia/Kolkata", "Accept": "text/csv"})

        assert "17:30:00+05:30" in answer.text

    def test_passes_over_a_zone_that_is_none(self, pg: Client) -> None:
        """What the server does not know is not applied, and refused when the caller is strict."""
        answer = pg.get("/api/settings/moment", headers={"Prefer": "timezone=Jupiter/Red_Spot"})
        refused = pg.get("/api/settings/moment", headers={"Prefer": "handling=strict, timezone=Jupiter/Red_Spot"}, status=400)

        assert "Preference-Applied" not in answer.headers
        assert answer.json[0]["at"] == "2024-07-01T12:00:00+00:00"
        assert (refused.json["code"], refused.json["details"]) == ("PGRST122", "Invalid preferences: timezone=Jupiter/Red_Spot")

    def test_other_engines_know_utc(self, sqlite_web: Client) -> None:
        """Where the engine has no such setting, UTC is the only zone."""
        utc = sqlite_web.get("/api/shop/customer", headers={"Prefer": "handling=strict, timezone=UTC"})
        other = sqlite_web.get("/api/shop/customer", headers={"Prefer": "handling=strict, timezone=Europe/Berlin"}, status=400)

        assert utc.headers["Preference-Applied"] == "handling=strict, timezone=UTC"
        assert other.json["code"] == "PGRST122"


class TestWatching:
    """server_timing_enabled, server_trace_header"""

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/moment"), ("GET", "/moment/1"), ("HEAD", "/moment"), ("PATCH", "/moment?id=eq.1"), ("GET", "/"), ("GET", "/none")],
    )
    def test_tells_where_the_time_went(self, rest_application: Client, served: Served, method: str, path: str) -> None:
        """Every answer has the stages of PostgREST, in milliseconds, errors included."""
        rest_application.serve(served, server_timing_enabled=True)

        answer = rest_application.request(
            f"/api/settings{path}", method=method, body=b'{"id":1}' if method == "PATCH" else b"", expect_errors=True
        )

        stages = dict(part.strip().split(";dur=") for part in answer.headers["Server-Timing"].split(","))
        assert list(stages) == ["jwt", "parse", "plan", "transaction", "response"]
        assert all(float(milliseconds) >= 0 for milliseconds in stages.values())
        assert (float(stages["transaction"]) > 0) is (path.startswith("/moment"))

    def test_times_a_stream_until_it_begins(self, rest_application: Client, served: Served) -> None:
        """The headers of a stream tell what its first rows took."""
        rest_application.serve(served, server_timing_enabled=True)

        answer = rest_application.get("/api/settings/moment", headers={"Accept": "text/csv"})

        assert "transaction;dur=0.0," not in answer.headers["Server-Timing"]

    def test_gives_the_callers_own_id_back(self, rest_application: Client, served: Served) -> None:
        """The header that the setting names comes back as it was sent; any other does not."""
        rest_application.serve(served, server_trace_header="X-Request-Id")
        given = {"X-Request-Id": "abc-1", "X-Other": "2"}

        found, missing = rest_application.get("/api/settings/moment", headers=given), rest_application.get("/api/settings/moment")
        error = rest_application.get("/api/settings/none", headers=given, status=404)

        assert (found.headers["X-Request-Id"], error.headers["X-Request-Id"]) == ("abc-1", "abc-1")
        assert "X-Other" not in found.headers
        assert "X-Request-Id" not in missing.headers

    def test_tells_nothing_unasked(self, pg: Client) -> None:
        """Without the settings there is neither."""
        answer = pg.get("/api/settings/moment", headers={"X-Request-Id": "1"})

        assert not {"Server-Timing", "X-Request-Id"} & set(answer.headers)


class TestPlan:
    """Accept: application/vnd.pgrst.plan"""

    PLAN = "application/vnd.pgrst.plan"

    @pytest.mark.parametrize("suffix", ["", "+text"])
    def test_is_text_by_default(self, rest_application: Client, served: Served, suffix: str) -> None:
        """Without +json it is what EXPLAIN prints."""
        rest_application.serve(served, db_plan_enabled=True)

        answer = rest_application.get("/api/settings/moment?id=eq.1", headers={"Accept": self.PLAN + suffix})

        assert "(cost=" in answer.text
        assert answer.headers["Content-Type"] == f'{self.PLAN}+text; for="application/json"; charset=utf-8'

    def test_has_the_options_that_are_asked_for(self, rest_application: Client, served: Served) -> None:
        """As JSON, for another format, with what the options add."""
        rest_application.serve(served, db_plan_enabled=True)
        accept = f'{self.PLAN}+json; for="text/csv"; options=analyze|verbose|settings;'

        answer = rest_application.get("/api/settings/moment?select=id&order=id", headers={"Accept": accept})

        assert answer.json[0]["Plan"]["Actual Rows"] == 1
        assert "Output" in answer.json[0]["Plan"]
        assert answer.headers["Content-Type"] == f'{self.PLAN}+json; for="text/csv"; options=analyze|verbose|settings; charset=utf-8'

    def test_is_what_the_engine_has(self, web: Client) -> None:
        """Every engine tells its plan as text; an option, or a format, that it does not have is refused by name."""
        engine = web.served.schema.engine
        web.serve(web.served, db_plan_enabled=True)
        path = "/api/shop/order?select=id,customer(name)&total=gt.5&order=id"

        text = web.get(path, headers={"Accept": self.PLAN})
        json = web.get(path, headers={"Accept": f"{self.PLAN}+json"}, status=406 if engine == "sqlite" else 200)
        analyzed = web.get(path, headers={"Accept": f"{self.PLAN};options=analyze"}, status=200 if engine == "postgresql" else 406)

        assert ("customer" in text.text) or ("SEARCH t1 USING INTEGER PRIMARY KEY" in text.text)
        assert engine == "sqlite" or json.json
        assert engine == "postgresql" or "'analyze' of plans is not offered" in analyzed.json["message"]

    @pytest.mark.parametrize(
        ("accept", "code"),
        [
            ("; options=format|costs", "QAPLA100"),
            ('; for="image/png"', "PGRST107"),
            ("+xml", "PGRST107"),
            ("+json; options=ANALYZE);--", "QAPLA100"),
        ],
    )
    def test_refuses_what_is_no_plan(self, rest_application: Client, served: Served, accept: str, code: str) -> None:
        """Nothing that a caller writes gets into the statement."""
        rest_application.serve(served, db_plan_enabled=True)

        assert rest_application.get("/api/settings/moment", headers={"Accept": self.PLAN + accept}, status=406).json["code"] == code

    def test_is_off_by_default_and_never_runs_a_write(self, rest_application: Client, served: Served) -> None:
        """A plan tells how a database is built; and whoever wants the plan of a write does not want it done."""
        rest_application.serve(served)
        off = rest_application.get("/api/settings/moment", headers={"Accept": self.PLAN}, status=406)
        rest_application.serve(served, db_plan_enabled=True)

        rest_application.delete("/api/settings/moment?id=eq.1", headers={"Accept": self.PLAN}, status=406)

        assert off.json["code"] == "PGRST107"
        assert len(rest_application.get("/api/settings/moment").json) == 1
