"""``DATABASES``, read into addresses."""

import pytest
from sqlalchemy import make_url

from qapla.database.poolurls import read_addresses
from qapla.errors import SettingsError

URL = "postgresql://user:secret@db.example.org:5432/shop"


def read(**groups):
    return read_addresses({"DATABASES": groups, "DEBUG": True})


def test_groups():
    """Names come from all groups; what a group is called does not matter."""
    found = read(POSTGRESQL={"DEFAULT": URL}, ANY={"FILES": "sqlite:///files.sqlite", "M": make_url("mariadb+pymysql://u:p@h/d")})

    assert {name: address.spec.engine for name, address in found.items()} == {"DEFAULT": "postgresql", "FILES": "sqlite", "M": "mariadb"}
    assert found["DEFAULT"].spec.password == "secret"


def test_registered():
    """A name in place of a URL is that of a registered database; it is looked up when it is used."""
    assert read(ANY={"DEFAULT": "shop"})["DEFAULT"].registered == "shop"


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:"])
def test_memory(url):
    """A SQLite database may be in memory."""
    assert read(ANY={"DEFAULT": url})["DEFAULT"].spec.path == ":memory:"


def test_options():
    """In place of a URL a mapping says more about a connection."""
    found = read(POSTGRESQL={"DEFAULT": {"url": URL, "options": {"pool_size": 3}}})

    assert dict(found["DEFAULT"].options) == {"pool_size": 3}


@pytest.mark.parametrize(("written", "meant"), [("50%25", "50%"), ("%40%3A%2F", "@:/"), ("%C3%BC%20x", "ü x")])
def test_password(written, meant):
    """What a password holds is percent-encoded."""
    found = read(POSTGRESQL={"DEFAULT": URL.replace("secret", written)})

    assert found["DEFAULT"].spec.password == meant


def test_other_scheme():
    """``postgres://`` is PostgreSQL, too."""
    assert read(A={"DEFAULT": URL.replace("postgresql", "postgres")})["DEFAULT"].spec.engine == "postgresql"


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
        ({"DATABASES": {"A": {"DEFAULT": "postgresql://user:secret@host:port/database_name"}}}, "the port of the postgresql URL is not"),
        ({"DATABASES": {"A": {"DEFAULT": "postgresql://user:secret%@host/name"}}}, "write '%' itself as %25"),
        ({"DATABASES": {"A": {"DEFAULT": "postgresql://user:secret/@host/name"}}}, "percent-encoded: %2F %3F %23 %40 %25"),
        ({"DATABASES": {"A": {"DEFAULT": "postgresql://user:secret@host/name?service=x"}}}, "takes no option 'service'"),
        ({"DATABASES": {"A": {"DEFAULT": "sqlite:///no/such/folder/file.sqlite"}}}, "the folder of its file does not exist"),
        ({"DATABASES": {"A": {"DEFAULT": "not a url"}}}, "no engine is given"),
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
