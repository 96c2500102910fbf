"""Which columns of tables a view shows, read from its text."""

from __future__ import annotations

import pytest

from qapla.database.schema.lineage import find_sources, make_columns

COLUMNS = make_columns({"customer": ["id", "name"], "Order": ["id", "customer_id", "Total"], 'odd "a.b"': ["x y"]}, "sqlite")


def sources(text: str) -> list[str | None]:
    """Return what the columns of a view show, as ``table.column``."""
    return [found and f"{found.table}.{found.column}" for _, found in find_sources(f"CREATE VIEW v AS {text}", "sqlite", COLUMNS)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT id, name AS called FROM customer", ["customer.id", "customer.name"]),
        ("SELECT * FROM [order]", ["order.id", "order.customer_id", "order.total"]),
        ("SELECT o.*, c.name FROM 'order' o JOIN customer AS c ON c.id = o.customer_id",
         ["order.id", "order.customer_id", "order.total", "customer.name"]),
        ('SELECT TOTAL, C."Name" FROM "order" LEFT JOIN main.customer c ON c.id = customer_id', ["order.total", "customer.name"]),
        ("WITH x AS (SELECT id AS i FROM customer) SELECT i FROM x", ["customer.id"]),
        ("SELECT i FROM (SELECT (id) AS i, 1 AS one FROM customer) WHERE one = 1", ["customer.id"]),
        ('SELECT "x y" FROM "odd ""a.b"""', ['odd "a.b".x y']),
        ("SELECT DISTINCT id FROM customer GROUP BY id ORDER BY 1 LIMIT 5 -- the end", ["customer.id"]),
        ("SELECT a.id, b.id FROM customer a, customer b", ["customer.id", "customer.id"]),
    ],
)  # fmt: skip
def test_a_column_is_traced_to_its_table(text: str, expected: list[str]) -> None:
    """Through names, stars, joins, subqueries and common tables, without regard to capitals."""
    assert sources(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id + 0 FROM customer",
        "SELECT CAST(id AS text) FROM customer",
        "SELECT coalesce(id, 0) FROM customer",
        "SELECT max(id) FROM customer",
        "SELECT (SELECT id FROM customer LIMIT 1)",
        "SELECT id FROM customer JOIN [order] USING (id)",
        "SELECT 1",
        "SELECT i FROM (SELECT id AS i FROM customer UNION SELECT id FROM [order])",
        "WITH RECURSIVE n(i) AS (SELECT id FROM customer UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    ],
)
def test_what_is_made_of_columns_is_none(text: str) -> None:
    """Computed, cast, merged and united values are no column of a table."""
    assert sources(text) == [None]


@pytest.mark.parametrize("text", ["SELECT id FROM customer UNION ALL SELECT id FROM [order]", "VALUES (1)"])
def test_a_view_of_several_lists_shows_no_table(text: str) -> None:
    """Its rows are of none, or of several."""
    assert sources(text) == []


@pytest.mark.parametrize("text", ["SELECT FROM WHERE", "", "SELECT " + "(" * 5000, "SELECT 'never ends"])
def test_text_that_cannot_be_read_is_one_error(text: str) -> None:
    """Whatever the parser raises is a ValueError of one line."""
    with pytest.raises(ValueError, match=r"\A[^\n]{1,200}\Z"):
        sources(text)


def test_names_in_full_need_no_columns() -> None:
    """As MariaDB prints a view: every column with its table, every table with its database."""
    text = "select `o`.`id` AS `id`,upper(`c`.`n``m`) AS `up`,`c`.`n``m` AS `called` from (`shop`.`order` `o` join `crm`.`c` on(1))"

    found = dict(find_sources(text, "mysql"))

    assert found == {"id": ("shop", "order", "id"), "up": None, "called": ("crm", "c", "n`m")}
