"""qapla.driver.repositories.datastore: on Google's emulator where it is installed; on a stand-in that can fail, and speaks the same gRPC"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from urllib.error import URLError
from urllib.request import urlopen

import grpc
import pytest
from google.cloud import datastore
from google.cloud.datastore_v1.types import datastore as messages

from qapla.driver import (
    DatastoreFallbackDataSource,
    DictMemoryDataSource,
    EntityDamaged,
    EntityRefused,
    HashRepository,
    StoreTimedOut,
    StoreUnavailable,
)
from qapla.driver.repositories.keys import make_key
from qapla.errors import ConfigurationError, ModelError
from qapla.testing.contracts.terms import TermsContract
from qapla.testing.packages import find_program
from qapla.testing.processes import free_port

PLACE = "/usr/lib/google-cloud-sdk/platform/cloud-datastore-emulator/cloud_datastore_emulator"
EMULATOR = find_program("java") and find_program("cloud_datastore_emulator", PLACE)
KEY, OTHER = (make_key("thing", ("id",), (id,)) for id in ("a", "b"))
DOCUMENT = {"id": b'"a"', "note": b'"x"'}


class StandIn:
    """What of Datastore a fallback source asks, from memory: strict about what the service is strict about"""

    def __init__(self):
        self.kept = {}
        self.versions = Counter()
        self.open = {}  # what transactions have read
        self.errors = []
        self.silence = threading.Event()
        self.lock = threading.Lock()
        self.calls = []
        self.server = grpc.server(ThreadPoolExecutor(8))
        kinds = {"Lookup": self.lookup, "BeginTransaction": self.begin, "Commit": self.commit, "Rollback": self.rollback}
        handlers = {name: self.handler(name, answer) for name, answer in kinds.items()}
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.datastore.v1.Datastore", handlers),))
        self.host = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def handler(self, name, answer):
        asked, answered = getattr(messages, f"{name}Request"), getattr(messages, f"{name}Response")

        def handle(request, context):
            self.calls.append(name)
            if self.errors and self.errors[0][0] == name:
                code = self.errors.pop(0)[1]
                if code is None:
                    self.silence.wait(10)
                else:
                    context.abort(code, "said with 'hidden' values")
            with self.lock:
                return answer(request, context)

        return grpc.unary_unary_rpc_method_handler(handle, request_deserializer=asked.deserialize, response_serializer=answered.serialize)

    def place(self, key):
        return key.partition_id.namespace_id, *((step.kind, step.name) for step in key.path)

    def lookup(self, request, context):
        if request.read_options.transaction:
            self.open[request.read_options.transaction] |= {self.place(key): self.versions[self.place(key)] for key in request.keys}
        found = [self.kept[self.place(key)] for key in request.keys if self.place(key) in self.kept]
        return messages.LookupResponse(found=[{"entity": entity} for entity in found])

    def begin(self, request, context):
        name = secrets.token_bytes(4)
        self.open[name] = {}
        return messages.BeginTransactionResponse(transaction=name)

    def commit(self, request, context):
        if len(request.mutations) > 500:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "too many")
        read = self.open.pop(request.transaction) if request.transaction else {}
        if any(self.versions[place] != version for place, version in read.items()):
            context.abort(grpc.StatusCode.ABORTED, "what was read was changed")
        for one in request.mutations:
            place = self.place(one.delete if "delete" in one else one.upsert.key)
            self.versions[place] += 1
            if "delete" in one:
                self.kept.pop(place, None)
            else:
                self.kept[place] = one.upsert
        return messages.CommitResponse(mutation_results=[{} for _ in request.mutations])

    def rollback(self, request, context):
        del self.open[request.transaction]
        return messages.RollbackResponse()


@contextmanager
def emulator(folder):
    """Google's own, in memory; its Java made to start soon, not to run fast"""
    port = free_port()
    options = ["--host=127.0.0.1", f"--port={port}", "--store_on_disk=False", "--firestore_in_datastore_mode", str(folder)]
    environment = {**os.environ, "JAVA": "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([EMULATOR, "start", *options], stdout=log, stderr=log, start_new_session=True, env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
                break
            except (URLError, OSError):
                is_coming = process.poll() is None and time.monotonic() < deadline
                assert is_coming, (folder / "log").read_text()
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def stand_in():
    server = StandIn()
    yield server
    server.silence.set()
    server.server.stop(None).wait()


@pytest.fixture(scope="module")
def host(stand_in, tmp_path_factory):
    """Where a Datastore is: Google's emulator, or the stand-in where that is not installed"""
    if not EMULATOR:
        yield stand_in.host
        return
    with emulator(tmp_path_factory.mktemp("datastore")) as host:
        yield host


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def wait(runner):
    return runner.run


@pytest.fixture
def new_source(host, runner, monkeypatch):
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", host)
    source = DatastoreFallbackDataSource("qapla-test", namespace=secrets.token_hex(6), timeout_s=30)
    yield source
    runner.run(source.aclose())


class TestDatastore(TermsContract):
    """Google Datastore behind the memory"""

    @pytest.fixture(autouse=True)
    def on(self, runner):
        self.runner = runner

    @pytest.fixture
    def source(self, new_source):
        return new_source

    def wait(self, asked):
        return self.runner.run(asked)


def test_entities_can_be_read_by_others(new_source, host, wait):
    """Fields are properties of Datastore, not indexed unless it is said; a value that it has no type for comes back all the same."""

    @dataclass
    class Person:
        id: str
        age: int
        born: datetime
        price: Decimal
        tags: list[str]

    class People(HashRepository[Person, str]):
        pass

    person = Person("ada", 2**70, datetime(1815, 12, 10, tzinfo=UTC), Decimal("4.20"), ["a"])
    source = DatastoreFallbackDataSource("qapla-test", namespace=new_source._given["namespace"], indexed=("price",))
    people = People(DictMemoryDataSource(), source, 60)

    wait(people.add(person))

    assert wait(people.query("ada", memory=False).entity) == person
    client = datastore.Client("qapla-test", namespace=new_source._given["namespace"])
    found = client.get(client.key("person", "ada"))
    client._datastore_api.transport.close()
    assert dict(found) == {"id": "ada", "age": b"1180591620717411303424", "born": "1815-12-10T00:00:00Z", "price": "4.20", "tags": b'["a"]'}
    assert found.exclude_from_indexes == {"id", "age", "born", "tags"}
    wait(source.aclose())


@pytest.fixture
def source(stand_in, runner, monkeypatch):
    """A source whose Datastore can be told to fail"""
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", stand_in.host)
    stand_in.kept.clear()
    stand_in.errors.clear()
    stand_in.calls.clear()
    source = DatastoreFallbackDataSource("qapla-test", timeout_s=30)
    yield source
    runner.run(source.aclose())


def test_several_are_one_transaction(source, stand_in, wait):
    """What is put together is committed together."""
    wait(source.put_many([(KEY, DOCUMENT), (OTHER, DOCUMENT)]))

    assert stand_in.calls == ["BeginTransaction", "Commit"]
    assert len(stand_in.kept) == 2


def test_more_than_a_transaction_takes_are_refused(source, stand_in, wait):
    """Entities that cannot be kept all or none are refused, before any is; they can be deleted and read."""
    keys = [make_key("thing", ("id",), (number,)) for number in range(1001)]

    with pytest.raises(EntityRefused, match="500 at once"):
        wait(source.put_many([(key, DOCUMENT) for key in keys[:501]]))

    assert stand_in.calls == []
    wait(source.put_many([(keys[1000], DOCUMENT)]))
    assert wait(source.get_many(keys)) == [None] * 1000 + [DOCUMENT]
    wait(source.delete_many(keys))
    assert stand_in.kept == {}


def test_others_in_the_way_are_waited_for(source, stand_in, wait):
    """A transaction that Datastore gives up for another one is tried again, and told when that goes on."""
    stand_in.errors = [("Commit", grpc.StatusCode.ABORTED)] * 2
    wait(source.put_many([(KEY, DOCUMENT)]))
    stand_in.errors = [("Commit", grpc.StatusCode.ABORTED)] * 5
    with pytest.raises(StoreUnavailable, match="Aborted"):
        wait(source.put_many([(KEY, {"note": b'"y"'})]))

    assert wait(source.get_many([KEY])) == [DOCUMENT]


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("UNAVAILABLE", StoreUnavailable, "cannot be reached"),
        ("DEADLINE_EXCEEDED", StoreTimedOut, "in time"),
        ("RESOURCE_EXHAUSTED", StoreUnavailable, "no writes now"),
        ("PERMISSION_DENIED", StoreUnavailable, "let us in"),
        ("INVALID_ARGUMENT", EntityRefused, "too large"),
        ("FAILED_PRECONDITION", ConfigurationError, "Datastore mode"),
    ],
)
def test_refusals_are_told_for_what_they_are(source, stand_in, wait, code, kind, said):
    """What Datastore says is an error of ours, without what it quotes; nothing is kept."""
    stand_in.errors = [("Commit", getattr(grpc.StatusCode, code))]

    with pytest.raises(kind, match=said) as caught:
        wait(source.put_many([(KEY, DOCUMENT), (OTHER, DOCUMENT)]))

    assert "hidden" not in f"{caught.value!r}{caught.value}{caught.value.__cause__!r}"
    assert stand_in.kept == {}


