"""qapla.plugins.health: a supervisor is told how the process is"""

from __future__ import annotations

import pytest

from qapla.errors import SettingsError

HEALTH = "qapla.plugins.health"
DATABASES = "qapla.database.web"
ELSEWHERE = {"REMOTE_ADDR": "192.0.2.1"}


@pytest.fixture
def urls(tmp_path):
    """Give the settings of a database that answers and of one that does not."""
    return {"db__main__url": f"sqlite:///{tmp_path}/main.sqlite", "db__gone__url": "postgresql://nobody@127.0.0.1:1/gone"}


def test_lives_whatever_is_down(make_web, urls):
    """A process that answers is not to be killed for its databases."""
    assert make_web(DATABASES, HEALTH, **urls).get("/healthz", extra_environ=ELSEWHERE).text == "ok\n"


def test_not_ready_while_a_database_is_down(make_web, urls):
    """A program on this machine learns which; nothing is kept by anybody on the way."""
    web = make_web(HEALTH, DATABASES, **urls)

    answer = web.get("/readyz", status=503)

    assert answer.text == "not ready\ndatabase:gone failed\ndatabase:main ok\n"
    assert answer.headers["Cache-Control"] == "no-store"


def test_others_get_a_word(make_web, urls):
    """Names of databases are nobody's business."""
    assert make_web(DATABASES, HEALTH, **urls).get("/readyz", extra_environ=ELSEWHERE, status=503).text == "not ready\n"


def test_others_with_the_token(make_web, urls):
    """Who has it is told from anywhere."""
    web = make_web(DATABASES, HEALTH, health__token="tell-me", **urls)

    assert "gone" in web.get("/readyz", extra_environ=ELSEWHERE, headers={"Authorization": "Bearer tell-me"}, status=503).text
    assert web.get("/readyz", status=503).text == "not ready\n"


def test_database_that_is_not_required(make_web, urls):
    """The application is ready without it."""
    assert make_web(DATABASES, HEALTH, db__gone__required="false", **urls).get("/readyz").text.startswith("ok\ndatabase:gone failed")


def test_json(make_web, urls):
    """Programs get values."""
    answer = make_web(DATABASES, HEALTH, **urls).get("/readyz", headers={"Accept": "application/json"}, status=503)

    assert answer.json == {"status": "not ready", "checks": {"database:gone": "failed", "database:main": "ok"}}


def test_plugins_add_checks(make_web):
    """``app["health"].add`` is the door."""
    web = make_web(HEALTH)
    web.application["health"].add("broker", lambda: 1 / 0)

    assert web.get("/readyz", status=503).text == "not ready\nbroker failed\n"
    assert not web.application["health"].run().is_ready


@pytest.mark.parametrize("deadline", ["soon", "-1", "0", "nan"])
def test_wrong_deadline(make_web, deadline):
    """It is told by its key."""
    with pytest.raises(SettingsError, match="'health:deadline_s'"):
        make_web(HEALTH, health__deadline_s=deadline)
