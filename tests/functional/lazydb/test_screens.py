"""lazydb's own pages: the overview, the form of a connection, one database."""

from __future__ import annotations

import re
import socket
import time
from datetime import timedelta

import pytest

from lazydb.models import now
from qapla.database.spec import parse_url
from qapla.plugins.auth.tokens import make_token


@pytest.fixture
def add_shop(browser, find_form, shop_path):
    """Add the shop through the form; keyword arguments fill further fields."""

    def add(**fields):
        form = find_form(browser.get("/admin/-/connections/new?engine=sqlite"), "path")
        form["path"] = str(shop_path)
        for name, value in fields.items():
            form[name] = value
        return form.submit("do", value="save", status=303).follow()

    return add


class TestOverview:
    """/admin/"""

    def test_leads_strangers_to_the_login(self, stranger):
        """Nobody sees anything before a login, and comes back afterwards."""
        answer = stranger.get("/admin/-/connections/new", status=303)

        assert "/admin/-/login" in answer.location

    def test_asks_for_the_first_database(self, browser):
        """Without any database the page says what to do."""
        page = browser.get("/admin/")

        assert "No database yet" in page
        assert "/admin/-/connections/new" in page

    def test_shows_a_database(self, browser, add_shop):
        """A card has the engine, the place, the tables and views, and links to everything."""
        add_shop()

        page = browser.get("/admin/")

        assert "SQLite 3." in page
        assert "shop.sqlite" in page
        assert [each.text for each in page.html.select(".facts dd.num")] == ["3", "1"]
        assert {"/admin/shop", "/api/shop/", "/admin/-/connections/shop/edit"} <= {link.get("href") for link in page.html.find_all("a")}

    def test_asks_a_database_how_it_is(self, browser, add_shop):
        """The part of a card with its state asks the database, and says how long it took."""
        add_shop()

        answer = browser.get("/admin/-/connections/shop/state")

        assert "answers" in answer
        assert re.search(r"\d+\.\d ms", answer.text)

    def test_says_why_a_database_cannot_be_reached(self, browser, add_shop, shop_path):
        """A database that has gone has a red dot, a word and a sentence."""
        add_shop()
        shop_path.unlink()

        answer = browser.get("/admin/-/connections/shop/state")

        assert "not reachable" in answer
        assert answer.html.select_one(".state-why").text.strip()


