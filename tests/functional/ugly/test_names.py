"""No name is too odd: every table can be reached over REST and in the admin, whatever it, its columns and its schema are called."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

import pytest

from qapla.testing.oddities import FOLDER, run_script
from qapla.testing.servers import ENGINE_NAMES, make_database

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [
    *("..", ".", "%2F", "%", "a?b#c", "&=+;,:@", "new\nline", "tab\t", "NULL", "*", "count", "and", "or", "not.and", "select.x", "a->b"),
    *("a::b", "(a)", "a!b", '"', '""', "a\\b", "'", "`", "{x}", "$1", "%s", ":name", "--", "/*", ";", "a/1", "a/b/c", "1", "-1", "true"),
    *("😀", "e\u0301", "é", "ß", "İ", "שלום", "\u202eabc", "x" * 63, "表" * 21, "admin", "api", "__class__", "id", "order", "limit"),
    *("offset", "columns", "on_conflict", "schema", "csv", "new"),
]
CASED = ("Twin", "twin", "TWIN")  # three tables where names keep their case
PLAIN = {"integer", "int", "int(11)", "text", "varchar(20)"}
REPORTED = ("rpc", "-")  # in a URL these are something else; the report of the database says so


def quoted(engine: str, name: str) -> str:
    """Return a name as SQL has it."""
    mark = "`" if engine == "mariadb" else '"'
    return f"{mark}{name.replace(mark, mark * 2)}{mark}"


def names_of(engine: str) -> list[str]:
    """Return the names that an engine can have."""
    if engine == "mariadb":  # no characters beyond U+FFFF, and accents and letters' cases are the same in a column's name
        return [*(name for name in NAMES if max(name) <= "\uffff" and "\n" not in name and not name.endswith(("\t", " "))), *CASED]
    return [*NAMES, " spaces ", *(CASED if engine == "postgresql" else CASED[:1])]


def script(engine: str) -> str:
    """Return the SQL of a table for every name, with a column of that name, that refers to itself by it."""
    lines = (FOLDER / f"{engine}.sql").read_text(encoding="utf-8")
    text = "varchar(20)" if engine == "mariadb" else "text"
    for number, name in enumerate(names_of(engine)):
        own = quoted(engine, name)
        column = own if name.lower() not in {"key", "up"} else "other"
        key = quoted(engine, "the key")
        reference = f", CONSTRAINT own_{number} FOREIGN KEY (up) REFERENCES {own} ({key})"
        lines += f"CREATE TABLE {own} ({key} {text} PRIMARY KEY, {column} integer, up {text}{reference});\n"
        lines += f"INSERT INTO {own} ({key}, {column}, up) VALUES ('a/b,c', {number}, 'a/b,c');\n"
    if engine == "postgresql":
        for schema in ("a/b", "%41", "Public", " x ", "select", "é"):
            own = quoted(engine, schema)
            lines += f"CREATE SCHEMA {own};\nCREATE TABLE {own}.{own} ({own} integer PRIMARY KEY);\nINSERT INTO {own}.{own} VALUES (7);\n"
    return lines


@pytest.fixture(scope="module", params=ENGINE_NAMES)
def odd(request: pytest.FixtureRequest, make_home: Any, ugly: Any) -> Iterator[tuple[str, Any, Any, Any]]:
    """Serve a database of odd names; give the engine, its description, and clients of its API and admin."""
    with make_database(request.param) as url:
        run_script(url, script(request.param))
        options = ("--name", "odd", "--writable", "--anonymous", "write")
        with (
            make_home().serving(ugly.target_of(url), *options) as server,
            ugly.logged_in(server) as admin,
            server.client() as api,
        ):
            yield request.param, admin.get("/api/odd/-/schema").json(), api, admin


def path_of(*parts: str) -> str:
    """Return parts of a path, percent-encoded."""
    return "/".join(quote(part, safe="").replace(".", "%2E") if set(part) == {"."} else quote(part, safe="") for part in parts)


def as_name(name: str) -> str:
    """Return a name as it stands in ``select`` or in front of a filter."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def as_key(value: str) -> str:
    """Return one value of a row's address."""
    return quote('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"', safe="")


def header(name: str) -> str:
    """Return the name of a schema for a header."""
    return name if name.isascii() and name == name.strip() else quote(name)


