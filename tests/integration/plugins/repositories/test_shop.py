"""qapla.plugins.repositories with a real Redis, and databases behind it"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal

import pytest
from celery import shared_task
from pyramid.config import Configurator
from pyramid.response import Response
from redis import Redis
from webtest import TestApp

from qapla.database.application import DatabaseApplication
from qapla.database.database import Database
from qapla.driver import EntityNotFound, HashRepository
from qapla.plugins.celery.plugin import CeleryPlugin
from qapla.plugins.redis.plugin import RedisPlugin
from qapla.plugins.repositories import Declared, RepositoriesPlugin, WithRepositories
from qapla.testing.servers import make_database


@dataclass
class Price:
    article: str
    amount: Decimal


class PriceRepository(HashRepository[Price, str]):
    key_attrs = ("article",)


class Shop(DatabaseApplication):
    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        self.add_database_app([Database("main")])
        self.add_app_plugin(RedisPlugin())
        self.add_app_plugin(RepositoriesPlugin([Declared(PriceRepository, database="main", expire_time=60)]))
        self.add_app_plugin(CeleryPlugin())

    def append_web_plugins(self):
        self.config.add_route("price", "/{article}")
        self.config.add_view(show, route_name="price")


def show(request):
    """Answer from the repository, and say what Redis has"""
    price = request.repositories["price"].get_one(request.matchdict["article"])
    return Response(f"{price.amount} {request.redis.exists('price:' + price.article)}")


main = Shop()


@shared_task
@WithRepositories(main, "price")
def raise_price(article, percent, price):
    """Make something dearer"""
    old = price.get_one(article)
    price.add(Price(article, old.amount * (100 + percent) / 100))
    return str(price.get_one(article).amount)


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request, redis_url):
    with make_database(request.param) as url:
        client = Redis.from_url(redis_url)
        yield {
            "db:main:url": url.render_as_string(hide_password=False),
            "redis:default:url": redis_url,
            "celery:broker_url": redis_url,
            "celery:task_always_eager": True,
        }
        client.delete(*(client.keys("price:*") or ["none"]))
        client.close()


def start(settings):
    """Start the shop for the web, with its table"""
    shop = Shop()
    web = TestApp(shop.run_web_tests(settings))
    shop["repositories"].create_tables()
    return shop, web


def test_a_view_and_a_task(settings):
    """What a task changes a view shows; both find it in Redis."""
    shop, web = start(settings)
    shop["repositories"]["price"].add(Price("tea", Decimal("4.00")))

    assert web.get("/tea").text == "4.00 1"
    assert raise_price.delay("tea", 10).get() == "4.40"
    assert web.get("/tea").text == "4.40 1"
    with pytest.raises(EntityNotFound):
        raise_price.delay("milk", 10).get()
    shop.stop()


def test_what_redis_forgets_the_database_knows(settings, redis_url):
    """A Redis that is emptied is filled again; threads ask at once."""
    shop, web = start(settings)
    prices = shop["repositories"]["price"]
    prices.add(*(Price(str(number), Decimal(number)) for number in range(20)))
    with Redis.from_url(redis_url) as client:
        client.delete(*client.keys("price:*"))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: prices.get_one(str(number)).amount, list(range(20)) * 3))

    assert answers == [Decimal(number) for number in range(20)] * 3
    assert web.get("/7").text == "7 1"
    shop.stop()


def test_what_another_process_changes(settings):
    """A view shows what another process has changed, although its answers are kept, and live for a minute."""
    shop, web = start({**settings, "repositories:price:cache_type": "LRU", "repositories:price:cache_invalidation": "true"})
    prices, cache = shop["repositories"]["price"], shop["repositories"].service("price").cache
    prices.add(Price("tea", Decimal("4.00")))
    wait_until(lambda: web.get("/tea").text == "4.00 1" and len(cache))

    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        is_clean = len(cache) == 0
        shop["repositories"]["price"].add(Price("tea", Decimal("5.00")))
        os._exit(0 if is_clean else 1)

    assert os.waitpid(pid, 0)[1] == 0
    wait_until(lambda: web.get("/tea").text == "5.00 1")
    shop.stop()


def wait_until(is_so):
    """Wait until something is so"""
    ends = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_workers_that_fork(settings):
    """Children of a process that has used its repositories use their own connections, and leave the parent's alone."""
    shop, _ = start(settings)
    prices = shop["repositories"]["price"]
    prices.add(Price("tea", Decimal("4.00")))

    children = []
    for number in range(3):
        pid = os.fork()
        if pid == 0:
            signal.alarm(20)
            mine = shop["repositories"]["price"]
            mine.add(Price(str(number), mine.get_one("tea").amount + number))
            os._exit(0)
        children.append(pid)
    codes = [os.waitpid(pid, 0)[1] for pid in children]

    assert codes == [0, 0, 0]
    assert [str(price.amount) for price in prices.get_many("tea", "0", "1", "2")] == ["4.00", "4.00", "5.00", "6.00"]
    shop.stop()


def test_a_plain_pyramid_program(tmp_path, redis_url):
    """Any Pyramid program includes the plugin; its settings declare the repositories, and nothing else does."""
    settings = {
        "qapla.redis.default.url": redis_url,
        "qapla.db.main.url": f"sqlite:///{tmp_path / 'main.sqlite'}",
        "qapla.repositories.price.class": f"{__name__}.PriceRepository",
        "qapla.repositories.price.database": "main",
        "qapla.repositories.price.expire_time": "60",
    }
    config = Configurator(settings=settings)
    for part in ("qapla.plugins.redis", "qapla.database.web", "qapla.plugins.repositories"):
        config.include(part)
    config.add_route("price", "/{article}")
    config.add_view(show, route_name="price")
    web = TestApp(config.make_wsgi_app())
    app = config.registry["qapla.app"]
    app["repositories"].create_tables()
    app["repositories"]["price"].add(Price("plain", Decimal("3")))

    assert web.get("/plain").text == "3 1"
    assert app["repositories"].service("price").repository.expire_time == 60
    app["repositories"]["price"].delete("plain")
    app.stop()


PROGRAM = """
import logging, os, sys
from dataclasses import dataclass
from qapla.driver import DictFallbackDataSource, HashRepository, RedisMemoryDataSource

@dataclass
class Price:
    article: str
    amount: int

class PriceRepository(HashRepository[Price, str]):
    key_attrs = ("article",)

logging.getLogger("asyncio").setLevel(logging.ERROR)  # how long a step took is no complaint
prices = PriceRepository.sync(RedisMemoryDataSource(sys.argv[1], socket_timeout=2), DictFallbackDataSource(), 60, deadline_s=5)
prices.add(Price("program", 4))
pid = os.fork()
print(prices.query("program").entity.amount, flush=True)
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    print(prices.query("program").entity.amount)
    prices.query("program").delete
"""


def test_a_child_that_ends_by_itself(redis_url):
    """The end of a child, with all that Python clears up then, takes no connection from its parent; nobody complains, of anything."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", PROGRAM, redis_url], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.stdout, done.stderr, done.returncode) == ("4\n" * 3, "", 0)
