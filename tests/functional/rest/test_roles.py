"""Callers as roles of PostgreSQL: grants and row security decide, and nothing of one request is left for the next."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from qapla.database.catalog import Options
from qapla.database.connect import make_engine_from_url
from qapla.database.statement import Statement
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import make_database
from qapla.testing.statements import at_most
from tests.functional.rest.conftest import run_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qapla.database.catalog import Served
    from tests.functional.rest.conftest import Client

SECRET = "a secret of tests with more than 32 bytes"
NAME = f"qapla_{os.getpid()}"
ANON, WEB, SLOW, STRANGER, LOGIN = (f"{NAME}_{kind}" for kind in ("anon", "web", "slow", "stranger", "login"))
ROLES = (ANON, WEB, SLOW, STRANGER)
SCRIPT = f"""
    CREATE TABLE item (id integer PRIMARY KEY, owner text NOT NULL DEFAULT current_setting('request.jwt.claims')::json->>'sub', note text);
    CREATE TABLE hidden (id integer PRIMARY KEY);
    CREATE TABLE part (id integer PRIMARY KEY, item_id integer REFERENCES item, secret text);
    INSERT INTO item VALUES (1, 'ada', 'first'), (2, 'bo', 'second'), (3, 'ada', 'third');
    INSERT INTO part VALUES (1, 1, 'x'), (2, 2, 'y');
    ALTER TABLE item ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON item TO {WEB} USING (owner = current_setting('request.jwt.claims')::json->>'sub');
    CREATE POLICY first ON item FOR SELECT TO {ANON} USING (id = 1);
    CREATE VIEW who AS SELECT current_user::text AS role, current_setting('request.jwt.claims', true)::json AS claims,
        current_setting('request.method', true) AS method, current_setting('request.path', true) AS path,
        current_setting('request.headers', true)::json AS headers, current_setting('request.cookies', true)::json AS cookies,
        current_setting('search_path') AS search_path, current_setting('app.settings.colour', true) AS colour,
        current_setting('work_mem') AS work_mem, current_setting('transaction_isolation') AS isolation,
        current_setting('transaction_read_only') AS read_only;
    GRANT SELECT ON item, who TO {ANON};
    GRANT SELECT, INSERT, UPDATE, DELETE ON item TO {WEB};
    GRANT SELECT ON who TO {WEB}, {SLOW};
    GRANT SELECT (id, item_id) ON part TO {WEB};
    GRANT SELECT ON part TO {SLOW};
"""
CHECKED = """
CREATE FUNCTION checked() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('response.headers', '[{"X-Checked": "yes"}, {"Cache-Control": "no-store"}]', true);
    IF current_setting('request.headers')::json->>'x-refuse' IS NOT NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'not you', HINT = 'ask somebody';
    END IF;
END $$
"""


@contextmanager
def roles() -> Iterator[None]:
    """Make the roles, which belong to the whole server."""
    with make_database("postgresql") as url:
        run_script(url, ";".join(f'CREATE ROLE "{name}"' for name in ROLES) + f"; CREATE ROLE {LOGIN} LOGIN NOINHERIT")
        run_script(url, f"GRANT {ANON}, {WEB}, {SLOW} TO {LOGIN}")
        run_script(url, f"ALTER ROLE {SLOW} SET work_mem = '9MB'; ALTER ROLE {SLOW} SET default_transaction_isolation = 'serializable'")
        try:
            yield
        finally:
            run_script(url, ";".join(f'DROP ROLE IF EXISTS "{name}"' for name in (LOGIN, *ROLES)))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve a database over an account that may nothing but become somebody else."""
    with roles(), make_database("postgresql") as url:
        run_script(url, SCRIPT)
        engine = make_engine_from_url(url, Options(writable=True))
        with engine.connect() as connection:
            connection.exec_driver_sql(CHECKED)
            connection.exec_driver_sql("CREATE SCHEMA other; CREATE TABLE other.thing (id integer)")
            connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA other TO {LOGIN}, {WEB}; GRANT SELECT ON other.thing TO {WEB}")
        engine.dispose()
        found = serve_url(url.set(username=LOGIN), "shop", Options(writable=True, db_anon_role=ANON, jwt_secret=SECRET))
        yield found
        found.bulkhead.close()


@pytest.fixture
def web(rest_application: Client, served: Served) -> Client:
    """Give a client of that database."""
    rest_application.served = rest_application.serve(served)
    return rest_application


def token(role: str | None = WEB, **claims: Any) -> dict[str, str]:
    """Return the header of somebody whose token names *role*."""
    named = {"role": role, **claims} if role is not None else claims
    return {"Authorization": "Bearer " + jwt.encode({"alg": "HS256"}, named, OctKey.import_key(SECRET))}


