"""examples/rotarran: a whole application, served, with a worker, on every engine"""

from __future__ import annotations

import time

import httpx
import pytest

from qapla.testing.processes import free_port


@pytest.fixture
def rotarran(make_example, fresh_database, redis_url):
    """Give the test the example on an empty database, with a broker."""
    example = make_example("rotarran")
    example.point("main", fresh_database)
    example.environment["QAPLA__CELERY__BROKER_URL"] = redis_url
    example.environment["QAPLA__CELERY__TASK_DEFAULT_QUEUE"] = f"rotarran-{fresh_database.database[-12:]}"
    return example


def ask(call, until, timeout_s=90.0):
    """Call until the answer is as wanted."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = call()
            if until(found):
                return found
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def test_served(rotarran):
    """Migrated, served and with a worker, a battle that is reported over HTTP brings honour in the background."""
    port = free_port()
    rotarran.run("qapla", "--app", "rotarran:main", "database", "migrate")
    rotarran.run("qapla", "--app", "rotarran:main", "database", "check")

    with (
        rotarran.running("qapla", "--app", "rotarran:main", "serve", "--port", str(port)),
        rotarran.running("celery", "-A", "rotarran.worker", "worker", "--concurrency", "1"),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
    ):
        ask(lambda: client.get("/crew"), lambda answer: answer.status_code == 200)
        worf = client.post("/crew", json={"name": "Worf"}).json()["id"]
        client.post(f"/crew/{worf}/battles", json={"place": "Ty'Gokor", "on": "2373-11-04", "won": True})

        ask(lambda: client.get(f"/crew/{worf}").json(), lambda warrior: warrior["honour"] == 1)


def test_its_own_tests(make_example):
    """The tests that the example brings are green."""
    assert "7 passed" in make_example("rotarran").run("pytest", "-q", "-p", "no:cacheprovider")
