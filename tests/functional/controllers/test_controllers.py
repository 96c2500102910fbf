"""qapla.plugins.controllers over Pyramid: routing, forms, errors, with an application and without one"""

from __future__ import annotations

import sys

import colander
import pytest
from pyramid.config import Configurator
from pyramid.csrf import CookieCSRFStoragePolicy
from pyramid.exceptions import ConfigurationConflictError
from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response
from sqlalchemy import text
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.errors import AccessError, ConfigurationError, Conflict, DatabaseError, NotFound, SettingsError, TimedOut
from qapla.plugins.controllers import (
    Controller,
    ControllersPlugin,
    Driver,
    FormController,
    JsonController,
    JsonFormController,
    RestfulController,
)
from qapla.refusals import add_translation


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


@pytest.fixture(autouse=True)
def template(tmp_path, monkeypatch):
    """Put the template of the form where an asset is looked for."""
    path = tmp_path / "form.pt"
    path.write_text("<html><body>${structure: form.render()}</body></html>")
    monkeypatch.setattr(WordForm, "renderer", str(path))


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


class TestPyramid:
    """Controllers in a Pyramid program that has no Application"""

    @pytest.fixture
    def config(self):
        """Give the test a Configurator with the directives."""
        config = Configurator()
        config.include("qapla.plugins.controllers")
        return config

    def test_works_alone(self, config):
        """A controller is a view of any Pyramid program, errors and methods included."""
        config.add_controller(JsonFailing, methods=("GET",))
        web = TestApp(config.make_wsgi_app())

        assert web.get("/json/missing", status=404).json["code"] == "QAPLA404"
        assert web.put("/json/missing", status=405).headers["Allow"] == "GET, HEAD, OPTIONS"

    def test_two_on_one_route(self, config):
        """Two controllers share a route that is declared elsewhere, each with methods of its own."""
        one = type("One", (Controller,), {"route_name": "both", "methods": ("GET",), "renderer": "string", "make": lambda self: "got"})
        two = type("Two", (Controller,), {"route_name": "both", "methods": ("POST",), "renderer": "string", "make": lambda self: "sent"})
        config.add_route("both", "/both")
        config.add_controller(one)
        config.add_controller(two)
        web = TestApp(config.make_wsgi_app())

        assert (web.get("/both").text, web.post("/both").text) == ("got", "sent")
        assert web.delete("/both", status=405).headers["Allow"] == "GET, HEAD, OPTIONS, POST"

    def test_conflict(self, config):
        """One name for two controllers is a conflict that shows where both are declared."""
        config.add_controller(Failing)
        config.add_controller(JsonFailing, route_name="failing")

        with pytest.raises(ConfigurationConflictError) as conflict:
            config.commit()

        assert str(conflict.value).count("test_controllers.py") == 2

    def test_views_of_the_program_win(self, config):
        """A view of the program for one of our errors comes before the plugin's answer, and so does its page for 404."""
        config.add_controller(Failing)
        config.add_exception_view(lambda error, request: Response("mine", status=403), context=AccessError)
        config.add_notfound_view(lambda error, request: Response(f"not here: {error.detail}", status=404))
        web = TestApp(config.make_wsgi_app())

        assert web.get("/fail/forbidden", status=403).text == "mine"
        assert web.get("/fail/missing", status=404).text == "not here: no word is called <b>x</b>"
        assert web.get("/elsewhere", status=404).text.startswith("not here")

    def test_views_that_are_no_controllers(self, config):
        """An error of ours from any other view has its status, too; an error of somebody else's goes on."""

        def view(request):
            raise NotFound("not of a controller") if request.params else ZeroDivisionError

        config.add_route("view", "/view")
        config.add_view(view, route_name="view")
        web = TestApp(config.make_wsgi_app())

        assert "not of a controller" in web.get("/view?ours=1", status=404)
        with pytest.raises(ZeroDivisionError):
            web.get("/view")

    def test_meaning_of_an_error(self, config):
        """What somebody else's error means is answered like an error of ours."""

        class Dividing(JsonController):
            route = "/divide"

            def make(self):
                return 1 // 0

        add_translation(config, lambda error: TimedOut("too slow") if isinstance(error, ZeroDivisionError) else None)
        config.add_controller(Dividing)

        assert TestApp(config.make_wsgi_app()).get("/divide", status=504).json["message"] == "too slow"

    def test_pyramids_arguments(self, config):
        """Factories, predicates and other arguments of Pyramid's directives go through; a wrong one is Pyramid's error."""

        class Cached(Controller):
            route = "/cached"
            route_options = {"factory": lambda request: "resource", "request_param": "yes"}
            view_options = {"http_cache": 60}
            renderer = "string"

            def make(self):
                return self.resource

        config.add_controller(Cached)
        web = TestApp(config.make_wsgi_app())

        answer = web.get("/cached?yes=1")

        assert answer.text == "resource"
        assert answer.headers["Cache-Control"] == "max-age=60"
        web.get("/cached", status=404)

    def test_unknown_argument(self, config):
        """An argument that Pyramid does not know is refused when the program starts."""
        config.add_controller(Failing, no_such_thing=True)

        with pytest.raises(Exception, match="no_such_thing"):
            config.commit()

    def test_introspection(self, config):
        """The introspector lists the controllers."""
        config.add_controller(WordList)
        config.commit()

        (entry,) = [found["introspectable"] for found in config.introspector.get_category("controllers")]

        assert entry["pattern"] == "/words"
        assert entry["methods"] == ("GET", "POST")

    def test_form_without_session(self, config):
        """A form whose token nobody can keep is refused when the program starts."""
        config.add_controller(WordForm)

        with pytest.raises(Exception, match=r"WordForm.* checks CSRF tokens, and there is no session"):
            config.commit()

    def test_form_without_token(self, config):
        """A form that changes nothing needs no token."""

        class Search(WordForm):
            csrf = False
            route = "/search"

            def submit(self, values):
                return Response(f"found {values['word']}")

        config.add_controller(Search)
        web = TestApp(config.make_wsgi_app())

        assert web.post("/search", {"word": "yes", "__formid__": "deform"}).text == "found yes"

    @pytest.mark.parametrize(
        ("kind", "body"), [("multipart/form-data", b"x"), ("application/x-www-form-urlencoded; charset=nonsense", b"word=%ff")]
    )
    def test_no_form_at_all(self, config, kind, body):
        """What cannot be taken apart is a mistake of who sent it."""
        config.add_controller(WordForm, route="/search", require_csrf=False, view_options={"renderer": "string"})
        config.set_csrf_storage_policy(CookieCSRFStoragePolicy())
        web = TestApp(config.make_wsgi_app())

        assert "the body is not a form" in web.post("/search", body, headers={"Content-Type": kind}, status=400).text