class TestRoles:
    """As whom a request runs."""

    def test_is_the_anonymous_role_without_a_token(self, web: Client) -> None:
        """Its grants and its row security decide."""
        assert [row["id"] for row in web.get("/api/shop/item").json] == [1]
        assert web.get("/api/shop/who").json[0]["role"] == ANON

    def test_is_the_role_of_the_token(self, web: Client) -> None:
        """The same request has other rows."""
        answer = web.get("/api/shop/item?order=id", headers=token(sub="ada"))

        assert [row["id"] for row in answer.json] == [1, 3]

    def test_is_the_anonymous_role_for_a_token_without_one(self, web: Client) -> None:
        """The claims are there all the same."""
        who = web.get("/api/shop/who", headers=token(None, sub="ada")).json[0]

        assert (who["role"], who["claims"]) == (ANON, {"sub": "ada", "role": ANON})

    def test_needs_a_role(self, web: Client) -> None:
        """Without an anonymous one a token that names none is 401 PGRST302, and so is no token at all."""
        web.serve(web.served, db_anon_role=None)

        for headers in (token(None, sub="ada"), {}):
            answer = web.get("/api/shop/item", headers=headers, status=401)
            assert (answer.json["code"], answer.headers["WWW-Authenticate"]) == ("PGRST302", "Bearer")
        assert web.get("/api/shop/item", headers=token(sub="bo")).json[0]["id"] == 2

    @pytest.mark.parametrize("role", ["none", "nobody_at_all", "", 'x"; RESET ROLE; --', "a\0b", 7])
    def test_knows_roles_that_are_none(self, web: Client, role: Any) -> None:
        """401 for the name of no role, PostgreSQL's word for the account itself among them: nothing runs as the account."""
        answer = web.get("/api/shop/item", headers=token(role), status=[400, 401])

        assert answer.json["code"] in ("22023", "22021")
        assert LOGIN not in answer.text

    def test_takes_only_roles_that_the_account_may_take(self, web: Client) -> None:
        """403 for another one; the next request over the same connection is who it is."""
        answer = web.get("/api/shop/item", headers=token(STRANGER), status=403)

        assert (answer.json["code"], "set role" in answer.json["message"]) == ("42501", True)
        assert web.get("/api/shop/who").json[0]["role"] == ANON

    def test_is_refused_by_the_grants(self, web: Client) -> None:
        """401 for anonymous callers and 403 for others, in the database's own words."""
        nobody = web.get("/api/shop/part", status=401)
        somebody = web.get("/api/shop/part", headers=token(), status=403)

        assert nobody.json["message"] == somebody.json["message"] == "permission denied for table part"
        assert nobody.headers["WWW-Authenticate"] == "Bearer"
        assert "WWW-Authenticate" not in somebody.headers
        assert web.get("/api/shop/part?select=id&id=eq.1", headers=token()).json == [{"id": 1}]

    @pytest.mark.parametrize(
        "query",
        [
            "item?select=*,part(secret)",
            "item?select=id,part(id)&part.secret=eq.x",
            "part",
            "part?select=id&secret=eq.x",
            "part?select=id&order=secret",
        ],
    )
    def test_is_refused_on_every_way_to_a_column(self, web: Client, query: str) -> None:
        """What a role may not read it may not embed, filter or sort by."""
        assert web.get(f"/api/shop/{query}", headers=token(sub="ada"), status=403).json["code"] == "42501"

    def test_chooses_a_schema(self, web: Client) -> None:
        """The search path begins with the chosen one."""
        web.get("/api/shop/thing", headers={**token(), "Accept-Profile": "other"}, status=200)
        assert web.get("/api/shop/thing", headers={"Accept-Profile": "other"}, status=401).json["code"] == "42501"


class TestWrites:
    """Writing as a role."""

    def test_is_checked_by_row_security(self, web: Client) -> None:
        """A row of somebody else cannot be made, changed or removed; one's own can, with defaults that read the claims."""
        ada = token(sub="ada")
        back = {"Prefer": "return=representation, tx=rollback"}

        made = web.post_json("/api/shop/item", {"id": 9}, headers={**ada, **back}, status=201)
        refused = web.post_json("/api/shop/item", {"id": 9, "owner": "bo"}, headers={**ada, **back}, status=403)
        others = web.patch_json("/api/shop/item?id=eq.2", {"note": "mine"}, headers={**ada, **back}, status=200)

        assert made.json == [{"id": 9, "owner": "ada", "note": None}]
        assert refused.json["code"] == "42501"
        assert others.json == []
        assert web.delete("/api/shop/item?id=eq.1", headers={"Prefer": "tx=rollback"}, status=401).json["code"] == "42501"

    def test_keeps_what_was_written(self, web: Client) -> None:
        """One row by its key is put, changed with its tag, and removed."""
        ada = token(sub="ada")

        made = web.put_json("/api/shop/item/50", {"note": "new"}, headers=ada, status=201)
        web.patch_json("/api/shop/item/50", {"note": "newer"}, headers={**ada, "If-Match": made.headers["ETag"]}, status=200)
        web.patch_json("/api/shop/item/50", {"note": "late"}, headers={**ada, "If-Match": made.headers["ETag"]}, status=412)
        web.get("/api/shop/item/50", headers=token(sub="bo"), status=404)
        web.delete("/api/shop/item/50", headers=ada, status=204)

    def test_needs_a_connection_that_writes(self, web: Client) -> None:
        """Grants do not make a read-only connection write."""
        web.serve(web.served, writable=False)

        assert web.post_json("/api/shop/item", {"id": 9}, headers=token(sub="ada"), status=405).json["code"] == "25006"


