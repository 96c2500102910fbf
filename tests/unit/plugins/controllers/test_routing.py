"""qapla.plugins.controllers: names of routes, order, and routing files"""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest

from qapla.errors import ConfigurationError
from qapla.plugins.controllers import Controller, RestfulController, scan
from qapla.plugins.controllers.declaration import declare, in_order, make_name
from qapla.plugins.controllers.file import read
from qapla.plugins.controllers.overlap import is_shadowed

MODULE = """
from qapla.plugins.controllers import Controller, JsonController
class Base(Controller): pass
class ChoiceController(Base):
    route = "/choices/{id}"
class NewChoiceController(Base):
    route = "/choices/new"
    methods = ("get", "post")
class Inherits(ChoiceController): pass
class Plain: pass
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Give the test a package ``rotarran`` with controllers in two modules."""
    home = tmp_path / "rotarran"
    (home / "controllers").mkdir(parents=True)
    (home / "__init__.py").write_text("")
    (home / "controllers/__init__.py").write_text("from rotarran.controllers.choices import ChoiceController")
    (home / "controllers/choices.py").write_text(MODULE)
    (home / "controllers/about.py").write_text(
        "from qapla.plugins.controllers import Controller\nclass About(Controller):\n    route_name = 'about'"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield home
    for name in [name for name in sys.modules if name.partition(".")[0] == "rotarran"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "route_name"),
    [("ChoiceController", "choice"), ("ChoiceListController", "choice_list"), ("HTTPStatus", "http_status"), ("Controller", "controller")],
)
def test_name(name, route_name):
    """The name of a route is made of the name of the class."""
    assert make_name(type(name, (Controller,), {})) == route_name


class TestDeclare:
    """declare: attributes and options"""

    def test_options_win(self):
        """What is said where a controller is added wins over its attributes."""
        kind = type("One", (Controller,), {"route": "/one", "renderer": "json", "view_options": {"http_cache": 5}})

        declared = declare(kind, {"route": "/two", "methods": ["get"], "http_cache": 6})

        assert (declared.route, declared.route_name, declared.methods) == ("/two", "one", ("GET",))
        assert dict(declared.view_options) == {"renderer": "json", "http_cache": 6}

    def test_methods_of_restful(self):
        """A RestfulController answers the methods that it has."""
        kind = type("Rest", (RestfulController,), {"route": "/", "get": lambda self: 1, "patch": lambda self: 1})

        assert declare(kind, {}).methods == ("GET", "PATCH")

    @pytest.mark.parametrize(
        ("controller", "options", "message"),
        [
            (object, {}, "is no controller"),
            (Controller, {}, "has no route"),
            (Controller, {"route_name": "a", "factory": "x"}, "options for a route that it does not declare"),
        ],
    )
    def test_refused(self, controller, options, message):
        """What is no controller, or cannot be reached, is refused."""
        with pytest.raises(ConfigurationError, match=message):
            declare(controller, options)


class TestOverlap:
    """is_shadowed: whether one route takes all addresses of another"""

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("/choices/{id}", "/choices/new"),
            ("/choices/{id}", r"/choices/{number:\d+}"),
            ("/{a}/{b}", "/choices/{id}"),
            ("/*rest", "/choices/{id}"),
            ("/api/{a:.*}", "/api/x/{b}/y"),
            ("/choices/{id}", "choices/{id:[a-z]{2}}"),
        ],
    )
    def test_hidden(self, first, second):
        """The second route, asked after the first, is never reached; the other way round it is."""
        assert is_shadowed(second, by=first)
        assert not is_shadowed(first, by=second)

    @pytest.mark.parametrize(
        ("first", "second"),
        [("/a", "/b"), (r"/choices/{id:\d+}", "/choices/new"), ("/a/{b}", "/a"), ("/a/{b}", "/a/{b}/c"), ("/{a}.json", "/{a}.csv")],
    )
    def test_beside(self, first, second):
        """Routes that leave each other an address stand in any order."""
        assert not is_shadowed(second, by=first)
        assert not is_shadowed(first, by=second)

    def test_order(self):
        """Routes found in a package are put so that each is reached."""
        patterns = ["/{page}", "/choices/{id}", "/choices/new", "/about", "/choices"]
        declared = [declare(Controller, {"route": pattern, "route_name": pattern}) for pattern in patterns]

        ordered = [one.route for one in in_order(declared)]

        assert ordered == ["/about", "/choices", "/{page}", "/choices/new", "/choices/{id}"]


class TestScan:
    """scan: the controllers of a package"""

    def test_finds(self, package):
        """Every class that says itself where it is reached is found once, in the order of modules and lines."""
        assert [found.__name__ for found in scan("rotarran.controllers")] == ["About", "ChoiceController", "NewChoiceController"]

    def test_broken_module(self, package):
        """A module that cannot be imported is an error and not left out."""
        (package / "controllers/broken.py").write_text("import nothing_of_that_name")

        with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
            scan("rotarran.controllers")


