"""What the manual says of settings is what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from lazydb.options import read_options
from lazydb.postgrest import Configuration
from qapla.database.catalog import Options

DOCS = Path(__file__).parents[3] / "docs"


def test_every_setting_is_in_the_manual() -> None:
    """Each setting of a connection is in a table of the manual."""
    text = (DOCS / "rest.md").read_text() + (DOCS / "command-line.md").read_text()

    rows = re.findall(r"^\| ((?:`[a-z0-9_]+`(?:, )?)+) \|", text, re.MULTILINE)

    told = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)}
    settings = {each.name for each in fields(Options)} - {"app_settings"}
    assert settings <= told
    assert "`app_settings.NAME`" in text


def test_the_configuration_of_the_guide_is_one() -> None:
    """The file in the guide for those who move over is read as it is."""
    guide = (DOCS / "from-postgrest.md").read_text()
    file = guide.partition("```ini\n")[2].partition("```")[0]

    moved = Configuration(file, {"JWT_SECRET": "s" * 32}).finish()

    assert read_options(moved.settings, engine="postgresql").db_anon_role == "web_anon"