class TestSettings:
    """What functions of the database see."""

    def test_shows_the_request(self, web: Client) -> None:
        """Claims, method, path and headers as PostgREST has them; reads are read only."""
        web.serve(web.served, app_settings=(("colour", "green"),), db_extra_search_path=("other", 'a"b'))
        headers = {**token(sub="ada"), "X-Shop": "bö".encode().decode("latin-1"), "Cookie": "taste=sweet; session=signed"}

        who = web.get("/api/shop/who?role=not.is.null", headers=headers).json[0]

        assert who["claims"] == {"role": WEB, "sub": "ada"}
        assert (who["method"], who["path"], who["read_only"]) == ("GET", "/who", "on")
        assert who["headers"]["x-shop"] == "bö"
        assert who["headers"]["authorization"] == headers["Authorization"]
        assert "cookie" not in who["headers"]
        assert who["cookies"] == {"taste": "sweet", "session": "signed"}
        assert who["search_path"] == '"public", "other", "a""b"'
        assert who["colour"] == "green"

    def test_keeps_our_own_tokens_from_the_database(self, web: Client) -> None:
        """An API token is for us; whoever has one works as the account of the connection."""
        web.serve(web.served, anonymous="none")

        answer = web.get("/api/shop/who", headers={"Authorization": "Bearer good"}, status=403)

        assert answer.json["code"] == "42501"

    def test_binds_what_a_token_says(self, web: Client) -> None:
        """Quotes, NULs and line breaks in claims are text and nothing else."""
        odd = "it's \"odd\"\0\r\n; RESET ROLE; %s $1"

        who = web.get("/api/shop/who", headers=token(sub="ada", odd=odd), expect_errors=True)

        assert who.status_int == 400 or who.json[0]["claims"]["odd"] == odd

    def test_has_those_of_the_role(self, web: Client) -> None:
        """``ALTER ROLE … SET`` counts, its isolation level too."""
        slow, other = (web.get("/api/shop/who", headers=token(role)).json[0] for role in (SLOW, WEB))

        assert (slow["work_mem"], slow["isolation"]) == ("9MB", "serializable")
        assert (other["work_mem"], other["isolation"]) == ("4MB", "read committed")

    def test_leaves_nothing_on_the_connection(self, web: Client) -> None:
        """After answers, errors and writes the connection is the account's again, with no setting of a request."""
        sql = "SELECT current_user, coalesce(current_setting('request.jwt.claims', true), ''), current_setting('work_mem')"
        for path, headers in (("who", token(SLOW, sub="x")), ("nothing", token()), ("part", token()), ("item?id=eq.x", token())):
            web.get(f"/api/shop/{path}", headers=headers, expect_errors=True)
        web.post_json("/api/shop/item", {"id": 1}, headers=token(sub="ada"), expect_errors=True)

        rows = [web.served.bulkhead.fetch(Statement(sql))[0] for _ in range(3)]

        assert rows == [(LOGIN, "", "4MB")] * 3

    def test_costs_two_statements(self, web: Client) -> None:
        """One sets everything and one reads, in one round trip; streams and single rows, too."""
        web.get("/api/shop/item")  # what the roles have been given is known now

        for path, headers in (("item", {}), ("item?limit=1", token(sub="ada")), ("item", {"Accept": "text/csv"})):
            with at_most(2, web.served):
                web.get(f"/api/shop/{path}", headers=headers)


