"""What a person types to name a database."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qapla.database.spec import ConnectionSpec, Origin, check_name, default_name, from_fields, parse_url
from qapla.errors import TargetRefused

if TYPE_CHECKING:
    from pathlib import Path

TYPED = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=20)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop 1%.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (id)")
    connection.close()
    return path


def test_all_parts_are_read() -> None:
    """Every part of a URL ends in its field; the rest has defaults."""
    spec = parse_url("postgres://ann:s%40cret%2F@db.example:6000/my%20shop?sslmode=verify-full&connect_timeout=3&application_name=x")

    assert spec == ConnectionSpec(
        "postgresql", "db.example", 6000, "my shop", "ann", "s@cret/", sslmode="verify-full", connect_timeout=3, application_name="x"
    )
    assert parse_url("mysql+pymysql://u:a:b@[2001:db8::1]/d") == ConnectionSpec("mysql", "2001:db8::1", 3306, "d", "u", "a:b")
    assert parse_url(" ORACLE://u@h/service ") == ConnectionSpec("oracle", "h", 1521, "service", "u")


@given(user=TYPED, password=TYPED, database=TYPED)
def test_any_text_survives_in_a_url(user: str, password: str, database: str) -> None:
    """Names and passwords of any characters are the same after being written into a URL and read back."""
    spec = ConnectionSpec("mariadb", "::1", 3306, database, user, password, sslmode="require")

    assert parse_url(spec.to_url(password)) == spec
    assert ConnectionSpec.from_stored(spec.as_fields(), password) == spec


def test_the_password_is_nowhere_but_in_its_field() -> None:
    """Neither repr, nor the safe URL, nor what is stored holds the password."""
    spec = parse_url("postgresql://u:geheim@h/d")

    assert "geheim" not in f"{spec!r} {spec} {spec.safe_url} {spec.to_url()} {spec.as_fields()} {spec.place} {spec.target}"
    assert spec.safe_url == "postgresql://u:***@h:5432/d"


@pytest.mark.parametrize(
    ("url", "field", "message"),
    [
        ("", "engine", "no engine is given"),
        ("geheim", "engine", "no engine is given"),
        ("/data/geheim.sqlite", "url", "write sqlite:/// in front of its path"),
        ("u:geheim://x", "engine", "no engine is given"),
        ("postgresqll://u:geheim@h/d", "engine", "engine 'postgresqll' is not known (did you mean 'postgresql'?)"),
        ("mssql://u:geheim@h/d", "engine", "engine 'mssql' is not known"),
        ("mysql+mysqldb://u:geheim@h/d", "engine", "driver 'mysqldb' of mysql is not used here"),
        ("postgresql://u:geheim", "port", "the port of the postgresql URL is not a number"),
        ("postgresql://u:12345678", "user", "names no user"),
        ("postgresql://u:geheim@h:99999/d", "port", "port is not a whole number from 1 to 65535"),
        ("postgresql://u:geheim@h:5٣/d", "port", "is not a number"),
        ("postgresql://u:ge/heim@h/d", "url", "cannot be taken apart (write '/'"),
        ("postgresql://u:ge#heim@h/d", "url", "cannot be taken apart"),
        ("postgresql://u:ge%heim@h/d", "password", "the password of the postgresql URL is not percent-encoded rightly"),
        ("postgresql://u:%ff@h/d", "password", "is not UTF-8"),
        ("postgresql://u:ge%00heim@h/d", "password", "the password holds a control character"),
        ("postgresql://u:geheim@h/d\nx", "url", "the URL holds a control character"),
        ("postgresql://u%0a:geheim@h/d", "user", "the user holds a control character"),
        ("postgresql://u:geheim@h/d#x", "url", "has a fragment"),
        ("postgresql://u:geheim@/d", "host", "names no host (sockets are not used"),
        ("postgresql://u:geheim@%2Fvar%2Frun/d", "host", "the host is a path of a socket"),
        ("postgresql://u:geheim@h1,h2/d", "host", "more than one host is given"),
        ("postgresql://u:geheim@fe80::1%25eth0/d", "port", "is not a number"),
        ("postgresql://u:geheim@[fe80::1%25eth0]/d", "host", "is not a name or address"),
        ("postgresql://u:geheim@[::1/d", "host", "the host of the postgresql URL is wrong"),
        ("postgresql://u:geheim@h h/d", "host", "host 'h h' is not a name or address"),
        ("postgresql://u:geheim@-oProxy/d", "host", "host '-oProxy' is not a name or address"),
        ("postgresql://u:geheim@h", "database", "names no database"),
        ("oracle://u:geheim@h/", "database", "names no service name"),
        ("postgresql://h/d", "user", "names no user"),
        ("postgresql://u:geheim@h/d?host=/tmp", "url", "a postgresql URL takes no option 'host'"),
        ("postgresql://u:geheim@h/d?hostaddr=1.2.3.4", "url", "takes no option 'hostaddr'"),
        ("postgresql://u:geheim@h/d?service=x", "url", "takes no option 'service'"),
        ("postgresql://u:geheim@h/d?passfile=x", "url", "takes no option 'passfile'"),
        ("postgresql://u:geheim@h/d?sslrootcert=x", "url", "takes no option 'sslrootcert' (use --tls-ca"),
        ("postgresql://u:geheim@h/d?sslmode=require&sslmode=disable", "sslmode", "option 'sslmode' is given twice"),
        ("postgresql://u:geheim@h/d?sslmode=maybe", "sslmode", "sslmode 'maybe' is not known"),
        ("postgresql://u:geheim@h/d?connect_timeout=11", "connect_timeout", "connect_timeout '11' is not a whole number from 1 to 10"),
        ("mysql://u:geheim@h/d?unix_socket=/x", "url", "takes no option 'unix_socket'"),
        ("mysql://u:geheim@h/d?read_default_file=/x", "url", "takes no option 'read_default_file'"),
        ("mysql://u:geheim@h/d?local_infile=1", "url", "takes no option 'local_infile'"),
        ("mysql://u:geheim@h/d?" + "x" * 200, "url", f"takes no option '{'x' * 99}…'"),
        ("sqlite://", "path", "a SQLite URL has no host"),
        ("sqlite://host/x", "path", "a SQLite URL has no host"),
        ("sqlite:///", "path", "names no path"),
        ("sqlite:///:memory:", "path", "in memory cannot be connected to"),
        ("sqlite:///file:x?mode=rwc", "url", "takes no option 'mode'"),
        ("sqlite:////nowhere/x.db", "path", "file '/nowhere/x.db' does not exist"),
        ("sqlite:////etc", "path", "'/etc' is a folder"),
        ("sqlite:////dev/null", "path", "'/dev/null' is not a regular file"),
        ("sqlite:////etc/passwd", "path", "file '/etc/passwd' is not a SQLite database"),
    ],
)
def test_a_wrong_url_is_refused_by_the_part_that_is_wrong(url: str, field: str, message: str) -> None:
    """The error names engine, option or part, never the password or the URL, and stays in one line."""
    with pytest.raises(TargetRefused) as refused:
        parse_url(url)

    text = str(refused.value)
    assert refused.value.field == field
    assert message in text
    assert "heim" not in text
    assert text.isprintable()


@given(text=st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is typed is a spec or a refusal."""
    for url in (text, f"postgresql://{text}", f"mysql://u:geheim@{text}", f"sqlite:///{text}", f"oracle://u@h/{text}"):
        try:
            assert isinstance(parse_url(url), ConnectionSpec)
        except TargetRefused as error:
            assert "geheim" not in str(error)  # noqa: PT017


