"""qapla.masking"""

from __future__ import annotations

import copy
import pickle

import pytest

from qapla.masking import Secret, mask, secrets_of, shield
from qapla.settings import Settings, masked

CASES = [
    ("secret_key", "geheim1", "***"),
    ("db:main:options:connect_args:password", "geheim1", "***"),
    ("sentry:api_key", "geheim1", "***"),
    ("mail:smtp_pass", "geheim1", "***"),
    ("redis_pw", "geheim1", "***"),
    ("tickets:signing_key", "geheim1", "***"),
    ("tickets:encryption_keys", ["geheim1"], ["***"]),
    ("auth:pins_secret", 12345, "***"),
    ("session:secrets", ["geheim1", "geheim2"], ["***", "***"]),
    ("db:main:url", "postgresql://u:geheim1@h:1/d", "postgresql://u:***@h:1/d"),
    ("db:main:url", "postgresql://u:ge/h@im@h:1/d", "postgresql://u:***@h:1/d"),
    ("db:main:url", "postgresql://h/d?user=u&password=geheim1&sslmode=require", "postgresql://h/d?user=u&password=***&sslmode=require"),
    ("db:main:dsn", "host=h password='ge heim' user=u", "host=h password=*** user=u"),
    ("redis:default:url", "redis://:geheim1@h:6379/0", "redis://:***@h:6379/0"),
    ("celery:broker_url", "amqp://u:geheim1@a//;amqp://u:geheim2@b//", "amqp://u:***@b//"),
    ("db:main:replicas", ["postgresql://u:geheim1@h/d", "postgresql://h/d"], ["postgresql://u:***@h/d", "postgresql://h/d"]),
    ("caches", [{"name": "x", "password": "geheim1"}], [{"name": "x", "password": "***"}]),
]
SAFE = [
    ("db:main:url", "sqlite:////data/pass/words.sqlite"),
    ("db:main:url", "postgresql://u@h:5432/d?application_name=x"),
    ("auth:remember_token", True),
    ("secret", None),
    ("secret", ""),
    ("title", "100% of {it} user@host"),
    ("catalog:primary_key", "author_key"),
]


@pytest.mark.parametrize(("key", "value", "shown"), CASES)
def test_what_is_shown(key, value, shown):
    """Wherever a password stands, it is not shown."""
    assert mask(key, value) == shown


@pytest.mark.parametrize(("key", "value"), SAFE)
def test_what_is_no_secret(key, value):
    """Everything else is shown as it is."""
    assert mask(key, value) == value
    assert list(secrets_of({key: value})) == []


@pytest.mark.parametrize(("key", "value", "shown"), CASES)
def test_a_shielded_value_is_the_value(key, value, shown):
    """Code that uses it sees no difference; whoever prints its ``repr`` does. A number is told by nobody."""
    shielded = shield(key, value)

    assert shielded == value
    assert "geheim" not in repr(shielded)


def test_secret_survives_copies():
    """A copy is as careful as its original."""
    secret = Secret("geheim", "g***")

    for made in (copy.copy(secret), copy.deepcopy([secret])[0], pickle.loads(pickle.dumps(secret))):
        assert (made, repr(made)) == ("geheim", "'g***'")


@pytest.mark.parametrize(
    ("key", "value", "secrets"),
    [
        ("secret_key", "geheim", {"geheim"}),
        ("secret_key", b"geheim", {"geheim"}),
        ("smtp_password", 123456, {"123456"}),
        ("db:main:url", "postgresql://u:ge%40heim@h/d", {"ge%40heim", "ge@heim"}),
        ("db:main:url", "postgresql://h/d?password=ge%40heim+x", {"ge%40heim+x", "ge@heim x"}),
        ("celery:broker_url", "amqp://u:one@a//;amqp://u:two@b//", {"one", "two"}),
        ("db:main:replicas", ["mysql://u:one@h/d", "mysql://u:two@h/d"], {"one", "two"}),
        ("caches", [{"password": "one"}], {"one"}),
    ],
)
def test_secrets_of(key, value, secrets):
    """The log learns every secret as it stands there and as it is meant."""
    settings = Settings()
    settings[key] = value

    assert secrets <= set(secrets_of(settings))


def test_a_number_that_only_sounds_secret():
    """It would be masked wherever it occurs in the log."""
    assert list(secrets_of(Settings({"auth": {"token_lifetime_s": 3600}}))) == []


def test_settings_with_a_list_of_urls():
    """``repr`` masks inside of lists, too."""
    settings = Settings({"db": {"main": {"replicas": ["postgresql://u:geheim@h/d"]}}})

    assert "geheim" not in repr(settings)
    assert masked(settings) == {"db:main:replicas": ["postgresql://u:***@h/d"]}
