"""The JSON form of a schema loses nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qapla.database.schema.description import Column, ColumnType, DatabaseSchema, ForeignKey, Identity, Key, Relation, Table, TableName
from qapla.database.schema.storage import fingerprint, from_json, to_json
from qapla.errors import InputError

text = st.text(max_size=8)
st.register_type_strategy(str, text)
st.register_type_strategy(TableName, st.builds(TableName, st.none() | text, text))
leaf = st.builds(ColumnType, item=st.none())
st.register_type_strategy(ColumnType, st.builds(ColumnType, values=st.tuples(text, text), item=st.none() | leaf))
st.register_type_strategy(Column, st.builds(Column))
SMALL = st.builds(
    DatabaseSchema,
    tables=st.lists(st.builds(Table, columns=st.lists(st.builds(Column), max_size=2).map(tuple)), max_size=2).map(tuple),
    relations=st.lists(st.builds(Relation), max_size=2).map(tuple),
)


def make_schema(tables: int = 1, columns: int = 1) -> DatabaseSchema:
    number = ColumnType("decimal", "numeric(10,2)", precision=10, scale=2)
    names = [TableName("public", f"t{place}") for place in range(tables)]
    return DatabaseSchema(
        "postgresql",
        "15.2",
        "public",
        ("public",),
        tuple(
            Table(
                name,
                "table",
                tuple(Column(f"c{place}", number) for place in range(columns)),
                Key("key", ("c0",)),
                Identity("primary_key", ("c0",)),
                foreign_keys=(ForeignKey("f", ("c0",), names[0], ("c0",)),),
                row_estimate=5,
            )
            for name in names
        ),
    )


@settings(max_examples=60, deadline=None)
@given(SMALL)
def test_round_trip_is_exact(schema: DatabaseSchema) -> None:
    """What was written is read back equal, whatever the names and values."""
    assert from_json(to_json(schema)) == schema


def test_fingerprint_is_kept() -> None:
    """The fingerprint, which takes no part in comparisons, is read back as well."""
    assert from_json(to_json(replace(make_schema(), fingerprint="abc"))).fingerprint == "abc"


def test_later_fields_read_as_their_defaults() -> None:
    """JSON that was written before a field existed gives the field's default."""
    data = json.loads(to_json(make_schema()))
    del data["tables"][0]["row_estimate"]

    assert from_json(json.dumps(data)).tables[0].row_estimate is None


@pytest.mark.parametrize(
    "saved", ["", "nonsense", "[]", "{}", "null", '{"format":1}', '{"format":2}', '{"format":1,"tables":[{"name":3}]}']
)
def test_other_text_is_refused(saved: str) -> None:
    """Text that ``to_json`` of this release did not write is an error of ours."""
    with pytest.raises(InputError):
        from_json(saved)


def test_fingerprint_sees_everything_but_estimates() -> None:
    """Two inspections of an unchanged database have one fingerprint; a changed default has another."""
    schema = make_schema()
    table = schema.tables[0]

    grown = replace(schema, tables=(replace(table, row_estimate=99),))
    changed = replace(schema, tables=(replace(table, columns=(replace(table.columns[0], default="1"),)),))

    assert fingerprint(grown) == fingerprint(schema) == fingerprint(replace(schema, fingerprint="other"))
    assert fingerprint(changed) != fingerprint(schema)


def test_thousand_tables_come_back_as_they_were() -> None:
    """The form holds for a large schema, too; benchmarks/introspection.py times it."""
    schema = make_schema(tables=1000, columns=12)

    again = from_json(to_json(schema))

    assert again == schema
