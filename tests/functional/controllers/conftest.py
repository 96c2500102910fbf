"""Controllers about words, for an application and for programs without one."""

from __future__ import annotations

import colander
import pytest
from pyramid.httpexceptions import HTTPNotFound
from sqlalchemy import text

from qapla.errors import AccessError, ConfigurationError, Conflict, DatabaseError, NotFound, TimedOut
from qapla.plugins.controllers import (
    Controller,
    Driver,
    FormController,
    JsonController,
    JsonFormController,
    RestfulController,
)


class Word(colander.Schema):
    """One word."""

    word = colander.SchemaNode(colander.String(), validator=colander.Length(max=5))


class Words:
    """A driver of the table ``word``."""

    def __init__(self, session):
        self.session = session

    def add(self, word):
        """Add a word, or refuse a second one like it."""
        if word in self.list():
            raise Conflict(f"the word {word!r} is there already")
        self.session.execute(text("INSERT INTO word VALUES (:word)"), {"word": word})

    def list(self):
        """Return all words."""
        return list(self.session.scalars(text("SELECT word FROM word ORDER BY word")))


class WordList(RestfulController):
    """Answers GET and POST on one address."""

    route = "/words"
    words = Driver(Words)

    def get(self):
        return self.words.list()

    def post(self):
        self.words.add(self.json_body["word"])
        if self.request.params.get("end") != "lose":
            self.request.main.commit()
        return {"added": True}


class WordForm(FormController):
    """A form for a word."""

    route = "/words/new"
    renderer = "tests.functional.controllers:form.pt"
    schema = Word
    words = Driver(Words)

    def get_values(self):
        return {"word": "first"}

    def submit(self, values):
        if values["word"] in self.words.list():
            raise colander.Invalid(self.make_schema(), "there already")
        self.words.add(values["word"])
        self.request.main.commit()
        return self.redirect("word_list")


class Failing(Controller):
    """Fails in the way that it is asked for."""

    route = "/fail/{how}"
    renderer = "string"
    errors = {
        "missing": NotFound("no word is called <b>x</b>"),
        "forbidden": AccessError("not yours"),
        "fault": DatabaseError("what nobody shall see"),
        "wrong": ConfigurationError("what a programmer shall see"),
        "away": TimedOut("the database 'main' does not answer", headers={"Retry-After": "5"}),
        "http": HTTPNotFound("by Pyramid"),
    }

    def make(self):
        raise self.errors[self.get_match("how")]


class JsonFailing(JsonController):
    """The same, in JSON."""

    route = "/json/{how}"

    def make(self):
        raise Failing.errors[self.get_match("how")]


class JsonForm(JsonFormController):
    """Checks a JSON body."""

    route = "/check"
    schema = Word

    def submit(self, values):
        if values["word"] == "taken":
            raise colander.Invalid(self.make_schema(), "taken")
        return {"word": values["word"]}


@pytest.fixture(autouse=True)
def template(tmp_path, monkeypatch):
    """Put the template of the form where an asset is looked for."""
    path = tmp_path / "form.pt"
    path.write_text("<html><body>${structure: form.render()}</body></html>")
    monkeypatch.setattr(WordForm, "renderer", str(path))
