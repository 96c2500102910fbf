"""qapla.driver.repositories.plugin: services as values of an application"""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass

import pytest
from webtest import TestApp as WebTest

from qapla.application import Application
from qapla.driver import (
    DictFallbackDataSource,
    DictMemoryDataSource,
    HashRepository,
    RepositoriesPlugin,
    StoreUnavailable,
    WithRepositories,
    make_hash_service,
)
from qapla.driver.repositories.sync import LOOP
from qapla.errors import ConfigurationError, PluginError


@dataclass
class Price:
    article: str
    amount: int


class PriceRepository(HashRepository[Price, str]):
    key_attrs = ("article",)


class Memory(DictMemoryDataSource):
    is_down = False
    closed = 0

    async def run(self, commands, *, atomic=False):
        if self.is_down:
            raise StoreUnavailable("down")
        return await super().run(commands, atomic=atomic)

    async def aclose(self):
        Memory.closed += 1


async def make_prices(app):
    app.made += 1
    return await make_hash_service(PriceRepository, Memory, DictFallbackDataSource, 60, cb_failure_threshold=1)


class Shop(Application):
    made = 0

    class MetaConfig:
        settings_module = "lazydb.settings"

    def append_app_plugins(self):
        self.add_app_plugin("health")
        self.add_app_plugin(RepositoriesPlugin(prices=make_prices, plain=lambda app: PriceRepository(Memory(), DictFallbackDataSource())))

    def append_web_plugins(self):
        self.config.add_route("price", "/{article}")
        self.config.add_view(price, route_name="price", renderer="json")


def price(request):
    return request.repositories["prices"].get_one(request.matchdict["article"]).amount


@pytest.fixture
def shop():
    app = Shop()
    app.run_command()
    yield app
    app.stop()
    LOOP.stop()


def test_functions_have_services(shop):
    """A decorated function gets services that wait, a coroutine function those that are awaited; both are the same one, made once."""

    @WithRepositories(shop, "prices", "plain")
    def change(article, amount, prices, plain):
        prices.add(Price(article, amount))
        return plain.query(article).exists

    @WithRepositories(shop, "prices")
    async def find(article, *, prices):
        return await prices.get_one(article)

    assert change("tea", amount=4) is False
    assert asyncio.run(find("tea")) == Price("tea", 4)
    assert shop.made == 1
    assert list(inspect.signature(change).parameters) == ["article", "amount"]


def test_who_passes_a_service_gets_no_other(shop):
    """A test passes its own, and the application need not run."""

    @WithRepositories(Shop(), "prices")
    def find(article, prices):
        return prices[article]

    assert find("tea", prices={"tea": 3}) == find("tea", {"tea": 3}) == 3


def test_scopes_have_services(shop):
    """A scope has them: to be awaited where it is."""
    with shop.scope() as scope:
        scope["repositories"]["prices"].add(Price("tea", 4))

    async def find():
        async with shop.scope() as scope:
            return await scope["repositories"]["prices"].get_one("tea")

    assert asyncio.run(find()) == Price("tea", 4)


def test_health_tells_of_a_memory_that_is_down(shop):
    """A memory that is down is told, and the application is ready: the store behind it answers."""
    service = shop["repositories"]["prices"]
    service.repository.memory_data_source.source.is_down = True
    with shop.scope() as scope:
        scope["repositories"]["prices"].add(Price("tea", 4))

    report = shop["health"].run()

    assert report.is_ready
    assert [outcome.name for outcome in report.outcomes if outcome.word != "ok"] == ["repository:prices"]


def test_services_are_closed_with_the_application():
    """What was made is closed when the application stops; what was not used is not made for that."""
    app = Shop()
    app.run_command()
    with app.scope() as scope:
        scope["repositories"]["plain"].add(Price("tea", 4))
    before = Memory.closed

    app.stop()
    LOOP.stop()

    assert (Memory.closed, app.made) == (before + 1, 0)


def test_views_have_services():
    """A view has request.repositories."""
    app = Shop()
    web = WebTest(app.run_web_tests())
    with app.scope() as scope:
        scope["repositories"]["prices"].add(Price("tea", 4))

    assert web.get("/tea").json == 4
    app.stop()
    LOOP.stop()


def test_mistakes_are_told(shop):
    """An unknown name, a function without the parameter, and what is no function are told."""
    with pytest.raises(PluginError, match="did you mean 'prices'"):
        shop["repositories"]["price"]
    with pytest.raises(ConfigurationError, match="no parameter 'prices'"):
        WithRepositories(shop, "prices")(lambda article: None)
    with pytest.raises(ConfigurationError, match="cannot be given"):
        WithRepositories(shop, "prices")(Price)
    with pytest.raises(ConfigurationError, match="cannot be called"):
        RepositoriesPlugin(prices=7)
