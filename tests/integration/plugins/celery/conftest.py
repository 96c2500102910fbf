"""An application with counters in a real database, its worker on a real broker, and places where either can be killed."""

from __future__ import annotations

import importlib
import os
import secrets
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from qapla.testing.servers import make_database

PACKAGE = {
    "__init__.py": "",
    "settings/__init__.py": "",
    "settings/default.py": """
        import os

        def make_settings(settings, paths):
            settings["db:main:url"] = os.environ["HARBOUR_DATABASE"]
            settings["celery:broker_url"] = os.environ["HARBOUR_BROKER"]
            settings["celery:task_default_queue"] = os.environ["HARBOUR_QUEUE"]
            settings["celery:task_time_limit"] = 5
            settings["celery:broker_transport_options"] = {"visibility_timeout": 6, "unacked_restore_interval": 1}
            if os.environ.get("HARBOUR_BEAT"):
                settings["celery:beat_schedule"] = {"ebb": {"task": "harbour.tasks.note", "schedule": 0.5, "args": ["ebb"]}}
            if os.environ.get("HARBOUR_OUTBOX"):
                settings["celery:outbox"] = "main"
                settings["celery:outbox_every_s"] = 1
    """,
    "places.py": '''
        """Places where a process can be stopped, once: whoever gets there says so, and waits to be killed or let go."""
        import os, time
        from pathlib import Path

        FOLDER = Path(__file__).parent

        def pass_by(place):
            try:
                (FOLDER / f"stop-{place}").rename(FOLDER / f"busy-{place}")
            except FileNotFoundError:
                return
            (FOLDER / f"busy-{place}").write_text(str(os.getpid()))
            (FOLDER / f"busy-{place}").rename(FOLDER / f"reached-{place}")
            while not (FOLDER / f"go-{place}").exists():
                time.sleep(0.05)
    ''',
    "app.py": """
        from pathlib import Path

        from qapla.database.application import DatabaseApplication
        from qapla.database.database import Database
        from qapla.plugin import Plugin
        from qapla.plugins.celery.plugin import CeleryPlugin

        class EarlyPlugin(Plugin):
            # A connection that is open in the worker before it forks.
            key = "early"
            requires = ("database",)

            def start(self, app):
                if app.start_point == "celery":
                    with app["database"]["main"].session() as session:
                        session.connection()
                return self

            def stop(self, app):
                (Path(__file__).parent / "stopped").touch()

        class Harbour(DatabaseApplication):
            def append_app_plugins(self):
                self.add_database_app([Database("main")])
                self.add_app_plugin(EarlyPlugin())
                self.add_app_plugin(CeleryPlugin())

        main = Harbour()
    """,
    "worker.py": """
        from harbour.app import main

        celery = main.run_celery()["celery"]
    """,
    "tasks.py": """
        import os

        from celery import shared_task, signals
        from sqlalchemy import text

        from harbour.app import main as app
        from harbour.places import pass_by
        from qapla.database.decorators import WithDatabase
        from qapla.plugins.celery.task import AppTask
        from qapla.ports import current_task
        from qapla.scope import find_current

        @signals.task_prerun.connect(weak=False)
        def before(**_):
            pass_by("before")

        @signals.before_task_publish.connect(weak=False)
        def publishing(sender, **_):
            if sender == load.name:
                pass_by("publishing")

        @signals.after_task_publish.connect(weak=False)
        def published(sender, **_):
            if sender == load.name:
                pass_by("published")

        class Counted(AppTask):
            def on_success(self, *_):
                pass_by("committed")

        def count(session, name):
            session.execute(text("UPDATE counter SET n = n + 1 WHERE name = :name"), {"name": name})

        @shared_task(base=Counted, once="main")
        def load(name, main):
            count(main, name)
            pass_by("middle")

        @shared_task
        @WithDatabase(app, "main")
        def note(name, main):
            assert find_current().app is app and current_task.get()
            count(main, name)
            main.commit()

        @shared_task
        @WithDatabase(app, "main")
        def forget(name, main):
            count(main, name)
            raise ValueError(name)

        @shared_task(once="main")
        def hasty(name, main):
            count(main, name)
            main.commit()

        @shared_task(once="main")
        def pass_on(name, main):
            # Its own work, and another task after its commit.
            count(main, "passed")
            load.delay_after_commit(name)
    """,
}


