"""qapla.plugins.tasks without a broker"""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from qapla.application import Application
from qapla.database.database import Database
from qapla.database.plugin import DatabasePlugin
from qapla.errors import ConfigurationError, InputError, PluginError, SettingsError, Unavailable
from qapla.plugin import Plugin
from qapla.plugins.tasks import pool
from qapla.plugins.tasks.plugin import TasksPlugin
from qapla.plugins.tasks.task import TASKS, run_task, task
from qapla.ports import Job


class Jobs:
    """A job store in memory; ``ended`` is set whenever a job has come to its end."""

    def __init__(self):
        self.kept, self.ended, self.beats = {}, threading.Semaphore(0), []

    def add(self, job_id, kind, subject):
        """Keep it."""
        self.kept[job_id] = Job(job_id, kind, subject, "queued", 0.0, "")

    def update(self, job_id, *, state=None, progress=None, message=None):
        """Change it."""
        job = self.kept[job_id]
        self.kept[job_id] = Job(
            job.id, job.kind, job.subject, state or job.state, job.progress if progress is None else progress, message or job.message
        )
        if state in ("done", "failed"):
            self.ended.release()

    def find(self, job_id):
        """Find it."""
        return self.kept.get(job_id)

    def beat(self, job_ids):
        """Remember who was said to live."""
        self.beats.append(sorted(job_ids))


class JobsPlugin(Plugin):
    """Offers the store."""

    key = "jobs"

    def start(self, app):
        """Make it."""
        return Jobs()


class Small(Application):
    """An application with a task queue."""

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        """Declare."""
        self.add_app_plugin(JobsPlugin())
        self.add_app_plugin(TasksPlugin())


@pytest.fixture
def app():
    """Give a running application: one thread, two places in the queue."""
    app = Small().run_tests({"tasks:threads": 1, "tasks:queue_size": 2})
    yield app
    app.stop()


@pytest.fixture(autouse=True)
def _forget_tasks():
    before = dict(TASKS)
    yield
    TASKS.clear()
    TASKS.update(before)


@pytest.fixture
def blocking():
    """Give a task that waits until it is let go."""
    started, go = threading.Event(), threading.Event()

    @task("test.block")
    def block(work):
        started.set()
        assert go.wait(10)

    block.started, block.go = started, go
    yield block
    go.set()


