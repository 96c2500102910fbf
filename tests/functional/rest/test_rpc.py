"""``/rpc/{function}`` on PostgreSQL: arguments, results, and everything that can be asked of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from qapla.database.catalog import Options
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.catalog import Served

SCRIPT = Path(__file__).with_name("rpc_postgresql.sql")
ROWS = [{"id": 1, "name": "Ada", "boss_id": None}, {"id": 2, "name": "Bo", "boss_id": 1}, {"id": 3, "name": "Cy", "boss_id": 1}]


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


def get(web: Any, path: str, **headers: str) -> Any:
    """Return the JSON of a call by GET."""
    return web.get(f"/api/fn/rpc/{path}", headers=headers).json


def post(web: Any, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    """Return the JSON of a call by POST."""
    return web.post_json(f"/api/fn/rpc/{path}", {} if body is None else body, headers=headers, status=status).json


def send(web: Any, path: str, body: Any, media: str, status: int = 200, **headers: str) -> Any:
    """Return the answer to a body of some type."""
    return web.post(f"/api/fn/rpc/{path}", body, headers={"Content-Type": media, **headers}, status=status)


class TestArguments:
    """What goes in."""

    def test_come_from_the_query_string(self, rpc: Any) -> None:
        """A parameter of the URL is one of the function."""
        assert get(rpc, "add_them?a=1&b=2") == 3

    def test_come_from_a_json_object(self, rpc: Any) -> None:
        """So is a key of the body."""
        assert post(rpc, "add_them", {"a": 1, "b": 2}) == 3

    def test_take_the_first_of_several_objects(self, rpc: Any) -> None:
        """A function is called once, whatever is sent."""
        assert post(rpc, "add_them", [{"a": 1, "b": 2}, {"a": 4, "b": 6}]) == 3

    @pytest.mark.parametrize(("body", "media"), [("a=1&b=2", "application/x-www-form-urlencoded"), ("a,b\n1,2\n3,4", "text/csv")])
    def test_come_from_forms_and_csv(self, rpc: Any, body: str, media: str) -> None:
        """As rows of tables do."""
        assert send(rpc, "add_them", body, media).json == 3

    def test_may_be_left_out_where_they_have_a_default(self, rpc: Any) -> None:
        """An empty body is an empty object."""
        assert [get(rpc, "three_defaults?b=4"), send(rpc, "three_defaults", "", "application/json").json] == [8, 6]

    def test_can_be_chosen_by_columns(self, rpc: Any) -> None:
        """What ``columns`` does not name is not sent on."""
        assert post(rpc, "add_them?columns=a,b", {"a": 1, "b": 2, "other": 13}) == 3

    def test_take_the_last_of_those_that_repeat(self, rpc: Any) -> None:
        """Unless the parameter takes many."""
        assert get(rpc, "say?name=ignored&name=world") == "Hello, world"

    @pytest.mark.parametrize(("question", "found"), [("", []), ("?v=hi", ["hi"]), ("?v=hi&v=the+re,x", ["hi", "the re,x"])])
    def test_repeat_for_a_variadic_parameter(self, rpc: Any, question: str, found: list[str]) -> None:
        """In the URL, in a form; in JSON it is an array."""
        assert get(rpc, f"many{question}") == found
        assert post(rpc, "many", {"v": found}) == found

    def test_are_of_any_type(self, rpc: Any) -> None:
        """What a column takes, a parameter takes."""
        values = {"m": "very happy", "d": "2024-01-02", "arr": [1, None], "j": {"a": "%s"}, "n": 1.5, "bytes": "\\x00ff", "yes": True}

        assert post(rpc, "kinds", values) == list(values.values())
        question = 'm=sad&d=2024-01-02&arr={1,2}&j=["x"]&n=1e3&bytes=\\x00&yes=f'
        assert get(rpc, f"kinds?{question}") == ["sad", "2024-01-02", [1, 2], ["x"], 1000, "\\x00", False]

    @pytest.mark.parametrize(
        ("values", "found"),
        [({"p": {"x": 1, "y": 2}}, 3), ({"p": {"x": 1, "y": 2}, "ps": [{"x": 1}, {"y": 2}]}, 5), ({"p": "(3,4)"}, 7)],
    )
    def test_may_be_composites(self, rpc: Any, values: Any, found: int) -> None:
        """As objects, arrays of them, or as PostgreSQL writes them."""
        assert post(rpc, "take_points", values) == found

    def test_may_be_of_types_elsewhere(self, rpc: Any) -> None:
        """A type of a schema that is not on the search path is still the parameter's."""
        assert post(rpc, "take_pair", {"p": {"a": 1, "b": "x"}}) == "x1"

    @pytest.mark.parametrize("value", ["1'; DROP TABLE boss; --", "%s", '"', "\\", "ü\n"])
    def test_are_values_only(self, rpc: Any, value: str) -> None:
        """Whatever is in a text stays in it."""
        assert post(rpc, "say", {"name": value}) == f"Hello, {value}"

    def test_may_have_any_name(self, rpc: Any) -> None:
        """Functions and parameters are called as people like."""
        path = "odd%20%2F%20%22n%C3%A4me%22%2C%201"

        assert get(rpc, f"{path}?a%20b=1&%22select%22=9") == "1x%s9"
        assert post(rpc, path, {"a b": 1, 'ord"er': "'", "select": 7}) == "1'7"

    @pytest.mark.parametrize(
        ("path", "body", "code"),
        [
            ("add_them", {"a": "x", "b": 2}, "22P02"),
            ("kinds", {"m": "mad", "d": None, "arr": None, "j": None, "n": None, "bytes": None, "yes": None}, "22P02"),
            ("say", {"name": "a\0b"}, "22021"),
            ("add_them", [1, 2], "PGRST102"),
            ("add_them", 5, "PGRST102"),
        ],
    )
    def test_that_cannot_be_read_are_refused(self, rpc: Any, path: str, body: Any, code: str) -> None:
        """With the code that the value would have in a table."""
        assert post(rpc, path, body, status=400)["code"] == code

    def test_of_an_unknown_type_are_refused(self, rpc: Any) -> None:
        """A body that nobody understands is 415."""
        assert send(rpc, "add_them", "x", "image/png", status=415).json["code"] == "PGRST107"