def test_answer_that_was_lost_is_asked_for_again(source, stand_in, wait):
    """A read that a connection was lost during is read again."""
    wait(source.put_many([(KEY, DOCUMENT)]))
    stand_in.errors = [("Lookup", grpc.StatusCode.UNAVAILABLE)]

    assert wait(source.get_many([KEY])) == [DOCUMENT]


def test_silence_is_told_as_such(source, stand_in, wait):
    """An answer that does not come in time is an error of its own."""
    stand_in.errors = [("Lookup", None)]
    source._timeout_s = 0.2

    try:
        with pytest.raises(StoreTimedOut):
            wait(source.get_many([KEY]))
    finally:
        stand_in.silence.set()


def test_document_of_somebody_else_is_told(source, wait):
    """What is no document of ours is damaged, not missing."""
    client = datastore.Client("qapla-test")
    entity = datastore.Entity(client.key("thing", "a"))
    entity["born"] = datetime(1815, 12, 10, tzinfo=UTC)
    client.put(entity)
    client._datastore_api.transport.close()

    with pytest.raises(EntityDamaged, match="'thing:a'"):
        wait(source.get_many([KEY]))


def test_service_that_is_away_is_told(monkeypatch, wait):
    """A Datastore that nobody listens for is a StoreUnavailable, never a missing entity."""
    monkeypatch.setenv("DATASTORE_EMULATOR_HOST", "127.0.0.1:1")
    source = DatastoreFallbackDataSource("qapla-test", timeout_s=0.5)

    for ask in (source.get_many([KEY]), source.put_many([(KEY, DOCUMENT)]), source.delete_many([KEY])):
        with pytest.raises(StoreUnavailable, match="'qapla-test'"):
            wait(ask)
    wait(source.aclose())


def test_mistakes_are_told(source, monkeypatch, wait):
    """Options, names, keys and credentials that cannot be are told for what they are."""
    with pytest.raises(ConfigurationError, match="'colour'"):
        DatastoreFallbackDataSource("qapla-test", colour="red")
    for name, field in (("__thing__", "id"), ("x" * 1501, "id"), ("thing", "__id__")):
        with pytest.raises(ModelError, match="Datastore"):
            source.check(name, ("id",), (field,))
    with pytest.raises(ModelError, match="'price'"):
        DatastoreFallbackDataSource("qapla-test", indexed=("price",)).check("thing", ("id",), ("id",))
    with pytest.raises(EntityRefused, match="1500"):
        wait(source.put_many([(KEY, DOCUMENT), (make_key("thing", ("id",), ("ä" * 751,)), DOCUMENT)]))
    with pytest.raises(ConfigurationError, match="DATASTORE_EMULATOR_HOST"):
        wait(DatastoreFallbackDataSource("qapla-test", credentials=object()).get_many([KEY]))

    assert wait(source.get_many([KEY])) == [None]
