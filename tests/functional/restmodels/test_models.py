"""@rest() on models: the same REST as that of any database, on each engine"""

from __future__ import annotations

import socket
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from postgrest import SyncPostgrestClient
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase
from webtest import TestApp

from qapla.database import drivers, models
from qapla.errors import ConfigurationError, ModelError, NotBound, NotOffered, TargetRefused
from qapla.plugins.rest.marks import Marks
from qapla.plugins.rest.program import ModelApplication
from qapla.testing.processes import free_port
from qapla.testing.servers import make_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL

rest = Marks()


class Base(models.Model):
    """Models with tables of their own, whatever other modules declare."""

    __abstract__ = True
    metadata = MetaData()


@rest()
class Poll(Base):
    """What is asked."""

    text = models.Char(max_length=200)
    asked_at = models.DateTime()


@rest(without=["post", "delete", "patch"])
class Answer(Base):
    """What can be said."""

    poll = models.ForeignKey(Poll)
    text = models.Char(max_length=200)
    votes = models.Integer()


class Hidden(Base):
    """What nobody asks for."""

    text = models.Text()


def open_database(url: URL, engine_name: str, **options: Any) -> Any:
    """Return the with-block of an engine."""
    return getattr(drivers, engine_name.capitalize())(url, **options)


@pytest.fixture
def polls(fresh_database: URL, engine_name: str) -> Iterator[Any]:
    """Give an open database with a poll and two answers."""
    with open_database(fresh_database, engine_name, name="polls") as db:
        db.create_tables(Poll, Answer, Hidden)
        poll = Poll(text="What's \"your\" 100% favourite? é", asked_at=datetime(2024, 2, 29, 12, 30, 0, 123456))
        poll.save()
        Answer(poll=poll, text="red", votes=3).save()
        Answer(poll=poll, text="blue", votes=0).save()
        yield db


@pytest.fixture
def web(polls: Any, serving: Callable[..., TestApp]) -> TestApp:
    """Give a client of the models in the open database; what was not committed is committed by serving."""
    return serving(rest)


def test_reads(web: TestApp) -> None:
    """Rows, one row, filters, embeds and both kinds of addresses are there."""
    listed = web.get("/poll").json

    assert listed == [{"id": 1, "text": "What's \"your\" 100% favourite? é", "asked_at": "2024-02-29T12:30:00.123456"}]
    assert web.get("/poll/1").json == web.get("/api/polls/poll/1").json == listed[0]
    embedded = web.get("/answer?select=text,poll(asked_at)&votes=gt.0").json
    assert embedded == [{"text": "red", "poll": {"asked_at": "2024-02-29T12:30:00.123456"}}]
    assert [row["name"] for row in web.get("/api/").json] == ["polls"]


def test_writes(sqlite_polls: TestApp) -> None:
    """What is not left out can be done, and answers as any REST of a database does."""
    row, wish = {"text": "Where?", "asked_at": "2024-03-01T00:00:00"}, {"Prefer": "return=representation"}
    made = sqlite_polls.post_json("/poll", row, headers=wish)
    number = made.json[0]["id"]
    sqlite_polls.patch_json(f"/poll/{number}", {"text": "Where to?"})
    replaced = sqlite_polls.put_json(f"/poll/{number}", {"id": number, "text": "When?", "asked_at": "2024-03-01T00:00:00"})

    assert (made.status_int, replaced.json["text"]) == (201, "When?")
    assert sqlite_polls.delete(f"/poll/{number}").status_int == 204
    sqlite_polls.get(f"/poll/{number}", status=404)


@pytest.mark.parametrize("path", ["/answer", "/answer/1", "/api/polls/answer", "/api/polls/answer/1"])
def test_leaves_out(sqlite_polls: TestApp, path: str) -> None:
    """A method that is left out is 405 with what is allowed; PUT, which makes and changes rows, goes with the others."""
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        answer = sqlite_polls.request(path, method=method, body=b"{}", content_type="application/json", expect_errors=True)

        assert (answer.status_int, answer.json["code"], answer.headers["Allow"]) == (405, "PGRST117", "GET, HEAD, OPTIONS"), method
    assert sqlite_polls.options(path).headers["Allow"] == "GET, HEAD, OPTIONS"


@pytest.fixture
def sqlite_polls(tmp_path: Any, serving: Callable[..., TestApp]) -> TestApp:
    """Give a client of the models on SQLite: for what does not depend on the engine."""
    with drivers.Sqlite(tmp_path / "polls.db") as db:
        db.create_tables(Poll, Answer, Hidden)
        poll = Poll(text="Why?", asked_at=datetime(2024, 1, 1))
        poll.save()
        Answer(poll=poll, text="red", votes=3).save()
        return serving(rest)


