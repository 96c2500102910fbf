"""The reference of the framework says what the docstrings say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages():
    """Give the tests the pages, written anew by a process that no application has given commands."""
    program = "import json, reference; print(json.dumps(reference.make_pages()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT / "scripts", capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_current(pages):
    """What is in docs/ is what scripts/reference would write; run it when this fails."""
    kept = {path.name: path.read_text() for path in (ROOT / "docs/framework/reference").glob("*.md")}

    assert {name for name in pages.keys() | kept.keys() if pages.get(name) != kept.get(name)} == set()


def test_no_markup_of_docstrings_is_left(pages):
    """Outside of code, double backticks are Markdown by now."""
    texts = {name: re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL) for name, text in pages.items()}

    assert [name for name, text in texts.items() if "``" in text or "::\n" in text] == []


def test_by_position(pages):
    """What can only be given by position is told from what has a name."""
    assert "upsert(by: Sequence[str] | str | None = None, /, **values: Any) -> Model" in pages["drivers.md"]
