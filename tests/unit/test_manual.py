"""The manual and the program say the same."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from lazydb.commands import cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMAND_LINE = (DOCS / "command-line.md").read_text()
CODE = [path for folder in ("qapla", "apps", "settings") for path in (ROOT / folder).rglob("*.py")]


def commands(group=cli, prefix=("lazydb",)):
    """Yield every command with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield " ".join((*prefix, name)), command
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))


def documented(name):
    """Tell whether the manual has ``lazydb user add``, also when it is written ``lazydb user add|list``."""
    words = name.split()
    if len(words) == 2:
        return f"`{name}" in COMMAND_LINE
    listed = re.search(rf"`{words[0]} {words[1]} ([a-z|\\]+)", COMMAND_LINE)
    return listed is not None and words[2] in listed[1].split("\\|")


OPTIONED = {"lazydb serve", "lazydb demo", "lazydb add"}


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_in_the_manual(name):
    """A command that exists is in the table of commands."""
    assert documented(name)


def test_every_option_of_serving_is_in_the_manual():
    """What serve, demo and add take is in one of the tables."""
    parameters = [parameter for name, command in commands() if name in OPTIONED for parameter in command.params]
    found = {option for parameter in parameters for option in parameter.opts if option.startswith("--")}

    assert {option for option in found - {"--json", "--help"} if f"`{option}" not in COMMAND_LINE} == set()


def test_every_environment_variable_is_in_the_manual():
    """What the code reads from the environment is in the table, and nothing else is."""
    read = {name for path in CODE for name in re.findall(r"\bLAZYDB_[A-Z_]+[A-Z]\b(?!_)", path.read_text())}
    told = set(re.findall(r"^\| `(LAZYDB_[A-Z_]+)`", COMMAND_LINE, re.MULTILINE))

    assert read == told


def test_every_link_between_pages_leads_somewhere():
    """A relative link in the README and in docs/ names a file that is there, and a heading in it."""
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    links = [(page, target) for page in pages for target in re.findall(r"\]\((?!https?:)([^)]+)\)", without_code(page.read_text()))]

    assert [(page.name, target) for page, target in links if not leads_somewhere(page, target)] == []


def without_code(text):
    """Return the text without fences and backticks, where brackets mean something else."""
    return re.sub(r"`[^`\n]*`(?!\])", "", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def leads_somewhere(page, target):
    """Tell whether there is a file, and in it a heading that becomes this anchor."""
    name, _, anchor = target.partition("#")
    file = page.parent / name if name else page
    if not anchor:
        return file.exists()
    headings = re.findall(r"^#+ (.*)", file.read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