def test_leaves_out_by_other_ways(sqlite_polls: TestApp) -> None:
    """A batch, an upsert and an insert beside an embed come to nothing, too."""
    batch = {"requests": [{"id": "1", "method": "DELETE", "path": "/answer/1"}]}
    upsert = {"Prefer": "resolution=merge-duplicates"}

    refused = sqlite_polls.post_json("/-/batch", batch, status=405)
    sqlite_polls.post_json("/answer", {"id": 1, "votes": 4}, headers=upsert, status=405)

    assert refused.json["responses"][0]["headers"]["Allow"] == "GET, HEAD, OPTIONS"
    assert sqlite_polls.get("/answer/1").json["votes"] == 3


def test_tells_the_same_in_openapi(sqlite_polls: TestApp) -> None:
    """The description has the operations that are there, and only the marked models."""
    paths = sqlite_polls.get("/").json["paths"]

    assert set(paths) == {"/poll", "/poll/{key}", "/answer", "/answer/{key}", "/-/batch"}
    assert set(paths["/answer"]) == {"get"}
    assert set(paths["/answer/{key}"]) == {"get", "parameters"}
    assert set(paths["/poll"]) == {"get", "post", "put", "patch", "delete"}


@pytest.mark.parametrize("path", ["/hidden", "/hidden/1", "/api/polls/hidden", "/-/schema/hidden", "/rpc/abs", "/poll?select=*,hidden(*)"])
def test_serves_nothing_else(sqlite_polls: TestApp, path: str) -> None:
    """What is not marked is not there: no table, no embed, no function."""
    answer = sqlite_polls.get(path, expect_errors=True)

    assert answer.status_int == (400 if "select" in path else 404)
    assert "hidden" not in sqlite_polls.get("/-/schema").text


def test_write_only(tmp_path: Any, serving: Callable[..., TestApp]) -> None:
    """A model without GET takes rows and shows none: not as an embed, not as what a write gives back."""
    marks = Marks()
    marks()(Poll)
    marks(without=["get", "put", "patch", "delete"])(Answer)
    with drivers.Sqlite(tmp_path / "polls.db") as db:
        db.create_tables(Poll, Answer)
        Poll(text="Why?", asked_at=datetime(2024, 1, 1)).save()
        web = serving(marks)

    made = web.post_json("/answer", {"poll_id": 1, "text": "red", "votes": 1})

    assert made.status_int == 201
    for method in ("GET", "HEAD", "PATCH", "DELETE"):
        answer = web.request("/answer", method=method, expect_errors=True)
        assert (answer.status_int, answer.headers["Allow"]) == (405, "OPTIONS, POST"), method
    web.post_json("/answer", {"poll_id": 1, "text": "b", "votes": 1}, headers={"Prefer": "return=representation"}, status=403)
    web.get("/poll?select=*,answer(*)", status=403)
    assert set(web.get("/").json["paths"]["/answer"]) == {"post"}


def test_put_alone(tmp_path: Any, serving: Callable[..., TestApp]) -> None:
    """PUT can be left out alone, also of the description."""
    marks = Marks()
    marks(without=["put"])(Poll)
    with drivers.Sqlite(tmp_path / "polls.db") as db:
        db.create_table(Poll)
        web = serving(marks)

    answer = web.put_json("/poll/1", {"id": 1}, status=405)

    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, PATCH, DELETE"
    assert set(web.get("/").json["paths"]["/poll"]) == {"get", "post", "patch", "delete"}
    assert set(web.get("/").json["paths"]["/poll/{key}"]) == {"get", "patch", "delete", "parameters"}


def test_several_databases(tmp_path: Any, serving: Callable[..., TestApp]) -> None:
    """Each of several open databases is served under its name, and none of them at the root."""
    with drivers.Sqlite(tmp_path / "north.db") as north, drivers.Sqlite(tmp_path / "south.db") as south:
        for db in (north, south):
            db.create_tables(Poll, Answer)
            Poll(text=db.name, asked_at=datetime(2024, 1, 1)).save(using=db)
        web = serving(rest)

    assert [row["name"] for row in web.get("/api/").json] == ["north", "south"]
    assert [web.get(f"/api/{name}/poll/1").json["text"] for name in ("north", "south")] == ["north", "south"]
    web.get("/poll", status=404)


def test_plain_mapped_classes(tmp_path: Any, serving: Callable[..., TestApp]) -> None:
    """A class that SQLAlchemy maps is a model, too; a database is named by its path, its URL or a name of one's own."""
    marks = Marks()

    class Plain(DeclarativeBase):
        pass

    @marks
    class City(Plain):
        __tablename__ = "city"
        id = Column(Integer, primary_key=True)
        name = Column(String(20))
        part_of = Column(ForeignKey("city.id"))

    path = tmp_path / "towns and more.db"
    with drivers.Sqlite(path) as db:
        Plain.metadata.create_all(db.connection())
        db.session.add(City(name="Izmir"))

    for database in (str(path), path, f"sqlite:///{path}", {"towns-and-more": path}, [path]):
        web = serving(marks, database=database)

        assert web.get("/api/towns-and-more/city").json == [{"id": 1, "name": "Izmir", "part_of": None}]


