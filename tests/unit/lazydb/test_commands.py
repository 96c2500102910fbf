"""The command line before it does anything."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lazydb.commands import COMMANDS, cli, run
from lazydb.commands.failures import lines_of, printable
from qapla.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

SUBCOMMANDS = [
    *([name] for name in COMMANDS),
    *(["user", name] for name in ("add", "list", "password", "remove")),
    *(["token", name] for name in ("add", "list", "remove")),
    *(["config", name] for name in ("export", "import")),
]


@pytest.mark.parametrize("arguments", SUBCOMMANDS, ids=" ".join)
def test_help_has_an_example(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself and shows how it is used."""
    code = run([*arguments, "--help"])

    text = capsys.readouterr().out
    assert code == 0
    assert "Example" in text
    assert f"lazydb {' '.join(arguments)}" in text


@pytest.mark.parametrize("arguments", SUBCOMMANDS, ids=" ".join)
def test_scripts_get_json(arguments: list[str]) -> None:
    """Every command that ends by itself and is no group has --json."""
    command = cli
    for name in arguments:
        command = command.get_command(None, name)  # type: ignore[attr-defined,arg-type]
    stays = arguments[0] in ("serve", "demo", "worker")
    is_group = hasattr(command, "commands")

    has_json = any("--json" in option.opts for option in command.params)

    assert has_json is not (stays or is_group)


def test_starts_in_a_moment(tmp_path: Path) -> None:
    """``lazydb list`` waits for no web framework, data frames or task queue."""
    code = (
        "import sys\nfrom lazydb.commands import run\nrun(['list'])\n"
        "print([name for name in ('pyramid', 'pandas', 'dask', 'celery', 'granian', 'deform') if name in sys.modules], file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"LAZYDB_HOME": str(tmp_path)})

    assert done.stderr.splitlines()[-1] == "[]"


def test_long_message_is_cut() -> None:
    """Eight lines are enough to say what is wrong, and the hint is always among them."""
    lines = lines_of(InputError("word " * 2000, hint="do this"))

    assert len(lines) == 8
    assert lines[-1].strip() == "do this"


@pytest.mark.parametrize(("text", "shown"), [("a\x1b[31mb", "a\\x1b[31mb"), ("a\rb", "a\\rb"), ("é ß 漢", "é ß 漢")])
def test_terminal_is_not_driven(text: str, shown: str) -> None:
    """Control characters in what is printed are escaped."""
    assert printable(text) == shown


def test_unexpected_error_has_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever happens, nobody is shown Python's inside unasked, nor the text of an error that may hold a secret."""

    def fail(**options: object) -> None:
        raise RuntimeError("postgresql://me:very-secret@host")

    monkeypatch.setattr(cli, "main", fail)

    code = run(["list"])

    told = capsys.readouterr().err
    assert code == 1
    assert "RuntimeError" in told
    assert "very-secret" not in told
    assert "Traceback" not in told
