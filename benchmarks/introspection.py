"""Introspection of many tables beside SQLAlchemy's ``MetaData.reflect`` in the same run, on each engine.

Run: ``python benchmarks/introspection.py [--tables 1000] [--engines sqlite,postgresql,mariadb]``. Servers are those of the tests:
named by ``QAPLA_TEST_POSTGRESQL_URL`` and ``QAPLA_TEST_MARIADB_URL``, else started for the run. Both sides read the same tables,
columns, keys, unique sets, foreign keys and comments; ours also reads views, functions and privileges. Times are the best of the
rounds, peak memory is what Python allocated in a round of its own.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from qapla.database.schema.inspect import inspect
from qapla.database.schema.storage import from_json, to_json
from qapla.testing.servers import ENGINE_NAMES, make_database, outside_pytest

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = (
    "name varchar(80) NOT NULL", "note text", "total decimal(12,2) DEFAULT 0.00", "amount integer", "made timestamp NULL",
    "born date", "ratio double precision", "code char(8)", "size bigint", "active boolean",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """How long one way took, in seconds, what it allocated at its peak, in MiB, and how many statements it sent."""

    seconds: float
    peak_mib: float
    statements: int


def fill(engine: sa.Engine, tables: int) -> None:
    """Make *tables* tables of twelve columns; each has a primary key, a unique set, and a foreign key to the one before."""
    with engine.begin() as connection:
        for number in range(tables):
            parts = [
                "id integer PRIMARY KEY",
                *COLUMNS,
                "parent integer",
                f"CONSTRAINT unique_{number} UNIQUE (name, code)",
                f"CONSTRAINT parent_{number} FOREIGN KEY (parent) REFERENCES t{max(number - 1, 0)} (id)",
            ]
            connection.exec_driver_sql(f"CREATE TABLE t{number} ({', '.join(parts)})")


def ours(connection: sa.Connection) -> int:
    """Inspect; return the number of tables."""
    return len(inspect(connection).tables)


def reflect(connection: sa.Connection) -> int:
    """Reflect; return the number of tables."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return len(metadata.tables)


def measure(engine: sa.Engine, way: Callable[[sa.Connection], int], tables: int, rounds: int) -> Measured:
    """Measure one *way* to read the schema of *tables* tables."""
    times = []
    for _ in range(rounds):
        with engine.connect() as connection:
            started = time.perf_counter()
            assert way(connection) == tables
            times.append(time.perf_counter() - started)
    statements = 0

    def count(*arguments: object) -> None:
        nonlocal statements
        statements += 1

    sa.event.listen(engine, "before_cursor_execute", count)
    tracemalloc.start()
    with engine.connect() as connection:
        way(connection)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sa.event.remove(engine, "before_cursor_execute", count)
    return Measured(min(times), peak / 2**20, statements)


def compare(engine_name: str, tables: int, rounds: int) -> float:
    """Measure both ways on one engine, print a line for each, return how many times faster ours is."""
    with make_database(engine_name) as url:
        engine = sa.create_engine(url)
        fill(engine, tables)
        ratio = print_comparison(engine_name, measure(engine, ours, tables, rounds), measure(engine, reflect, tables, rounds))
        with engine.connect() as connection:
            schema = inspect(connection)
        engine.dispose()
    started = time.perf_counter()
    text = to_json(schema)
    written = time.perf_counter()
    assert from_json(text) == schema
    print(
        f"{'':12}{'saved JSON':22}{len(text) / 2**20:8.1f} MiB  written in {written - started:.2f} s, "
        f"read and compared in {time.perf_counter() - written:.2f} s"
    )
    return ratio


def print_comparison(engine_name: str, mine: Measured, theirs: Measured) -> float:
    """Print both measurements and their ratio."""
    for label, found in ((engine_name, mine), ("", theirs)):
        way = "inspect" if found is mine else "MetaData.reflect"
        print(f"{label:12}{way:22}{found.seconds:8.2f} s  {found.statements:6} statements  {found.peak_mib:7.1f} MiB at the peak")
    ratio = theirs.seconds / mine.seconds
    print(f"{'':12}{'':22}{ratio:8.1f} times faster")
    return ratio


def main() -> None:
    """Run the comparison on the engines asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default=",".join(ENGINE_NAMES))
    arguments = parser.parse_args()
    print(f"{arguments.tables} tables of {len(COLUMNS) + 2} columns, best of {arguments.rounds}")
    with outside_pytest():
        for engine_name in arguments.engines.split(","):
            compare(engine_name, arguments.tables, arguments.rounds)


if __name__ == "__main__":
    main()
