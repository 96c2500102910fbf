"""qapla.database.models.naming"""

from __future__ import annotations

import pytest

from qapla.database.models.naming import plural, table_name


@pytest.mark.parametrize(
    ("model", "table"), [("Choice", "choice"), ("QuestionGroup", "question_group"), ("HTTPLogLine", "http_log_line"), ("A2B", "a2_b")]
)
def test_table_name(model: str, table: str) -> None:
    """A table is called after its model, in small letters, words apart."""
    assert table_name(model) == table


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("choice", "choices"), ("query", "queries"), ("day", "days"), ("box", "boxes"), ("branch", "branches"), ("address", "addresses"),
        ("analysis", "analyses"), ("sales_person", "sales_people"), ("series", "series"), ("y", "ys"),
    ],
)  # fmt: skip
def test_plural(one: str, many: str) -> None:
    """The rows behind a row are called by the plural of their table."""
    assert plural(one) == many