def test_other_web_pages(sqlite_polls: TestApp, tmp_path: Any, serving: Callable[..., TestApp]) -> None:
    """A page of another site can neither write nor read, nor come by another name; origins= lets one in."""
    row, page = {"text": "x", "asked_at": "2024-01-01T00:00:00"}, {"Origin": "http://pages.example"}
    sqlite_polls.post_json("/poll", row, headers=page, status=403)
    assert "Access-Control-Allow-Origin" not in sqlite_polls.get("/poll", headers=page).headers
    sqlite_polls.get("/poll", headers={"Host": "pages.example"}, status=400)

    friendly = serving(rest, database=tmp_path / "polls.db", origins=["http://pages.example"], hosts=["polls.example"])

    assert friendly.post_json("/poll", row, headers=page).status_int == 201
    assert friendly.get("/poll", headers=page).headers["Access-Control-Allow-Origin"] == "http://pages.example"
    assert friendly.get("/poll", headers={"Host": "polls.example"}).status_int == 200


def test_published_client(sqlite_polls: TestApp) -> None:
    """The published client of PostgREST reads and writes the models."""
    transport = httpx.WSGITransport(app=sqlite_polls.app)
    with httpx.Client(transport=transport, base_url="http://localhost/") as http:
        client = SyncPostgrestClient("http://localhost/", http_client=http)

        made = client.from_("poll").insert({"text": "Why?", "asked_at": "2024-03-01T00:00:00"}).execute()
        found = client.from_("poll").select("text,answer(text)").eq("id", 1).single().execute()
        counted = client.from_("answer").select("*", count="exact").gt("votes", 0).execute()

    assert made.data[0]["text"] == "Why?"
    assert found.data == {"text": "Why?", "answer": [{"text": "red"}]}
    assert counted.count == 1


def test_links_and_passwords(fresh_database: URL, engine_name: str, serving: Callable[..., TestApp]) -> None:
    """Links many to many are read and written; a password is no column for anybody, not even for a filter or for writing."""
    marks = Marks()

    class Own(models.Model):
        __abstract__ = True
        metadata = MetaData()

    @marks
    class Tag(Own):
        name = models.Char(max_length=20)

    @marks(without=["delete"])
    class Person(Own):
        name = models.Char(max_length=20)
        password = models.Password(null=True)
        tags = models.ManyToMany(Tag)

    with open_database(fresh_database, engine_name) as db:
        db.create_tables(Tag, Person)
        person, tag = Person(name="Ada", password="correct horse"), Tag(name="early")
        person.save()
        tag.save()
        person.tags.add(tag)
        Tag(name="late").save()
        web = serving(marks)

    assert web.get("/person?select=*,tag(name)").json == [{"id": 1, "name": "Ada", "tag": [{"name": "early"}]}]
    assert web.post_json("/person_tags", {"person_id": 1, "tag_id": 2}).status_int == 201
    assert web.get("/person?select=tag(name)&tag.order=id").json == [{"tag": [{"name": "early"}, {"name": "late"}]}]
    web.delete("/person_tags?tag_id=eq.2", status=405)
    assert "password" not in web.get("/").text + web.get("/-/schema").text
    web.get("/person?password=like.*", status=400)
    web.patch_json("/person/1", {"password": "plain"}, status=400)


def test_mariadb_that_is_called_mysql(serving: Callable[..., TestApp]) -> None:
    """A server that says it is MariaDB is one, whatever the program calls it."""
    with make_database("mariadb") as url, drivers.Mysql(url.set(drivername="mysql")) as db:
        db.create_tables(Poll, Answer)
        web = serving(rest)
        row = {"text": "Why?", "asked_at": "2024-01-01T00:00:00"}

        made = web.post_json("/poll", row, headers={"Prefer": "return=representation"})

        assert made.json[0]["text"] == "Why?"
        assert web.get("/api/").json[0]["engine"] == "mariadb"


def test_read_only(tmp_path: Any, serving: Callable[..., TestApp], monkeypatch: pytest.MonkeyPatch) -> None:
    """What lazydb has registered as read only is served so, also by a name of its own."""
    with drivers.Sqlite(tmp_path / "polls.db") as db:
        db.create_tables(Poll, Answer)
    registered = SimpleNamespace(spec=db.spec, is_writable=False, name="shop")
    monkeypatch.setattr(drivers, "find_named", lambda name: registered)

    for database in (drivers.Lazydb("shop"), {"shop": drivers.Lazydb("shop")}):
        web = serving(rest, database=database)

        assert web.get("/api/shop/poll").json == []
        assert web.options("/poll").headers["Allow"] == "GET, HEAD, OPTIONS"
        web.post_json("/poll", {"text": "x", "asked_at": "2024-01-01T00:00:00"}, status=405)


