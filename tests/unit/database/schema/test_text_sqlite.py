"""Names of foreign keys are read out of SQLite's CREATE TABLE text."""

from __future__ import annotations

import pytest

from qapla.database.schema.text_sqlite import constraint_names, folded


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("CREATE TABLE t (a REFERENCES b)", [None]),
        ("CREATE TABLE t (a CONSTRAINT x REFERENCES b, c REFERENCES d)", ["x", None]),
        ("CREATE TABLE t (a, CONSTRAINT x FOREIGN KEY (a) REFERENCES b (a))", ["x"]),
        ("CREATE TABLE t (a CONSTRAINT n NOT NULL REFERENCES b)", [None]),
        ("CREATE TABLE t (a CONSTRAINT p PRIMARY KEY CONSTRAINT f REFERENCES b)", ["f"]),
        ("CREATE TABLE t (a, b, CONSTRAINT u UNIQUE (a), FOREIGN KEY (b) REFERENCES c)", [None]),
        ('CREATE TABLE t (a constraint "my ""key""" references b)', ['my "key"']),
        ("CREATE TABLE t (a CONSTRAINT [x y] REFERENCES b, c CONSTRAINT `z``` REFERENCES b)", ["x y", "z`"]),
        ("CREATE TABLE t (a DEFAULT 'REFERENCES', b /* REFERENCES */ REFERENCES c -- REFERENCES\n)", [None]),
        ('CREATE TABLE "REFERENCES" ("CONSTRAINT" REFERENCES b)', [None]),
        ("CREATE TABLE t (a CHECK (a IN ('(', ')')), CONSTRAINT x FOREIGN KEY (a) REFERENCES b)", ["x"]),
        ("", []),
    ],
)
def test_constraint_names(sql: str, names: list[str | None]) -> None:
    """Each REFERENCES has the name in front of its constraint, or none."""
    assert constraint_names(sql) == names


def test_case_is_ignored_for_ascii_only() -> None:
    """SQLite folds ASCII letters and no others."""
    assert folded("ÄBC") == "Äbc"