class TestRouting:
    """Whole packages and routing files"""

    @pytest.fixture(autouse=True)
    def package(self, tmp_path, monkeypatch):
        """Make a package with controllers and a routing file."""
        home = tmp_path / "rotarran"
        home.mkdir()
        (home / "__init__.py").write_text(
            "from qapla.plugins.controllers import JsonController\n"
            "class Show(JsonController):\n    route = '/choices/{id}'\n    make = lambda self: ['show']\n"
            "class New(JsonController):\n    route = '/choices/new'\n    make = lambda self: ['new']\n"
        )
        (home / "routing.yaml").write_text("rotarran:\n- controller: New\n- controller: Show\n")
        monkeypatch.syspath_prepend(tmp_path)
        yield home
        sys.modules.pop("rotarran", None)

    @pytest.mark.parametrize("arguments", [{"packages": ["rotarran"]}, {"files": ["rotarran:routing.yaml"]}])
    def test_declared(self, arguments):
        """An application names packages or files; every address in them is reached."""

        class Application(DatabaseApplication):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_web_plugins(self):
                self.add_web_plugin(ControllersPlugin(**arguments))

        web = TestApp(Application().run_web_tests(), extra_environ={"HTTP_HOST": "localhost:80"})

        assert web.get("/choices/new").json == ["new"]
        assert web.get("/choices/5").json == ["show"]

    @pytest.mark.parametrize("setting", ["controllers.packages", "controllers.files"])
    def test_settings(self, setting):
        """A Pyramid program names them in its settings."""
        value = "rotarran" if setting.endswith("packages") else "rotarran:routing.yaml"
        config = Configurator(settings={f"qapla.{setting}": value})
        config.include("qapla.plugins.controllers")

        assert TestApp(config.make_wsgi_app()).get("/choices/new").json == ["new"]

    def test_wrong_setting(self):
        """A setting that is no list of names is an error."""

        class Application(DatabaseApplication):
            class MetaConfig:
                settings_module = "lazydb.settings"

            def append_app_plugins(self):
                self.add_app_plugin("controllers")

        with pytest.raises(SettingsError, match="controllers:files"):
            Application().run_tests({"controllers:files": 5})

    def test_conflict_shows_class_and_file(self, package):
        """A clash between a class and a file shows the line of each."""
        config = Configurator()
        config.include("qapla.plugins.controllers")
        config.add_controllers("rotarran")
        config.add_controllers_from("rotarran:routing.yaml")

        with pytest.raises(ConfigurationConflictError) as conflict:
            config.commit()

        assert f"Line 2 of file {package}/__init__.py" in str(conflict.value)
        assert f"Line 3 of file {package}/routing.yaml" in str(conflict.value)