class TestPool:
    """app["tasks"].submit(task, …)"""

    def test_runs_and_keeps_progress(self, app):
        """A task gets its work and its arguments; the job tells how far it is."""
        seen = []

        @task("test.add")
        def add(work, a, b):
            work.progress(0.5, "half")
            seen.append((a + b, app["jobs"].find(work.id).progress, work.scope.closed))

        job_id = app["tasks"].submit(add, 40, 2, subject=7)
        assert app["jobs"].ended.acquire(timeout=10)

        assert seen == [(42, 0.5, False)]
        assert app["jobs"].find(job_id) == Job(job_id, "test.add", 7, "done", 1.0, "half")

    @pytest.mark.parametrize(
        ("error", "message"),
        [(InputError("column 'x' is not there"), "column 'x' is not there"), (ValueError("a secret"), "stopped by an error of kind ")],
    )
    def test_failure_is_kept_without_secrets(self, app, error, message, caplog):
        """Our own errors are shown, of others only the kind; the log has all."""

        @task("test.fail")
        def fail(work):
            raise error

        job_id = app["tasks"].submit(fail)
        assert app["jobs"].ended.acquire(timeout=10)

        job = app["jobs"].find(job_id)
        assert (job.state, job.message.startswith(message), "a secret" in job.message) == ("failed", True, False)
        assert "test.fail" in caplog.text

    def test_full_queue_refuses(self, app, blocking):
        """More than fits is told so, and the job says why."""
        app["tasks"].submit(blocking)
        assert blocking.started.wait(10)
        for _ in range(2):
            app["tasks"].submit(blocking)

        with pytest.raises(Unavailable, match="the task queue is full, 2 tasks are waiting") as caught:
            app["tasks"].submit(blocking)

        assert caught.value.headers == {"Retry-After": "5"}
        assert [job.state for job in app["jobs"].kept.values()].count("failed") == 1

    def test_stop_gives_up_what_waits(self, app, blocking):
        """What runs may finish; what waits is marked as failed."""
        app["tasks"].submit(blocking)
        assert blocking.started.wait(10)
        waiting = app["tasks"].submit(blocking)
        jobs, stopping = app["jobs"], threading.Thread(target=app.stop)

        stopping.start()
        assert jobs.ended.acquire(timeout=10)  # what waits has failed
        blocking.go.set()
        stopping.join()

        assert jobs.find(waiting).message == "the application stopped before it began"
        assert sorted(job.state for job in jobs.kept.values()) == ["done", "failed"]

    def test_says_that_it_lives_while_there_is_work(self, app, blocking, monkeypatch):
        """What waits and what runs is told to be alive again and again, what is done no more."""
        monkeypatch.setattr(pool, "BEAT_S", 0.01)
        jobs, running = app["jobs"], app["tasks"].submit(blocking)
        assert blocking.started.wait(10)
        waiting = app["tasks"].submit(blocking)
        until = time.monotonic() + 10
        while sorted([running, waiting]) not in jobs.beats and time.monotonic() < until:
            time.sleep(0.01)

        blocking.go.set()
        assert all(jobs.ended.acquire(timeout=10) for _ in range(2))
        blocking.go.clear()
        third = app["tasks"].submit(blocking)
        until = time.monotonic() + 10
        while jobs.beats.count([third]) < 3 and time.monotonic() < until:  # the first one is that of the queue
            time.sleep(0.01)

        assert jobs.beats[-2:] == [[third]] * 2

    def test_goes_on_when_jobs_cannot_be_kept(self, app, monkeypatch, caplog):
        """A store that is away costs the progress of a task, neither the task nor the thread that does the next one."""
        seen, update = [], app["jobs"].update

        def fail(*_arguments, **_values):
            raise Unavailable("the store is away")

        @task("test.store_goes_away")
        def work_on(work):
            monkeypatch.setattr(app["jobs"], "update", fail)
            work.progress(0.5, "half")
            seen.append("done")

        for _ in range(2):
            app["tasks"].submit(work_on)
            until = time.monotonic() + 10
            while app["tasks"]._unfinished and time.monotonic() < until:
                time.sleep(0.01)
            monkeypatch.setattr(app["jobs"], "update", update)

        assert seen == ["done", "done"]
        assert "could not be kept" in caplog.text

    def test_stop_tells_of_what_does_not_end(self, app, blocking, monkeypatch):
        """A task that is still running when the application has waited long enough has failed, and says so."""
        monkeypatch.setattr(pool, "STOP_WAIT_S", 0.05)
        running = app["tasks"].submit(blocking)
        assert blocking.started.wait(10)
        jobs = app["jobs"]

        app.stop()

        assert jobs.find(running).state == "failed"
        assert "was stopped before it was done; start it again" in jobs.find(running).message
        blocking.go.set()
        assert jobs.ended.acquire(timeout=10)

    def test_stop_with_a_queue_smaller_than_the_pool(self, blocking, monkeypatch):
        """Threads that are busy keep nobody from stopping, and all of them end when they are done."""
        monkeypatch.setattr(pool, "STOP_WAIT_S", 0.1)
        app = Small().run_tests({"tasks:threads": 3, "tasks:queue_size": 1})
        for _ in range(3):
            blocking.started.clear()
            app["tasks"].submit(blocking)
            assert blocking.started.wait(10)
        threads, stopping = app["tasks"]._threads, threading.Thread(target=app.stop, daemon=True)

        stopping.start()
        stopping.join(10)  # they are asked to end in 0.1 s

        assert not stopping.is_alive()
        blocking.go.set()
        for thread in threads:
            thread.join(10)
        assert not [thread for thread in threads if thread.is_alive()]

    def test_no_task(self, app):
        """A plain function is refused."""
        with pytest.raises(ConfigurationError, match="is no task"):
            app["tasks"].submit(len)


