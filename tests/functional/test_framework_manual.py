"""The manual of the framework: every block of a page runs, in order, in a folder of its own, and shows what it says.

What a fence means::

    python, toml, ini, yaml   that begins with a comment that is a path: the file is written; ``# path, at the end``: it gets longer
    python                    any other: it runs, in one namespace for the page
    text                      what the block of Python above it prints
    console                   commands after ``$``, a line that ends in ``\\`` goes on, and what each prints; one that ends in ``&`` runs on

``…`` in what is printed stands for anything. Other languages are for readers only: ``RUN_BY_NOBODY``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from qapla.testing.processes import free_port
from qapla.testing.servers import get_server_url, make_database

MANUAL = Path(__file__).parents[2] / "docs" / "framework"
PAGES = sorted(MANUAL.glob("*.md"))
RUN_BY_NOBODY = {"", "dockerfile", "sh", "toml"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^# ([\w./-]+\.\w+)(, at the end)?\n")
TIMEOUT_S = 60

# Runs blocks of Python one by one: a line of JSON in, what it printed as a line of JSON out.
INTERPRETER = """
import contextlib, io, json, sys, traceback, warnings
warnings.filterwarnings("ignore", message=".*pkg_resources")
sys.path.insert(0, "")
names = {"__name__": "__main__"}
for line in sys.stdin:
    page, number, source = json.loads(line)
    out, failed = io.StringIO(), None
    with contextlib.redirect_stdout(out):
        try:
            exec(compile("\\n" * number + source, page, "exec"), names)
        except BaseException:
            failed = traceback.format_exc()
    print(json.dumps([out.getvalue(), failed]), flush=True)