def test_fields_of_another_engine_are_refused() -> None:
    """A form's field that the engine does not have is refused by name; empty fields count as not given."""
    with pytest.raises(TargetRefused, match="sqlite takes no option 'host'"):
        from_fields({"engine": "sqlite", "path": "/x", "host": "h"})
    with pytest.raises(TargetRefused, match="postgresql takes no option 'path'"):
        from_fields({"engine": "postgresql", "path": "/x"})

    spec = from_fields({"engine": "mysql", "host": "h", "port": "", "user": "u", "password": "", "database": "d", "tls_ca": None})

    assert spec == ConnectionSpec("mysql", "h", 3306, "d", "u")


def test_a_sqlite_file_is_found_by_its_real_path(shop: Path, tmp_path: Path) -> None:
    """A SQLite URL names an existing file, percent-encoded, through links; an empty file is an empty database."""
    link, empty = tmp_path / "link", tmp_path / "empty.db"
    link.symlink_to(shop)
    empty.touch()

    spec = parse_url(f"sqlite:///{str(shop).replace('%', '%25')}")

    assert spec.path == str(shop)
    assert parse_url(spec.to_url()) == parse_url(f"sqlite:///{link}") == spec
    assert parse_url(f"sqlite:///{empty}").path == str(empty)


def test_sqlite_files_stay_below_their_folders(shop: Path, tmp_path: Path) -> None:
    """Except on the command line a file must be below an allowed folder, links and ``..`` followed."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "out").symlink_to(shop)
    (inside / "in.db").touch()
    form = Origin("form", sqlite_folders=(str(inside),))

    assert parse_url(f"sqlite:///{inside}/in.db", origin=form).path == str(inside / "in.db")
    for path in (inside / "out", inside / ".." / "missing", tmp_path / "inside2", "/etc/shadow"):
        with pytest.raises(TargetRefused, match="not below a folder of LAZYDB_SQLITE_FOLDERS"):
            parse_url(f"sqlite:///{path}", origin=form)
    with pytest.raises(TargetRefused, match="cannot be added here"):
        parse_url(f"sqlite:///{inside}/in.db", origin=Origin("rest", sqlite_folders=()))


def test_the_registry_cannot_be_added(shop: Path, tmp_path: Path) -> None:
    """lazydb's own database is refused, by whatever link or spelling."""
    hard = tmp_path / "hard.sqlite"
    os.link(shop, hard)
    server = parse_url("postgresql://u@db.example/lazydb")

    for url, registry in (
        (f"sqlite:///{hard}", ConnectionSpec("sqlite", path=str(shop))),
        ("postgres://other@DB.example.:5432/lazydb", server),
        ("postgres://other@localhost/lazydb", ConnectionSpec("postgresql", "127.0.0.1", 5432, "lazydb", "u")),
    ):
        with pytest.raises(TargetRefused, match="lazydb's own registry"):
            parse_url(url, origin=Origin(registry=registry))


