"""qapla.driver.repositories.mongo, on a server that speaks MongoDB's protocol and is not MongoDB: that is in no package registry"""

from __future__ import annotations

import asyncio
import gc
import secrets
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from threading import Timer

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener
from secantus import SecantusDBServer

from qapla.application import Application
from qapla.driver import (
    DictMemoryDataSource,
    EntityDamaged,
    EntityRefused,
    HashRepository,
    MongoFallbackDataSource,
    StoreTimedOut,
    StoreUnavailable,
)
from qapla.driver.repositories.keys import make_key
from qapla.errors import ConfigurationError, Conflict, ModelError
from qapla.plugins.repositories import Declared, RepositoriesPlugin
from qapla.testing.contracts.terms import TermsContract

KEY, OTHER = (make_key("thing", ("id",), (id,)) for id in ("a", "b"))
DOCUMENT = {"id": b'"a"', "note": b'"x"'}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with SecantusDBServer(storage_path=str(tmp_path_factory.mktemp("mongodb"))) as server:
        yield server
        knock = Timer(0.1, knock_at, server.address)  # it waits two seconds for somebody to come
        knock.start()
    knock.join()


def knock_at(host, port):
    with suppress(OSError):
        socket.create_connection((host, port)).close()


@pytest.fixture(scope="module")
def client(server):
    with MongoClient(server.uri) as client:
        yield client


@pytest.fixture(scope="module")
def runner():
    """One event loop for all tests: closing a client takes its time"""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def wait(runner):
    return runner.run


@pytest.fixture(scope="module")
def clients(server, runner):
    """One client of MongoDB, for sources of many databases"""
    first = MongoFallbackDataSource(server.uri, "first", timeoutMS=30_000)
    yield first._clients
    runner.run(first.aclose())


@pytest.fixture
def new_source(server, clients):
    source = MongoFallbackDataSource(server.uri, f"test_{secrets.token_hex(6)}", timeoutMS=30_000)
    source._clients = clients
    return source


@pytest.fixture
def source(new_source):
    return new_source


@pytest.fixture
def kept(source, client):
    """The collection of the repository ``thing``"""
    return client[source.database]["thing"]


@pytest.fixture
def failing(client):
    """Has commands fail for a block"""

    @contextmanager
    def fail(times=1, **data):
        client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data})
        try:
            yield
        finally:
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})

    return fail


@dataclass
class Price:
    article: str
    amount: int


class PriceRepository(HashRepository[Price, str]):
    key_attrs = ("article",)


class TestMongo(TermsContract):
    """MongoDB behind the memory"""

    @pytest.fixture(autouse=True)
    def on(self, runner):
        self.runner = runner

    @pytest.fixture
    def source(self, new_source):
        return new_source

    def wait(self, asked):
        return self.runner.run(asked)


def test_entities_are_documents_that_others_can_read(source, client, wait):
    """Fields are values of MongoDB, under the key; a value that MongoDB has no type for comes back all the same."""

    @dataclass
    class Person:
        id: str
        age: int
        born: datetime
        price: Decimal
        tags: list[str]
        odd: dict[str, int]

    class People(HashRepository[Person, str]):
        pass

    person = Person("ada", 2**70, datetime(1815, 12, 10, tzinfo=UTC), Decimal("4.20"), ["a"], {"$x": 1})
    people = People(DictMemoryDataSource(), source, 60)

    wait(people.add(person))

    assert wait(people.query("ada", memory=False).entity) == person
    assert client[source.database]["person"].find_one() == {
        "_id": "ada",
        "id": "ada",
        "age": b"1180591620717411303424",
        "born": "1815-12-10T00:00:00Z",
        "price": "4.20",
        "tags": ["a"],
        "odd": b'{"$x":1}',
    }


def test_writes_are_durable_when_they_return(server, wait):
    """A majority has a write in its journal before it is answered, and is what is read."""
    seen = []

    class Listener(CommandListener):
        def started(self, event):
            seen.append((event.command_name, event.command.get("writeConcern"), dict(event.command.get("readConcern") or {}).get("level")))

        def succeeded(self, event):
            pass

        def failed(self, event):
            pass

    source = MongoFallbackDataSource(server.uri, "durable", event_listeners=[Listener()])

    async def live():
        await source.put_many([(KEY, DOCUMENT)])
        await source.put_many([(KEY, DOCUMENT), (OTHER, DOCUMENT)])
        await source.delete_many([KEY])
        await source.get_many([KEY])
        await source.aclose()

    wait(live())

    durable = {"w": "majority", "j": True}
    assert seen[:5] == [
        ("update", durable, None),
        ("update", None, "snapshot"),
        ("commitTransaction", durable, None),
        ("delete", durable, None),
        ("find", None, "majority"),
    ]


def test_all_are_kept_or_none(source, kept, wait):
    """One document that its collection refuses keeps all others of the call out; what is told has no value of theirs."""
    kept.create_index("note", unique=True)
    wait(source.put_many([(OTHER, {"note": b'"hidden"'})]))

    with pytest.raises(Conflict) as caught:
        wait(source.put_many([(make_key("thing", ("id",), (id,)), {"note": note}) for id, note in (("0", b'"new"'), ("z", b'"hidden"'))]))
    with pytest.raises(EntityRefused, match="too large"):
        wait(source.put_many([(KEY, {"note": b'"y"'}), (OTHER, {"note": b'"' + b"x" * 17_000_000 + b'"'})]))

    assert "hidden" not in f"{caught.value!r}{caught.value}{caught.value.__cause__!r}"
    assert [one["_id"] for one in kept.find()] == ["b"]