def test_is_an_application_by_itself(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any server of WSGI takes the application as it is; it finds its database when the first request comes."""
    with drivers.Sqlite(tmp_path / "polls.db") as db:
        db.create_tables(Poll, Answer)
    monkeypatch.setenv("QAPLA_DATABASE_URL", f"sqlite:///{tmp_path}/polls.db")
    application = ModelApplication(rest)

    answers = [TestApp(application).get("/poll", extra_environ={"HTTP_HOST": "localhost"}) for _ in range(2)]

    assert [answer.json for answer in answers] == [[], []]
    with pytest.raises(ConfigurationError, match="marked too late"):
        rest()(Hidden)
    application.stop()


def test_notices_a_table_that_changes(sqlite_polls: TestApp, tmp_path: Any) -> None:
    """A table that goes while it is served is a clear answer, never a 500; it is there again when it is back."""
    with drivers.Sqlite(tmp_path / "polls.db") as db:
        db.connection().exec_driver_sql("ALTER TABLE answer RENAME TO answers")
    gone = sqlite_polls.get("/answer", expect_errors=True)
    with drivers.Sqlite(tmp_path / "polls.db") as db:
        db.connection().exec_driver_sql("ALTER TABLE answers RENAME TO answer")

    back = sqlite_polls.get("/answer", expect_errors=True)

    assert (gone.status_int, back.status_int) == (404, 200)


class TestRun:
    """app.run(…) that cannot begin"""

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"database": "missing.db"}, TargetRefused, "'.*missing.db' does not exist"),
            ({"database": "empty.db"}, ModelError, "model 'Poll' has no table 'poll' in database 'empty'"),
            ({}, NotBound, "no database is bound to serve the models from"),
            ({"database": 5}, ConfigurationError, "database=int is no database"),
            ({"database": []}, NotBound, "no database is given"),
            ({"database": ["empty.db", "sqlite:///empty.db"]}, ConfigurationError, "two databases would be served as 'empty'"),
            ({"database": {"a b": "empty.db"}}, TargetRefused, "name 'a b' cannot be used in a URL"),
            ({"host": "192.0.2.1"}, ConfigurationError, "host '192.0.2.1' is not an address of this machine"),
            ({"port": 0}, ConfigurationError, "port '0' is not offered .a whole number from 1 to 65535"),
            ({"workers": 1000}, ConfigurationError, "workers '1000' is not offered"),
            ({"hosts": "a.example", "database": "empty.db"}, ConfigurationError, "hosts='a.example' is no list"),
        ],
    )
    def test_names_what_is_wrong(
        self, options: dict[str, Any], error: type[Exception], message: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before anything is served, what is wrong is named."""
        monkeypatch.delenv("QAPLA_DATABASE_URL", raising=False)
        monkeypatch.chdir(tmp_path)
        drivers.Sqlite("empty.db").__enter__().close()

        with pytest.raises(error, match=message):
            ModelApplication(rest).run(**{"port": free_port(), **options})

    def test_port_taken(self) -> None:
        """A port that somebody listens on is told before the databases are looked at."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()

            with pytest.raises(ConfigurationError, match=r"port \d+ is in use .*another one: port=\d+"):
                ModelApplication(rest).run(port=taken.getsockname()[1])

    def test_port_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A port in the environment that is none is named."""
        monkeypatch.setenv("QAPLA_PORT", "http")

        with pytest.raises(ConfigurationError, match="port 'http' is not offered"):
            ModelApplication(rest).run()

    def test_nothing_marked(self) -> None:
        """Without a marked model there is nothing to serve, whatever database there is."""
        with pytest.raises(ModelError, match="no model is marked"):
            ModelApplication(Marks()).run(port=free_port())

    def test_in_memory(self) -> None:
        """A database in memory is seen by one connection only."""
        with drivers.Sqlite(":memory:"), pytest.raises(NotOffered, match="in memory cannot be served"):
            ModelApplication(rest).run(port=free_port())

    def test_writes_that_are_kept_back(self, tmp_path: Any) -> None:
        """With commit=False it is the program's to commit before it serves."""
        with drivers.Sqlite(tmp_path / "polls.db", commit=False) as db:
            db.create_tables(Poll, Answer)
            db.commit()
            Poll(text="Why?", asked_at=datetime(2024, 1, 1)).save()

            with pytest.raises(ConfigurationError, match="'polls' has writes that are not committed"):
                ModelApplication(rest).run(port=free_port())
