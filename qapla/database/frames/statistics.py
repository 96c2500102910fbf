"""Where to cut a table, asked of the database without reading it: one reader per engine.

==============  ====================================================================================================================
PostgreSQL      the histogram of ``pg_stats`` where a key has one and it is fine enough; else evenly spread keys out of a sample of
                pages (``TABLESAMPLE SYSTEM``), which finds out how many rows there are, too
MariaDB, MySQL  the estimate of ``information_schema``; integers that have few gaps are cut by width
SQLite          the same with what ``ANALYZE`` has left
the others      a walk along the index: every *n*-th key, one short statement for each, no row is fetched
==============  ====================================================================================================================

What is no table (a view), has no key, or is small is one partition. Estimates may be wrong: then partitions are larger or smaller than
wished, and hold the right rows all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, String, bindparam, column, func, select, text

from qapla.database.frames.partitions import choose, count_parts, spread
from qapla.database.frames.ranges import is_after

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Column, Connection, Table

    from qapla.database.frames.partitions import Values

PAGE_BYTES = 8192
SAMPLE_PAGES = 1000  # eight megabytes
FINE = 2  # bounds of a histogram per part, at least
FEW_GAPS = 1.5  # an integer key may have this many values for each row to be cut by width


def find_bounds(connection: Connection, table: Table, key: Sequence[Column[Any]], rows_per_partition: int) -> list[Values]:
    """Return keys that cut *table* into partitions of about *rows_per_partition* rows, in the database's order.

    Args:
        key: columns of *table*, in the order in which an index has them.
    """
    read = _READERS.get(connection.dialect.name, _walk)
    return read(connection, table, key, rows_per_partition)


# ------------------------------------------------------------------------------------------------ PostgreSQL

_RELATION = text("""
    SELECT c.oid, c.reltuples, c.relpages, c.relkind IN ('r', 'p', 'm') AS is_stored,
           (SELECT coalesce(sum(pg_catalog.pg_relation_size(part)), 0) FROM (
               SELECT c.oid AS part WHERE c.relkind <> 'p'
               UNION ALL SELECT relid FROM pg_catalog.pg_partition_tree(c.oid) WHERE c.relkind = 'p'
           ) AS parts) AS bytes
    FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass(:name)
""")
_COLUMN = text("""
    SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, s.most_common_vals IS NULL AS is_even,
           pg_catalog.array_length(CAST(CAST(s.histogram_bounds AS text) AS text[]), 1) AS fineness
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
    WHERE c.oid = :oid AND a.attname = :column ORDER BY s.inherited DESC LIMIT 1
""").bindparams(bindparam("oid", type_=Integer()), bindparam("column", type_=String()))
_HISTOGRAM = """
    SELECT pg_catalog.unnest(CAST(CAST(s.histogram_bounds AS text) AS {type}[])) AS bound
    FROM pg_catalog.pg_stats AS s
    JOIN pg_catalog.pg_class AS c ON c.relname = s.tablename
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = s.schemaname
    WHERE c.oid = :oid AND s.attname = :column AND s.inherited = (
        SELECT pg_catalog.bool_or(t.inherited) FROM pg_catalog.pg_stats AS t
        WHERE t.schemaname = n.nspname AND t.tablename = c.relname AND t.attname = s.attname
    )