class TestFile:
    """read: routing files"""

    @pytest.fixture
    def write(self, package):
        """Give a function that writes a routing file and returns its path."""

        def write(text):
            path = package / "routing.yaml"
            path.write_text(dedent(text))
            return str(path)

        return write

    def test_prefix(self, write):
        """Names of classes may have a common beginning; what is not said comes from the class."""
        path = write("""
            rotarran.controllers.choices:
              - controller: NewChoiceController
                route_name: choices:new
              - controller: ChoiceController
                renderer: json
            rotarran.controllers.about.About:
              route: /about
        """)

        found = [(one.route_name, one.route, one.methods, dict(one.view_options)) for one in read(path)]

        assert found == [
            ("choices:new", "/choices/new", ("GET", "POST"), {}),
            ("choice", "/choices/{id}", (), {"renderer": "json"}),
            ("about", "/about", (), {}),
        ]

    def test_list(self, write):
        """A file may be a list of entries with whole names; with ``url``, ``route`` is the name."""
        path = write("- {controller: rotarran.controllers.about.About, route: 'auth:login', url: /auth/login}")

        (one,) = read(path)

        assert (one.route_name, one.route) == ("auth:login", "/auth/login")
        assert one.place[:2] == (path, 1)

    def test_empty(self, write):
        """An empty file declares nothing."""
        assert read(write("# later")) == []

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("rotarran.controllers.choices:\n- controller: ChoiceControler", "yaml:2: .* has no .* .did you mean 'ChoiceController'"),
            ("rotarran.nothing:\n- controller: A", "yaml:2: there is no module 'rotarran.nothing'"),
            ("- controler: a.B", "yaml:1: 'controler' is not known .did you mean 'controller'"),
            ("- controller: Bare", "yaml:1: 'Bare' is not the dotted name of a class"),
            ("- route: /a", "yaml:1: the entry has no key 'controller'"),
            ("rotarran.controllers.about.About: {controller: A}", "yaml:1: the class is named twice"),
            ("rotarran.controllers.about:\n  controller: About\n  route: /a", "the class is named twice .*a list: '- controller: About'"),
            ("- {controller: rotarran.controllers.about.About, methods: [GETT]}", "yaml:1: .*'GETT', .* .did you mean 'GET'"),
            ("- {controller: rotarran.controllers.about.About, route: '/a/{id'}", "yaml:1: route '/a/{id' .* has a brace"),
            ("- controller: rotarran.controllers.choices.Plain\n  route: /a", "yaml:1: .*Plain.* is no controller"),
            ("- controller: rotarran.controllers.choices.Base", "yaml:1: controller 'Base' has no route"),
            ("- controller: rotarran.controllers.about.About\n  route: 5", "yaml:2: 'route' has to be text"),
            ("- controller: rotarran.controllers.about.About\n  methods: 5", "yaml:2: 'methods' has to be a list"),
            ("- controller: rotarran.controllers.about.About\n  view_options: 5", "yaml:2: 'view_options' has to be keys and values"),
            ("- controller: rotarran.controllers.about.About\n  route: /a\n  route: /b", "yaml:3: 'route' is here a second time .*line 2"),
            ("a: 5", "yaml:1: a list of controllers is expected here"),
            ("- 5", "yaml:1: keys and values are expected here"),
            ("a: [", "yaml:1: this is not YAML"),
            ("- controller: !!python/name:os.system", "yaml:1: the value has the kind .* is not offered"),
            ("- controller: a.B\n  route: !!python/object/apply:os.getcwd []", "yaml:2: 'route' has to be text"),
        ],
    )
    def test_wrong(self, write, text, message):
        """Whatever is wrong is told with file and line."""
        path = write(text)

        with pytest.raises(ConfigurationError, match=message):
            read(path)

    @pytest.mark.parametrize(
        ("first", "second", "message"),
        [
            ("route: /a", "route: /b", "yaml:3: route name 'about' is declared a second time .*line 1"),
            ("route: /a", "{route: /a, route_name: other}", "yaml:3: route '/a' is declared a second time .*line 1"),
            ("route: '/a/{b}'", "{route: /a/new, route_name: other}", "yaml:3: .* can never be reached .put it before '/a/{b}' in line 1"),
        ],
    )
    def test_clash(self, write, first, second, message):
        """A name or address that is declared twice, and a route that one before it hides, are errors with both lines."""
        second = second.strip("{}").replace(", ", "\n  ")
        about = "- controller: rotarran.controllers.about.About"
        path = write(f"{about}\n  {first}\n{about}\n  {second}")

        with pytest.raises(ConfigurationError, match=message):
            read(path)

    def test_missing(self, tmp_path):
        """A file that is not there is an error that names it."""
        with pytest.raises(ConfigurationError, match=r"routing file '.*none.yaml' cannot be read: No such file"):
            read(str(tmp_path / "none.yaml"))

    def test_broken_import(self, write, package):
        """A module that fails to import something else is no wrong name in the file: its own error is seen."""
        (package / "controllers/broken.py").write_text("import nothing_of_that_name")
        path = write("- controller: rotarran.controllers.broken.A")

        with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
            read(path)
