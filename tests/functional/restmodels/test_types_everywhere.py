"""Values on their way: model → table → frame → table → REST, the same at each end, for every field on every engine.

``QAPLA_TEST_EXAMPLES=1000`` tries more of them, other ones each time.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import uuid
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from webtest import TestApp

from qapla.database import drivers, models
from qapla.database.frames.write import to_table
from qapla.plugins.rest.marks import Marks
from qapla.plugins.rest.program import ModelApplication
from qapla.testing.servers import ENGINE_NAMES, make_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MORE = int(os.environ.get("QAPLA_TEST_EXAMPLES", "0"))
COLOURS = ("red", "it's blue", "100% é")
PHASES = tuple(Phase) if MORE else (Phase.explicit, Phase.generate)  # to shrink what fails takes minutes
TRIES = settings(deadline=None, derandomize=not MORE, suppress_health_check=list(HealthCheck), phases=PHASES)
rest = Marks()


class Base(models.Model):
    """Models with tables of their own, whatever other modules declare."""

    __abstract__ = True
    metadata = sa.MetaData()


def fields() -> dict[str, Any]:
    """Return one field of each sort."""
    return {
        "whole": models.Integer(null=True),
        "large": models.Integer(bits=64, null=True),
        "small": models.Integer(bits=16, null=True),
        "share": models.Float(null=True),
        "price": models.Decimal(12, 4, null=True),
        "title": models.Char(max_length=60, null=True),
        "body": models.Text(null=True),
        "flag": models.Boolean(null=True),
        "day": models.Date(null=True),
        "shown": models.DateTime(null=True),
        "made": models.Timestamp(null=True),
        "at": models.Time(null=True),
        "token": models.UUID(null=True),
        "name": models.GUID(null=True, default=None),
        "data": models.JSON(null=True),
        "raw": models.Binary(null=True),
        "place": models.IP(null=True),
        "colour": models.Enum(*COLOURS, null=True),
    }


Thing: Any = rest()(type(Base)("Thing", (Base,), {"__module__": __name__, "id": models.PrimaryKey(), **fields()}))
Copy: Any = rest()(type(Base)("Copy", (Base,), {"__module__": __name__, "id": models.PrimaryKey(), **fields()}))

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["", "NULL", "nan", " ", '"', '""', ",", "a,b\r\nc", "\\x00", "\\N", "\\.", "{}", "é😀", "=1+1", "1.0", "%s %(a)s 100%", ":a", "?"]
)
INSIDE = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner | st.none(), max_size=3) | st.dictionaries(TEXTS, inner | st.none(), max_size=3),
    max_leaves=6,
)
ZONES = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "small": st.integers(-(2**15), 2**15 - 1),
    "share": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "price": st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**8) + 1, max_value=10**8 - 1),
    "title": TEXTS,
    "body": TEXTS,
    "flag": st.booleans(),
    "day": st.dates(dt.date(1000, 1, 1)),
    "shown": st.datetimes(dt.datetime(1000, 1, 1)),
    "made": st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2037, 12, 31), timezones=ZONES),  # of MariaDB's TIMESTAMP
    "at": st.times(),
    "token": st.sampled_from([1, 3, 4, 5]).flatmap(lambda version: st.uuids(version=version)),  # MariaDB refuses what is of no version
    "name": st.uuids(version=4),
    "data": INSIDE,
    "raw": st.binary(max_size=12),
    "place": st.ip_addresses(),
    "colour": st.sampled_from(COLOURS),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}), min_size=1, max_size=4)

# What a column of a frame, or of JSON, has for a value of the model.
FROM_TEXT: dict[str, Callable[[Any], Any]] = {"token": uuid.UUID, "name": uuid.UUID, "place": ipaddress.ip_address}
FROM_FRAME = {**FROM_TEXT, "data": json.loads}
FROM_PANDAS = {
    **FROM_FRAME,
    "day": lambda value: value.date(),
    "shown": lambda value: value.to_pydatetime(),
    "made": lambda value: value.to_pydatetime(),
}
FROM_REST = {
    **FROM_TEXT,
    "share": float,
    "price": lambda value: Decimal(str(value)),
    "day": dt.date.fromisoformat,
    "shown": dt.datetime.fromisoformat,
    "made": dt.datetime.fromisoformat,
    "at": dt.time.fromisoformat,
    "raw": lambda value: bytes.fromhex(value.removeprefix("\\x")),
}


def read(row: dict[str, Any], readers: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return a row in the model's own values."""
    return {name: value if value is None else readers.get(name, lambda same: same)(value) for name, value in row.items() if name != "id"}


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame, with None for what is not there."""
    columns = {name: list(frame[name]) for name in frame}
    missing = {name: frame[name].isna() for name in frame}
    return [{name: None if missing[name][place] else columns[name][place] for name in columns} for place in range(len(frame))]


class Place:
    """The tables on one engine, open for models, and served."""

    def __init__(self, engine: str, stack: ExitStack) -> None:
        url = stack.enter_context(make_database(engine))
        self.driver = getattr(drivers, engine.capitalize())
        self.url = url
        with self.driver(url) as db:
            db.create_tables(Thing, Copy)
        application = ModelApplication(rest)
        stack.callback(application.stop)
        self.web = TestApp(application.wsgi(database=url), extra_environ={"HTTP_HOST": "localhost"})

    def served(self, table: str) -> list[dict[str, Any]]:
        """Return the rows that REST gives, numbers with all their digits."""
        text = self.web.get(f"/{table}?order=id").text
        return [read(row, FROM_REST) for row in json.loads(text, parse_float=Decimal)]


@pytest.fixture(scope="module")
def places() -> Iterator[dict[str, Place]]:
    """Keep what has been made of each engine."""
    with ExitStack() as stack:
        yield Places(stack)


class Places(dict[str, Place]):
    """One place per engine, made when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __missing__(self, engine: str) -> Place:
        self[engine] = Place(engine, self._stack)
        return self[engine]


