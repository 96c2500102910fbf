"""qapla.plugins.metrics: requests and statements are counted, and who may see it"""

from __future__ import annotations

import pytest
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from qapla.errors import SettingsError
from qapla.ports import NullMetrics

METRICS = "qapla.plugins.metrics"


def item(request):
    """Answer one of many."""
    return Response(request.matchdict["id"])


def broken(request):
    """Fail."""
    raise ZeroDivisionError


def query(request):
    """Ask the database, rightly and wrongly."""
    request.main.execute(text("SELECT 1"))
    with pytest.raises(OperationalError):
        request.main.execute(text("SELECT nothing"))
    return Response("")


@pytest.fixture
def web(make_web):
    """Give a client of a program whose requests are counted."""
    return make_web(METRICS, views=[item, broken], metrics__backend="prometheus")


def numbers(web, name):
    """Return the samples of one metric by their tags."""
    lines = web.get("/metrics").text.splitlines()
    return {line[len(name) :].rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)}


class TestRequests:
    """http_requests, http_request_seconds"""

    def test_are_counted_by_pattern(self, web):
        """A thousand paths of one route are one number; what has no route is one, too."""
        for number in range(3):
            web.get(f"/item/{number}")
            web.get(f"/nothing/{number}", status=404)

        assert numbers(web, "qapla_http_requests_total") == {
            '{method="GET",route="/item/{id}",status="200"}': 3,
            '{method="GET",route="none",status="404"}': 3,
        }
        assert numbers(web, "qapla_http_request_seconds_count")['{method="GET",route="/item/{id}"}'] == 3

    def test_failures_are_counted(self, web):
        """An error that nobody handles is a 500."""
        with pytest.raises(ZeroDivisionError):
            web.get("/broken")

        assert numbers(web, "qapla_http_requests_total") == {'{method="GET",route="/broken",status="500"}': 1}

    def test_methods_that_nobody_knows(self, web):
        """A caller cannot make numbers up."""
        Request.blank("/item/1", method="BREW").get_response(web.app)

        assert list(numbers(web, "qapla_http_requests_total")) == ['{method="other",route="/item/{id}",status="200"}']


class TestStatements:
    """database_statements, database_connections"""

    @pytest.mark.parametrize("includes", [("qapla.database.web", METRICS), (METRICS, "qapla.database.web")])
    def test_of_declared_databases(self, make_web, tmp_path, includes):
        """Each statement is counted and timed, one that failed as such; the pool says what is in use."""
        web = make_web(*includes, views=[query], metrics__backend="prometheus", db__main__url=f"sqlite:///{tmp_path}/main.sqlite")

        web.get("/query")

        counted = {'{database="main",outcome="error"}': 1, '{database="main",outcome="ok"}': 1}
        assert numbers(web, "qapla_database_statements_total") == counted
        assert numbers(web, "qapla_database_statement_seconds_count") == {'{database="main"}': 2}
        assert numbers(web, "qapla_database_connections") == {'{database="main",state="idle"}': 1, '{database="main",state="in_use"}': 0}


class TestShowing:
    """GET /metrics"""

    @pytest.mark.parametrize(
        "environ", [{"REMOTE_ADDR": "192.0.2.1"}, {"HTTP_X_FORWARDED_FOR": "192.0.2.1"}, {"HTTP_HOST": "rebound.example"}]
    )
    def test_to_this_machine_only(self, web, environ):
        """Numbers tell names, and not to everybody."""
        answer = web.get("/metrics", extra_environ=environ, status=403)

        assert "set 'metrics:token'" in answer.text

    def test_to_who_has_the_token(self, make_web):
        """From anywhere, and then also from here only with it."""
        web = make_web(METRICS, metrics__backend="prometheus", metrics__token="tell-me-please")

        assert web.get("/metrics", status=401).headers["WWW-Authenticate"] == "Bearer"
        web.get("/metrics", extra_environ={"REMOTE_ADDR": "192.0.2.1"}, headers={"Authorization": "Bearer tell-me-please"}, status=200)

    def test_openmetrics(self, web):
        """Who asks for OpenMetrics gets it."""
        answer = web.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

        assert answer.content_type == "application/openmetrics-text"
        assert answer.text.endswith("# EOF\n")


class TestBackend:
    """metrics:backend"""

    def test_counts_nothing_by_default(self, make_web):
        """There are no numbers, no page, and no cost."""
        web = make_web(METRICS, views=[item])

        assert isinstance(web.application["metrics"], NullMetrics)
        web.get("/metrics", status=404)

    def test_of_ones_own(self, make_web):
        """Whatever counts can be named; without a way to show its numbers there is no page."""
        web = make_web(METRICS, views=[item], metrics__backend=Listed)

        web.get("/item/1")

        assert web.application["metrics"].names == ["http_requests", "http_request_seconds"]
        web.get("/metrics", status=404)

    def test_wrong_name(self, make_web):
        """It is told by its key."""
        with pytest.raises(SettingsError, match="'metrics:backend'"):
            make_web(METRICS, metrics__backend="no.such.Backend")


class Listed:
    """A backend that lists what it is told."""

    def __init__(self):
        self.names = []

    def increment(self, name, value=1, **tags):
        """Note it."""
        self.names.append(name)

    observe = set = increment