class Harbour:
    """The application from outside: its processes, its counters, the places where it is stopped."""

    def __init__(self, package, folder, app):
        self.package, self.folder, self.app, self.processes = package, folder, app, []
        self.qapla = [str(Path(sys.executable).parent / "qapla"), "--app", f"{package}.app:main", "celery"]
        self.celery = [sys.executable, "-m", "celery", "-A", f"{package}.worker"]

    def start_worker(self, command=None, count=1):
        """Start a worker with *count* processes, by ``qapla celery`` or by another *command*."""
        return self.start([*(command or self.qapla), "worker", "--concurrency", str(count), "--loglevel", "INFO", "--without-mingle"])

    def start(self, command):
        """Start *command* in a process group of its own."""
        with (self.folder / "worker.log").open("a") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        self.processes.append(process)
        return process

    def stop_at(self, place):
        """Let the next process that comes by *place* wait there."""
        (self.folder / self.package / f"stop-{place}").touch()

    def wait_for(self, place):
        """Return the process that waits at *place*."""
        reached = self.folder / self.package / f"reached-{place}"
        self.wait_until(reached.exists)
        return int(reached.read_text())

    def let_go(self, place):
        """Let the process at *place* go on."""
        (self.folder / self.package / f"go-{place}").touch()

    def kill(self, place, worker=None):
        """Wait for somebody at *place* and kill it with -9, or all of *worker*."""
        pid = self.wait_for(place)
        if worker is None:
            os.kill(pid, signal.SIGKILL)
        else:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(10)

    def count(self, name):
        """Return a counter."""
        with self.app["database"]["main"].session() as session:
            return session.execute(text("SELECT n FROM counter WHERE name = :name"), {"name": name}).scalar_one()

    def wait_until_idle(self, seconds=60):
        """Wait until every message is done and acknowledged: on its way from the queue to a worker it is in neither for a moment."""
        seen = 0

        def is_still_idle():
            nonlocal seen
            seen = seen + 1 if self.is_idle() else 0
            return seen == 10

        self.wait_until(is_still_idle, seconds)

    def is_idle(self):
        """Tell whether there is no message now, neither in the queue nor in the hands of a worker."""
        with self.app["celery"].connection_for_read() as connection:
            channel = connection.default_channel
            queue, unacked = self.app["celery"].conf.task_default_queue, channel.unacked_key
            with channel.client.pipeline(transaction=True) as pipe:
                return pipe.llen(queue).hlen(unacked).execute() == [0, 0]

    def log(self):
        """Return what the workers said."""
        return (self.folder / "worker.log").read_text()

    def wait_until(self, is_true, seconds=60):
        """Wait; fail with the log of the workers."""
        until = time.monotonic() + seconds
        while not is_true():
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)


@pytest.fixture
def engine():
    """The engine of the counters; a test may be parametrized by it."""
    return "postgresql"


@pytest.fixture
def database_url(engine):
    """Give the URL of an empty database."""
    with make_database(engine) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture
def broker_url(redis_url):
    """Give the URL of the broker."""
    return redis_url


@pytest.fixture
def harbour(tmp_path, monkeypatch, database_url, broker_url):
    """Give the application, started as a command of it would be; its workers are stopped at the end."""
    package = f"harbour_{secrets.token_hex(4)}"  # a name of its own: Celery remembers every shared task of a process
    for name, source in PACKAGE.items():
        file = tmp_path / package / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(source).replace("harbour", package))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HARBOUR_DATABASE", database_url)
    monkeypatch.setenv("HARBOUR_BROKER", broker_url)
    monkeypatch.setenv("HARBOUR_QUEUE", package)
    app = importlib.import_module(f"{package}.app").main.run_command()
    make_tables(app)
    found = Harbour(package, tmp_path, app)
    yield found
    for process in found.processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
    forget_messages(app["celery"])
    app.stop()


def forget_messages(celery):
    """Leave nothing of this queue on a broker that others use, too."""
    queue = celery.conf.task_default_queue
    with celery.connection_for_write() as connection:
        client = connection.default_channel.client
        client.delete(*client.scan_iter(f"*{queue}*", count=1000), "never")


@pytest.fixture
def tasks(harbour):
    """Give the module of the tasks."""
    return importlib.import_module(f"{harbour.package}.tasks")


def make_tables(app):
    """Make the tables that a migration would make, and a few counters at nought."""
    from sqlalchemy import Column, Integer, MetaData, String, Table, insert

    from qapla.plugins.celery.outbox import add_outbox
    from qapla.plugins.celery.receipts import add_receipts

    metadata = MetaData()
    counter = Table("counter", metadata, Column("name", String(20), primary_key=True), Column("n", Integer, nullable=False))
    add_receipts(metadata)
    add_outbox(metadata)
    with app["database"]["main"].transaction() as session:
        metadata.create_all(session.connection())
        session.execute(insert(counter), [{"name": name, "n": 0} for name in ("tide", "ebb", "passed")])