"""


def _read_postgresql(connection: Connection, table: Table, key: Sequence[Column[Any]], rows_per_partition: int) -> list[Values]:
    name = ".".join('"' + part.replace('"', '""') + '"' for part in (table.schema, table.name) if part)
    relation = connection.execute(_RELATION, {"name": name}).mappings().one_or_none()
    if relation is None or not relation["is_stored"] or not relation["bytes"]:
        return []
    pages = max(int(relation["bytes"]) // PAGE_BYTES, 1)
    rows = relation["reltuples"] / relation["relpages"] * pages if relation["relpages"] and relation["reltuples"] > 0 else None
    if rows is not None:
        parts = count_parts(rows, rows_per_partition)
        if parts == 1:
            return []
        found = _read_histogram(connection, relation["oid"], key, parts)
        if found:
            return found
    return _read_sample(connection, table, key, pages, rows, rows_per_partition)


def _read_histogram(connection: Connection, oid: int, key: Sequence[Column[Any]], parts: int) -> list[Values]:
    """Return bounds of the first column, if it has few rows of one value, and the histogram enough bounds to choose from."""
    first = key[0]
    given = {"oid": oid, "column": first.name}
    known = connection.execute(_COLUMN, given).mappings().one_or_none()
    if known is None or not known["is_even"] or (known["fineness"] or 0) < parts * FINE:
        return []
    statement = text(_HISTOGRAM.format(type=known["type"].replace(":", "\\:"))).columns(column("bound", first.type))
    bounds = list(connection.execute(statement, given).scalars())
    return [(bound,) for bound in choose(bounds, parts)]


def _read_sample(
    connection: Connection, table: Table, key: Sequence[Column[Any]], pages: int, rows: float | None, rows_per_partition: int
) -> list[Values]:
    """Return evenly spread keys of a sample of pages; where nobody knows how many rows there are, the sample tells."""
    percent = min(100.0, 100.0 * SAMPLE_PAGES / pages)
    sampled = table.tablesample(func.system(text(f"{percent:.6f}")), seed=text("0"))
    columns = [sampled.c[each.key] for each in key]
    if rows is None:
        rows = (connection.execute(select(func.count()).select_from(sampled)).scalar_one()) * 100.0 / percent
    parts = count_parts(rows, rows_per_partition)
    if parts == 1:
        return []
    place, total = func.row_number().over(order_by=columns), func.count().over()
    named = [each.label(f"key_{number}") for number, each in enumerate(columns)]
    numbered = select(*named, place.label("place"), total.label("total")).where(*(each.is_not(None) for each in columns)).subquery()
    begun = numbered.c.place * parts / numbered.c.total
    statement = select(*(numbered.c[each.name] for each in named)).where(
        func.floor(begun) != func.floor((numbered.c.place - 1) * parts / numbered.c.total), numbered.c.place < numbered.c.total
    )
    return [tuple(row) for row in connection.execute(statement.order_by(numbered.c.place))]


# ------------------------------------------------------------------------------------------------ MariaDB, MySQL, SQLite

_MYSQL = text("""
    SELECT table_rows, table_type FROM information_schema.tables
    WHERE table_schema = coalesce(:schema, database()) AND table_name = :name
""")
_SQLITE = text("SELECT type FROM sqlite_master WHERE name = :name COLLATE NOCASE AND type IN ('table', 'view')")
_ANALYZED = text("""
    SELECT max(CAST(substr(stat, 1, instr(stat || ' ', ' ') - 1) AS INTEGER)) FROM sqlite_stat1 WHERE tbl = :name COLLATE NOCASE
""")


def _read_mysql(connection: Connection, table: Table, key: Sequence[Column[Any]], rows_per_partition: int) -> list[Values]:
    given = {"schema": table.schema, "name": table.name}
    found = connection.execute(_MYSQL, given).one_or_none()
    if found is None or "VIEW" in found[1]:
        return []
    return _by_estimate(connection, table, key, found[0], rows_per_partition)


def _read_sqlite(connection: Connection, table: Table, key: Sequence[Column[Any]], rows_per_partition: int) -> list[Values]:
    kind = connection.execute(_SQLITE, {"name": table.name}).scalar_one_or_none()
    if kind != "table":
        return []
    is_analyzed = connection.execute(_SQLITE, {"name": "sqlite_stat1"}).scalar_one_or_none() is not None
    estimate = connection.execute(_ANALYZED, {"name": table.name}).scalar_one_or_none() if is_analyzed else None
    return _by_estimate(connection, table, key, estimate, rows_per_partition)


def _by_estimate(
    connection: Connection, table: Table, key: Sequence[Column[Any]], estimate: int | None, rows_per_partition: int
) -> list[Values]:
    """Cut integers with few gaps by width, which asks for their ends only; walk along the index otherwise."""
    if estimate is not None and len(key) == 1 and isinstance(key[0].type, Integer):
        ends = connection.execute(select(func.min(key[0]), func.max(key[0]))).one()
        if all(isinstance(end, int) for end in ends) and ends[1] - ends[0] + 1 <= max(estimate, 1) * FEW_GAPS:
            return spread(ends[0], ends[1], count_parts(estimate, rows_per_partition))
    return _walk(connection, table, key, rows_per_partition)


def _walk(connection: Connection, table: Table, key: Sequence[Column[Any]], rows_per_partition: int) -> list[Values]:
    bounds: list[Values] = []
    step = select(*key).order_by(*key).limit(1)
    statement = step.where(*(each.is_not(None) for each in key)).offset(rows_per_partition)
    while (row := connection.execute(statement).one_or_none()) is not None:
        bounds.append(tuple(row))
        statement = step.where(is_after(list(key), bounds[-1], or_equal=False)).offset(rows_per_partition - 1)
    return [bound for bound in bounds if None not in bound]


_READERS: dict[str, Callable[[Connection, Table, Sequence[Column[Any]], int], list[Values]]] = {
    "postgresql": _read_postgresql,
    "mysql": _read_mysql,
    "mariadb": _read_mysql,
    "sqlite": _read_sqlite,
}
