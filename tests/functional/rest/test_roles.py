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
from qapla.testing.catalogs import serve_url
from qapla.testing.servers import make_database
from qapla.testing.statements import at_most
from tests.functional.rest.conftest import run_script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

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
