"""qapla.project: names of applications, and how their files are made"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from qapla.errors import ConfigurationError, InputError, NameTaken
from qapla.project.here import find_app_name
from qapla.project.make import ENGINES, SUFFIX, TEMPLATES, make_project, render
from qapla.project.names import check_name, make_class_name


@pytest.mark.parametrize("name", ["blog", "guest_book", "b2", "zz"])
def test_name(name):
    """A name that Python can import and nobody else has is accepted."""
    check_name(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("guest-book", "use 'guest_book'"),
        ("Blog", "use 'blog'"),
        ("2048", "small letters"),
        ("class", "small letters"),
        ("match", "small letters"),
        ("", "small letters"),
        ("../blog", "use 'blog'"),
        ("a.b", "use 'a_b'"),
        ("größe", "small letters|use 'gr_e'"),
        ("_blog", "use 'blog'"),
        ("blog\n", "use 'blog'"),
    ],
)
def test_no_name(name, hint):
    """What Python cannot import is refused, with a name like it where there is one."""
    with pytest.raises(InputError, match=hint):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [("json", "a module of Python"), ("sys", "a module of Python"), ("qapla", "already"), ("tests", "already"), ("pyramid", "installed")],
)
def test_taken(name, message):
    """A name that something else has is refused: one of the two could not be imported."""
    with pytest.raises(NameTaken, match=message):
        check_name(name)


def test_class_name():
    """The class is named like the application."""
    assert make_class_name("guest_book") == "GuestBook"


@pytest.mark.parametrize("database", ENGINES)
def test_files(database):
    """Whatever the engine, the files are the same, and Python can read each; nothing of a template is left in them."""
    files = render("blog", ENGINES[database])

    assert {str(path) for path in files} >= {"pyproject.toml", ".gitignore", "blog/__init__.py", "blog/settings/local.py"}
    assert not [path for path, content in files.items() if "%%" in content]
    for path, content in files.items():
        if path.suffix == ".py":
            compile(content, path, "exec")


def test_what_stays_on_one_machine():
    """A database on SQLite is not committed, nor what lies beside its file: its log, and the lock of a migration."""
    ignored = render("blog", ENGINES["sqlite"])[Path(".gitignore")].splitlines()

    assert {"*.sqlite", "*.sqlite-*", "*.sqlite.migrating"} <= set(ignored)


def test_templates_get_into_a_wheel():
    """No template has a name that setuptools leaves out: a wheel has none of the files that begin with a dot."""
    assert [path for path in TEMPLATES.rglob("*") if path.name.startswith(".")] == []
    assert all(path.suffix == SUFFIX for path in TEMPLATES.rglob("*") if path.is_file())


def test_secrets_differ():
    """Every application has a secret of its own, in the file that is not in git."""
    first, second = (render("blog", ENGINES["sqlite"]) for _ in range(2))

    assert [str(path) for path in first if first[path] != second[path]] == ["blog/settings/local.py"]


@pytest.mark.parametrize("there", ["file", "folder"])
def test_nothing_is_overwritten(tmp_path, there):
    """Where something is, nothing is made."""
    home = tmp_path / "blog"
    if there == "file":
        home.write_text("mine")
    else:
        home.mkdir()
        (home / "mine").write_text("mine")

    with pytest.raises(NameTaken, match="is there already"):
        make_project("blog", "sqlite", home)

    assert sorted(path.name for path in tmp_path.rglob("*")) == (["blog"] if there == "file" else ["blog", "mine"])


def test_local_settings_are_private(tmp_path):
    """They have the secret of the sessions, and passwords later; the rest is as for any file."""
    make_project("blog", folder=tmp_path / "blog")

    modes = {name: (tmp_path / "blog/blog/settings" / name).stat().st_mode & 0o777 for name in ("local.py", "default.py")}

    assert modes["local.py"] == 0o600
    assert modes["default.py"] & 0o600 == 0o600


def test_empty_folder(tmp_path):
    """An empty folder is filled."""
    made = make_project("blog", "sqlite", tmp_path)

    assert all((tmp_path / path).is_file() for path in made)


def test_all_or_nothing(tmp_path, monkeypatch):
    """Who cannot write everything leaves nothing."""
    written = []

    def write(path, content, **options):
        if len(written) == 5:
            raise OSError("the disk is full")
        written.append(path)

    monkeypatch.setattr("pathlib.Path.write_text", write)

    with pytest.raises(OSError, match="full"):
        make_project("blog", "sqlite", tmp_path / "blog")

    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path):
    """Below a file there can be no folder: that is told in one sentence."""
    (tmp_path / "file").write_text("mine")

    with pytest.raises((InputError, NameTaken), match="cannot be made"):
        make_project("blog", "sqlite", tmp_path / "file" / "blog")


def test_extras_are_those_of_qapla():
    """A new application asks for nothing of qapla that there is not."""
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    asked = {extra for engine in ENGINES.values() for extra in find_extras(render("blog", engine)[Path("pyproject.toml")])}

    assert asked <= set(project["optional-dependencies"])
    assert asked >= {"celery", "redis", "postgresql", "mysql"}


def find_extras(pyproject: str) -> set[str]:
    return {extra for found in re.findall(r"qapla\[([^\]]+)\]", pyproject) for extra in found.split(",")}


def test_unknown_engine(tmp_path):
    """An engine that is not offered is refused by name."""
    with pytest.raises(InputError, match="'oracle' is not offered"):
        make_project("blog", "oracle", tmp_path / "blog")


class TestHere:
    """find_app_name: the application of a folder"""

    def test_named(self, tmp_path):
        """``[tool.qapla] app`` names it."""
        (tmp_path / "pyproject.toml").write_text('[tool.qapla]\napp = "blog:main"\n')

        assert find_app_name(tmp_path) == "blog:main"

    @pytest.mark.parametrize("content", [None, "", "[tool.ruff]"])
    def test_not_named(self, tmp_path, content):
        """A folder need not name one."""
        if content is not None:
            (tmp_path / "pyproject.toml").write_text(content)

        assert find_app_name(tmp_path) is None

    @pytest.mark.parametrize("content", ["[tool.qapla]\napp = 5", "tool = 5", "[", "[tool]\nqapla = 5"])
    def test_wrong(self, tmp_path, content):
        """What cannot be read is told, with the file."""
        (tmp_path / "pyproject.toml").write_text(content)

        with pytest.raises(ConfigurationError, match=r"pyproject.toml"):
            find_app_name(tmp_path)


def test_imports_nothing_of_the_web():
    """Making an application needs neither Pyramid nor SQLAlchemy."""
    import subprocess

    code = "import sys, qapla.cli, qapla.project.make; print([m for m in ('pyramid', 'sqlalchemy', 'celery') if m in sys.modules])"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
