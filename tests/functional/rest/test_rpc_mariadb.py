"""``/rpc/{function}`` on MariaDB: functions, and procedures with what they give; and on SQLite, which has none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qapla.database.catalog import Options
from qapla.database.connect import make_engine_from_url
from qapla.database.statement import Statement
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.catalog import Served

SCRIPT = Path(__file__).with_name("rpc_mariadb.sql")
BOSSES = [
    {"id": 1, "name": "Ada", "is_good": True, "since": "2024-01-02T03:04:05"},
    {"id": 2, "name": "Bo", "is_good": False, "since": None},
]


@pytest.fixture(scope="module")
def functions() -> Iterator[Served]:
    """Make a database full of functions and procedures."""
    with make_database("mariadb") as url:
        engine = make_engine_from_url(url, Options(writable=True))
        with engine.connect() as connection:
            for text in re.split(r";\n(?=CREATE|INSERT|$)", SCRIPT.read_text().strip()):
                connection.exec_driver_sql(text.replace("%", "%%"))
        engine.dispose()
        served = serve_url(url, "fn", Options(anonymous="write", writable=True))
        yield served
        served.bulkhead.close()


@pytest.fixture
def rpc(rest_application: Any, functions: Served) -> Any:
    """Serve it."""
    rest_application.serve(functions)
    return rest_application


def post(web: Any, path: str, body: Any, status: int = 200, **headers: str) -> Any:
    """Return the JSON of a call by POST."""
    return web.post_json(f"/api/fn/rpc/{path}", body, headers=headers, status=status).json


class TestFunctions:
    """A function gives one value."""

    @pytest.mark.parametrize(
        ("path", "body", "found"),
        [
            ("add_them", {"a": 1, "b": 2}, 3),
            ("say", {"name": "O'x %s"}, "Hello, O'x %s"),
            ("gives_null", {}, None),
            ("gives_json", {"j": {"x": [1]}}, {"got": {"x": [1]}}),
            ("negate", {"yes": True}, False),
            ("odd%20%2F%20%22n%C3%A4me%22%2C%201", {"a b": 1, "ord`er": "%s'"}, "1%s'"),
        ],
    )
    def test_of_its_own_type(self, rpc: Any, path: str, body: Any, found: Any) -> None:
        """JSON is JSON, booleans are booleans."""
        assert post(rpc, path, body) == found

    def test_with_all_its_digits(self, rpc: Any) -> None:
        """A decimal stays exact."""
        assert rpc.get("/api/fn/rpc/digits?d=1.23456789012345678901").text == "1.23456789012345678901"

    def test_that_can_be_asked_like_a_row(self, rpc: Any) -> None:
        """Its column is called as the function."""
        assert rpc.get("/api/fn/rpc/add_them?a=1&b=2&select=add_them").json == {"add_them": 3}
        assert rpc.get("/api/fn/rpc/add_them?a=1&b=2", headers={"Accept": "text/csv"}).text == "add_them\n3\n"

    def test_or_raises(self, rpc: Any) -> None:
        """SIGNAL is RAISE, with a status in its SQLSTATE."""
        assert rpc.get("/api/fn/rpc/raise_plainly", status=400).json["code"] == "P0001"
        assert rpc.get("/api/fn/rpc/raise_pt", status=402).json["message"] == "Payment Required"

    def test_that_writes_is_not_for_get(self, rpc: Any, functions: Served) -> None:
        """A POST is kept, a GET is refused, a dry run forgotten."""
        assert post(rpc, "write_down", {"n": 1}) == 1
        assert rpc.get("/api/fn/rpc/write_down?n=2", status=405).json["code"] == "25006"
        assert post(rpc, "write_down", {"n": 3}, Prefer="tx=rollback") == 3
        assert functions.bulkhead.fetch(Statement("SELECT n FROM log")) == [(1,)]

    def test_that_is_explained_writes_nothing(self, rpc: Any, functions: Served) -> None:
        """MariaDB runs some functions to explain them."""
        rpc.serve(functions, db_plan_enabled=True)
        counted = Statement("SELECT count(*) FROM log")
        before = functions.bulkhead.fetch(counted)

        rpc.get("/api/fn/rpc/write_down?n=9", headers={"Accept": "application/vnd.pgrst.plan+json"}, expect_errors=True)

        assert functions.bulkhead.fetch(counted) == before

    def test_needs_all_its_arguments(self, rpc: Any) -> None:
        """There are no defaults."""
        error = rpc.get("/api/fn/rpc/add_them?a=1", status=404).json

        assert error["hint"].endswith(".add_them(a, b)")


class TestProcedures:
    """A procedure gives rows, OUT parameters, or nothing."""

    def test_rows(self, rpc: Any) -> None:
        """Of one SELECT, as rows of a table are printed."""
        assert rpc.get("/api/fn/rpc/bosses?least=1").json == BOSSES
        assert rpc.get("/api/fn/rpc/bosses?least=1&limit=1", headers={"Prefer": "count=exact"}, status=206).json == BOSSES[:1]

    def test_rows_as_csv(self, rpc: Any) -> None:
        """Their columns are known when they are there."""
        text = rpc.get("/api/fn/rpc/bosses?least=2", headers={"Accept": "text/csv"}).text

        assert text == "id,name,is_good,since\n2,Bo,false,\n"

    def test_no_answers_to_questions(self, rpc: Any) -> None:
        """The database cannot filter them."""
        assert rpc.get("/api/fn/rpc/bosses?least=1&id=eq.1", status=400).json["code"] == "QAPLA100"

    def test_several_results(self, rpc: Any) -> None:
        """In their order."""
        assert post(rpc, "two_sets", {}) == [[{"a": 1}], [{"b": "x", "c": None}]]

    def test_parameters(self, rpc: Any) -> None:
        """OUT and INOUT are one object; behind rows it comes last."""
        assert rpc.get("/api/fn/rpc/outs?a=1&c=x").text == '{"b":2,"c":"x!","d":1.23456789012345678901}'
        assert post(rpc, "set_and_out", {}) == [[{"id": 1}, {"id": 2}], {"b": 7}]

    def test_nothing(self, rpc: Any) -> None:
        """204; what it does is kept, but not by GET."""
        rpc.post_json("/api/fn/rpc/note", {"n": 9}, status=204)
        assert rpc.get("/api/fn/rpc/note?n=1", status=405).json["code"] == "25006"

    def test_nothing_to_those_who_read(self, rpc: Any, functions: Served) -> None:
        """What says that it writes takes the right to, and a connection that takes writes."""
        rpc.serve(functions, anonymous="read")
        assert post(rpc, "note", {"n": 9}, status=401)["code"] == "42501"
        rpc.serve(functions, writable=False)
        assert post(rpc, "note", {"n": 9}, status=405)["code"] == "25006"

    def test_no_traces(self, rpc: Any, functions: Served) -> None:
        """The variables of a call are empty when it is over."""
        post(rpc, "outs", {"a": 1, "c": "secret"})

        assert functions.bulkhead.fetch(Statement("SELECT @qapla_1, @qapla_2")) == [(None, None)]


def test_sqlite_has_no_functions(sqlite_web: Any) -> None:
    """404 PGRST202, and why."""
    error = sqlite_web.post_json("/api/shop/rpc/now", {}, status=404).json

    assert (error["code"], error["hint"]) == ("PGRST202", "SQLite has no stored functions")
