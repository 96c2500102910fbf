"""Several callers at once, each engine on its own connections: what they can see of each other, and who is refused.

The moments are made by statements, not by sleeping: a listener of the bulkhead holds one caller between two of its statements.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from webtest import TestApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qapla.database.statement import Statement
    from tests.functional.rest.conftest import Client

ORDER = "/api/shop/order/1"
CUSTOMERS = "/api/shop/customer"


@contextmanager
def listening(web: Client, listener: Callable[[Statement], None]) -> Iterator[None]:
    """Call *listener* before each statement, in the thread that runs it."""
    listeners = web.served.bulkhead.on_statement
    listeners.append(listener)
    try:
        yield
    finally:
        listeners.remove(listener)


def send(web: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Send a request as a client of one's own."""
    client = TestApp(web.app, extra_environ={"HTTP_HOST": "localhost:80"})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is None:
        return client.request(path, method=method, headers=named, status="*")
    return getattr(client, f"{method.lower()}_json")(path, body, headers=named, status="*")


def together(web: Client, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Run *second* while *first* is between its look at the row and its write; return both answers."""
    has_looked, has_come = threading.Event(), threading.Event()
    names: dict[int, str] = {}

    def hold(statement: Statement) -> None:
        who = names.get(threading.get_ident())
        if who == "second":
            has_come.set()
        elif who == "first" and statement.sql.startswith(("UPDATE", "DELETE", "INSERT")):
            has_looked.set()
            has_come.wait(0.5 if web.served.schema.engine == "sqlite" else 5)  # a file lets nobody else begin

    def run(who: str, call: Callable[[], Any]) -> Any:
        names[threading.get_ident()] = who
        return call()

    with listening(web, hold), ThreadPoolExecutor(2) as pool:
        one = pool.submit(run, "first", first)
        assert has_looked.wait(10)
        two = pool.submit(run, "second", second)
        return one.result(20), two.result(20)


class TestLostUpdates:
    """If-Match, two callers who have seen the same row."""

    def test_one_of_two_writers_is_refused(self, fresh_web: Client) -> None:
        """The second waits for the first, and then gets 412; the row is the first one's."""
        tag = fresh_web.get(ORDER).headers["ETag"]

        one, two = together(
            fresh_web,
            lambda: send(fresh_web, "PATCH", ORDER, {"note": "one"}, If_Match=tag),
            lambda: send(fresh_web, "PATCH", ORDER, {"note": "two"}, If_Match=tag),
        )

        assert (one.status_int, two.status_int) == (200, 412)
        assert fresh_web.get(ORDER).json["note"] == "one"

    def test_a_removed_row_is_not_changed(self, fresh_web: Client) -> None:
        """404, not a row that comes back."""
        path = "/api/shop/line/1,pen"
        tag = fresh_web.get(path).headers["ETag"]

        one, two = together(
            fresh_web,
            lambda: send(fresh_web, "DELETE", path, If_Match=tag),
            lambda: send(fresh_web, "PATCH", path, {"amount": 9}, If_Match=tag),
        )

        assert (one.status_int, two.status_int) == (204, 404)

    def test_one_of_two_makes_the_row(self, fresh_web: Client) -> None:
        """PUT with ``If-None-Match: *`` by both: one 201, one refused."""
        path = "/api/shop/order/50"

        answers = together(
            fresh_web,
            lambda: send(fresh_web, "PUT", path, {"note": "one"}, If_None_Match="*"),
            lambda: send(fresh_web, "PUT", path, {"note": "two"}, If_None_Match="*"),
        )

        statuses = sorted(answer.status_int for answer in answers)
        assert statuses == [201, 412]
        winner = next(name for name, answer in zip(("one", "two"), answers, strict=True) if answer.status_int == 201)
        assert fresh_web.get(path).json["note"] == winner

    def test_both_of_two_replace_the_row(self, fresh_web: Client) -> None:
        """PUT by both without a condition: one makes it, the other replaces it."""
        path = "/api/shop/order/51"

        answers = together(
            fresh_web,
            lambda: send(fresh_web, "PUT", path, {"note": "one"}),
            lambda: send(fresh_web, "PUT", path, {"note": "two"}),
        )

        assert sorted(answer.status_int for answer in answers) == [200, 201]


class TestIsolation:
    """What readers see of a write that is under way."""

    def test_a_reader_sees_all_or_nothing(self, fresh_web: Client) -> None:
        """During a bulk write none of its rows; afterwards all of them."""
        rows = [{"text": "bulk", "size": number} for number in range(1200)]
        seen: list[int] = []
        writer = threading.get_ident()

        def look(statement: Statement) -> None:
            if threading.get_ident() == writer and statement.sql.startswith("INSERT"):
                with ThreadPoolExecutor(1) as pool:
                    seen.append(len(pool.submit(send, fresh_web, "GET", "/api/shop/log?text=eq.bulk&select=size").result(20).json))

        with listening(fresh_web, look):
            fresh_web.post_json("/api/shop/log", rows, status=201)

        assert seen == [0, 0, 0]
        assert len(fresh_web.get("/api/shop/log?text=eq.bulk&select=size").json) == 1200

    def test_a_reader_sees_a_batch_as_a_whole(self, fresh_web: Client) -> None:
        """Between two of its requests others see nothing of it."""
        requests = [{"method": "POST", "path": "/customer", "body": {"name": f"batch {number}"}} for number in range(2)]
        seen: list[int] = []
        writer = threading.get_ident()

        def look(statement: Statement) -> None:
            if threading.get_ident() == writer and statement.sql.startswith("INSERT"):
                with ThreadPoolExecutor(1) as pool:
                    seen.append(len(pool.submit(send, fresh_web, "GET", f"{CUSTOMERS}?name=like.batch*").result(20).json))

        with listening(fresh_web, look):
            fresh_web.post_json("/api/shop/-/batch", {"requests": requests})

        assert seen == [0, 0]
        assert len(fresh_web.get(f"{CUSTOMERS}?name=like.batch*").json) == 2


class TestUpserts:
    """Several who write rows with the same keys."""

    def test_make_each_row_once(self, fresh_web: Client) -> None:
        """All of them succeed, and each row is there once, as one of them wrote it."""
        start = threading.Barrier(4)

        def write(who: int) -> int:
            start.wait(10)
            rows = [{"id": 100 + number, "name": f"by {who}"} for number in range(5)]
            answer = send(fresh_web, "POST", CUSTOMERS, rows, Prefer="resolution=merge-duplicates")
            return int(answer.status_int)

        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(write, range(4)))

        found = fresh_web.get(f"{CUSTOMERS}?id=gte.100&select=id,name&order=id").json
        assert set(statuses) <= {200, 201}
        assert [row["id"] for row in found] == [100, 101, 102, 103, 104]
        assert len({row["name"] for row in found}) == 1