class TestConnectionForm:
    """/admin/-/connections/new and /edit"""

    def test_has_the_fields_of_the_engine_only(self, browser, find_form):
        """A file has a path, a server has host, port, database, user and password."""
        file = find_form(browser.get("/admin/-/connections/new?engine=sqlite"), "path")
        server = find_form(browser.get("/admin/-/connections/new?engine=mariadb"), "host")

        assert "host" not in file.fields
        assert {"host", "port", "database", "user", "password"} <= set(server.fields)

    def test_is_read_only_at_first(self, add_shop, lazydb):
        """Who does not switch writing on gets a connection that only reads."""
        add_shop()

        assert not lazydb["connections"].get("shop").options.writable

    def test_fills_the_fields_from_a_url(self, browser, find_form):
        """A pasted URL goes into the fields, and its password is in no page."""
        form = find_form(browser.get("/admin/-/connections/new"), "host")
        form["url"] = "mysql://me:s3cret%21@db.example.org:3307/shop?sslmode=verify-full"

        page = form.submit("do", value="fill")

        form = find_form(page, "host")
        found = {name: form[name].value for name in ("engine", "host", "port", "database", "user", "sslmode")}
        assert found == {
            "engine": "mysql",
            "host": "db.example.org",
            "port": "3307",
            "database": "shop",
            "user": "me",
            "sslmode": "verify-full",
        }
        assert "s3cret" not in page.text

    def test_keeps_a_typed_password_from_page_to_page(self, browser, find_form):
        """A Test that fails does not ask for the password again: it went along sealed."""
        form = find_form(browser.get("/admin/-/connections/new"), "host")
        form["url"] = "postgresql://me:s3cret@127.0.0.1:1/shop"

        page = find_form(form.submit("do", value="fill"), "host").submit("do", value="test")

        assert "s3cret" not in page.text
        assert find_form(page, "host")["kept"].value

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://me:s3cret@127.0.0.1:1/shop?foo=1",
            "postgresql://me:s3cret@127.0.0.1:99999/shop",
            "postgresql://me:s3cret/@127.0.0.1/shop",
            "nosuch://me:s3cret@h/shop",
            "postgresql://me@h/shop?sslpassword=s3cret",
        ],
    )
    def test_shows_no_password_of_a_url_that_is_refused(self, browser, find_form, url):
        """What is wrong in a URL can be mended in the page, and the password is not in it."""
        form = find_form(browser.get("/admin/-/connections/new"), "host")
        form["url"] = url

        page = form.submit("do", value="test", status=422)

        assert "s3cret" not in page.text
        assert find_form(page, "host")["url"].value.startswith(url.partition(":")[0])

    def test_shows_each_step_of_the_test(self, browser, find_form, shop_path):
        """Test says what was tried, whether it worked and how long it took, and registers nothing."""
        form = find_form(browser.get("/admin/-/connections/new?engine=sqlite"), "path")
        form["path"] = str(shop_path)

        page = form.submit("do", value="test")

        assert [step.text for step in page.html.select(".step-name")] == ["file", "catalog", "privileges"]
        assert "No database yet" in browser.get("/admin/")

    def test_answers_a_test_of_htmx_with_the_steps_alone(self, browser, find_form, shop_path):
        """With JavaScript only the box of the Test is swapped."""
        form = find_form(browser.get("/admin/-/connections/new?engine=sqlite"), "path")
        form["path"] = str(shop_path)

        answer = form.submit("do", value="test", headers={"HX-Request": "true"})

        assert "<html" not in answer.text
        assert "step-ok" in answer.text

    def test_serves_what_was_added_at_once(self, browser, add_shop):
        """A database that was added answers over REST, without a restart."""
        page = add_shop(anonymous="read")

        rows = browser.get("/api/shop/customer?select=name&order=name").json

        assert "shop is served" in page
        assert rows == [{"name": "Ada"}, {"name": "Grace"}]

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"host": "db", "database": "shop"}, "user"),
            ({"host": "a b", "database": "shop", "user": "me"}, "host"),
            ({"host": "db", "port": "x", "database": "shop", "user": "me"}, "port"),
            ({"url": "postgresql://me@db/shop?host=/etc"}, "url"),
            ({"url": "redis://db/0"}, "url"),
            ({"host": "169.254.169.254", "database": "shop", "user": "me"}, "host"),
            ({"host": "127.0.0.1", "port": "1", "database": "d", "user": "me", "name": "not a name"}, "name"),
            ({"host": "127.0.0.1", "port": "1", "database": "d", "user": "me", "pool_size": "0"}, "pool_size"),
        ],
    )
    def test_names_the_field_that_is_wrong(self, browser, find_form, fields, field):
        """Bad input comes back with what was typed, and a sentence that leads to its field."""
        form = find_form(browser.get("/admin/-/connections/new"), "host")
        for name, value in fields.items():
            form[name] = value

        page = form.submit("do", value="save", status=422)

        assert page.html.select_one(f'#errors a[href="#field-{field}"]'), page.html.select_one("#errors")
        assert all(find_form(page, "host")[name].value == value for name, value in fields.items())

    def test_adds_what_failed_the_test_only_as_paused(self, browser, find_form, lazydb):
        """A database that does not answer can be kept, but is not served."""
        form = find_form(browser.get("/admin/-/connections/new"), "host")
        form["host"], form["port"], form["database"], form["user"], form["name"] = "127.0.0.1", "1", "shop", "me", "later"
        page = form.submit("do", value="save", status=422)

        find_form(page, "host").submit("do", value="save_paused", status=303)

        assert lazydb["connections"].get("later").paused
        assert browser.get("/api/later/", status=503).json["code"] == "QAPLA503"

    def test_ends_in_time_when_a_server_says_nothing(self, browser, find_form):
        """A listener that takes connections and is silent costs less than ten seconds."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            form = find_form(browser.get("/admin/-/connections/new"), "host")
            form["host"], form["port"], form["database"], form["user"] = "127.0.0.1", str(listener.getsockname()[1]), "d", "me"
            started = time.monotonic()
            page = form.submit("do", value="test")

        assert time.monotonic() - started < 10
        assert page.html.select_one(".step-failed")

    def test_refuses_a_file_outside_the_folders(self, browser, find_form, tmp_path):
        """A form may not open any file of the machine."""
        form = find_form(browser.get("/admin/-/connections/new?engine=sqlite"), "path")
        form["path"] = "/etc/passwd"

        page = form.submit("do", value="save", status=422)

        assert page.html.select_one('#errors a[href="#field-path"]')

    def test_changes_a_connection(self, add_shop, browser, find_form):
        """What was registered can be changed, and counts at once."""
        add_shop()
        form = find_form(browser.get("/admin/-/connections/shop/edit"), "path")
        form["name"], form["anonymous"], form["exclude"] = "store", "read", "log"

        form.submit("do", value="save", status=303)

        assert browser.get("/api/store/customer?select=id&id=eq.1").json == [{"id": 1}]
        assert browser.get("/api/store/log", status=404).json["code"] == "PGRST205"
        assert browser.get("/api/shop/", status=404).json["code"] == "QAPLA404"

    def test_keeps_secrets_among_the_settings_to_itself(self, add_shop, browser, find_form, lazydb):
        """A secret is never in a page: *** stands for it, in what was typed as in what is kept; emptied, it is gone."""
        secret = "a secret of more than thirty-two bytes"
        add_shop()

        form = find_form(browser.get("/admin/-/connections/shop/edit"), "path")
        form["jwt_secret"], form["path"] = secret, "/nowhere"
        wrong = form.submit("do", value="save", status=422)
        form = find_form(wrong, "path")
        form["path"] = str(lazydb["connections"].get("shop").spec.path)
        form.submit("do", value="save", status=303)
        again = browser.get("/admin/-/connections/shop/edit")
        kept = lazydb["connections"].get("shop").options.jwt_secret
        form = find_form(again, "path")
        shown, form["jwt_aud"] = form["jwt_secret"].value, "us"
        form.submit("do", value="save", status=303)
        still = lazydb["connections"].get("shop").options
        form["jwt_secret"] = ""
        form.submit("do", value="save", status=303)

        assert secret not in wrong.text + again.text
        assert (kept, shown, still.jwt_secret, still.jwt_aud) == (secret, "***", secret, "us")
        assert lazydb["connections"].get("shop").options.jwt_secret is None

    def test_offers_roles_where_the_engine_has_them(self, browser, find_form):
        """Settings that an engine cannot have are not in its form; own settings are lines of names and values."""
        names = {
            engine: set(find_form(browser.get(f"/admin/-/connections/new?engine={engine}"), field).fields)
            for engine, field in (("sqlite", "path"), ("postgresql", "host"))
        }
        form = find_form(browser.get("/admin/-/connections/new?engine=postgresql"), "host")
        form["host"], form["database"], form["user"], form["app_settings"] = "127.0.0.1", "x", "x", "mail=geheim-6\r\n"
        page = form.submit("do", value="save", status=422)

        assert names["postgresql"] - names["sqlite"] >= {"db_anon_role", "db_pre_request", "db_extra_search_path", "app_settings"}
        assert names["sqlite"] >= {"server_cors_allowed_origins", "db_tx_end", "requests_per_minute", "openapi_mode"}
        assert find_form(page, "host")["app_settings"].value.strip() == "mail=***"
        assert "geheim-6" not in page

    def test_needs_a_csrf_token(self, browser):
        """A page of somebody else cannot send the form."""
        browser.post("/admin/-/connections/new", {"engine": "sqlite", "do": "save"}, status="4*")


class TestConnectionActions:
    """Pause, resume, refresh and remove."""

    def test_pauses_and_resumes(self, browser, add_shop, find_form):
        """A paused database answers 503, a resumed one as before."""
        add_shop(anonymous="read")
        page = browser.get("/admin/")
        page.forms[next(key for key, form in page.forms.items() if form.action.endswith("/pause"))].submit(status=303)
        paused = browser.get("/api/shop/customer", status=503)
        page = browser.get("/admin/")
        page.forms[next(key for key, form in page.forms.items() if form.action.endswith("/resume"))].submit(status=303)

        assert paused.headers["Retry-After"]
        assert browser.get("/api/shop/customer").status_int == 200

    def test_removes_only_when_the_name_is_typed(self, browser, add_shop, find_form, shop_path):
        """Another name changes nothing; the right one removes the connection and leaves the database as it was."""
        add_shop()
        before = shop_path.read_bytes()
        form = find_form(browser.get("/admin/-/connections/shop/remove"), "typed")
        form["typed"] = "shopp"
        wrong = form.submit(status=422)
        form["typed"] = "shop"
        form.submit(status=303)

        assert "not" in wrong.html.select_one("#wrong").text
        assert browser.get("/api/shop/", status=404)
        assert shop_path.read_bytes() == before

    def test_reads_the_structure_again(self, browser, add_shop, shop_path):
        """A refresh runs in the background, says in words what changed, and the new table is served."""
        import sqlite3

        add_shop(anonymous="read")
        with sqlite3.connect(shop_path) as connection:
            connection.execute("CREATE TABLE invoice (id INTEGER PRIMARY KEY)")
        page = browser.get("/admin/shop")
        form = next(form for form in page.forms.values() if form.action.endswith("/refresh"))

        page = form.submit(status=303).follow()
        until = time.monotonic() + 10
        while page.html.select_one("progress") and time.monotonic() < until:
            time.sleep(0.1)
            page = browser.get(page.request.url)

        assert "invoice" in page.html.select_one("#job").text
        assert browser.get("/api/shop/invoice").json == []


class TestDatabase:
    """/admin/{database}"""

    def test_lists_tables_and_views(self, browser, add_shop):
        """Each table has a link, views are marked, and what cannot be written says why."""
        page = add_shop(writable=True)

        rows = {row.th.a.text: row for row in page.html.select("#tables tbody tr")}
        assert list(rows) == ["busy", "customer", "log", "order"]
        assert rows["busy"].select_one(".tag").text == "view"
        assert "no key" in rows["log"].text

    def test_finds_tables_by_their_columns(self, browser, add_shop):
        """The words are looked for in names of tables and of columns, which are then shown."""
        add_shop()

        page = browser.get("/admin/shop?q=email")

        assert [row.th.a.text for row in page.html.select("#tables tbody tr")] == ["customer"]
        assert page.html.select_one(".found-columns").text == "email"

    def test_shows_the_report(self, browser, add_shop):
        """What was left out or changed while reading is listed with its reason."""
        page = add_shop()

        assert "no primary key" in page.html.select_one("#report").text

    def test_shows_lines_for_a_terminal_that_work(self, browser, add_shop):
        """The URL of each curl line answers."""
        page = add_shop(anonymous="write", writable=True)

        lines = [each.text for each in page.html.select("#endpoints code")]
        urls = [re.search(r"http://localhost:6543(/\S+?)'?$", line).group(1) for line in lines if "-d" not in line]
        assert [browser.get(url).status_int for url in urls] == [200] * 3
        body = re.search(r"-d '([^']+)'", lines[-1]).group(1)
        answer = browser.post(
            re.search(r"http://localhost:6543(/\S+?)'?$", lines[-1]).group(1),
            body,
            {"Content-Type": "application/json", "Prefer": "return=representation, tx=rollback", "X-CSRF-Token": csrf(browser)},
        )
        assert answer.status_int == 201

    def test_escapes_what_comes_from_a_database(self, browser, add_shop, shop_path):
        """Markup in a name is shown as text."""
        import sqlite3

        with sqlite3.connect(shop_path) as connection:
            connection.execute('CREATE TABLE "<script>alert(1)</script>" (id INTEGER PRIMARY KEY)')

        page = add_shop()

        assert "<script>alert(1)" not in page.text
        assert "&lt;script&gt;" in page.text


def csrf(browser):
    """Return the CSRF token of the session."""
    return browser.get("/admin/-/connections/new").html.select_one("[name=csrf_token]")["value"]


class TestWithoutAssets:
    """The pages before scripts/assets has run."""

    def test_is_plain_and_says_which_command_builds_them(self, browser, add_shop, monkeypatch):
        """Everything is there without its look: no link to a file that is missing, and a word where an icon would be."""
        add_shop(anonymous="read")
        monkeypatch.setattr("qapla.plugins.admin.pages.assets_built", lambda: False)

        page = browser.get("/admin/shop/customer")

        assert "scripts/assets" in page
        assert "vendor/" not in page.text
        assert all(link.text.strip() for link in page.html.select("tbody a"))
        assert browser.get("/api/shop/customer?select=id").json == [{"id": 1}, {"id": 2}]


class TestTokens:
    """/admin/-/tokens"""

    def test_tells_what_each_may_and_when_it_was_used(self, lazydb, browser):
        """Names and rights are text, whatever stands in them; the token itself is nowhere."""
        rights = {"shop.order": {"right": "read", "columns": ["id"], "rows": "note=eq.<b>"}}
        lazydb["accounts"].add_token("night<ly>", "0" * 64, rights)
        lazydb["accounts"].add_token("over", "1" * 64, {"*": "write"}, now() - timedelta(days=1))
        lazydb["accounts"].find_token("0" * 64)
        lazydb["accounts"].write_uses()

        page = browser.get("/admin/-/tokens")

        items = [" ".join(item.get_text(" ").split()) for item in page.html.select("ul.related li")]
        assert items[0].startswith("night<ly> read shop.order(id) where note=eq.<b> valid used 20")
        assert items[1].startswith("over write everywhere expired never used made 20")
        assert "0" * 64 not in page
        assert "<b>" not in page.text

    def test_is_for_admins(self, lazydb, stranger):
        """Who may only read here does not learn who else may."""
        token, digest = make_token()
        ann = lazydb["accounts"].add_user("ann", role="user", rights={"*": "read"})
        lazydb["accounts"].add_login_link(ann.id, digest, 60)
        stranger.get(f"/admin/-/login?token={token}", status=303)

        stranger.get("/admin/-/tokens", status=403)
        assert "/admin/-/tokens" not in stranger.get("/admin/").text


def test_whoever_has_one_table_sees_its_database(lazydb, shop_path, stranger):
    """And of its tables that one."""
    lazydb["connections"].add(parse_url(f"sqlite:///{shop_path}"), name="shop")
    token, digest = make_token()
    ann = lazydb["accounts"].add_user("ann", role="user", rights={"shop.order": "read"})
    lazydb["accounts"].add_login_link(ann.id, digest, 60)
    stranger.get(f"/admin/-/login?token={token}", status=303)

    assert "/admin/shop" in stranger.get("/admin/").text
    page = stranger.get("/admin/shop").text
    assert "/admin/shop/order" in page
    assert "/admin/shop/customer" not in page
    stranger.get("/admin/shop/customer", status=403)