def test_certificates_must_be_pem_files(tmp_path: Path) -> None:
    """A TLS file is a readable PEM file; the error does not tell a missing one from another kind of file."""
    pem = tmp_path / "ca.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")
    given = {"engine": "mysql", "host": "h", "user": "u", "database": "d"}

    assert from_fields({**given, "tls_ca": str(pem)}).tls_ca == str(pem)
    for wrong in ("/etc/passwd", "/nowhere", str(tmp_path)):
        with pytest.raises(TargetRefused, match="tls_ca is not a readable file in PEM form"):
            from_fields({**given, "tls_ca": wrong})


@pytest.mark.parametrize("name", ["a", "A-1_x", "9", "x" * 63])
def test_names_fit_into_urls(name: str) -> None:
    """1-63 ASCII letters, digits, ``-``, ``_``, a letter or digit first, are a name."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "x" * 64, "a b", "a/b", "ä", "a\n", "a.b", "x" * 5000])
def test_other_names_are_refused(name: str) -> None:
    """What cannot stand in a URL is refused, with a name that can."""
    with pytest.raises(TargetRefused, match="cannot be used in a URL") as refused:
        check_name(name)

    assert refused.value.field == "name"
    assert len(str(refused.value)) < 400


@given(text=st.text(max_size=100))
def test_every_database_has_a_default_name(text: str) -> None:
    """The name made from a database or file is always a name."""
    assert check_name(default_name(ConnectionSpec("mysql", "h", 1, text, "u")))


def test_default_names_say_what_it_is() -> None:
    """The default name is the database's or the file's, made fit for a URL."""
    assert default_name(ConnectionSpec("mysql", "h", 1, "My shop (2)", "u")) == "My-shop-2"
    assert default_name(ConnectionSpec("sqlite", path="/x/Chinook Sqlite.db")) == "Chinook-Sqlite"


def test_mysql_and_mariadb_urls_are_one_target() -> None:
    """The same server and database is the same target whatever the scheme, the user and the options."""
    one, two = parse_url("mysql://a@H.example/d"), parse_url("mariadb://b:x@h.example:3306/d?sslmode=require")

    assert one.target == two.target
    assert one.target != parse_url("mysql://a@h.example/e").target
    assert {field.name for field in fields(ConnectionSpec)} >= set(one.as_fields())
