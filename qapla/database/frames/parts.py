"""What a worker does with a partition: open its database, read the rows, keep what is wanted, close everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from qapla.database.dialects import get_engine
from qapla.database.frames.pandas import make_frame
from qapla.database.frames.ranges import is_in
from qapla.database.frames.reading import read_table
from qapla.database.models.description import engine_key
from qapla.errors import PartitionFailed, QaplaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Engine, Select

    from qapla.database.frames.conditions import Condition
    from qapla.database.frames.partitions import Partition


def read_partition(
    partition: Partition, columns: Sequence[str], conditions: Sequence[Condition], empty: pd.DataFrame, options: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the rows of *partition* that meet *conditions*; with no columns a frame that is as long as there are rows.

    Args:
        columns: which are wanted, by name.
        empty: a frame without rows that has all columns with their types and, where a column is the index, that index.
        options: ``database``, the name of the column that says where a row is from, or None; ``decimals`` and ``as_text`` as for
            ``read_table``.

    Raises:
        PartitionFailed: database and range, and why.
    """
    index, origin = empty.index.name, options["database"]
    if origin is not None and not _may_hold(partition, conditions, origin):
        return empty[list(columns)]
    looked_at = {name for condition in conditions for name in condition.columns} | {*columns, index}
    names = [each.name for each in partition.question.columns if each.name in looked_at]
    try:
        frame = _read(partition, names, conditions, options)
    except QaplaError as error:
        raise PartitionFailed(f"{partition}: {error.message}", code=error.code, status=error.status, hint=error.hint) from error
    if origin is not None and origin in looked_at:
        place = empty[origin].cat.categories.get_loc(partition.database)
        frame[origin] = pd.Categorical.from_codes([place] * len(frame), dtype=empty[origin].dtype)
    frame = frame.astype({name: empty[name].dtype for name in frame.columns if name in empty and frame[name].dtype != empty[name].dtype})
    for condition in conditions:
        frame = frame[condition.keep(frame).fillna(False).astype(bool)]
    return (frame.reset_index(drop=True) if index is None else _indexed(frame, empty))[list(columns)]


def _indexed(frame: pd.DataFrame, empty: pd.DataFrame) -> pd.DataFrame:
    found = frame.set_index(empty.index.name)
    found.index = found.index.astype(empty.index.dtype)
    return found.sort_index()


def _read(partition: Partition, names: Sequence[str], conditions: Iterable[Condition], options: Mapping[str, Any]) -> pd.DataFrame:
    engine = partition.reference.open(partition.database)
    try:
        statement = make_statement(partition, names, conditions, engine)
        as_text = [name for name in options["as_text"] if name in names]
        table = read_table(statement, engine, decimals=options["decimals"], as_text=as_text, database=partition.database)
    finally:
        if partition.reference.kind != "settings":  # those of an application are its own
            engine.dispose()
    if names:
        return make_frame(table)
    return pd.DataFrame(index=pd.RangeIndex(table.column(0)[0].as_py()))


def make_statement(partition: Partition, names: Sequence[str], conditions: Iterable[Condition], engine: Engine) -> Select[Any]:
    """Return the SELECT of the columns *names* of a partition; of how many rows there are where none is named."""
    question = partition.question
    source = question.as_subquery()
    known = get_engine(engine_key(engine.dialect))
    keys = [source.c[key.name] for key in question.keys]
    found = is_in(keys, partition.range)
    own = {each.name for each in question.columns}
    told = [condition.as_sql(dict(source.c), known) for condition in conditions if condition.columns <= own]
    return question.select(names, [*found, *(each for each in told if each is not None)], source)


def _may_hold(partition: Partition, conditions: Iterable[Condition], origin: str) -> bool:
    """Tell whether rows of the partition's database can meet the conditions on where a row is from."""
    row = pd.DataFrame({origin: [partition.database]})
    return all(bool(condition.keep(row).iloc[0]) for condition in conditions if condition.columns == {origin})
