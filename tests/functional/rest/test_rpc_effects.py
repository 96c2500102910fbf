"""``/rpc/{function}`` on PostgreSQL: what functions do, who may call them, and what they say about the answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from openapi_spec_validator.schemas import openapi_v31_schema_validator

from qapla.database.catalog import Options
from qapla.database.query.description import Call
from qapla.database.schema.description import TableName
from qapla.database.statement import Statement
from qapla.driver.table_call import FunctionDriver
from qapla.errors import AccessError
from qapla.plugins.rest.language import parse_query
from qapla.ports import FixedRights
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.catalog import Served

SCRIPT = Path(__file__).with_name("rpc_postgresql.sql")


@pytest.fixture(scope="module")
def functions() -> Iterator[Served]:
    """Make a database full of functions."""
    with make_database("postgresql") as url:
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(SCRIPT.read_text())
        served = serve_url(url, "fn", Options(anonymous="write", writable=True))
        yield served
        served.bulkhead.close()


@pytest.fixture
def rpc(rest_application: Any, functions: Served) -> Any:
    """Serve it."""
    rest_application.serve(functions)
    return rest_application


def call(web: Any, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    """Return the answer to a call by POST."""
    return web.post_json(f"/api/fn/rpc/{path}", {} if body is None else body, headers=headers, status=status)


def count_bosses(web: Any) -> int:
    """Return how many rows there are."""
    return len(web.get("/api/fn/boss?select=id").json)


class TestEffects:
    """Whether a function may write."""

    def test_are_kept(self, rpc: Any) -> None:
        """What a POST does is committed, and what it gives can be asked like a table."""
        assert call(rpc, "add_boss?select=id,name", {"id": 10, "name": "Z"}).json == [{"id": 10, "name": "Z"}]
        assert rpc.get("/api/fn/boss?id=eq.10&select=name").json == [{"name": "Z"}]

    def test_happen_once(self, rpc: Any) -> None:
        """A function runs once and to its end, also when its rows are counted and cut."""
        first = call(rpc, "counted?limit=1", status=206, Prefer="count=exact")
        second, third = (call(rpc, "counted?limit=1") for _ in range(2))

        assert (len(first.json), first.headers["Content-Range"]) == (1, "0-0/2")
        assert [second.json[0] - first.json[0], third.json[0] - second.json[0]] == [2, 2]

    def test_are_refused_for_get(self, rpc: Any) -> None:
        """GET is read only, whatever the function is."""
        assert rpc.get("/api/fn/rpc/call_counter", status=405).json["code"] == "25006"

    def test_of_a_dry_run_are_answered_and_forgotten(self, rpc: Any) -> None:
        """``tx=rollback``."""
        before = count_bosses(rpc)

        answer = call(rpc, "add_boss", {"id": 20, "name": "Y"}, Prefer="tx=rollback")

        assert (answer.json[0]["id"], answer.headers["Preference-Applied"]) == (20, "tx=rollback")
        assert count_bosses(rpc) == before

    def test_of_too_many_rows_are_forgotten(self, rpc: Any) -> None:
        """``max-affected`` counts the rows that come back."""
        before = count_bosses(rpc)

        error = call(rpc, "add_boss", {"id": 30, "name": "X"}, status=400, Prefer="handling=strict, max-affected=0").json

        assert (error["code"], error["details"]) == ("PGRST124", "The query affects 1 rows")
        assert count_bosses(rpc) == before

    def test_of_one_thing_cannot_be_bounded(self, rpc: Any) -> None:
        """``max-affected`` is for functions that give rows."""
        assert call(rpc, "add_them", {"a": 1, "b": 2}, status=400, Prefer="handling=strict, max-affected=1").json["code"] == "PGRST128"

    def test_that_fail_leave_nothing(self, rpc: Any) -> None:
        """An error has the code of the database."""
        assert call(rpc, "add_boss", {"id": 1, "name": "again"}, status=409).json["code"] == "23505"


class TestRights:
    """Who may call what."""

    def test_of_readers_are_not_for_volatile_functions(self, rpc: Any, functions: Served) -> None:
        """They may write; 401 for whoever is not known."""
        rpc.serve(functions, anonymous="read")

        assert call(rpc, "add_them", {"a": 1, "b": 2}).json == 3
        assert call(rpc, "call_counter", status=401).json["code"] == "42501"
        assert rpc.get("/api/fn/rpc/call_counter", status=401).json["code"] == "42501"

    def test_nobody_has_over_a_read_only_connection(self, rpc: Any, functions: Served) -> None:
        """To volatile functions, that is: 25006."""
        rpc.serve(functions, writable=False)

        assert rpc.get("/api/fn/rpc/add_them?a=1&b=2").json == 3
        assert call(rpc, "call_counter", status=405).json["code"] == "25006"

    def test_of_related_tables_are_asked(self, functions: Served) -> None:
        """What a function gives may be read, and of the rest only what the caller may read."""
        name = TableName("public", "bosses")
        driver = FunctionDriver(functions, FixedRights(frozenset({"execute"})))

        assert driver.call(Call(name, query=parse_query("select=id&limit=1", name))).value() == [{"id": 1}]
        with pytest.raises(AccessError):
            driver.call(Call(name, query=parse_query("select=id,task(id)", name)))

    def test_show_in_the_description(self, rpc: Any, functions: Served) -> None:
        """What cannot be called is not told of."""
        rpc.serve(functions, anonymous="read")

        names = {each["name"] for each in rpc.get("/api/fn/-/schema").json["functions"]}

        assert "add_them" in names
        assert "call_counter" not in names


class TestMethods:
    """GET, HEAD, POST, OPTIONS."""

    @pytest.mark.parametrize(("name", "allowed"), [("bosses", "GET, HEAD, OPTIONS, POST"), ("call_counter", "OPTIONS, POST")])
    def test_are_told(self, rpc: Any, name: str, allowed: str) -> None:
        """By the volatility of the function."""
        assert rpc.options(f"/api/fn/rpc/{name}").headers["Allow"] == allowed

    def test_of_what_is_not_there_are_not_told(self, rpc: Any) -> None:
        """404."""
        assert rpc.options("/api/fn/rpc/gone", status=404).json["code"] == "PGRST202"

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
    def test_are_these_only(self, rpc: Any, method: str) -> None:
        """405 PGRST101."""
        error = rpc.request("/api/fn/rpc/bosses", method=method, status=405).json

        assert (error["code"], error["message"]) == ("PGRST101", f"Cannot use the {method} method on RPC")


class TestErrors:
    """What functions raise."""

    def test_have_the_status_that_they_choose(self, rpc: Any) -> None:
        """``RAISE SQLSTATE 'PT402'``."""
        error = rpc.get("/api/fn/rpc/raise_pt", status=402).json

        assert error == {"code": "PT402", "message": "Payment Required", "details": "Quota exceeded", "hint": "Upgrade"}

    def test_are_400_by_themselves(self, rpc: Any) -> None:
        """``RAISE``."""
        error = rpc.get("/api/fn/rpc/raise_plainly", status=400).json

        assert (error["code"], error["message"]) == ("P0001", "oh no")

    def test_have_everything_that_they_choose(self, rpc: Any) -> None:
        """``RAISE SQLSTATE 'PGRST'``: status, reason, headers and body."""
        said = {"code": "123", "message": "ABC", "details": "DEF", "hint": "XYZ"}
        answer = {"status": 432, "status_text": "My Status", "headers": {"X-Header": "str"}}

        found = call(rpc, "raise_pgrst", {"message": json.dumps(said), "detail": json.dumps(answer)}, status=432)

        assert (found.json, found.headers["X-Header"], found.status) == (said, "str", "432 My Status")

    @pytest.mark.parametrize(
        ("message", "detail"),
        [
            ("no JSON", "{}"),
            ('{"code": "1", "message": "m"}', "[]"),
            ('{"code": "1", "message": "m"}', '{"status": 99, "headers": {}}'),
            ('{"code": "1", "message": "m"}', '{"status": 400, "headers": {"A": "x\\ny"}}'),
            ('{"code": "1", "message": "m"}', '{"status": 400, "headers": {"Content-Length": "9"}}'),
        ],
    )
    def test_that_make_no_answer_are_pgrst121(self, rpc: Any, message: str, detail: str) -> None:
        """The function is wrong, and the answer says how."""
        assert call(rpc, "raise_pgrst", {"message": message, "detail": detail}, status=500).json["code"] == "PGRST121"


class TestDescription:
    """Functions in the OpenAPI document."""

    @pytest.fixture
    def paths(self, rpc: Any) -> dict[str, Any]:
        """Return the paths of the document."""
        return rpc.get("/api/fn/").json["paths"]

    def test_is_valid(self, rpc: Any) -> None:
        """By the schema of OpenAPI 3.1."""
        openapi_v31_schema_validator.validate(rpc.get("/api/fn/").json)

    def test_has_parameters(self, paths: dict[str, Any]) -> None:
        """By name and type, and whether they are needed; a name that means something else stands in quotes."""
        by_name = {each["name"]: each for each in paths["/rpc/add_them"]["get"]["parameters"] if "name" in each}

        assert (by_name["a"]["required"], by_name["a"]["schema"]["type"]) == (True, "integer")
        odd = paths["/rpc/odd%20%2F%20%22n%C3%A4me%22%2C%201"]["get"]["parameters"]
        assert {each["name"]: each["required"] for each in odd if "name" in each} == {"a b": True, '"ord\\"er"': False, '"select"': False}

    def test_has_bodies(self, paths: dict[str, Any]) -> None:
        """An object, or what a function takes as a whole."""
        schema = paths["/rpc/add_them"]["post"]["requestBody"]["content"]["application/json"]["schema"]

        assert (schema["required"], schema["additionalProperties"]) == (["a", "b"], False)
        assert "text/plain" in paths["/rpc/whole_text"]["post"]["requestBody"]["content"]

    @pytest.mark.parametrize(
        ("name", "schema"),
        [
            ("add_them", {"type": ["integer", "null"], "format": "int32"}),
            ("bosses", {"type": "array", "items": {"$ref": "#/components/schemas/boss"}}),
            ("one_boss", {"$ref": "#/components/schemas/boss"}),
        ],
    )
    def test_has_results(self, paths: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
        """Rows of a table are those of the table."""
        assert paths[f"/rpc/{name}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] == schema

    def test_says_what_is_for_post_only(self, paths: dict[str, Any]) -> None:
        """What may write; and nothing comes back from some."""
        assert list(paths["/rpc/call_counter"]) == ["post"]
        assert "204" in paths["/rpc/gives_nothing"]["post"]["responses"]

    def test_is_for_the_caller(self, rpc: Any, functions: Served) -> None:
        """Readers are not told of what they may not call."""
        rpc.serve(functions, anonymous="read")

        paths = rpc.get("/api/fn/").json["paths"]

        assert ("/rpc/add_them" in paths, "/rpc/call_counter" in paths) == (True, False)


class TestTransaction:
    """What holds while a function runs."""

    @pytest.mark.parametrize(("name", "value"), [("request.method", "POST"), ("request.path", "/rpc/setting"), ("TimeZone", "UTC")])
    def test_shows_the_request(self, rpc: Any, name: str, value: str) -> None:
        """As settings of the transaction."""
        assert call(rpc, "setting", {"name": name}).json == value

    def test_shows_headers(self, rpc: Any) -> None:
        """As JSON, names in lower case."""
        found = json.loads(call(rpc, "setting", {"name": "request.headers"}, **{"X-Own": "b"}).json)

        assert found["x-own"] == "b"

    def test_changes_status_and_headers(self, rpc: Any) -> None:
        """``response.status`` and ``response.headers``, also several of one name; the next answer has none of it."""
        answer = rpc.get("/api/fn/rpc/teapot", status=418)

        assert (answer.json, answer.headers["X-Tea"]) == ({"message": "short and stout"}, "green")
        assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert "X-Tea" not in rpc.get("/api/fn/rpc/add_them?a=1&b=2", status=200).headers

    def test_has_the_settings_of_the_function(self, rpc: Any) -> None:
        """Those that are hoisted hold for all of it."""
        assert rpc.get("/api/fn/rpc/strict_isolation").json == "serializable"

    def test_has_the_zone_that_is_preferred(self, rpc: Any) -> None:
        """``timezone=``."""
        assert call(rpc, "setting", {"name": "TimeZone"}, Prefer="timezone=Asia/Tokyo").json == "Asia/Tokyo"

    def test_that_calls_what_has_gone_refreshes(self, rpc: Any, functions: Served) -> None:
        """A function that was dropped is 404, and the schema is read anew."""
        told: list[bool] = []
        functions.bulkhead.on_missing.append(lambda: told.append(True))
        with functions.bulkhead.transaction() as transaction:
            transaction.execute(Statement("DROP FUNCTION going()"))

        error = rpc.get("/api/fn/rpc/going", status=404).json

        functions.bulkhead.on_missing.pop()
        assert (error["code"], told) == ("42883", [True])


def test_is_part_of_a_batch(rpc: Any) -> None:
    """Functions run with the other requests, in their transaction."""
    parts = [
        {"id": "1", "method": "POST", "path": "/rpc/add_boss", "body": {"id": 40, "name": "B"}},
        {"id": "2", "method": "GET", "path": "/rpc/bosses?id=eq.40&select=name"},
    ]

    answer = rpc.post_json("/api/fn/-/batch", {"requests": parts}, headers={"Prefer": "tx=rollback"}).json

    assert answer["responses"][1]["body"] == [{"name": "B"}]
