"""qapla.plugins.controllers in a Pyramid program that has no Application"""

from __future__ import annotations

import pytest
from pyramid.config import Configurator
from pyramid.csrf import CookieCSRFStoragePolicy
from pyramid.exceptions import ConfigurationConflictError
from pyramid.response import Response
from webtest import TestApp

from qapla.errors import AccessError, NotFound, TimedOut
from qapla.plugins.controllers import Controller, JsonController
from qapla.refusals import add_translation

from .conftest import Failing, JsonFailing, WordForm, WordList


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

        assert str(conflict.value).count("test_programs.py") == 2

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
