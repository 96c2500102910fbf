"""The seed's program, with nothing changed but its imports, as a process that serves; and what it says when it cannot"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from postgrest import SyncPostgrestClient
from sqlalchemy import MetaData

from qapla.database import drivers, models

if TYPE_CHECKING:
    from sqlalchemy import URL

PROGRAM = '''
from datetime import datetime
from qapla.database import models
from qapla.plugins.rest import rest, app

# accessible with host:port/question or host:port/question/id
@rest()
class Question(models.Model):
    id = models.PrimaryKey()
    question_text = models.Char(max_length=200)
    pub_date = models.DateTime()

# restrict http methods
@rest(without=["post", "delete", "patch"])
class Choice(models.Model):
    id = models.PrimaryKey()
    question = models.ForeignKey(Question)
    choice_text = models.Char(max_length=200)
    votes = models.Integer()

if __name__ == "__main__":
    app.run()
'''
TEXT = "What is \"your\" 100% favourite 'colour'? çğ 💡"


class Base(models.Model):
    """Models with tables of their own, whatever other modules declare."""

    __abstract__ = True
    metadata = MetaData()


class Question(Base):
    """As in the program."""

    id = models.PrimaryKey()
    question_text = models.Char(max_length=200)
    pub_date = models.DateTime()


class Choice(Base):
    """As in the program."""

    id = models.PrimaryKey()
    question = models.ForeignKey(Question)
    choice_text = models.Char(max_length=200)
    votes = models.Integer()


def fill(url: URL, engine_name: str) -> None:
    """Make the tables and a few rows."""
    with getattr(drivers, engine_name.capitalize())(url) as db:
        db.create_tables(Question, Choice)
        question = Question(question_text=TEXT, pub_date=datetime(2024, 2, 29, 12, 0, 0, 5))
        question.save()
        Choice(question=question, choice_text="red", votes=0).save()
        Choice(question=question.id, choice_text="blue", votes=2).save()


def test_restful_service(fresh_database: URL, engine_name: str, program: Any) -> None:
    """The program serves its models at host:port/question and host:port/question/1, and refuses what it leaves out; twice."""
    fill(fresh_database, engine_name)
    url = fresh_database.set(drivername=engine_name).render_as_string(hide_password=False)
    started = program(PROGRAM, QAPLA_DATABASE_URL=url)

    with started.serving() as client:
        one = client.get("/question/1").json()
        made = client.post("/question", json={"question_text": f"{TEXT}?", "pub_date": "2024-03-01T00:00:00"})
        refused = client.post("/choice", json={"votes": 1})
    with started.serving() as client:
        listed = client.get("/question?select=question_text,choice(choice_text)&order=id").json()
        published = SyncPostgrestClient(str(client.base_url), http_client=client)
        changed = published.from_("question").update({"question_text": "When?"}).eq("id", 2).execute()
        gone = client.delete("/question/2")

    assert (one["question_text"], one["pub_date"]) == (TEXT, "2024-02-29T12:00:00.000005")
    assert (made.status_code, gone.status_code) == (201, 204)
    assert [row["question_text"] for row in listed] == [TEXT, f"{TEXT}?"]
    assert sorted(row["choice_text"] for row in listed[0]["choice"]) == ["blue", "red"]
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    assert changed.data[0]["question_text"] == "When?"


INSIDE = PROGRAM.replace(
    "    app.run()",
    '''    from qapla.database.drivers import Sqlite
    with Sqlite("poll.db") as db:
        db.create_tables(Question, Choice)
        question = Question(question_text="Why?", pub_date=datetime.now())
        question.save()
        app.run()
        print(question.question_text, Question.select().count())
''',
)


def test_inside_a_with_block(program: Any) -> None:
    """Served inside of a block, what the block has written is there; when the server stops, the block goes on."""
    started = program(INSIDE)

    with started.serving() as client:
        assert client.get("/question?select=question_text").json() == [{"question_text": "Why?"}]
        assert client.post("/question", json={"question_text": "b", "pub_date": "2024-01-01T00:00:00"}).status_code == 201

    assert started.log.splitlines()[-1] == "Why? 2"


def test_says_what_is_wrong(program: Any) -> None:
    """A program that cannot serve ends at once, and its last line says why; without a password in it."""
    done = program(PROGRAM, QAPLA_DATABASE_URL="postgres://u:s3cret%25@127.0.0.1:1/x").run()

    assert done.returncode == 1
    assert "Unavailable: database 'x' cannot be served: " in done.stderr.splitlines()[-1]
    assert "s3cret" not in done.stderr + done.stdout
