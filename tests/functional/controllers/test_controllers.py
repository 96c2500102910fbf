"""qapla.plugins.controllers in an application: methods, errors, transactions, forms"""

from __future__ import annotations

import pytest
from pyramid.csrf import CookieCSRFStoragePolicy
from sqlalchemy import text
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import ConfigurationError
from qapla.plugins.controllers import Controller, ControllersPlugin, Driver

from .conftest import Failing, JsonFailing, JsonForm, WordForm, WordList, Words

CONTROLLERS = (WordList, WordForm, Failing, JsonFailing, JsonForm)


class WordsPlugin(ControllersPlugin):
    """Routes the controllers above by a program."""

    def make_routes(self, config):
        config.set_csrf_storage_policy(CookieCSRFStoragePolicy())
        for controller in CONTROLLERS:
            config.add_controller(controller)


class WordsApplication(DatabaseApplication):
    """An application of controllers, with a database."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        self.add_database_app([Database("main")])

    def append_web_plugins(self):
        self.add_database_web()
        self.add_web_plugin(WordsPlugin())


@pytest.fixture
def web(tmp_path):
    """Give the test a client of the application."""
    application = WordsApplication()
    client = TestApp(
        application.run_web_tests({"db:main:url": f"sqlite:///{tmp_path}/words.sqlite"}), extra_environ={"HTTP_HOST": "localhost:80"}
    )
    with application["database"]["main"].transaction() as session:
        session.execute(text("CREATE TABLE word (word TEXT)"))
    yield client
    application.stop()


class TestApplication:
    """Controllers of an application"""

    def test_methods_of_one_address(self, web):
        """One address has a Python method per HTTP method; the driver works on the request's session."""
        assert web.post_json("/words", {"word": "new"}).json == {"added": True}

        assert web.get("/words").json == ["new"]

    def test_manual_commit(self, web):
        """What a controller does not commit is gone."""
        web.post_json("/words?end=lose", {"word": "lost"})

        assert web.get("/words").json == []

    def test_wrong_method(self, web):
        """A method that no controller of the address has is a 405 that names those that there are."""
        answer = web.delete("/words", status=405)

        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"

    def test_options(self, web):
        """OPTIONS names the methods."""
        answer = web.options("/words", status=204)

        assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"

    def test_broken_json(self, web):
        """A body that is not JSON is a 400 in JSON."""
        answer = web.post("/words", b"{", content_type="application/json", status=400)

        assert answer.json["message"] == "the body is not JSON"

    def test_conflict(self, web):
        """An error of a driver has its status and its words; the transaction is rolled back."""
        web.post_json("/words", {"word": "new"})

        answer = web.post_json("/words", {"word": "new"}, status=409)

        assert answer.json == {"code": "QAPLA409", "message": "the word 'new' is there already", "details": None, "hint": None}

    @pytest.mark.parametrize(("how", "status"), [("missing", 404), ("forbidden", 403), ("fault", 500), ("away", 504), ("http", 404)])
    def test_error_page(self, web, how, status):
        """A controller of pages answers an error with a page: escaped, and without the words of what is our fault."""
        answer = web.get(f"/fail/{how}", status=status, headers={"Accept": "text/html"})

        assert answer.content_type == "text/html"
        assert "<b>x</b>" not in answer.text
        assert "nobody shall see" not in answer.text

    @pytest.mark.parametrize(("how", "message"), [("missing", "no word is called <b>x</b>"), ("fault", "internal error")])
    def test_json_error(self, web, how, message):
        """A controller of JSON answers an error in JSON."""
        answer = web.get(f"/json/{how}", status="*")

        assert answer.json["message"] == message

    def test_headers_of_an_error(self, web):
        """An error's headers are sent with it."""
        assert web.get("/fail/away", status=504).headers["Retry-After"] == "5"
        assert web.get("/json/away", status=504).headers["Retry-After"] == "5"

    def test_mistake_of_a_programmer(self, web):
        """An application that is put together wrongly shows its programmer where."""
        with pytest.raises(ConfigurationError, match="a programmer shall see"):
            web.get("/fail/wrong")


