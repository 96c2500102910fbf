"""Relations follow from foreign keys, by PostgREST's rules."""

from __future__ import annotations

from qapla.database.schema.description import Column, ColumnType, ForeignKey, Junction, Key, Relation, Table, TableName
from qapla.database.schema.relations import derive

NUMBER = ColumnType("integer", "integer")


def name(table: str) -> TableName:
    return TableName("public", table)


def make_table(table: str, columns: str, *keys: ForeignKey, primary: str = "id", unique: str = "") -> Table:
    return Table(
        name(table),
        "table",
        tuple(Column(column, NUMBER) for column in columns.split()),
        primary_key=Key(f"{table}_pkey", tuple(primary.split())) if primary else None,
        unique=(Key(f"{table}_key", tuple(unique.split())),) if unique else (),
        foreign_keys=keys,
    )


def key(constraint: str | None, columns: str, target: str, target_columns: str = "id") -> ForeignKey:
    return ForeignKey(constraint, tuple(columns.split()), name(target), tuple(target_columns.split()))


def between(relations: tuple[Relation, ...], source: str, target: str) -> list[Relation]:
    return [relation for relation in relations if (relation.source.name, relation.target.name) == (source, target)]


def test_foreign_key_leads_both_ways() -> None:
    """A foreign key is to_one from its table and to_many from the other, each named like its target."""
    orders = make_table("orders", "id customer_id", key("ordered_by", "customer_id", "customer"))

    relations = derive([orders, make_table("customer", "id")])

    assert relations == (
        Relation(
            "orders", "to_many", name("customer"), name("orders"), ("id",), ("customer_id",), "ordered_by", ("ordered_by", "customer_id")
        ),
        Relation(
            "customer", "to_one", name("orders"), name("customer"), ("customer_id",), ("id",), "ordered_by", ("ordered_by", "customer_id")
        ),
    )


def test_two_keys_to_one_table_are_told_apart_by_hints() -> None:
    """Each of two foreign keys to one table has its own constraint and column as hints."""
    orders = make_table("orders", "id billing shipping", key("bill_to", "billing", "customer"), key("ship_to", "shipping", "customer"))

    relations = derive([orders, make_table("customer", "id")])

    assert [relation.hints for relation in between(relations, "orders", "customer")] == [("bill_to", "billing"), ("ship_to", "shipping")]


def test_unique_columns_make_one_to_one() -> None:
    """Where the columns of a foreign key are unique, the way back leads to one row."""
    locker = make_table("locker", "employee_id", key("locker_of", "employee_id", "employee"), primary="employee_id")

    relations = derive([locker, make_table("employee", "id")])

    back = between(relations, "employee", "locker")[0]
    assert (back.kind, back.one_to_one) == ("to_one", True)
    assert not between(relations, "locker", "employee")[0].one_to_one


def test_self_reference_leads_up_and_down() -> None:
    """A table that points at itself has a to_one and a to_many to itself."""
    employee = make_table("employee", "id boss", key("boss_fkey", "boss", "employee"))

    relations = derive([employee])

    assert [(relation.kind, relation.columns, relation.target_columns) for relation in relations] == [
        ("to_many", ("id",), ("boss",)),
        ("to_one", ("boss",), ("id",)),
    ]


def test_composite_keys_keep_their_pairs() -> None:
    """The columns of both sides stay in the order of the key; only single columns are hints."""
    delivery = make_table("delivery", "line order_id", key("delivered", "order_id line", "item", "order_id line"), primary="")

    relation = between(derive([delivery, make_table("item", "order_id line", primary="order_id line")]), "delivery", "item")[0]

    assert (relation.columns, relation.target_columns, relation.hints) == (("order_id", "line"), ("order_id", "line"), ("delivered",))


def test_junction_joins_many_to_many() -> None:
    """A table whose primary key covers two foreign keys joins their targets; its name is the hint."""
    attends = make_table(
        "attends", "student course", key("a", "student", "student"), key("b", "course", "course"), primary="course student"
    )

    relations = derive([attends, make_table("student", "id"), make_table("course", "id")])

    assert between(relations, "student", "course") == [
        Relation(
            "course",
            "many_to_many",
            name("student"),
            name("course"),
            ("id",),
            ("id",),
            "b",
            ("attends",),
            Junction(name("attends"), ("student",), ("course",)),
        )
    ]
    assert between(relations, "course", "student")[0].via == Junction(name("attends"), ("course",), ("student",))


def test_unique_set_makes_a_junction_too() -> None:
    """A junction may have a key of its own, when a unique set covers both foreign keys."""
    keys = key("a", "student", "student"), key("b", "course", "course")
    others = [make_table("student", "id"), make_table("course", "id")]

    with_unique = derive([make_table("attends", "id student course", *keys, unique="student course"), *others])
    without = derive([make_table("attends", "id student course", *keys), *others])

    assert between(with_unique, "student", "course")
    assert not between(without, "student", "course")


def test_junction_of_a_table_with_itself_leads_both_ways() -> None:
    """Friends of friends: one relation along each of the two keys."""
    friends = make_table("friends", "one other", key("a", "one", "person"), key("b", "other", "person"), primary="one other")

    relations = between(derive([friends, make_table("person", "id")]), "person", "person")

    assert [relation.via for relation in relations] == [
        Junction(name("friends"), ("other",), ("one",)),
        Junction(name("friends"), ("one",), ("other",)),
    ]


def test_missing_target_gives_no_relation() -> None:
    """A foreign key to a table that is not exposed leads nowhere."""
    orders = make_table("orders", "id customer_id", key("ordered_by", "customer_id", "customer"))

    assert derive([orders]) == ()


def test_nameless_key_gets_the_name_postgresql_would_give() -> None:
    """SQLite's foreign keys mostly have no name; a request that works on PostgreSQL works there too."""
    orders = make_table("orders", "id customer_id", key(None, "customer_id", "customer"))

    relations = derive([orders, make_table("customer", "id")])

    assert {relation.constraint for relation in relations} == {"orders_customer_id_fkey"}
