"""celery:… settings"""

from __future__ import annotations

import subprocess
import sys

import pytest

from qapla.errors import ConfigurationError, SettingsError
from qapla.plugins.celery.configuration import read_configuration
from qapla.settings import Settings


def read(**given):
    """Return the configuration for the settings *given*, on a Redis."""
    settings = Settings()
    for key, value in {"broker_url": "redis://:secret@broker/0", **given}.items():
        if value is not None:
            settings[f"celery:{key}"] = value
    return read_configuration(settings, "shop")


def test_nobody_says_anything():
    """It is safe: late acknowledgement, one message at a time, limits, JSON only, a queue of the application's own."""
    found = read()

    assert (found["task_acks_late"], found["task_reject_on_worker_lost"], found["worker_prefetch_multiplier"]) == (True, True, 1)
    assert (found["task_serializer"], found["accept_content"], found["task_default_queue"]) == ("json", ["json"], "shop")
    assert (found["task_soft_time_limit"], found["task_time_limit"]) == (1770, 1800)
    assert found["broker_transport_options"]["visibility_timeout"] == 1860
    assert found["broker_transport_options"]["unacked_key"] == "unacked.shop"
    assert found["task_ignore_result"] is True
    assert read(result_backend="redis://broker/1")["task_ignore_result"] is False


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("worker_prefetch_multiplier", "4", 4),
        ("task_acks_late", "no", False),
        ("worker_concurrency", "3", 3),
        ("worker_concurrency", "auto", "auto"),
        ("broker_connection_timeout", "1.5", 1.5),
        ("accept_content", "json, yaml", ["json", "yaml"]),
        ("result_backend_transport_options", '{"master_name": "m"}', {"master_name": "m"}),
        ("timezone", "Europe/Warsaw", "Europe/Warsaw"),
    ],
)
def test_text(key, text, value):
    """The environment has text; it becomes what Celery wants."""
    assert read(**{key: text})[key] == value


def test_dictionaries():
    """A schedule is a dictionary all the way down; options of the transport are added to ours."""
    found = read(beat_schedule={"night": {"task": "shop.tidy", "schedule": 60.0}}, broker_transport_options={"visibility_timeout": 9000})

    assert found["beat_schedule"] == {"night": {"task": "shop.tidy", "schedule": 60.0}}
    assert {type(found["beat_schedule"]), type(found["beat_schedule"]["night"])} == {dict}
    assert found["broker_transport_options"]["visibility_timeout"] == 9000
    assert found["broker_transport_options"]["socket_connect_timeout"] == 3


@pytest.mark.parametrize(
    ("broker_url", "keys"),
    [("amqp://broker//", set()), ("sqs://", {"visibility_timeout"}), ("sentinel://a:1;sentinel://b:1", None)],
)
def test_other_brokers(broker_url, keys):
    """Each broker is told what it understands."""
    options = read(broker_url=broker_url)["broker_transport_options"]

    assert set(options) == keys if keys is not None else options["visibility_timeout"] == 1860


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"task_timelimit": 3}, r"'celery:task_timelimit' in .* is unknown \(did you mean 'task_time_limit'\?\)"),
        ({"include": ["a"]}, r"'celery:include' in .* is not offered \(use 'celery:modules'\)"),
        ({"task_time_limit": 0}, r"'celery:task_time_limit' in .* is wrong \(expected seconds, 1 at least"),
        ({"task_time_limit": "soon"}, r"'celery:task_time_limit' in .* is wrong \(expected a number\)"),
        ({"task_time_limit": 10, "task_soft_time_limit": 11}, r"'celery:task_soft_time_limit' .* at most .*, 10 seconds"),
        ({"broker_transport_options": {"visibility_timeout": 1800}}, r"visibility_timeout' .* more than .*, 1800 seconds"),
        ({"task_acks_late": "perhaps"}, r"'celery:task_acks_late' in .* is wrong \(expected true or false\)"),
        ({"beat_schedule": "[1]"}, r"'celery:beat_schedule' in .* is wrong \(expected an object of JSON\)"),
        ({"broker_url": None}, r"'celery:broker_url' is missing from .* \(expected where the broker is, redis://host:6379/0\)"),
    ],
)
def test_wrong(given, problem):
    """Key, place and what was expected; never the password."""
    with pytest.raises(SettingsError, match=problem) as caught:
        read(**given)

    assert "secret" not in str(caught.value)


def test_tests_need_no_broker():
    """Where tasks are done at once nothing is sent."""
    assert read(broker_url=None, task_always_eager=True)["broker_url"] == "memory://localhost"


@pytest.mark.parametrize("package", ["celery", "kombu"])
def test_celery_is_not_installed(package):
    """It is an optional package; the plugin says how to get it."""
    code = f"import sys; sys.modules[{package!r}] = None\nimport qapla.plugins.celery.plugin"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "ConfigurationError: tasks need the package" in done.stderr
    assert "(pip install 'qapla[celery,redis]')" in done.stderr


def test_redis_is_not_installed(monkeypatch):
    """It is told at the start, and not by the first task."""
    monkeypatch.setattr("qapla.plugins.celery.configuration.find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match=r"the package 'redis' is not installed \(pip install"):
        read()

    assert read(broker_url="amqp://broker//")["broker_url"] == "amqp://broker//"
