"""qapla.database.defaults"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import DefaultClause, func, text

from qapla.database.defaults import differ


@pytest.mark.parametrize(
    ("there", "default", "expected"),
    [
        ("'it''s'::character varying", "it's", False),
        ("'it''s'", "it's", False),
        ("'it''s'", "its", True),
        ("7", "7", False),
        ("'7'::integer", "7", False),
        ("'7'", "8", True),
        ("(7)", "7", False),
        ("1", text("TRUE"), False),
        ("true", "1", False),
        ("current_timestamp()", text("CURRENT_TIMESTAMP"), False),
        ("CURRENT_TIMESTAMP", func.now(), False),
        ("nextval('x'::regclass)", text("1"), None),
        (None, "7", None),
        ("7", None, None),
    ],
)
def test_other_words(there: str | None, default: Any, expected: bool | None) -> None:
    """What an engine says in other words is no difference; where words are not enough, Alembic is asked."""
    clause = DefaultClause(default) if default is not None else None
    rendered = str(default) if not isinstance(default, str) and default is not None else f"'{default}'"

    assert differ(None, None, None, there, clause, rendered) is expected
