"""Odd values for every engine: (type, literals); each type gets a table, each literal a row of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qapla.testing.oddities import run_script

if TYPE_CHECKING:
    from sqlalchemy import URL

CELLS: dict[str, list[tuple[str, list[str]]]] = {
    "postgresql": [
        ("double precision", ["'infinity'", "'-infinity'", "'NaN'", "'-0'", "1e308", "5e-324", "0.1"]),
        ("real", ["'infinity'", "'NaN'", "1e-45", "0.1"]),
        ("numeric", ["'NaN'", "'Infinity'", "1180591620717411303424", "1e-40", "1.10", "repeat('9', 5000)::numeric"]),
        ("date", ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'10000-01-01'", "'5874897-12-31'"]),
        ("timestamp", ["'infinity'", "'-infinity'", "'0044-03-15 10:00 BC'", "'10000-01-01 00:00:01.5'"]),
        ("timestamptz", ["'infinity'", "'0044-03-15 10:00+02 BC'", "'10000-01-01 00:00:01.5+00'", "'2024-03-31 02:30+01'"]),
        ("time", ["'24:00'", "'00:00:00.000001'"]),
        ("timetz", ["'24:00+14'", "'12:00-03:30'"]),
        ("interval", ["'-1 year 2 days -03:04:05.6'", "'178000000 years'", "'0'"]),
        ("text", ["''", "'NULL'", "'null'", "' '"]),
        ("text", ["E'a\\tb\\r\\nc\\nd\\r'", "E'\\x01\\x02\\x1f\\x7f'", "'😀 e\u0301 \u202eabc\u202c שלום'"]),
        ("text", ["'\ufeff\u2028\u2029\ufffe\uffff'", "repeat('x', 200000)", "'=1+1'"]),
        ("text", ["'</textarea><script>alert(1)</script>'", "E'\\n'"]),
        ("char(5)", ["'a'", "''"]),
        ('"char"', ["'a'", "''"]),
        ("bytea", [r"'\x00ff'", r"''", "decode(repeat('00ff', 100000), 'hex')"]),
        ("json", ["'null'", "'\"\\u0000 \\ud800\"'", "'{\"a\":1,\"a\":1e400}'"]),
        ("json", ["('[' || repeat('9', 5000) || ']')::json", "'{\"a\" : \n 1.0}'"]),
        ("json", ["(repeat('[', 300) || repeat(']', 300))::json", "'\"\"'", "'{\"\": {\"a b\": [true, null]}}'"]),
        ("jsonb", ["'null'", "'1e400'", "'\"text\"'", "'[1.10, -0]'"]),
        ("integer[]", ["'{}'", "'{1,NULL}'", "'{{1,2},{3,4}}'", "'[0:1]={5,6}'"]),
        ("text[]", ["'{\"\",NULL,\"NULL\",\"a,b\",\"q\\\"\\\\\"}'", "'{{a},{b}}'"]),
        ("double precision[]", ["'{NaN,Infinity,-0,1e308}'"]),
        ("date[]", ["'{infinity,\"0044-03-15 BC\"}'"]),
        ("bytea[]", ["ARRAY['\\x00ff'::bytea, '']"]),
        ("jsonb[]", ["ARRAY['{\"a\": 1}'::jsonb, 'null']"]),
        ("int4range", ["'empty'", "'[1,5)'", "'(,)'"]),
        ("tstzrange", ["'[2024-01-01 00:00+00,infinity)'"]),
        ("numrange", ["'[1.10,)'"]),
        ("int4multirange", ["'{[1,3),[5,7)}'", "'{}'"]),
        ("pair", ["ROW('a,\"b\"', NULL)", "ROW(NULL, NULL)", "ROW('', 1.10)"]),
        ("pair[]", ["ARRAY[ROW('a', 1)::pair, NULL]"]),
        ("money", ["'-1234.5'", "'92233720368547758.07'"]),
        ("bit(4)", ["B'0101'"]),
        ("varbit", ["''", "B'1'"]),
        ("xml", ["'<a b=\"1\">&amp;</a>'", "'text'"]),
        ("tsvector", ["'a:1A b''c:2'", "''"]),
        ("tsquery", ["'a & !b'"]),
        ("inet", ["'10.0.0.1/8'", "'::1'"]),
        ("cidr", ["'10.0.0.0/8'"]),
        ("macaddr", ["'08:00:2b:01:02:03'"]),
        ("macaddr8", ["'08:00:2b:01:02:03:04:05'"]),
        ("uuid", ["'00000000-0000-0000-0000-000000000000'"]),
        ("mood", ["''", "'it''s ok'", "'a,b'", "'=x'", "' sp '", "'null'", "'ü'"]),
        ("mood[]", ["'{\"it''s ok\",NULL,\"\"}'"]),
        ("posint", ["7"]),
        ("words", ["'{a,NULL}'"]),
        ("point", ["'(1.5,Infinity)'"]),
        ("path", ["'[(0,0),(1,1)]'"]),
        ("oid", ["4294967295"]),
        ("regclass", ["'pg_class'"]),
        ("name", ["'x'"]),
        ("pg_lsn", ["'16/B374D848'"]),
        ("xid8", ["'18446744073709551615'"]),
        ("jsonpath", ["'$.a'"]),
        ("bigint", ["9223372036854775807", "-9223372036854775808"]),
        ("boolean", ["true", "NULL"]),
    ],
    "mariadb": [
        ("double", ["-0e0", "1e308", "5e-324", "0.1e0", "1.7976931348623157e308"]),
        ("float", ["0.1", "3.40282e38", "16777217"]),
        ("float(7,3)", ["0.1", "1234.567"]),
        ("decimal(65,30)", ["99999999999999999999999999999999999.999999999999999999999999999999", "-0.000000000000000000000000000001"]),
        ("bigint unsigned", ["18446744073709551615"]),
        ("int(6) zerofill", ["42"]),
        ("tinyint(1)", ["0", "1", "7", "-1"]),
        ("bool", ["true", "NULL"]),
        ("date", ["'0000-00-00'", "'2024-00-00'", "'2024-02-31'", "'9999-12-31'", "'0001-01-01'"]),
        ("datetime(6)", ["'0000-00-00 00:00:00'", "'2024-02-29 23:59:59.999999'", "'2024-00-10 01:02:03'"]),
        ("timestamp NULL", ["'0000-00-00 00:00:00'", "'2024-06-01 12:00:00'", "NULL"]),
        ("time(6)", ["'-838:59:59.999999'", "'838:59:59'", "'24:00:00'", "'-00:00:01'"]),
        ("year", ["0", "1901", "2155"]),
        ("text", ["''", "'NULL'", "' '"]),
        ("text", ["'a\\tb\\r\\nc\\nd\\r'", "concat(char(0), char(1), char(127))", "'😀 e\u0301 \u202eabc\u202c שלום'"]),
        ("longtext", ["repeat('x', 200000)", "'=1+1'", "'</textarea><script>alert(1)</script>'", "'\\n'", "'\ufeff\u2028\ufffe'"]),
        ("varchar(40) character set latin1", ["'é€ÿ'", "x'80fe01'", "x'818d'"]),
        ("varchar(40) character set ascii", ["'a'"]),
        ("varchar(40) character set utf16", ["'é😀'"]),
        ("varchar(40) character set cp1251", ["'я'"]),
        ("char(5)", ["'a'", "''"]),
        ("blob", ["x'00ff'", "''"]),
        ("longblob", ["repeat(x'00ff', 4500000)"]),
        ("binary(4)", ["'a'"]),
        ("bit(10)", ["b'1010'", "b'0'"]),
        ("bit(1)", ["b'1'", "b'0'"]),
        ("json", ["'null'", "'\"text\"'", "'{\"a\":1,\"a\":1e400}'", "'{\"a\" : \\n 1.0}'", "concat('[', repeat('9', 5000), ']')"]),
        ("longtext check (json_valid(cell) or true)", ["'{broken'"]),
        ("enum('','it''s ok','a,b','=x','null','ü')", ["''", "'it''s ok'", "'a,b'", "'=x'", "'null'", "'ü'"]),
        ("enum('a')", ["'wrong'", "'a'", "NULL"]),
        ("set('a','b c','')", ["''", "'a,b c'"]),
        ("uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]),
        ("inet6", ["'::1'"]),
        ("inet4", ["'10.0.0.1'"]),
        ("point", ["point(1.5, 2)"]),
        ("geometry", ["ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326)"]),
    ],
    "sqlite": [
        ("INTEGER", ["9223372036854775807", "-9223372036854775808", "'text'", "''", "1.5"]),
        ("INTEGER", ["x'00ff'", "9e999", "1180591620717411303424", "NULL"]),
        ("REAL", ["9e999", "-9e999", "-0.0", "1e308", "5e-324", "'text'", "x'00ff'", "0.1 + 0.2"]),
        ("NUMERIC", ["1180591620717411303424", "'1e999'", "0.1", "9e999", "'12.50'", "12.50"]),
        ("DECIMAL(10,2)", ["1.10", "'x'", "9007199254740993"]),
        ("BOOLEAN", ["0", "1", "2", "'yes'", "NULL"]),
        ("TEXT", ["''", "'NULL'", "' '"]),
        ("TEXT", ["'a' || char(9, 13, 10, 99, 10, 100, 13)", "char(0, 1, 31, 127)", "'😀 e\u0301 \u202eabc\u202c שלום'"]),
        ("TEXT", ["CAST(x'61ff22e9' AS TEXT)", "CAST(x'eda080' AS TEXT)", "CAST(x'00' AS TEXT)"]),
        ("TEXT", ["printf('%.*c', 200000, 'x')", "'=1+1'"]),
        ("TEXT", ["'</textarea><script>alert(1)</script>'", "char(10)", "char(65279, 8232, 65534)"]),
        ("TEXT", ["x'00ff'", "12", "'a' || char(0) || 'b'"]),
        ("VARCHAR(5)", ["'longer than five'"]),
        ("BLOB", ["x'00ff'", "x''", "'text'", "5", "zeroblob(200000)", "CAST(x'ff' AS TEXT)"]),
        ("DATE", ["'2024-02-29'", "'10000-01-01'", "'-0044-03-15'", "'0000-00-00'", "''", "2460000.5", "1700000000"]),
        ("TIME", ["'24:00'", "'-01:00'", "'12:34:56'", "''"]),
        ("DATETIME", ["'2024-02-29 23:59:59'", "'2024-02-29T23:59:59Z'", "'whenever'", "1700000000", "1700000000000", "2460000.5", "''"]),
        ("TIMESTAMP WITH TIME ZONE", ["'2024-02-29 23:59:59+02:00'", "'2024-02-29 23:59:59'"]),
        ("JSON", ["'{\"a\":[1,2.50]}'", "'{broken'", "''", "'null'", "'NaN'"]),
        ("JSON", ["'1e400'", "'[' || printf('%.*c', 5000, '9') || ']'", "x'7b7d'", "5"]),
        ("JSON", ["printf('%.*c', 300, '[') || printf('%.*c', 300, ']')", "'\"\\ud800\"'"]),
        ("JSON", ["'{\"a\":1,\"a\":2}'", "CAST(x'22ff22' AS TEXT)"]),
        ("UUID", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'no uuid'", "x'a0eebc999c0b4ef8bb6d6bb9bd380a11'"]),
        ("WEIRD", ["'x'", "5", "0.5", "'5'", "9e999"]),
        ("", ["'x'", "5", "0.5", "x'00'", "'5'", "9e999", "NULL"]),
    ],
}
BEFORE = {
    "postgresql": "CREATE TYPE pair AS (a text, n numeric);\nCREATE TYPE mood AS ENUM ('', 'it''s ok', 'a,b', '=x', ' sp ', 'null', 'ü');\n"
    "CREATE DOMAIN posint AS integer CHECK (VALUE > 0);\nCREATE DOMAIN words AS text[];\n",
    "mariadb": "SET sql_mode = 'ALLOW_INVALID_DATES';\n",
    "sqlite": "",
}
SQLITE_PRINT = "typeof(cell) || CASE typeof(cell) WHEN 'text' THEN hex(cell) ELSE quote(cell) END"
PRINTS = {"postgresql": "cell::text", "mariadb": "hex(cell)", "sqlite": SQLITE_PRINT}


def fill(engine: str, url: URL) -> None:
    """Make the tables ``t0``, ``t1``, … of *engine*: a key, a plain column, and the odd one."""
    lines = [BEFORE[engine]]
    for number, (kind, literals) in enumerate(CELLS[engine]):
        null = " NULL" if engine == "mariadb" and "check" not in kind and "NULL" not in kind else ""
        lines.append(f"CREATE TABLE t{number} (id integer PRIMARY KEY, plain varchar(20), cell {kind}{null});\n")
        for place, literal in enumerate(literals):
            lines.append(f"INSERT INTO t{number} VALUES ({place}, 'plain', {literal});\n")
    run_script(url, "".join(lines))
