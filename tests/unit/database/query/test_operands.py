"""Operands of filters."""

from __future__ import annotations

from pathlib import Path

import pytest

from qapla.database.query.lookups import EVERYWHERE, OPERATORS, get_template
from qapla.database.query.manual import print_operators
from qapla.database.query.operands import contain_pattern, read_pattern
from qapla.errors import NotOffered, ValueRefused


@pytest.mark.parametrize(
    ("pattern", "like", "glob"),
    [
        ("a*", "a%", "a*"),
        ("a%_", "a%_", "a*?"),
        (r"50\%", r"50\%", "50%"),
        (r"a\*b", r"a\%b", "a%b"),
        ("[x]?", "[x]?", "[[]x][?]"),
        (r"\\", r"\\", "\\"),
        ("", "", ""),
    ],
)
def test_patterns(pattern, like, glob):
    """``*`` is ``%``; on SQLite ``like`` is GLOB, where other characters are special."""
    assert read_pattern("like", pattern, "postgresql") == like
    assert read_pattern("ilike", pattern, "sqlite") == like
    assert read_pattern("like", pattern, "sqlite") == glob


def test_an_unfinished_escape_is_refused():
    """A backslash at the end has nothing to escape."""
    with pytest.raises(ValueRefused, match="escape"):
        read_pattern("like", "a\\\\\\", "mariadb")


def test_a_searched_word_means_itself():
    """``%`` and ``_`` in a word of the quick search are what they are."""
    assert contain_pattern("50%_\\") == "%50\\%\\_\\\\%"


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=lambda operator: operator.name)
def test_every_operator_is_told_on_every_engine(operator):
    """Each row has its text for the manual, and either SQL or a hint for every engine."""
    assert operator.text
    for engine in EVERYWHERE:
        if engine in operator.sql:
            assert get_template(operator, engine, engine).count("{}") == (1 if operator.operand == "keyword" else 2)
        else:
            with pytest.raises(NotOffered, match=rf"'{operator.name}' is not offered by {engine} \(.+\)"):
                get_template(operator, engine, engine)


def test_the_manual_has_the_table():
    """``docs/operators.md`` is printed from the table; a new row has to be printed again."""
    page = Path(__file__).parents[4] / "docs" / "operators.md"

    assert page.read_text(encoding="utf-8") == print_operators()