class TestPreRequest:
    """``db_pre_request``"""

    def test_runs_first_and_may_refuse(self, web: Client) -> None:
        """What it says about the answer is done; what it raises is the answer."""
        web.serve(web.served, db_pre_request="public.checked")

        fine = web.get("/api/shop/item")
        refused = web.get("/api/shop/item", headers={"X-Refuse": "1"}, status=401)
        written = web.patch_json("/api/shop/item?id=eq.1", {"note": "x"}, headers={**token(sub="ada"), "Prefer": "tx=rollback"}, status=204)

        assert (fine.headers["X-Checked"], fine.headers["Cache-Control"]) == ("yes", "no-store")
        assert written.headers["X-Checked"] == "yes"
        assert (refused.json["message"], refused.json["hint"]) == ("not you", "ask somebody")

    def test_has_to_be_there(self, web: Client) -> None:
        """A name that is wrong is an error of every request, and quoted."""
        web.serve(web.served, db_pre_request='public.x"; DROP TABLE item; --')

        answer = web.get("/api/shop/item", expect_errors=True)

        assert (answer.status_int, answer.json["code"]) == (404, "42883")


class TestDescriptions:
    """Documents of what the caller may do."""

    def test_follow_the_grants(self, web: Client) -> None:
        """Each role has its own."""
        anonymous, known = (web.get("/api/shop/", headers=headers).json["paths"] for headers in ({}, token()))

        assert not {"/hidden", "/part"} & set(anonymous)
        assert not {"post", "patch"} & set(anonymous["/item"])
        assert {"get", "post", "patch", "delete"} <= set(known["/item"])
        assert [table["name"] for table in web.get("/api/shop/-/schema").json["tables"]] == ["item"]
        web.get("/api/shop/-/schema/part", status=401)
        web.get("/api/shop/-/schema/part", headers=token(), status=200)

    @pytest.mark.usefixtures("nothing_else")
    def test_lists_databases_for_anonymous_callers_and_tokens(self, web: Client) -> None:
        """``/api/`` knows whoever may come in."""
        assert [entry["name"] for entry in web.get("/api/").json] == ["shop"]
        assert [entry["name"] for entry in web.get("/api/", headers=token()).json] == ["shop"]
        web.get("/api/", headers=token(exp=int(time.time()) - 3600), status=401)


class TestBatches:
    """``/-/batch`` as a role"""

    def test_runs_as_the_caller(self, web: Client) -> None:
        """Every request of it."""
        requests = [{"id": "a", "method": "GET", "path": "/who"}, {"id": "b", "method": "GET", "path": "/item?order=id"}]

        answer = web.post_json("/api/shop/-/batch", {"requests": requests}, headers=token(sub="ada"), status=200)

        who, items = (part["body"] for part in answer.json["responses"])
        assert (who[0]["role"], who[0]["path"], who[0]["method"]) == (WEB, "/who", "GET")
        assert [row["id"] for row in items] == [1, 3]
        assert json.loads(json.dumps(who[0]["claims"])) == {"role": WEB, "sub": "ada"}


GRANTS = """
SELECT c.relname, has_any_column_privilege(r.oid, c.oid, 'SELECT'), has_table_privilege(r.oid, c.oid, 'INSERT'),
    has_table_privilege(r.oid, c.oid, 'UPDATE') AND has_table_privilege(r.oid, c.oid, 'SELECT'),
    has_table_privilege(r.oid, c.oid, 'DELETE') AND has_table_privilege(r.oid, c.oid, 'SELECT')
FROM pg_class c, pg_roles r WHERE c.relname = ANY(%s) AND r.rolname = %s
"""
TABLES = ("item", "part", "who")


@pytest.mark.parametrize("role", [None, WEB, SLOW, STRANGER], ids=["nobody", "web", "slow", "stranger"])
def test_every_method_follows_from_the_grants(web: Client, role: str | None) -> None:
    """What a role has been granted is allowed, and nothing else, whatever our own policy says of tables."""
    headers = {**(token(role, sub="ada") if role is not None else {}), "Prefer": "tx=rollback"}
    denied = 401 if role is None else 403
    rows = web.served.bulkhead.fetch(Statement(GRANTS, (list(TABLES), role or ANON)))
    granted = {row[0]: dict(zip(("GET", "POST", "PATCH", "DELETE"), row[1:], strict=True)) for row in rows}
    asked = {"GET": ("?select=id&limit=1", None), "POST": ("", {"id": 7}), "PATCH": ("?id=eq.1", {"id": 1}), "DELETE": ("?id=eq.1", None)}

    wrong = []
    for table in TABLES:
        for method, (query, body) in asked.items():
            query = "" if table == "who" else query
            send = {"params": json.dumps(body), "content_type": "application/json"} if body is not None else {}
            options = {"headers": headers, "expect_errors": True, **send}
            status = getattr(web, method.lower())(f"/api/shop/{table}{query}", **options).status_int
            is_refused = status in (denied, 405) or (status == 400 and table == "who")  # a view of expressions takes no writes
            if is_refused is (granted[table][method] and role != STRANGER):
                wrong.append((table, method, status))

    assert wrong == []