def tables(schema: Any) -> list[Any]:
    """Return what can be read: all but what the report names."""
    closed = {finding["subject"] for finding in schema["report"] if finding["what"].endswith("cannot be read")}
    found = [each for each in [*schema["tables"], *schema["views"]] if each["name"] not in REPORTED]
    return [each for each in found if not closed & {each["name"], f"{each['schema']}.{each['name']}"}]


def test_reaches_every_table_over_rest(odd: Any) -> None:
    """List, each column by name in ``select``, ``order`` and a filter, and an address of a row."""
    _engine, schema, api, _admin = odd
    broken = []
    for table in tables(schema):
        path, headers = f"/api/odd/{path_of(table['name'])}", {"Accept-Profile": table["schema"] or ""}
        headers = {name: header(value) for name, value in headers.items() if value}
        plain = [column["name"] for column in table["columns"] if column["type"].lower() in PLAIN]
        for query in (
            {"limit": "3"},
            {"select": ",".join(as_name(column["name"]) for column in table["columns"]), "limit": "1"} if table["columns"] else {},
            {"order": ",".join(as_name(name) for name in plain)} if plain else {},
            *({as_name(name): "not.is.null"} for name in plain),
            *({"or": f"({as_name(name)}.is.null,{as_name(name)}.not.is.null)"} for name in plain[:1]),
        ):
            answer = api.get(f"{path}?{urlencode(query)}", headers=headers)
            if answer.status_code not in {200, 206}:
                broken.append((table["schema"], table["name"], query, answer.status_code, answer.text[:200]))
    assert broken == []


def test_reaches_every_row_by_its_key(odd: Any) -> None:
    """GET, PATCH with the ETag, and the row with the one it refers to."""
    engine, _schema, api, _admin = odd
    broken = []
    for number, name in enumerate(names_of(engine)):
        path = f"/api/odd/{path_of(name)}"
        row = api.get(f"{path}/{as_key('a/b,c')}")
        if row.status_code != 200 or list(row.json().values()) != ["a/b,c", number, "a/b,c"]:
            broken.append((name, row.status_code, row.text[:200]))
            continue
        changed = api.patch(f"{path}/{as_key('a/b,c')}", json={list(row.json())[1]: number}, headers={"If-Match": row.headers["ETag"]})
        above = api.get(f"{path}?{urlencode({'select': 'up,above:up(*)'})}")
        if changed.status_code != 200 or above.status_code != 200 or above.json()[0]["above"] != row.json():
            broken.append((name, changed.status_code, changed.text[:200], above.status_code, above.text[:200]))
    assert broken == []


def test_reaches_every_table_in_the_admin(odd: Any) -> None:
    """Its list, its row, and the form of the row, by the links of the pages themselves."""
    engine, _schema, _api, admin = odd
    broken = []
    for name in names_of(engine):
        listed = admin.get(f"/admin/odd/{path_of(name)}")
        address = f"{path_of(name)}/{as_key('a/b,c')}"
        statuses = [listed.status_code, *(admin.get(f"/admin/odd/{prefix}{address}").status_code for prefix in ("", "-/edit/"))]
        links = {unquote(unescape(link)) for link in re.findall(r'href="([^"]+)"', listed.text)}
        if statuses != [200] * 3 or f'/admin/odd/{name}/"a/b,c"' not in links:
            broken.append((name, statuses, sorted(links)[:5]))
    assert broken == []


def test_tells_names_apart_that_differ_in_case(odd: Any) -> None:
    """Where an engine keeps the case, each name is a table of its own; a table of another schema needs its schema."""
    engine, _schema, api, _admin = odd
    known = [name for name in CASED if name in names_of(engine)]
    found = [next(iter(api.get(f"/api/odd/{name}").json()))[name] for name in known]

    assert found == [names_of(engine).index(name) for name in known]
    if engine == "postgresql":
        for name in ("a/b", "%41", "Public", " x ", "select", "é"):
            answer = api.get(f"/api/odd/{path_of(name)}/7", headers={"Accept-Profile": header(name)})
            assert answer.headers["Content-Profile"] == header(name)
            assert (name, answer.status_code, answer.text) == (name, 200, json.dumps({name: 7}, ensure_ascii=False, separators=(",", ":")))