class TestWholeBodies:
    """A function with a single parameter without a name."""

    @pytest.mark.parametrize("value", [{"x": 1}, [1, 2], 5, "text"])
    def test_of_json(self, rpc: Any, value: Any) -> None:
        """Takes whatever JSON is sent."""
        assert post(rpc, "whole_json", value) == value

    def test_of_text(self, rpc: Any) -> None:
        """Takes and gives text."""
        assert send(rpc, "whole_text", "hé".encode(), "text/plain").json == "hé"
        assert send(rpc, "whole_text", "hé".encode(), "text/plain", Accept="text/plain").text == "hé"

    def test_of_bytes(self, rpc: Any) -> None:
        """Takes and gives bytes."""
        answer = send(rpc, "whole_bytes", b"\x00\xff", "application/octet-stream", Accept="application/octet-stream")

        assert (answer.body, answer.content_type) == (b"\x00\xff", "application/octet-stream")

    def test_is_the_last_resort(self, rpc: Any) -> None:
        """Functions with the names of the arguments come first."""
        assert [post(rpc, "over"), post(rpc, "over", {"a": 1, "b": 2}), post(rpc, "over", {"z": 1})] == [1, 3, {"z": 1}]
        assert send(rpc, "over", "t", "text/plain").json == "t"

    def test_of_another_type_is_not_found(self, rpc: Any) -> None:
        """A text is no integer."""
        details = send(rpc, "whole_int", "5", "text/plain", status=404).json["details"]

        assert "with a single unnamed text parameter" in details


class TestOverloads:
    """Functions of one name."""

    def test_are_told_apart_by_names(self, rpc: Any) -> None:
        """The one whose parameters are sent."""
        assert [get(rpc, "over"), get(rpc, "over?a=1&b=2"), get(rpc, "over?a=1&b=2&c=3")] == [1, 3, "123"]

    def test_that_take_the_same_names_are_ambiguous(self, rpc: Any) -> None:
        """300, with the candidates."""
        error = rpc.get("/api/fn/rpc/alike?arg=1", status=300).json

        assert error["code"] == "PGRST203"
        assert "public.alike(arg => integer), public.alike(arg => text, num => integer)" in error["message"]

    @pytest.mark.parametrize(
        ("path", "message", "hint"),
        [
            ("bossez", "public.bossez without parameters", "Perhaps you meant to call the function public.bosses"),
            ("add_them?a=1&c=2", "public.add_them(a, c)", "Perhaps you meant to call the function public.add_them(a, b)"),
            ("over?wrong_argument=1", "public.over(wrong_argument)", None),
            ("proc?a=1", "public.proc(a)", "it is a procedure, and PostgreSQL's procedures cannot be called here: make it a function"),
        ],
    )
    def test_that_are_not_there_are_404(self, rpc: Any, path: str, message: str, hint: str | None) -> None:
        """With what may have been meant."""
        error = rpc.get(f"/api/fn/rpc/{path}", status=404).json

        assert (error["code"], error["message"]) == ("PGRST202", f"Could not find the function {message} in the schema cache")
        assert error["hint"] == hint