def read_by(frame: str, asked: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Return the rows of a queryset as a frame of one sort, and as the model has them."""
    if frame == "pandas":
        found = asked.as_df(decimals="exact")
        return found, [read(row, FROM_PANDAS) for row in rows_of(found)]
    if frame == "dask":
        found = asked.as_distributed_df(decimals="exact", rows_per_partition=2)
        whole = found.compute(scheduler="synchronous").sort_values("id").reset_index(drop=True)
        return found, [read(row, FROM_PANDAS) for row in rows_of(whole)]
    if frame == "polars":
        found = asked.as_polars()
        return found, [read(row, FROM_FRAME) for row in found.to_dicts()]
    found = asked.as_arrow()
    return found, [read(row, FROM_FRAME) for row in found.to_pylist()]


@pytest.mark.parametrize("frame", ["pandas", "arrow", "polars", "dask"])
@pytest.mark.parametrize("engine_name", ENGINE_NAMES)
def test_round_trip(places: dict[str, Place], engine_name: str, frame: str) -> None:
    """What the model saves is what a frame has, what a table made of the frame has, and what REST answers of both."""
    place = places[engine_name]

    @settings(TRIES, max_examples=MORE or (1 if frame == "dask" else 4))
    @given(ROWS)
    def check(rows: list[dict[str, Any]]) -> None:
        Thing.select().delete(all_rows=True)
        for number, row in enumerate(rows, 1):
            Thing(id=number, **row).save()
        db.commit()
        found, seen = read_by(frame, Thing.select() if frame == "dask" else Thing.select().orderby("id"))
        assert seen == rows
        if frame == "dask":  # nobody knows what its objects are, so the columns of the table say it
            Copy.select().delete(all_rows=True)
            db.commit()
        to_table(found, Copy, if_exists="append" if frame == "dask" else "replace")
        db.commit()
        db.session.expunge_all()
        copies = Copy.select().orderby("id").all()
        assert [{name: getattr(copy, name) for name in VALUES} for copy in copies] == rows
        db.commit()
        assert place.served("thing") == rows
        assert place.served("copy") == rows

    with place.driver(place.url) as db:
        check()


@pytest.mark.parametrize("engine_name", ENGINE_NAMES)
def test_way_back(places: dict[str, Place], engine_name: str) -> None:
    """What REST answers can be sent to it, and the model, its filters and a frame read the same; also what a program writes as JSON."""
    place = places[engine_name]

    @settings(TRIES, max_examples=MORE or 4)
    @given(ROWS)
    def check(rows: list[dict[str, Any]]) -> None:
        for model in (Thing, Copy):
            model.select().delete(all_rows=True)
        for number, row in enumerate(rows, 1):
            Thing(id=number, **row).save()
        db.commit()
        answered = place.web.get("/thing?order=id").body
        place.web.post("/copy", answered, content_type="application/json")
        for row in json.loads(answered):
            place.web.put_json(f"/thing/{row['id']}", row)
        db.session.expire_all()
        for model in (Thing, Copy):
            assert [{name: getattr(each, name) for name in VALUES} for each in model.select().orderby("id").all()] == rows
            assert [read(each, FROM_FRAME) for each in model.select().orderby("id").as_arrow().to_pylist()] == rows
        first = {name: value for name, value in rows[0].items() if value is not None and name not in ("share", "data")}
        for name, value in first.items():
            assert 1 in [each.id for each in Copy.select().where(**{name: value}).all()], name
        db.commit()

    with place.driver(place.url) as db:
        check()


def test_moments_that_others_wrote(tmp_path: Path) -> None:
    """Moments in texts of SQLite with a zone, without one (CURRENT_TIMESTAMP) and in other forms are read alike."""
    said = ["2024-01-02 03:04:05", "2024-01-02T05:04:05.25+02:00", "2024-01-02 03:04:05.5Z", "2024-01-02 03:04:05.750000+00:00"]
    with drivers.Sqlite(tmp_path / "others.db") as db:
        db.create_table(Thing)
        for text in said:
            db.connection().exec_driver_sql("INSERT INTO thing (made) VALUES (?)", (text,))

        saved = [thing.made for thing in Thing.select().orderby("id")]
        framed = Thing.select("made").orderby("id").as_arrow()["made"].to_pylist()

    assert saved == framed == [dt.datetime(2024, 1, 2, 3, 4, 5, part, tzinfo=dt.UTC) for part in (0, 250000, 500000, 750000)]
