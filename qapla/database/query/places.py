"""The SQL of a place in an order: which rows are behind it, with NULLs where the order has them, and so that an index finds them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qapla.database.query.sql import FALSE, Name, Slot, Sql, join, name, sql, where

if TYPE_CHECKING:
    from qapla.database.query.compile import Compiler
    from qapla.database.query.shape import After, Read, Term
    from qapla.database.schema.description import Table


def find_after(compiler: Compiler, after: After, table: Table, alias: str) -> Sql:
    """Return the condition of the rows behind a place.

    ``(a, b) > (1, 2)`` where an engine finds that by an index; else, and with NULLs or mixed directions,
    ``a >= 1 AND (a > 1 OR b > 2)``, whose first part can use one, too.
    """
    values = [compiler.term(term, table, alias)[0] for term in after.terms]
    directions = {term.descending for term in after.terms}
    if compiler.renderer.compares_rows and len(directions) == 1 and not any(term.nullable for term in after.terms):
        sign = "<" if after.terms[0].descending else ">"
        operands = [Slot(slot) for slot in after.slots if slot is not None]
        if len(operands) == len(values):
            return sql("(({}) " + sign + " ({}))", join(", ", values), join(", ", operands))
    found = FALSE
    for term, value, slot in reversed(list(zip(after.terms, values, after.slots, strict=True))):
        found = _behind(term, value, slot, found)
    return found


def has_nulls_behind(read: Read) -> bool:
    """Tell whether a page starts behind a value in a column whose NULLs come last: they are behind it, too."""
    if read.after is None or read.limit is None or read.offset is not None:
        return False
    first = read.after.terms[0]
    return first.nullable and not first.nulls_first and read.after.slots[0] is not None


def union_parts(compiler: Compiler, read: Read, table: Table, alias: str, wanted: Sql) -> Sql:
    """Return the rows behind a place as two reads: those with a value in the first term of the order, then those with NULL there.

    In one condition the two would stand in an OR, and with that no index is entered in its middle: a deep page would take seconds.

    Args:
        wanted: what will be made of the rows.
    """
    after = read.after
    assert after is not None
    first, *rest = after.terms
    behind = replace(after, terms=(replace(first, nullable=False), *rest))
    parts = []
    for is_null in (False, True):
        inner = compiler.alias()
        tests = [compiler.test(read.where, table, inner)] if read.where is not None else []
        is_behind = sql("{} IS NULL", compiler.term(first, table, inner)[0]) if is_null else find_after(compiler, behind, table, inner)
        source, tail = compiler.source(read.table, inner), compiler.tail(read, table, inner)
        parts.append(sql("(SELECT {} FROM {}{}{})", columns_of(alias, wanted, inner), source, where([*tests, is_behind]), tail))
    union = sql("({}) AS {}", join(" UNION ALL ", parts), name(alias))
    return sql("SELECT {}.* FROM {}{}", name(alias), union, compiler.tail(read, table, alias))


def columns_of(alias: str, wanted: Sql, inner: str | None = None) -> Sql:
    """Return the columns of the row called *alias* that *wanted* uses, of the same row when it is called *inner*.

    Only those may be named: the caller may have no right to others. Where the row itself is used it is all of them.
    """
    names: dict[str, None] = {}
    parts = wanted.parts
    for index, part in enumerate(parts):
        if part == Name(alias) and (index == 0 or parts[index - 1] != "."):
            column = parts[index + 2] if parts[index + 1 : index + 2] == (".",) else None
            if not isinstance(column, Name):
                return sql("{}.*", name(inner or alias))
            names[column.name] = None
    return join(", ", [name(inner or alias, column) for column in names]) if names else sql("1 AS {}", name("none"))


def _behind(term: Term, value: Sql, slot: int | None, rest: Sql) -> Sql:
    """Return: behind in this term, or level in it and behind in the *rest*."""
    if slot is None:
        strictly = sql("{} IS NOT NULL", value) if term.nulls_first else FALSE
        return sql("({} OR ({} IS NULL AND {}))", strictly, value, rest)
    operand = Sql((Slot(slot),))
    sign = "<" if term.descending else ">"
    strictly = sql("{} " + sign + " {}", value, operand)
    if term.nullable and not term.nulls_first:
        return sql("({} OR {} IS NULL OR ({} = {} AND {}))", strictly, value, value, operand, rest)
    return sql("({} " + sign + "= {} AND ({} OR {}))", value, operand, strictly, rest)