class TestResults:
    """What comes out."""

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("gives_null", None),
            ("gives_numbers", [1, 2, 3]),
            ("gives_json", {"a": [1, 2]}),
            ("gives_point", {"x": 1, "y": 2}),
            ("gives_somewhere", {"x": 1, "y": 2}),
            ("gives_table?n=2", [{"a": 1, "B b": "x1"}, {"a": 2, "B b": "x2"}]),
            ("gives_one_out?num=4", {"more": 5}),
            ("gives_inouts?num=1&str=x", {"num": 1, "str": "x", "yes": True}),
            ("gives_record", {"id": 1, "name": "Ada"}),
            ("gives_records", [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bo"}]),
            ("one_boss?id=1", ROWS[0]),
            ("bosses", ROWS),
        ],
    )
    def test_have_the_shape_of_the_function(self, rpc: Any, path: str, found: Any) -> None:
        """A value, an object, or an array of either."""
        assert get(rpc, path) == found

    def test_may_be_nothing(self, rpc: Any) -> None:
        """204, without a type."""
        answer = rpc.post_json("/api/fn/rpc/gives_nothing", {}, status=204)

        assert "Content-Type" not in answer.headers

    @pytest.mark.parametrize(
        ("question", "found"),
        [
            ("select=id&id=gt.1&order=id.desc", [{"id": 3}, {"id": 2}]),
            ("select=n:name,task(title)&id=lt.2", [{"n": "Ada", "task": [{"title": "a"}, {"title": "b"}]}]),
            ("select=id,task!inner(id)&task.id=eq.3", [{"id": 2, "task": [{"id": 3}]}]),
            ("select=count()", [{"count": 3}]),
            ("name=like.*o&select=id&limit=1", [{"id": 2}]),
            ("select=id&or=(id.eq.1,name.eq.Cy)&offset=1", [{"id": 3}]),
        ],
    )
    def test_are_asked_like_tables(self, rpc: Any, question: str, found: Any) -> None:
        """Filters, columns, related rows, order, windows and aggregates."""
        assert get(rpc, f"bosses?{question}") == found

    @pytest.mark.parametrize(
        ("question", "code"), [("select=gone", "42703"), ("gone=gt.1", "42703"), ("select=gone(*)", "PGRST200"), ("after=x", "PGRST202")]
    )
    def test_have_no_other_columns(self, rpc: Any, question: str, code: str) -> None:
        """What is wrong with a table is wrong with a function; and its rows have no cursors."""
        assert rpc.get(f"/api/fn/rpc/bosses?{question}", expect_errors=True).json["code"] == code

    def test_tell_an_argument_from_a_filter(self, rpc: Any) -> None:
        """By the operator, where a column and a parameter have one name."""
        assert get(rpc, "first_bosses?id=2&id=gt.1&select=id") == [{"id": 2}]

    def test_take_a_text_that_looks_like_a_filter(self, rpc: Any) -> None:
        """Where only a parameter has the name, it is an argument."""
        assert get(rpc, "say?name=is.it") == "Hello, is.it"

    def test_refuse_an_argument_in_the_url_of_a_post(self, rpc: Any) -> None:
        """There are filters only."""
        assert post(rpc, "bosses?name=John", status=400)["code"] == "PGRST100"

    def test_come_as_pages(self, rpc: Any) -> None:
        """With the total, where it is asked for, and a link to the next."""
        answer = rpc.get("/api/fn/rpc/bosses?limit=1&offset=1", headers={"Prefer": "count=exact"}, status=206)

        assert (answer.json, answer.headers["Content-Range"]) == ([ROWS[1]], "1-1/3")
        assert '</api/fn/rpc/bosses?limit=1&offset=2>; rel="next"' in answer.headers["Link"]

    def test_come_by_range(self, rpc: Any) -> None:
        """In a GET; a POST has no range."""
        assert get(rpc, "bosses", Range="1-2") == ROWS[1:]
        assert post(rpc, "bosses", Range="1-2") == ROWS

    def test_behind_the_end_are_416(self, rpc: Any) -> None:
        """Where the total is known."""
        answer = rpc.get("/api/fn/rpc/bosses?offset=9", headers={"Prefer": "count=exact"}, status=416)

        assert answer.headers["Content-Range"] == "*/3"

    def test_of_no_rows_lead_nowhere(self, rpc: Any) -> None:
        """``limit=0`` has no next page."""
        assert "Link" not in rpc.get("/api/fn/rpc/bosses?limit=0").headers

    def test_count_one_for_a_single_thing(self, rpc: Any) -> None:
        """A value is one row."""
        assert rpc.get("/api/fn/rpc/add_them?a=1&b=2", headers={"Prefer": "count=exact"}).headers["Content-Range"] == "0-0/1"

    def test_are_cut_by_the_connection(self, rpc: Any, functions: Served) -> None:
        """``db_max_rows`` holds for functions, too."""
        rpc.serve(functions, db_max_rows=2)

        assert get(rpc, "bosses?select=id") == [{"id": 1}, {"id": 2}]

    @pytest.mark.parametrize(
        ("path", "accept", "body"),
        [
            ("bosses?select=id,name&id=lt.3", "text/csv", "id,name\n1,Ada\n2,Bo\n"),
            ("gives_numbers", "text/csv", "gives_numbers\n1\n2\n3\n"),
            ("gives_numbers", "application/x-ndjson", "1\n2\n3\n"),
            ("one_boss?id=1", "application/vnd.pgrst.object+json", '{"id":1,"name":"Ada","boss_id":null}'),
            ("bosses?id=eq.1", "application/vnd.pgrst.object+json", '{"id":1,"name":"Ada","boss_id":null}'),
            ("bosses?id=eq.1", "application/vnd.pgrst.array+json;nulls=stripped", '[{"id":1,"name":"Ada"}]'),
        ],
    )
    def test_come_in_every_format(self, rpc: Any, path: str, accept: str, body: str) -> None:
        """As rows of tables do."""
        assert rpc.get(f"/api/fn/rpc/{path}", headers={"Accept": accept}).text == body

    def test_of_several_rows_are_no_object(self, rpc: Any) -> None:
        """406 PGRST116."""
        answer = rpc.get("/api/fn/rpc/bosses", headers={"Accept": "application/vnd.pgrst.object+json"}, status=406)

        assert answer.json["code"] == "PGRST116"

    def test_may_be_of_a_media_type(self, rpc: Any) -> None:
        """A domain called like one makes answers of that type, in a sandbox, and no others."""
        answer = rpc.get("/api/fn/rpc/page")

        assert (answer.text, answer.content_type) == ("<b>hi</b>", "text/html")
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")
        rpc.get("/api/fn/rpc/page", headers={"Accept": "application/json"}, status=406)
        assert rpc.get("/api/fn/rpc/anything", headers={"Accept": "image/png"}).content_type == "image/png"

    def test_answer_head_without_a_body(self, rpc: Any) -> None:
        """HEAD is GET."""
        answer = rpc.head("/api/fn/rpc/bosses", headers={"Prefer": "count=exact"})

        assert (answer.headers["Content-Range"], answer.body) == ("0-2/3", b"")

    @pytest.mark.parametrize(("accept", "rows"), [("text/csv", 5_000), ("application/x-ndjson", 5_000), ("application/json", 100_500)])
    def test_that_are_many_are_streamed(self, rpc: Any, accept: str, rows: int) -> None:
        """All of them come, and what the function says about the answer holds."""
        answer = rpc.get(f"/api/fn/rpc/long_list?n={rows}", headers={"Accept": accept})

        assert (answer.text.count("\n") or answer.text.count("{")) in (rows, rows + 1)
        assert (answer.headers["X-Own"], answer.headers["Content-Range"]) == ("kept", "*/*")

    def test_that_are_many_are_cut_and_counted(self, rpc: Any) -> None:
        """A limit and a total hold for streams, too."""
        headers = {"Accept": "text/csv", "Prefer": "count=exact"}

        answer = rpc.get("/api/fn/rpc/long_list?n=3000&limit=2000&offset=10", headers=headers, status=206)

        assert (answer.text.count("\n"), answer.headers["Content-Range"]) == (2001, "10-2009/3000")

    def test_that_are_many_lead_on(self, rpc: Any, functions: Served) -> None:
        """Where more are behind those that come, also without a total."""
        rpc.serve(functions, db_max_rows=1500)

        links = [
            rpc.get(f"/api/fn/rpc/long_list?n={rows}&offset=10", headers={"Accept": "text/csv"}).headers.get("Link", "").partition(";")[0]
            for rows in (1510, 1511)
        ]

        assert links == ["", "</api/fn/rpc/long_list?n=1511&limit=1500&offset=1510>"]

    def test_have_a_plan(self, rpc: Any, functions: Served) -> None:
        """Where the connection shows plans; filters go into a function that can be inlined."""
        rpc.serve(functions, db_plan_enabled=True)

        plan = rpc.get("/api/fn/rpc/bosses?id=eq.1", headers={"Accept": "application/vnd.pgrst.plan"}).text

        assert "Function Scan" not in plan
        assert "boss" in plan
