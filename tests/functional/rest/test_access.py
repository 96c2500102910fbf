"""Who sees what, other methods, other origins, and the pages beside the rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from openapi_spec_validator import validate

from qapla.database.catalog import Options
from qapla.database.connect import make_engine_from_url
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functional.rest.conftest import Client

TOKEN = {"Authorization": "Bearer good"}


class TestAccess:
    """Anonymous callers and tokens."""

    @pytest.mark.parametrize("path", ["", "order", "nothing", "order/1", "-/schema", "-/schema/order", "rpc/x", "-/health"])
    def test_tells_anonymous_callers_nothing(self, sqlite_web: Client, path: str) -> None:
        """401 for whatever is there or not."""
        sqlite_web.serve(sqlite_web.served, anonymous="none")

        answer = sqlite_web.get(f"/api/shop/{path}", status=401)

        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "order" not in answer.text

    def test_serves_tokens(self, sqlite_web: Client) -> None:
        """A token that is not valid is 401 even where anonymous callers are welcome."""
        sqlite_web.serve(sqlite_web.served, anonymous="none")
        sqlite_web.get("/api/shop/order", headers=TOKEN, status=200)

        sqlite_web.serve(sqlite_web.served, anonymous="read")
        sqlite_web.get("/api/shop/order", headers={"Authorization": "Bearer bad"}, status=401)

    @pytest.mark.usefixtures("nothing_else")
    def test_lists_what_the_caller_may_see(self, sqlite_web: Client) -> None:
        """``/api/`` leaves out what is closed."""
        sqlite_web.serve(sqlite_web.served, anonymous="none")

        assert sqlite_web.get("/api/").json == []
        found = sqlite_web.get("/api/", headers=TOKEN).json
        assert [(entry["name"], entry["url"], entry["engine"]) for entry in found] == [("shop", "/api/shop/", "sqlite")]

    def test_knows_databases_that_are_not_there_or_paused(self, sqlite_web: Client) -> None:
        """404 with the nearest name, 503 with Retry-After."""
        gone = sqlite_web.get("/api/shp/order", status=404)
        assert (gone.json["code"], gone.json["hint"]) == ("QAPLA404", "did you mean 'shop'?")

        sqlite_web.serve(replace(sqlite_web.served, problem="it is paused"))
        paused = sqlite_web.get("/api/shop/order", status=503)
        assert (paused.json["code"], paused.headers["Retry-After"]) == ("QAPLA503", "5")


class TestMethods:
    """405 and OPTIONS"""

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("POST", "order/1", "GET, HEAD, OPTIONS, PUT, PATCH, DELETE"),
            ("PATCH", "-/schema", "GET, HEAD, OPTIONS"),
            ("DELETE", "", "GET, HEAD, OPTIONS"),
            ("GET", "-/batch", "OPTIONS, POST"),
            ("TRACE", "order", "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"),
        ],
    )
    def test_refuses_with_what_is_allowed(self, sqlite_web: Client, method: str, path: str, allow: str) -> None:
        """405 names the methods that there are."""
        answer = sqlite_web.request(f"/api/shop/{path}", method=method, status=405)

        assert answer.headers["Allow"] == allow
        assert set(answer.json) == {"code", "message", "details", "hint"}

    def test_answers_options(self, sqlite_web: Client) -> None:
        """A view takes no writes, and says so."""
        assert sqlite_web.options("/api/shop/order").headers["Allow"] == "GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE"
        assert sqlite_web.options("/api/shop/big").headers["Allow"] == "GET, HEAD, OPTIONS"

    def test_knows_no_other_urls(self, sqlite_web: Client) -> None:
        """404 in JSON for everything below ``/api``."""
        for path in ("/api", "/api/shop/-/nothing", "/api/-/x"):
            assert sqlite_web.get(path, status=404).json["message"]

    def test_has_no_functions_where_the_engine_has_none(self, sqlite_web: Client) -> None:
        """404, as for one that is not there."""
        assert sqlite_web.post_json("/api/shop/rpc/now", {}, status=404).json["code"] == "PGRST202"


class TestOrigins:
    """CORS"""

    def test_is_off_by_default(self, sqlite_web: Client) -> None:
        """A page of another origin gets no permission."""
        answer = sqlite_web.get("/api/shop/order", headers={"Origin": "https://evil.example"})

        assert "Access-Control-Allow-Origin" not in answer.headers

    def test_lets_in_what_is_named(self, sqlite_web: Client) -> None:
        """Also in a preflight, which has no credentials, and in errors."""
        sqlite_web.serve(sqlite_web.served, anonymous="none", server_cors_allowed_origins=("https://app.example",))
        origin = {"Origin": "https://app.example"}

        asked = sqlite_web.options(
            "/api/shop/order",
            headers={**origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, prefer"},
        )
        answer = sqlite_web.get("/api/shop/order", headers={**origin, **TOKEN})
        failed = sqlite_web.get("/api/shop/order?x=y", headers={**origin, **TOKEN}, status=400)

        assert "PATCH" in asked.headers["Access-Control-Allow-Methods"]
        assert asked.headers["Access-Control-Allow-Headers"] == "authorization, prefer"
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert "Content-Range" in answer.headers["Access-Control-Expose-Headers"]
        assert failed.headers["Access-Control-Allow-Origin"] == "https://app.example"


class TestPages:
    """OpenAPI, its page, the schema, health"""

    def test_describes_the_api(self, web: Client) -> None:
        """OpenAPI 3.1 that validates, of every engine."""
        answer = web.get("/api/shop/")
        document = answer.json

        validate(document)
        assert answer.headers["Content-Type"] == "application/openapi+json; charset=utf-8"
        assert document["openapi"] == "3.1.0"
        order = document["components"]["schemas"]["order"]
        assert document["components"]["schemas"]["order.new"]["properties"]["total"]["type"] == ["number", "null"]
        assert "<fk table='customer' column='id'/>" in order["properties"]["customer_id"]["description"]
        assert order["properties"]["customer_id"]["x-foreign-key"] == {"table": "customer", "column": "id"}
        assert document["components"]["schemas"]["customer.new"]["required"] == ["name"]
        assert document["paths"]["/order"]["get"]["operationId"] == "list_order"
        assert set(document["paths"]["/order/{key}"]) == {"parameters", "get", "put", "patch", "delete"}
        assert set(document["paths"]["/big"]) == {"get"} or web.served.schema.engine != "sqlite"

    def test_describes_only_what_the_caller_may_do(self, sqlite_web: Client) -> None:
        """Readers see no writes."""
        sqlite_web.serve(sqlite_web.served, anonymous="read")

        paths = sqlite_web.get("/api/shop/", headers={"Accept": "application/json"}).json["paths"]
        every = sqlite_web.get("/api/shop/", headers=TOKEN).json["paths"]

        assert set(paths["/order"]) == {"get"}
        assert set(every["/order"]) == {"get", "post", "patch", "put", "delete"}

    def test_shows_browsers_a_page(self, sqlite_web: Client) -> None:
        """Text from the database is escaped, nothing is loaded from elsewhere, no inline script."""
        answer = sqlite_web.get("/api/shop/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "odd/name, " in answer.html.text
        assert "<b>" not in answer.text
        assert "<script>" not in answer.text
        for link in answer.html.find_all(["script", "link"]):
            source = link.get("src") or link.get("href")
            assert source.startswith(("/api/-/static/", "data:"))
            if source.startswith("/"):
                sqlite_web.get(source, status=200)

    def test_shows_the_schema(self, web: Client) -> None:
        """What was introspected, of the database and of one table."""
        whole = web.get("/api/shop/-/schema").json
        table = web.get("/api/shop/-/schema/line").json

        assert {"database", "engine", "version", "schemas", "tables", "views", "functions", "report"} <= set(whole)
        assert [view["name"] for view in whole["views"]] == ["big"]
        assert table["primary_key"]["columns"] == ["order_id", "product"]
        web.get("/api/shop/-/schema/nothing", status=404)

    def test_tells_its_health(self, web: Client) -> None:
        """Reachable, and how fast."""
        found = web.get("/api/shop/-/health").json

        assert found["reachable"] is True
        assert found["latency_ms"] >= 0


class TestProfiles:
    """Accept-Profile and Content-Profile"""

    @pytest.fixture
    def shelves(self, rest_application: Client) -> Iterator[Client]:
        """Serve a database with two schemas that have a table of one name."""
        with make_database("postgresql") as url:
            engine = make_engine_from_url(url, Options(writable=True))
            with engine.begin() as connection:
                for text in (
                    "CREATE SCHEMA second",
                    "CREATE TABLE item (id int PRIMARY KEY)",
                    "CREATE TABLE second.item (id int PRIMARY KEY, b text)",
                ):
                    connection.exec_driver_sql(text)
            engine.dispose()
            served = serve_url(url, "shelves")
            rest_application.serve(served)
            yield rest_application
            served.bulkhead.close()

    def test_chooses_the_schema(self, shelves: Client) -> None:
        """Reads go by one header, writes by the other; the answer says which it was."""
        shelves.post_json("/api/shelves/item", {"id": 1, "b": "x"}, headers={"Content-Profile": "second"}, status=201)

        answer = shelves.get("/api/shelves/item", headers={"Accept-Profile": "second"})
        assert answer.json == [{"id": 1, "b": "x"}]
        assert answer.headers["Content-Profile"] == "second"
        assert shelves.get("/api/shelves/item").json == []
        document = shelves.get("/api/shelves/", headers={"Accept-Profile": "second"}).json
        assert set(document["components"]["schemas"]["item"]["properties"]) == {"id", "b"}

    def test_refuses_others(self, shelves: Client) -> None:
        """406 PGRST106 with those that there are."""
        answer = shelves.get("/api/shelves/item", headers={"Accept-Profile": "third"}, status=406)

        assert answer.json["code"] == "PGRST106"
        assert "public, second" in answer.json["hint"]
