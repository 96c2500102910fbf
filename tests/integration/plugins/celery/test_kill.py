"""kill -9 of a worker in each phase of a task: nothing is lost, nothing is done twice"""

from __future__ import annotations

import pytest

PLACES = ["before", "middle", "committed"]


@pytest.mark.parametrize("engine", ["mariadb"])
@pytest.mark.parametrize("place", PLACES)
def test_the_process_of_a_task_is_killed(harbour, tasks, place):
    """The worker lives on and gives the message to another process; what was committed is not done again."""
    harbour.stop_at(place)
    harbour.start_worker()
    tasks.load.delay("tide")

    harbour.kill(place)

    harbour.wait_until_idle()
    assert harbour.count("tide") == 1
    assert ("done already" in harbour.log()) == (place == "committed")


@pytest.mark.parametrize("engine", ["postgresql"])
@pytest.mark.parametrize("place", PLACES)
def test_the_whole_worker_is_killed(harbour, tasks, place):
    """The message comes back when nobody has acknowledged it in time, and the next worker does the rest."""
    harbour.stop_at(place)
    worker = harbour.start_worker(harbour.celery)
    tasks.load.delay("tide")

    harbour.kill(place, worker)

    assert harbour.count("tide") == (1 if place == "committed" else 0)
    assert not harbour.is_idle()
    harbour.start_worker()
    harbour.wait_until_idle()
    assert harbour.count("tide") == 1
