"""The README: every line of its tour runs as it stands."""

from __future__ import annotations

import importlib
import re
import shlex
import sqlite3
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
CURLS = [line for line in README.splitlines() if line.startswith("curl ") and "/api/flights/" in line]


@pytest.fixture(scope="module")
def demo(tmp_path_factory, make_lazydb):
    """The demo, as the README starts it."""
    with make_lazydb(tmp_path_factory.mktemp("demo")).serving(command="demo") as server:
        yield server


@pytest.mark.parametrize("line", CURLS)
def test_lines_of_the_tour_answer(demo, line):
    """Each curl line is answered with rows; the one with a wrong column is refused with a sentence."""
    words = shlex.split(line)[1:]
    headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
    method = "HEAD" if "-I" in words else "GET"

    answer = httpx.request(method, words[-1].replace("http://127.0.0.1:6543", demo.url), headers=headers, trust_env=False, timeout=30)

    if "colour" in line:
        assert answer.status_code == 400
        assert "colour" in answer.json()["message"]
    else:
        assert answer.status_code in (200, 206), answer.text
        assert method == "HEAD" or len(answer.text) > 50


def test_the_demo_prints_what_to_try(demo):
    """It prints a login link and three things to try, and each of them works."""
    browser, curl, python = re.findall(r"^  (http\S+)|^  (curl .*)|^  (python3 .*)", demo.output, re.MULTILINE)[:3]
    link = re.search(r"http\S+/login\?token=\S+", demo.output)[0]

    page = httpx.get(browser[0], headers={"Accept": "text/html"}, trust_env=False, timeout=30)
    assert page.headers["content-type"].startswith("text/html")
    assert httpx.get(shlex.split(curl[1])[-1], trust_env=False, timeout=30).json()
    source = shlex.split(python[2])[2]
    exec(compile(source, "the line for Python", "exec"), {})
    with httpx.Client(trust_env=False, timeout=30) as client:
        assert client.get(link).status_code == 303
        assert client.get(f"{demo.url}/admin/flights").status_code == 200


@pytest.fixture
def shop(tmp_path):
    """The database of the README's examples."""
    with sqlite3.connect(tmp_path / "shop.sqlite") as connection:
        connection.executescript(
            "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, total NUMERIC(10,2), customer_id INTEGER REFERENCES customer);"
            "INSERT INTO customer VALUES (1, 'Ada'); INSERT INTO orders VALUES (1, 9.99, 1), (2, 100, 1);"
        )
    connection.close()
    return tmp_path / "shop.sqlite"


def test_the_library_example_runs(shop, monkeypatch, capsys):
    """The Python block prints the tables and the rows that it says."""
    monkeypatch.chdir(shop.parent)

    exec(compile(block("open_database"), "README.md", "exec"), {})

    assert capsys.readouterr().out.splitlines() == [
        "['customer', 'orders']",
        "[{'id': 2, 'total': 100, 'customer': {'name': 'Ada'}}]",
    ]


def test_the_notebook_example_runs(tmp_path, monkeypatch, capsys):
    """The block of models prints one sum of three databases, and leaves a frame of all rows."""
    monkeypatch.chdir(tmp_path)
    for place, amount in (("north", 3), ("south", 4), ("west", 5)):
        with sqlite3.connect(f"{place}.db") as connection:
            connection.executescript(
                "CREATE TABLE sale (id INTEGER PRIMARY KEY, item VARCHAR(40) NOT NULL, amount INTEGER NOT NULL);"
                f"INSERT INTO sale VALUES (1, 'tea', {amount}), (2, 'rice', 7);"
            )
        connection.close()
    names = {"__name__": "notebook"}

    exec(compile(block("ExitStack"), "README.md", "exec"), names)

    assert capsys.readouterr().out == "12\n"
    assert names["frame"]["amount"].tolist() == [7, 7, 7, 5, 4, 3]
    assert names["lazy"].npartitions == 3


def test_the_repository_example_runs(request, tmp_path, monkeypatch, redis_url):
    """The block of repositories is an application that keeps prices, in Redis and behind it."""
    package = tmp_path / "shop_of_prices"
    (package / "settings").mkdir(parents=True)
    (package / "__init__.py").write_text(block("RepositoriesPlugin"))
    (package / "settings" / "default.py").write_text("def make_settings(settings, paths): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    shop = importlib.import_module("shop_of_prices")
    app = shop.Shop().run_tests({"db:main:url": f"sqlite:///{tmp_path}/main.sqlite", "redis:default:url": redis_url})
    request.addfinalizer(app.stop)
    app["repositories"].create_tables()
    prices, tea = app["repositories"]["price"], shop.Price("tea", Decimal("4.20"))

    prices.add(tea)

    assert [prices.get_one("tea", memory=is_asked) for is_asked in (True, False)] == [tea, tea]
    prices.delete("tea")


def test_the_client_example_runs(shop, tmp_path, make_lazydb):
    """The client of PostgREST has the rows, with a token that the line above it makes."""
    lazydb = make_lazydb(tmp_path / "home")
    lazydb.json("add", f"sqlite:///{shop}", "--name", "shop", "--writable")
    token = lazydb.json("token", "add", "laptop", "--right", "shop=write")["token"]
    with lazydb.serving() as server:
        names = {"token": token}
        exec(compile(block("postgrest").replace("http://127.0.0.1:6543", server.url), "README.md", "exec"), names)

    assert names["found"].data == [{"id": 2, "total": 100, "customer": {"name": "Ada"}}]


def block(word):
    """Return the block of Python that has *word* in it."""
    return next(text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if word in text)
