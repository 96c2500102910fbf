"""Relations follow from functions of a row, by PostgREST's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qapla.database.schema.computed import derive_computed
from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, Function, Parameter, Relation, Table, TableName
from qapla.database.schema.storage import from_json, to_json

ROW = ColumnType("composite", "film")
FILM = Table(TableName("public", "film"), "table", (Column("id", ColumnType("integer", "integer")),))
DIRECTOR = replace(FILM, name=TableName("public", "Odd director"), kind="view")
TABLES = (FILM, DIRECTOR)


def make_function(name: str, takes: str, gives: Table, **rest: Any) -> Function:
    return Function("public", name, (Parameter(None, ROW, cast=takes),), ROW, returns_table=gives.name, **rest)


@pytest.mark.parametrize(
    ("gives", "kind"), [({}, "to_one"), ({"returns_set": True, "returns_one": True}, "to_one"), ({"returns_set": True}, "to_many")]
)
def test_a_function_of_a_row_leads_to_what_it_gives(gives: dict[str, bool], kind: Any) -> None:
    """To one where it gives a single row, or says that its set has one; it is called as the function, and has no columns."""
    function = make_function("director", "public.film", DIRECTOR, **gives)

    (relation,) = derive_computed(TABLES, [function])

    assert relation == Relation("director", kind, FILM.name, DIRECTOR.name, (), (), function=TableName("public", "director"))


def test_overloads_are_told_apart_by_the_row() -> None:
    """Functions of one name are the relations of the table whose row each takes, however the catalog quotes its name."""
    functions = [make_function("others", "public.film", FILM), make_function("others", 'public."Odd director"', DIRECTOR)]

    found = derive_computed(TABLES, functions)

    assert [(each.source, each.target) for each in found] == [(FILM.name, FILM.name), (DIRECTOR.name, DIRECTOR.name)]


@pytest.mark.parametrize("order", [1, -1])
def test_the_schema_of_the_table_comes_first(order: int) -> None:
    """Of two functions with one name for one row."""
    near = make_function("director", "public.film", DIRECTOR)
    functions = [replace(near, schema="other"), near][::order]

    assert [each.function for each in derive_computed(TABLES, functions)] == [TableName("public", "director")]


@pytest.mark.parametrize(
    "function",
    [
        replace(make_function("f", "public.film", FILM), returns_table=None),
        replace(make_function("f", "public.film", FILM), returns_table=TableName("hidden", "film")),
        replace(make_function("f", "public.film", FILM), parameters=(Parameter("a", ROW, cast="public.film"), Parameter("b", ROW))),
        replace(make_function("f", "public.film", FILM), parameters=()),
        make_function("f", "public.other", FILM),
        make_function("f", "public.film[]", FILM),
        make_function("f", "public.film", FILM, kind="procedure"),
    ],
)
def test_other_functions_are_none(function: Function) -> None:
    """Those that give no rows of a table that is there, take more than a row or another one, and procedures."""
    assert derive_computed(TABLES, [function]) == ()


def test_is_stored() -> None:
    """With the function that it is, and what that says of itself."""
    function = make_function("director", "public.film", DIRECTOR, returns_set=True, returns_one=True)
    schema = DatabaseSchema("postgresql", "15", "public", ("public",), TABLES, derive_computed(TABLES, [function]), (function,))

    assert from_json(to_json(schema)) == schema
