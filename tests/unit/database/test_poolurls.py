"""``DATABASES``, read into addresses."""

import pytest

from qapla.database.poolurls import read_addresses
from qapla.errors import SettingsError

URL = "postgresql://user:secret@db.example.org:5432/shop"


def read(**groups):
    return read_addresses({"DATABASES": groups, "DEBUG": True})


def test_groups():
    """Names come from all groups; what a group is called does not matter."""
    found = read(POSTGRESQL={"DEFAULT": URL}, ANY={"FILES": "sqlite:///files.sqlite"})

    assert {name: address.url.get_backend_name() for name, address in found.items()} == {"DEFAULT": "postgresql", "FILES": "sqlite"}


def test_options():
    """In place of a URL a mapping says more about a connection."""
    found = read(POSTGRESQL={"DEFAULT": {"url": URL, "options": {"pool_size": 3}}})

    assert dict(found["DEFAULT"].options) == {"pool_size": 3}


@pytest.mark.parametrize(("written", "meant"), [("50%25", "50%"), ("%40%3A%2F", "@:/"), ("%C3%BC%20x", "ü x"), ("50%", "50%")])
def test_password(written, meant):
    """What a password holds is percent-encoded; a single percent sign is taken as it is."""
    found = read(POSTGRESQL={"DEFAULT": URL.replace("secret", written)})

    assert found["DEFAULT"].url.password == meant


def test_other_scheme():
    """``postgres://`` is PostgreSQL, too."""
    assert read(A={"DEFAULT": URL.replace("postgresql", "postgres")})["DEFAULT"].url.drivername == "postgresql"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "the configuration of the pool has no 'DATABASES'"),
        ({"DATABASE": {}}, "init_pool({'DATABASES'"),
        (None, "has no 'DATABASES'"),
        ({"DATABASES": URL}, "is no mapping of engines"),
        ({"DATABASES": {}}, "names no connection"),
        ({"DATABASES": {"POSTGRESQL": URL}}, "'POSTGRESQL' of 'DATABASES' is no mapping of names to URLs"),
        ({"DATABASES": {"A": {"DEFAULT": URL}, "B": {"DEFAULT": URL}}}, "connection 'DEFAULT' is there twice"),
        ({"DATABASES": {"REDIS": {"DEFAULT": {"HOST": "redis", "PORT": 6379}}}}, "'DATABASES:REDIS:DEFAULT' is no database URL"),
        ({"DATABASES": {"A": {"DEFAULT": {"url": URL, "options": 3}}}}, "options of 'DATABASES:A:DEFAULT' are no mapping"),
        ({"DATABASES": {"A": {"DEFAULT": 7}}}, "no database URL"),
        ({"DATABASES": {"A": {"DEFAULT": "postgresql://user:secret@host:port/database_name"}}}, "no database URL"),
        ({"DATABASES": {"A": {"DEFAULT": "postgresql://user:secret@x@host/name"}}}, "written %40"),
        ({"DATABASES": {"A": {"DEFAULT": "postgresq://user:secret@host/name"}}}, "did you mean 'postgresql'"),
    ],
)
def test_refused(config, said):
    """What is wrong is told with its key, and without a password."""
    with pytest.raises(SettingsError) as told:
        read_addresses(config)

    assert said in str(told.value)
    assert "secret" not in str(told.value)


def test_hidden():
    """An address shows no password."""
    assert "secret" not in repr(read(A={"DEFAULT": URL})["DEFAULT"])
