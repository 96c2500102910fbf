"""qapla.plugins.tasks on a real broker, with a real worker"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid

import pytest

from qapla.errors import Unavailable

SHOP = '''
"""An application whose jobs are files."""
import os, sys, time
from pathlib import Path
from qapla.application import Application
from qapla.plugin import Plugin
from qapla.plugins.celery.plugin import CeleryPlugin
from qapla.plugins.tasks.plugin import TasksPlugin
from qapla.plugins.tasks.task import task
from qapla.ports import Job

FOLDER = Path(__file__).parent

@task("shop.count")
def count(work, name, pause):
    with (FOLDER / f"{name}.runs").open("a") as file:
        print(os.getpid(), file=file, flush=True)
    work.progress(0.5, "half")
    if len((FOLDER / f"{name}.runs").read_text().split()) == 1:
        time.sleep(pause)
    (FOLDER / f"{name}.done").touch()

class Jobs:
    def add(self, job_id, kind, subject):
        self.update(job_id, state="queued")
    def update(self, job_id, *, state=None, progress=None, message=None):
        with (FOLDER / f"{job_id}.job").open("a") as file:
            print(state or progress, file=file)
    def find(self, job_id):
        lines = (FOLDER / f"{job_id}.job").read_text().split()
        return Job(job_id, "shop.count", None, [line for line in lines if line.isalpha()][-1], 0.0, "")

class JobsPlugin(Plugin):
    key = "jobs"
    def start(self, app):
        return Jobs()

class Shop(Application):
    class MetaConfig:
        settings_module = "lazydb.settings"
    def append_app_plugins(self):
        self.add_app_plugin(JobsPlugin())
        self.add_app_plugin(CeleryPlugin())
        self.add_app_plugin(TasksPlugin(modules=(__name__,)))

if __name__ == "__main__":
    sys.path.insert(0, str(FOLDER))
    import shop
    shop.Shop().run_celery()["tasks"].run_worker(["--concurrency", "1", "--loglevel", "WARNING"])
'''


@pytest.fixture
def shop(tmp_path, monkeypatch, redis_url):
    """Give the module of an application with a broker."""
    (tmp_path / "shop.py").write_text(textwrap.dedent(SHOP))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("QAPLA__CELERY__BROKER_URL", redis_url)
    monkeypatch.setenv("QAPLA__CELERY__TASK_DEFAULT_QUEUE", f"shop-{uuid.uuid4().hex}")
    module = importlib.import_module("shop")
    yield module
    del sys.modules["shop"]


@pytest.fixture
def app(shop):
    """Give the application, started as for the web."""
    app = shop.Shop().run_command()
    yield app
    app.stop()


@pytest.fixture
def worker(shop, tmp_path):
    """Start a worker process."""
    with (tmp_path / "worker.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-W", "ignore", shop.__file__], stdout=log, stderr=log, start_new_session=True)
        yield process
        process.terminate()
        process.wait(20)


def wait_for(path, seconds=20):
    """Return the lines of a file as soon as there is one."""
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path.name} did not come: {(path.parent / 'worker.log').read_text()}"
        time.sleep(0.05)
    return path.read_text().split()


def test_worker_does_the_task_and_survives_its_own_death(app, shop, worker, tmp_path):
    """A worker does what was submitted; a task whose process is killed half-way is done again, one that is done is not."""
    first = app["tasks"].submit(shop.count, "plain", 0)
    wait_for(tmp_path / "plain.done")
    second = app["tasks"].submit(shop.count, "killed", 60)
    victim = int(wait_for(tmp_path / "killed.runs")[0])

    os.kill(victim, signal.SIGKILL)

    wait_for(tmp_path / "killed.done")
    runs = (tmp_path / "killed.runs").read_text().split()
    assert len(runs) == 2
    assert runs[0] != runs[1]
    assert len((tmp_path / "plain.runs").read_text().split()) == 1
    until = time.monotonic() + 20
    while [app["jobs"].find(job).state for job in (first, second)] != ["done", "done"]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_broker_is_down(shop, monkeypatch):
    """The caller gets an answer within seconds, and the job says why."""
    app = shop.Shop().run_command({"celery:broker_url": "redis://127.0.0.1:1/0"})
    begin = time.monotonic()

    with pytest.raises(Unavailable, match="the broker does not answer"):
        app["tasks"].submit(shop.count, "never", 0)

    assert time.monotonic() - begin < 8
    app.stop()
