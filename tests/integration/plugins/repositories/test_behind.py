"""qapla.plugins.repositories with repositories that are written behind"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass

import pytest
from click.testing import CliRunner
from redis import Redis

from qapla.cli import cli
from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.driver import HashRepository, StoreUnavailable
from qapla.driver.repositories.background import LOOP
from qapla.plugins.redis.plugin import RedisPlugin
from qapla.plugins.repositories import Declared, RepositoriesPlugin
from qapla.testing import processes

LONG_S = 60


@dataclass
class Price:
    article: str
    amount: int


class PriceRepository(HashRepository[Price, str]):
    key_attrs = ("article",)


class Shop(DatabaseApplication):
    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        self.add_database_app([Database("main")])
        self.add_app_plugin(RedisPlugin())
        self.add_app_plugin(RepositoriesPlugin([Declared(PriceRepository, database="main", expire_time=60)]))


@pytest.fixture(scope="module")
def redis_url():
    with processes.server_folder() as folder:
        yield processes.start_redis(folder / "redis", os.getpid(), settings={"appendonly": "yes"})


@pytest.fixture
def settings(tmp_path, redis_url):
    with Redis.from_url(redis_url) as client:
        client.flushall()
    return {
        "db:main:url": f"sqlite:///{tmp_path / 'shop.sqlite'}",
        "redis:default:url": redis_url,
        "repositories:price:write_policy": "behind",
    }


@pytest.fixture
def start(settings):
    shops = []

    def start(**more):
        shop = Shop()
        shop.run_tests({**settings, **more})
        shops.append(shop)
        return shop, shop["repositories"]

    yield start
    for shop in shops:
        shop.stop()


def until(check):
    end = time.monotonic() + LONG_S
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_every_process_writes_what_waits(start):
    """A process that uses a repository writes what waits, also what a child has written."""
    _, kept = start()
    kept.create_tables()
    kept["price"].add(Price("tea", 4))
    until(lambda: stored(kept))

    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        kept["price"].add(Price("milk", 2))
        os._exit(0)

    assert os.waitpid(pid, 0)[1] == 0
    kept["price"].write_pending()
    assert kept["price"].get_one("milk", memory=False) == Price("milk", 2)


def test_what_a_process_leaves_the_next_one_writes(start, monkeypatch):
    """A process without a worker leaves its writes to others, and the check tells; an application that stops has written what it can."""
    _, kept = start(**{"repositories:price:worker": False})
    kept.create_tables()
    kept["price"].add(Price("tea", 4))
    monkeypatch.setattr("qapla.driver.repositories.behind.LATE_S", 0.0)
    time.sleep(0.01)
    with pytest.raises(StoreUnavailable, match="1 writes of repository 'price' wait"):
        kept.check("price")

    other, theirs = start()
    theirs.start_workers()
    other.stop()

    kept.check("price")
    assert stored(kept)


@pytest.fixture
def command(settings, monkeypatch):
    """Run ``qapla repositories …`` on the shop"""
    monkeypatch.setenv("QAPLA_APP", f"{__name__}:Shop")

    def command(*arguments, **more):
        shop = Shop().prepare("command", {**settings, **more})
        done = CliRunner().invoke(cli, ["repositories", *arguments], obj=shop)
        return done.exit_code, done.stdout or str(done.exception)

    return command


def test_commands(start, command):
    """A command shows what waits, writes it, shows what was refused, and lets it wait again."""
    _, kept = start(**{"repositories:price:worker": False})
    kept.create_tables()
    kept["price"].add(Price("tea", 4), Price("x" * 700, 1))

    assert command("status", "price")[1].startswith("price                2 wait, since ")
    assert command("write", "--until-empty") == (0, "price                2 written\n")
    code, said = command("status")
    assert (code, said.splitlines()[0]) == (1, "price                0 wait; 1 refused")
    assert "longer than 600 characters" in said
    assert command("retry") == (0, "price                1 wait again\n")
    for arguments, said in ((("write",), "no repository is written behind"), (("write", "price"), "'price' is not written behind")):
        code, told = command(*arguments, **{"repositories:price:write_policy": "through"})
        assert (code, said in told) == (1, True)


def test_a_worker_of_its_own(start, command):
    """``qapla repositories write`` writes until it is told to end."""
    _, kept = start(**{"repositories:price:worker": False})
    kept.create_tables()
    kept["price"].add(Price("tea", 4))

    def end():
        until(lambda: stored(kept))
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end, daemon=True)
    ending.start()
    code, said = command("write")
    ending.join(LONG_S)

    assert (code, said) == (0, "writing behind price\n")


def stored(kept):
    repository = kept.service("price").repository
    source, keys = repository.fallback_data_source, repository.query("tea").keys
    return LOOP.run(source.get_many(keys)) != [None]


def test_what_waits_from_before_is_written_when_the_web_begins(start, settings):
    """A web application writes what others have left, before anybody asks it for something."""
    _, kept = start(**{"repositories:price:worker": False})
    kept.create_tables()
    kept["price"].add(Price("tea", 4))

    web = Shop()
    web.run_web_tests(settings)

    until(lambda: stored(kept))
    web.stop()