class TestTask:
    """@task"""

    def test_is_still_a_function(self):
        """Tests call it directly."""

        @task("test.double")
        def double(number):
            """Double it."""
            return number * 2

        assert (double(21), double.__doc__, double.name) == (42, "Double it.", "test.double")

    def test_name_twice(self):
        """Two functions cannot have one name."""
        task("test.same")(len)

        with pytest.raises(ConfigurationError, match=r"task 'test.same' is defined twice"):
            task("test.same")(max)

    def test_done_is_not_done_again(self, app):
        """A broker may deliver a message twice."""
        runs = []
        task("test.once")(lambda work: runs.append(work.id))
        app["jobs"].add("j", "test.once", None)

        run_task(app, "test.once", "j", ())
        run_task(app, "test.once", "j", ())

        assert runs == ["j"]


    def test_took_too_long(self, app):
        """What a queue with a limit on time ends is told in words."""
        task("test.slow")(lambda work: {}["no end"])
        app["jobs"].add("j", "test.slow", None)

        run_task(app, "test.slow", "j", (), too_long=(KeyError,))

        job = app["jobs"].find("j")
        assert (job.state, job.message) == ("failed", "stopped: it took longer than a task may take here")


class TestDelay:
    """task.delay, task.delay_after_commit"""

    def test_in_the_application_that_is_running(self, app):
        """The id is that of the job."""
        ran = []
        note = task("test.note")(lambda work, n: ran.append((work.id, n)))

        job_ids = [note.delay(1, subject=7), note.delay_after_commit(2)]
        assert all(app["jobs"].ended.acquire(timeout=10) for _ in job_ids)

        assert ran == [(job_ids[0], 1), (job_ids[1], 2)]
        assert app["jobs"].find(job_ids[0]).subject == 7

    def test_waits_for_the_commit(self, tmp_path):
        """Rolled back, there is not even a job."""

        class Larger(Small):
            def append_app_plugins(self):
                self.add_app_plugin(DatabasePlugin([Database("main")]))
                super().append_app_plugins()

        ran = []
        note = task("test.later")(lambda work, n: ran.append(n))
        app = Larger().run_tests({"db:main:url": f"sqlite:///{tmp_path}/small.sqlite"})
        with app.scope() as scope:
            session = scope["database"]["main"]
            for n in (1, 2):
                session.connection()
                job_id = note.delay_after_commit(n)
                assert app["jobs"].find(job_id) is None
                session.rollback() if n == 1 else session.commit()

        assert app["jobs"].ended.acquire(timeout=10)
        assert (ran, list(app["jobs"].kept)) == ([2], [job_id])
        app.stop()

    def test_no_application(self):
        """It is said what to do."""
        note = task("test.alone")(lambda work: None)

        with pytest.raises(PluginError, match=r"task 'test.alone' cannot be queued: no application is running \(call one of"):
            note.delay()

    def test_is_counted(self, app, monkeypatch):
        """Each ending, under the name of the task."""
        seen = []
        metrics = SimpleNamespace(increment=lambda name, **tags: seen.append((name, tags)), observe=lambda name, seconds, **tags: None)
        monkeypatch.setattr(app, "find", lambda key, default=None: metrics if key == "metrics" else app[key])
        task("test.bad")(lambda work: {}["no"])

        app["jobs"].add("j", "test.bad", None)
        run_task(app, "test.bad", "j", ())

        assert seen == [("tasks", {"task": "test.bad", "outcome": "failed"})]


class TestPlugin:
    """TasksPlugin"""

    def test_worker_without_broker(self):
        """It says what is missing."""
        with pytest.raises(ConfigurationError, match=r"a worker needs a broker, .*add CeleryPlugin before .* set 'celery:broker_url'"):
            Small().run_celery()

    def test_wrong_setting(self):
        """It says which one."""
        with pytest.raises(SettingsError, match="'tasks:threads'"):
            Small().run_tests({"tasks:threads": "many"})
