"""An application as PasteDeploy starts it: ``pserve development.ini``, ``plaster.get_loader("development.ini").get_wsgi_app()``"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

APP = """
    from pyramid.response import Response
    from qapla.database.application import DatabaseApplication
    from qapla.database.database import Database

    class RotarranApplication(DatabaseApplication):
        def append_app_plugins(self):
            self.add_database_app([Database("main", "migrations")])

        def append_web_plugins(self):
            self.add_database_web()
            self.config.add_view(home)

    def home(request):
        app = request.app
        url = app["database"]["main"].url
        return Response(json_body={
            "password": url.password, "url": repr(url), "file": app.settings["home"], "origin": app.settings.origin("db:main:url"),
            "threads": app.settings.read("tasks:threads", int, 1, "a number"), "path": app["database"]["main"].migrations_path,
            "debug": request.registry.settings["debug_all"], "greeting": app.settings["greeting"],
        })

    main = RotarranApplication()
"""
INI = """
    [DEFAULT]
    name = deploy

    [app:main]
    use = {use}
    db.main.url = postgresql://kira:p%%40ss{{}}%%25@127.0.0.1:1/%(name)s
    home = %(here)s/files
    tasks.threads = 7
    paths.migrations = %(here)s/migrations
    pyramid.debug_all = true
    pyramid.includes = plaything
"""
CLIENT = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import plaster
    from webtest import TestApp
    print(TestApp(plaster.get_loader(sys.argv[1]).get_wsgi_app()).get("/").text)
"""
FILES = {
    "rotarran/__init__.py": "from rotarran.application import main",
    "rotarran/application.py": APP,
    "rotarran/settings/__init__.py": "",
    "rotarran/settings/default.py": """
        def make_settings(settings, paths):
            settings["greeting"] = "qapla'"
            settings["db"] = {"main": {"url": "sqlite://", "options": {}}}
    """,
    "plaything.py": "def includeme(config): assert config.registry['qapla.app']",
    "rotarran-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: rotarran\nVersion: 1.0\n",
    "rotarran-1.0.dist-info/entry_points.txt": "[paste.app_factory]\nmain = rotarran:main\n",
}


@pytest.mark.parametrize("use", ["call:rotarran:main", "egg:rotarran", "egg:rotarran#main"])
def test_application_is_a_factory(tmp_path, use):
    """Local settings win over files; a dot in their names is a colon, ``%%`` a percent sign; Pyramid's own are below ``pyramid``."""
    for name, text in {**FILES, "development.ini": INI.format(use=use)}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))

    command = [sys.executable, "-c", textwrap.dedent(CLIENT), str(tmp_path / "development.ini")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "password": "p@ss{}%",
        "url": "postgresql://kira:***@127.0.0.1:1/deploy",
        "file": f"{tmp_path}/files",
        "origin": "the start call",
        "threads": 7,
        "path": f"{tmp_path}/migrations",
        "debug": True,
        "greeting": "qapla'",
    }