def test_conflicts_and_lost_answers_are_tried_again(source, kept, failing, wait):
    """Another writer in the way, and an answer to a commit that is lost, are nothing that callers see."""
    with failing(failCommands=["update"], errorCode=112, errorLabels=["TransientTransactionError"]):
        wait(source.put_many([(KEY, DOCUMENT), (OTHER, DOCUMENT)]))
    with failing(failCommands=["commitTransaction"], closeConnection=True):
        wait(source.put_many([(KEY, DOCUMENT), (OTHER, {"note": b'"y"'})]))

    assert [one["note"] for one in kept.find().sort("_id")] == ["x", "y"]


def test_server_without_transactions_is_told(source, kept, failing, wait):
    """A server by itself keeps entities one by one; several at once are refused, with what to do."""
    with failing(failCommands=["update"], errorCode=20), pytest.raises(ConfigurationError, match=r"rs\.initiate"):
        wait(source.put_many([(KEY, DOCUMENT), (OTHER, DOCUMENT)]))

    assert kept.count_documents({}) == 0


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (13, StoreUnavailable, "let us in"),
        (14031, StoreUnavailable, "no writes now"),
        (50, StoreTimedOut, "in time"),
    ],
)
def test_refusals_are_told_for_what_they_are(source, failing, wait, code, kind, said):
    """What MongoDB says is an error of ours."""
    with failing(failCommands=["update"], errorCode=code), pytest.raises(kind, match=said):
        wait(source.put_many([(KEY, DOCUMENT)]))


def test_rule_of_a_collection_is_told(source, client, wait):
    """A document that a validator of its collection refuses is refused."""
    client[source.database].create_collection("thing", validator={"note": {"$type": "int"}})

    with pytest.raises(EntityRefused, match="rule"):
        wait(source.put_many([(KEY, DOCUMENT)]))


def test_silence_is_told_as_such(source, failing, wait):
    """An answer that does not come in time is an error of its own, and nobody else's answer; nor is one that was given up on."""
    wait(source.put_many([(KEY, DOCUMENT), (OTHER, {"note": b'"y"'})]))
    source._timeout_s = 0.1

    with failing(failCommands=["find"], blockConnection=True, blockTimeMS=400), pytest.raises(StoreTimedOut):
        wait(source.get_many([KEY]))
    source._timeout_s = 30
    with failing(failCommands=["find"], blockConnection=True, blockTimeMS=400), pytest.raises(TimeoutError):
        wait(asyncio.wait_for(source.get_many([KEY]), 0.1))

    assert wait(source.get_many([OTHER])) == [{"note": b'"y"'}]


def test_document_of_somebody_else_is_told(source, kept, wait):
    """What is no document of ours is damaged, not missing."""
    kept.insert_one({"_id": "a", "born": datetime(1815, 12, 10, tzinfo=UTC)})

    with pytest.raises(EntityDamaged, match="'thing:a'"):
        wait(source.get_many([KEY]))


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # PyMongo leaves one to the collector that it was just opening
def test_server_that_is_away_is_told(wait):
    """A server that nobody listens for, or that is silent, is a StoreUnavailable, without its password."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            source = MongoFallbackDataSource(f"mongodb://me:hunter2@127.0.0.1:{port}/x", timeoutMS=200)
            with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
                wait(source.get_many([KEY]))
            assert "hunter2" not in f"{caught.value!r}{caught.value}{caught.value.__cause__}{source!r}"
            wait(source.aclose())
    gc.collect()


def test_mistakes_are_told():
    """URLs, options and names that cannot be are told before anything is opened."""
    for url, options in (("http://db.example.org/x", {}), ("", {}), ("mongodb://db.example.org/x", {"colour": "red"})):
        with pytest.raises(ConfigurationError, match="no client of MongoDB"):
            MongoFallbackDataSource(url, **options)
    with pytest.raises(ConfigurationError, match="names no database"):
        MongoFallbackDataSource("mongodb://me:hunter2@db.example.org")
    source = MongoFallbackDataSource("mongodb://db.example.org/x")
    names = ("a$b", "system.x", "a..b", "qapla_terms", "x" * 200)
    for name, field in (*((name, "id") for name in names), *(("thing", field) for field in ("_id", "$x", "a.b"))):
        with pytest.raises(ModelError, match="MongoDB"):
            source.check(name, ("id",), (field,))


def test_plugin_takes_other_sources(server):
    """An application puts its own memory and store in the place of Redis and a database, and closes them when it stops."""

    class Shop(Application):
        class MetaConfig:
            settings_module = "lazydb.settings"

        def append_app_plugins(self):
            memory, fallback = lambda app: DictMemoryDataSource(), lambda app: MongoFallbackDataSource(server.uri, "shop")
            self.add_app_plugin(RepositoriesPlugin([Declared(PriceRepository, memory=memory, fallback=fallback, expire_time=60)]))

    shop = Shop()
    shop.run_tests({})
    try:
        prices = shop["repositories"]["price"]
        prices.add(Price("tea", 4), Price("milk", 1))

        assert prices.get_one("tea", memory=False) == Price("tea", 4)
    finally:
        shop.stop()
