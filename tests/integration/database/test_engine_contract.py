"""qapla.testing.contracts.EngineContract: what every engine does, on each that is tested"""

from __future__ import annotations

import pytest

from qapla.testing.contracts import EngineContract
from qapla.testing.contracts.cells import CellContract
from qapla.testing.contracts.declared import DeclaredContract
from qapla.testing.servers import make_database

# type, and SQL of values that make trouble: what goes out can be sent back in, unchanged, and means the same
CELLS = {
    "postgresql": [
        ("smallint", ["-32768"]),
        ("bigint", ["9223372036854775807"]),
        ("numeric", ["1180591620717411303424", "0.1000000000000000000000000001", "'NaN'", "1e-200", "1e300"]),
        ("numeric(10,2)", ["1.10"]),
        ("real", ["0.1", "'Infinity'", "1.17549e-38"]),
        ("double precision", ["0.1::float8 + 0.2::float8", "'NaN'", "'-Infinity'", "1e-320"]),
        ("boolean", ["true"]),
        ("text", ["''", "E'tab\\t \"quote\" \\\\ nl\\n é 💡'", "'true'"]),
        ("char(5)", ["'ab'"]),
        ("bytea", ["'\\x00ff'", "''"]),
        ("date", ["'2024-02-29'", "'0044-03-15 BC'", "'infinity'", "'12024-01-01'"]),
        ("time", ["'24:00'", "'12:34:56.789'"]),
        ("timetz", ["'12:34:56+05:30'"]),
        ("timestamp", ["'2024-02-29 23:59:59.999999'", "'0001-01-01 00:00:00 BC'", "'-infinity'"]),
        ("timestamptz", ["'2024-06-01 12:00:00+02'", "'infinity'"]),
        ("interval", ["'1 year -2 days 03:04:05.6'"]),
        ("uuid", ["'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"]),
        ("json", ["'{\"a\":[1,2.50,null],\"b\":\"é\"}'"]),
        ("jsonb", ["'{\"a\": 1e2}'", "'\"text\"'", "'1180591620717411303424.5'"]),
        ("integer[]", ["'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'{}'"]),
        ("text[]", ["array['a,b', 'c\"d', '', NULL, 'NULL', E'\\\\', '{x}']"]),
        ("timestamp[]", ["array['2024-01-01 00:00'::timestamp]"]),
        ("int4range", ["'[1,10)'", "'empty'"]),
        ("inet", ["'192.168.0.1/24'"]),
        ("macaddr", ["'08:00:2b:01:02:03'"]),
        ("bit(4)", ["B'0101'"]),
        ("money", ["'12.34'"]),
        ("xml", ["'<a>1</a>'"]),
        ("point", ["'(1,2)'"]),
        ("tsvector", ["'a b:1'"]),
    ],
    "mariadb": [
        ("tinyint(1)", ["1", "2"]),
        ("tinyint unsigned", ["255"]),
        ("bigint unsigned", ["18446744073709551615"]),
        ("decimal(40,10)", ["1180591620717411303424.0000000001"]),
        ("float", ["0.1", "3.40282e38"]),
        ("double", ["0.1 + 0.2e0", "5e-324"]),
        ("varchar(40) CHARACTER SET utf8mb4", ["''", "'tab\\t \"q\" \\\\ nl\\n é 💡'"]),
        ("varbinary(10)", ["x'00ff'", "''"]),
        ("blob", ["x'c328'"]),
        ("bit(10)", ["b'1010101010'", "b'0'"]),
        ("date", ["'2024-02-29'", "'0000-00-00'", "'2024-00-00'"]),
        ("time(6)", ["'-838:59:59'", "'12:34:56.789'", "'838:00:00'"]),
        ("datetime(6)", ["'2024-02-29 23:59:59.999999'", "'0000-00-00 00:00:00'"]),
        ("datetime", ["'9999-12-31 23:59:59'"]),
        ("timestamp NULL", ["'2024-06-01 12:00:00'"]),
        ("year", ["2024"]),
        ("json", ["'{\"a\":[1,2.50,null]}'", "'\"text\"'"]),
        ("enum('a','it''s','ü')", ["'it''s'"]),
        ("set('a','b')", ["'a,b'"]),
        ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
        ("inet6", ["'::1'"]),
    ],
    "sqlite": [
        ("INTEGER", ["9223372036854775807", "-9223372036854775808"]),
        ("BOOLEAN", ["1", "2"]),
        ("NUMERIC", ["1180591620717411303424", "0.1", "12.50"]),
        ("DECIMAL(10,2)", ["1.10"]),
        ("REAL", ["0.1 + 0.2", "9e999", "5e-324", "1e100"]),
        ("TEXT", ["''", "'é 💡 \"q\" \\'", "'007'"]),
        ("BLOB", ["x'00ff'", "x''"]),
        ("DATE", ["'2024-02-29'"]),
        ("TIME", ["'12:34:56'"]),
        ("DATETIME", ["'2024-02-29 23:59:59.5'", "'2024-02-29 23:59:59'", "1700000000"]),
        ("JSON", ["'{\"a\":[1,2.50,null]}'"]),
        ("UUID", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
        ("", ["'x'", "5", "0.5"]),
    ],
}


class TestSQLite(EngineContract):
    """A file"""

    analyze = "ANALYZE"
    cells = CELLS["sqlite"]
    fingerprint = "typeof({0}) || quote({0})"

    @pytest.fixture(scope="class")
    @classmethod
    def make_database(cls):
        """Return what makes an empty database."""
        return lambda: make_database("sqlite")


class TestPostgreSQL(EngineContract):
    """A server with schemas"""

    analyze = "ANALYZE {}"
    cells = CELLS["postgresql"]
    fingerprint = "{}::text"

    @pytest.fixture(scope="class")
    @classmethod
    def make_database(cls):
        """Return what makes an empty database."""
        return lambda: make_database("postgresql")


class TestMariaDB(EngineContract):
    """A server without RETURNING of changed rows"""

    analyze = "ANALYZE TABLE {}"
    cells = CELLS["mariadb"]
    fingerprint = "hex({})"
    prepare = ("SET sql_mode = ''",)

    @pytest.fixture(scope="class")
    @classmethod
    def make_database(cls):
        """Return what makes an empty database."""
        return lambda: make_database("mariadb")


class TestPlainCells(CellContract):
    """What is asked of an engine whose class says nothing about its types: a part of the contract, inherited alone"""

    @pytest.fixture(scope="class")
    @classmethod
    def make_database(cls):
        """Return what makes an empty database."""
        return lambda: make_database("postgresql")


class TestWithoutRecreate(DeclaredContract):
    """An engine that cannot be dropped and created here"""

    recreates = False

    @pytest.fixture(scope="class")
    @classmethod
    def make_database(cls):
        """Return what makes an empty database."""
        return lambda: make_database("sqlite")

    @pytest.fixture(autouse=True)
    def _not_offered(self, monkeypatch):
        monkeypatch.setattr("qapla.database.recreate._MAKERS", {})