"""


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    language: str
    source: str
    line: int


def read_blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in FENCE.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, page: Path, folder: Path, stack: ExitStack, stands_for: dict[str, str]) -> None:
        self.page, self.folder, self.stack, self.stands_for = page, folder, stack, stands_for
        self.before: list[str] = []  # what later commands of a shell remember: cd and export
        self.interpreter: subprocess.Popen[str] | None = None
        self.printed = ""
        self.started: list[subprocess.Popen[bytes]] = []
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("QAPLA_", "LAZYDB_", "PYTEST_XDIST_"))}
        self.environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", "COLUMNS": "100"}

    def follow(self, block: Block) -> None:
        for word, meant in self.stands_for.items():
            block = Block(block.language, block.source.replace(word, meant), block.line)
        file = FILE.match(block.source)
        if file:
            self.write(block, file)
        elif block.language == "python":
            self.run_python(block)
        elif block.language == "text":
            self.compare(block, block.source, self.printed)
        elif block.language == "console":
            self.run_commands(block)
        else:
            assert block.language in RUN_BY_NOBODY, f"{self.page.name}:{block.line}: {block.language!r} is run by nobody"

    def write(self, block: Block, file: re.Match[str]) -> None:
        path = self.folder / self.where() / file[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        content = block.source[file.end() :]
        path.write_text(path.read_text() + content if file[2] else content)

    def where(self) -> str:
        return "/".join(command.removeprefix("cd ") for command in self.before if command.startswith("cd "))

    def run_python(self, block: Block) -> None:
        if self.interpreter is None:
            exports = [command.removeprefix("export ").split("=", 1) for command in self.before if command.startswith("export ")]
            self.interpreter = self.stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", INTERPRETER],
                    cwd=self.folder / self.where(),
                    env=self.environment | {name: value.strip("'") for name, value in exports},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        assert self.interpreter.stdin is not None
        assert self.interpreter.stdout is not None
        self.interpreter.stdin.write(json.dumps([str(self.page), block.line, block.source]) + "\n")
        self.interpreter.stdin.flush()
        self.printed, failed = json.loads(self.interpreter.stdout.readline())
        assert failed is None, f"{self.page.name}:{block.line}:\n{failed}"

    def run_commands(self, block: Block) -> None:
        parts = re.split(r"^\$ ", block.source, flags=re.MULTILINE)[1:]
        for part in parts:
            command, expected = split_command(part)
            if command.startswith(("cd ", "export ")):
                self.before.append(command)
            elif command.endswith("&"):
                self.start(block, command.removesuffix("&"), expected)
            elif command == "kill %1":
                end(self.started.pop())
            else:
                self.compare(block, expected, self.run_command(block, command), command)

    def run_command(self, block: Block, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", "\n".join([*self.before, command])],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, f"{self.page.name}:{block.line}: $ {command}\n{done.stdout}"
        return done.stdout

    def start(self, block: Block, command: str, expected: str) -> None:
        log = self.folder / f"{block.line}-{len(self.started)}.log"  # a block may start several
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-c", "\n".join([*self.before, f"exec {command}"])],
                cwd=self.folder,
                env=self.environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.started.append(process)
        self.stack.callback(end, process)
        deadline = time.monotonic() + TIMEOUT_S
        while not matches(expected, log.read_text()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)

    def compare(self, block: Block, expected: str, printed: str, command: str = "") -> None:
        assert matches(expected, printed), f"{self.page.name}:{block.line}: {command}\n--- said\n{expected}\n--- is\n{printed}"

    def close(self) -> None:
        if self.interpreter is not None and self.interpreter.stdin is not None:
            self.interpreter.stdin.close()


def split_command(text: str) -> tuple[str, str]:
    """Return the command, which goes on while a quotation is open, and what it prints."""
    lines = text.splitlines(keepends=True)
    for count in range(1, len(lines) + 1):
        command = "".join(lines[:count])
        with suppress(ValueError):
            shlex.split(command)
            if not command.endswith("\\\n"):
                return command.strip(), "".join(lines[count:])
    raise AssertionError(text)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def matches(expected: str, printed: str) -> bool:
    """Tell whether *printed* is what is *expected*; ``…`` is anything, and blanks at the ends of lines are nothing."""
    said, real = (re.sub(r"[ \t]+$", "", text.strip(), flags=re.MULTILINE) for text in (expected, printed))
    return re.fullmatch(".*".join(re.escape(part) for part in said.split("…")), real, re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page(page, tmp_path):
    """A reader who does what the page says sees what the page says."""
    read(page, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ echo one\n```\n",
        "```console\n$ echo one; false\none\n```\n",
        "```python\nprint(1)\n```\n\n```text\n2\n```\n",
        "```python\nprint(nothing)\n```\n",
        "```pyhton\nprint(1)\n```\n",
    ],
    ids=["other output", "output untold", "failing command", "other print", "exception", "unknown language"],
)
def test_wrong_page(wrong, tmp_path):
    """A page that says what is not so is found out."""
    page = tmp_path / "wrong.md"
    page.write_text(wrong)

    with pytest.raises(AssertionError, match=r"wrong\.md:1|wrong\.md:5"):
        read(page, tmp_path)


def read(page: Path, folder: Path) -> None:
    """Do what the page says, in order."""
    with ExitStack() as stack:
        reader = Reader(page, folder, stack, stands_for(page.read_text(), stack))
        stack.callback(reader.close)
        for block in read_blocks(page):
            reader.follow(block)


def stands_for(text: str, stack: ExitStack) -> dict[str, str]:
    """Return what is meant here by the addresses of the manual: databases of this run, a free port, a Redis."""
    meant = {}
    for url in sorted(set(re.findall(r"\b(?:postgresql|mariadb)://shop:secret@db\.example\.org/\w+", text))):
        meant[url] = stack.enter_context(make_database(url.partition(":")[0])).render_as_string(hide_password=False)
    if "redis://redis.example.org" in text:
        meant["redis://redis.example.org:6379/0"] = get_server_url("redis")
    if "127.0.0.1:8786" in text:
        meant["8786"] = str(free_port())
    if "127.0.0.1:8000" in text:
        port = str(free_port())
        meant |= {"127.0.0.1:8000": f"127.0.0.1:{port}", "$ qapla serve": f"$ qapla serve --port {port}"}
        meant["$ python poll.py &"] = f"$ env QAPLA_PORT={port} python poll.py &"
    return meant
