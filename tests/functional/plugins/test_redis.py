"""qapla.plugins.redis: clients by name"""

from __future__ import annotations

import os
import time
from uuid import uuid4

import pytest
from pyramid.response import Response

from qapla.errors import PluginError, SettingsError
from qapla.testing.processes import free_port

REDIS = "qapla.plugins.redis"


def count(request):
    """Count by Redis, in three spellings of one client."""
    assert request.redis is request.scope["redis"]["default"] is request.app["redis"]["default"]
    return Response(str(request.redis.incr("qapla-test-count")))


def test_requests_have_the_default_client(make_web, redis_url):
    """``request.redis``, the scope's and the application's are one."""
    web = make_web(REDIS, views=[count], redis__default__url=redis_url)
    web.application["redis"]["default"].delete("qapla-test-count")

    assert [web.get("/count").text, web.get("/count").text] == ["1", "2"]


def test_several_by_name(make_web, redis_url):
    """Each has its own URL and options."""
    web = make_web(REDIS, redis__default__url=redis_url, redis__cache__url=redis_url, redis__cache__options__socket_timeout="0.5")

    clients = web.application["redis"]

    assert sorted(clients) == ["cache", "default"]
    assert [clients[name].connection_pool.connection_kwargs["socket_timeout"] for name in ("default", "cache")] == [5, 0.5]


def test_unknown_name(make_web, redis_url):
    """It is told with the nearest one, and what to set."""
    clients = make_web(REDIS, redis__cache__url=redis_url).application["redis"]

    with pytest.raises(PluginError, match=r"'cahce' \(did you mean 'cache'"):
        clients["cahce"]
    with pytest.raises(PluginError, match=r"'default' \(set 'redis:default:url'\)"):
        clients["default"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"redis__default__options__db": "1"}, "'redis:default:url' is missing"),
        ({"redis__default__url": "http://127.0.0.1/"}, "'redis:default:url' .* is wrong"),
        ({"redis__default__url": "redis://127.0.0.1/", "redis__default__options__sokcet": "1"}, "'redis:default:options' .*wrong"),
    ],
)
def test_wrong_settings_are_told_at_the_start(make_web, settings, told):
    """No connection is needed to find them."""
    with pytest.raises(SettingsError, match=told):
        make_web(REDIS, **settings)


def test_made_anew_after_a_fork(make_web, redis_url):
    """A child does not write into the connections of its parent."""
    clients = make_web(REDIS, redis__default__url=redis_url).application["redis"]
    parent = clients["default"]
    parent.ping()
    child = os.fork()
    if not child:
        os._exit(0 if clients["default"] is not parent and clients["default"].ping() else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert clients["default"] is parent


def test_closed_with_the_application(make_web, redis_url):
    """No connection is left at the server."""
    name = f"qapla-test-{uuid4().hex}"
    web = make_web(REDIS, redis__default__url=f"{redis_url}?client_name={name}")
    web.application["redis"]["default"].ping()
    watcher = make_web(REDIS, redis__default__url=redis_url).application["redis"]["default"]

    def named():
        return [client for client in watcher.client_list() if client["name"] == name]

    assert len(named()) == 1
    web.application.stop()
    until = time.monotonic() + 10
    while named():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("includes", [("qapla.plugins.health", REDIS), (REDIS, "qapla.plugins.health")])
def test_health_knows_it(make_web, includes):
    """Whichever comes first; one that is away is found out within the deadline."""
    web = make_web(*includes, redis__default__url=f"redis://:geheim@127.0.0.1:{free_port()}/0")
    begun = time.monotonic()

    answer = web.get("/readyz", status=503)

    assert answer.text == "not ready\nredis:default failed\n"
    assert time.monotonic() - begun < 3
