"""qapla.plugins.controllers: the flow of one controller, without an application"""

from __future__ import annotations

import pytest
from pyramid import testing
from pyramid.httpexceptions import HTTPMethodNotAllowed
from pyramid.response import Response

from qapla.errors import InputError, NotFound
from qapla.plugins.controllers import Controller, Driver, FinalizeController, JsonController, QuitController, RestfulController


@pytest.fixture
def request_():
    """Give the test a request that no application has seen."""
    with testing.testConfig() as config:
        config.add_route("choice", "/choices/{id}")
        yield testing.DummyRequest()


class Noting(Controller):
    """A controller that notes its steps."""

    def before(self):
        self.context["steps"] = ["before"]

    def make(self):
        self.context["steps"].append("make")

    def after(self):
        self.context["steps"].append("after")

    def widgets(self):
        self.context["steps"].append("widgets")


class TestFlow:
    """before, make, after, widgets"""

    def test_goes_in_order(self, request_):
        """The steps run one after the other; the context is what the renderer gets."""
        assert Noting(request_)() == {"steps": ["before", "make", "after", "widgets"]}

    @pytest.mark.parametrize("made", [[1, 2], "text", 0, False])
    def test_data(self, request_, made):
        """What make returns and is no mapping is what the renderer gets, also when it is false."""

        class Data(JsonController):
            def make(self):
                return made

        assert Data(request_)() == made

    def test_returned_mapping(self, request_):
        """A mapping that make returns is added to the context."""

        class Adding(Controller):
            def make(self):
                self.context["a"] = 1
                return {"b": 2}

        assert Adding(request_)() == {"a": 1, "b": 2}

    def test_response(self, request_):
        """A response is the answer; after is run, widgets is not."""

        class Answering(Noting):
            def make(self):
                return Response("done")

        controller = Answering(request_)

        assert controller().text == "done"
        assert controller.context["steps"] == ["before", "after"]

    def test_finalize(self, request_):
        """FinalizeController ends make; its context is added, and the rest goes on."""

        class Finalizing(Noting):
            def make(self):
                raise FinalizeController({"early": True})

        assert Finalizing(request_)() == {"steps": ["before", "after", "widgets"], "early": True}

    def test_quit(self, request_):
        """QuitController ends the controller: its response is the answer, nothing else is run."""
        response = Response("enough")

        class Quitting(Noting):
            def make(self):
                raise QuitController(response)

        controller = Quitting(request_)

        assert controller() is response
        assert controller.context["steps"] == ["before"]

    @pytest.mark.parametrize("step", ["before", "make", "after", "widgets"])
    def test_error(self, request_, step):
        """An error in any step goes through on_error, whose answer is the controller's."""

        def fail(self):
            raise ValueError("on purpose")

        failing = type("Failing", (Noting,), {step: fail, "on_error": lambda self, error: {"error": str(error)}})

        assert failing(request_)() == {"error": "on purpose"}

    def test_error_unhandled(self, request_):
        """Without an on_error of one's own, the error is raised."""

        class Failing(Controller):
            def make(self):
                raise ValueError("on purpose")

        with pytest.raises(ValueError, match="on purpose"):
            Failing(request_)()

    def test_instances_share_nothing(self, request_):
        """What one request leaves in its context, the next does not see."""
        Noting(request_)()

        assert Noting(request_).context == {}


class TestHelpers:
    """What a controller works with"""

    def test_redirect(self, request_):
        """A redirect is a 303 to a route and takes cookies along, but not the type of a page."""
        request_.response.set_cookie("seen", "1")
        controller = Controller(request_)

        response = controller.redirect("choice", id="5", _query={"new": 1})

        assert (response.status_int, response.location) == (303, "http://example.com/choices/5?new=1")
        assert response.headers["Set-Cookie"].startswith("seen=1")
        assert response.headers.getall("Content-Type") == ["text/html; charset=UTF-8"]

    def test_redirect_at_once(self, request_):
        """With quit=True the controller ends there."""

        class Leaving(Noting):
            def make(self):
                self.redirect("choice", id="5", quit=True)

        controller = Leaving(request_)

        assert controller().status_int == 303
        assert controller.context["steps"] == ["before"]

    def test_match(self, request_):
        """A part of the address is converted."""
        request_.matchdict = {"id": "17"}

        assert Controller(request_).get_match("id", int) == 17

    @pytest.mark.parametrize("text", ["x", "", "9" * 5000, "1.5"])
    def test_match_refused(self, request_, text):
        """There is nothing at an address that cannot be converted."""
        request_.matchdict = {"id": text}

        with pytest.raises(NotFound, match="there is no id"):
            Controller(request_).get_match("id", int)

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"NaN", b"9" * 5000])
    def test_json_refused(self, request_, body):
        """A body that is not JSON is the caller's mistake."""
        request_.body = body

        with pytest.raises(InputError, match="the body is not JSON"):
            Controller(request_).json_body  # noqa: B018

    def test_settings(self, request_):
        """Without an application, the settings are those of Pyramid."""
        request_.registry.settings = {"a": "1"}

        assert Controller(request_).settings == {"a": "1"}

    def test_driver(self, request_):
        """A driver is made on the request's session at its first use, once per controller."""

        class Choices(Controller):
            choices = Driver(lambda session: ["driver", session], database="music")

        request_.music = "session of music"
        controller = Choices(request_)

        assert controller.choices == ["driver", "session of music"]
        assert controller.choices is controller.choices
        assert Choices(request_).choices is not controller.choices

    def test_fake_driver(self, request_):
        """A unit test puts a fake in the driver's place."""

        class Choices(Controller):
            choices = Driver(list)

        controller = Choices(request_)
        controller.choices = "fake"

        assert controller.choices == "fake"


class TestRestful:
    """RestfulController"""

    class Choices(RestfulController):
        """Answers two methods."""

        def get(self):
            return ["got"]

        def delete(self):
            return Response(status=204)

    @pytest.mark.parametrize(("method", "answer"), [("GET", ["got"]), ("HEAD", ["got"])])
    def test_method(self, request_, method, answer):
        """Each HTTP method has its Python method; HEAD is answered like GET."""
        request_.method = method

        assert self.Choices(request_)() == answer

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "TRACE", "MAKE", "__INIT__"])
    def test_other_method(self, request_, method):
        """Any other method is refused, and those that there are are named."""
        request_.method = method

        with pytest.raises(HTTPMethodNotAllowed) as refused:
            self.Choices(request_)()

        assert refused.value.headers["Allow"] == "GET, DELETE"
