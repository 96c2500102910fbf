"""A registry on PostgreSQL, for several machines: the same promises."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from qapla.errors import NameTaken
from qapla.testing import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lazydb.application import LazydbApplication
    from qapla.database.spec import ConnectionSpec


@pytest.fixture
def registry_url() -> Iterator[str]:
    """Give the test an empty PostgreSQL database for the registry."""
    with servers.make_database("postgresql") as url:
        yield url.render_as_string(hide_password=False)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Call all of them at the same time; return what they return or raise."""
    barrier, results = threading.Barrier(len(calls)), []

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        try:
            results.append(call())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_life_in_a_shared_registry(
    start: Callable[..., LazydbApplication], make_file: Callable[..., ConnectionSpec], sql: Callable[..., None]
) -> None:
    """Register, serve, refresh, change and remove work as they do on SQLite, seen by the other process."""
    one, other = start(), start()
    spec = make_file()
    one["connections"].add(spec)
    other["catalog"].refresh()
    assert other["catalog"].get("shop").bulkhead.ping() < 5
    sql(spec.path, "CREATE TABLE second (id)")

    assert [change.what for change in other["connections"].refresh("shop").changes] == ["table_added"]
    one["connections"].change("shop", settings={"anonymous": "read"}, new_name="store")
    other["connections"].remove("store")
    one["catalog"].refresh()

    assert list(one["catalog"]) == []


def test_races_have_one_winner(start: Callable[..., LazydbApplication], make_file: Callable[..., ConnectionSpec]) -> None:
    """Of several who take the same name, or use the same login link, one succeeds and the others are told."""
    apps, specs = [start() for _ in range(3)], [make_file(f"db{number}") for number in range(3)]
    ann = apps[0]["accounts"].add_user("ann")
    apps[0]["accounts"].add_login_link(ann.id, "digest", 60)

    taken = at_once(*(lambda app=app, spec=spec: app["connections"].add(spec, name="shop") for app, spec in zip(apps, specs, strict=True)))
    used = at_once(*(lambda app=app: app["accounts"].use_login_link("digest") for app in apps))

    assert sum(isinstance(result, NameTaken) for result in taken) == 2
    assert len(apps[0]["connections"].list()) == 1
    assert sum(result is not None for result in used) == 1