class TestTransactionManager:
    """Controllers whose requests are committed by pyramid_tm"""

    @pytest.fixture
    def web(self, tmp_path):
        """Give the test a client of an application that commits what went well."""

        class Ending(Controller):
            route = "/end/{how}"
            renderer = "string"
            words = Driver(Words)

            def make(self):
                how = self.get_match("how")
                self.words.add(how)
                if how == "refused":
                    self.not_found()
                if how in ("redirect", "quit"):
                    self.redirect("word_list", quit=how == "quit")

        class Committing(DatabaseApplication):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_app_plugins(self):
                self.add_database_app([Database("main")])

            def append_web_plugins(self):
                self.add_database_web(commit="tm")
                self.config.include("qapla.plugins.controllers")
                self.config.add_controller(Ending)
                self.config.add_controller(WordList)

        application = Committing()
        web = TestApp(application.run_web_tests({"db:main:url": f"sqlite:///{tmp_path}/words.sqlite"}))
        with application["database"]["main"].transaction() as session:
            session.execute(text("CREATE TABLE word (word TEXT)"))
        yield web
        application.stop()

    @pytest.mark.parametrize(("how", "kept"), [("well", ["well"]), ("redirect", ["redirect"]), ("quit", ["quit"]), ("refused", [])])
    def test_ending(self, web, how, kept):
        """Also a redirect, and a controller that was ended early, went well; an error of ours did not."""
        web.get(f"/end/{how}", status="*")

        assert web.get("/words").json == kept


class TestForms:
    """FormController and JsonFormController"""

    def test_shown(self, web):
        """The form has the values that it begins with, and a token."""
        form = web.get("/words/new").forms["deform"]

        assert form["word"].value == "first"
        assert form["csrf_token"].value

    def test_submitted(self, web):
        """What is right is submitted, and the browser goes on."""
        form = web.get("/words/new").forms["deform"]

        answer = form.submit("save", status=303)

        assert answer.location == "http://localhost/words"
        assert web.get("/words").json == ["first"]

    @pytest.mark.parametrize("word", ["", "far too long", "<script>"])
    def test_wrong(self, web, word):
        """What is wrong is shown again with its error, escaped, and nothing is written."""
        form = web.get("/words/new").forms["deform"]
        form["word"] = word

        answer = form.submit("save", status=422)

        assert 'class="invalid-feedback"' in answer.text
        assert "<script>" not in answer.text
        assert web.get("/words").json == []

    def test_found_later(self, web):
        """A mistake that only shows while it is submitted is shown like any other."""
        web.post_json("/words", {"word": "first"})

        answer = web.get("/words/new").forms["deform"].submit("save", status=422)

        assert "there already" in answer.text

    @pytest.mark.parametrize("token", ["", "forged"])
    def test_forged(self, web, token):
        """A form that somebody else made is refused."""
        form = web.get("/words/new").forms["deform"]
        form["csrf_token"] = token

        form.submit("save", status=400)

        assert web.get("/words").json == []

    def test_json(self, web):
        """A JSON body is checked by the same kind of schema."""
        assert web.post_json("/check", {"word": "yes"}).json == {"word": "yes"}

    @pytest.mark.parametrize(
        ("body", "errors"),
        [
            ({}, [{"type": "field", "field": "word", "message": "Required"}]),
            ({"word": "far too long"}, [{"type": "field", "field": "word", "message": "Longer than maximum length 5"}]),
            ({"word": "taken"}, [{"type": "form", "message": "taken"}]),
        ],
    )
    def test_json_wrong(self, web, body, errors):
        """What is wrong in it is told field by field."""
        assert web.post_json("/check", body, status=422).json == {"errors": errors}

    @pytest.mark.parametrize("body", [[], None, 5, "word"])
    def test_json_of_another_kind(self, web, body):
        """A body that is no object is wrong as a whole."""
        assert web.post_json("/check", body, status=422).json["errors"][0]["type"] == "form"
