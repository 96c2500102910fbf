"""MongoDB as a fallback source, by PyMongo's client that awaits: a collection for each repository, a document for each entity.

A document's ``_id`` is the key without the name of the repository; its fields are values of MongoDB (``native.py``). A write is answered
once a majority has it in the journal, and is what a majority reads.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pymongo
from pymongo import AsyncMongoClient, DeleteOne, ReadPreference, ReplaceOne, errors
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.native import NAME, to_native, to_text
from qapla.driver.repositories.source import FallbackDataSource
from qapla.errors import ConfigurationError, Conflict, EntityDamaged, EntityRefused, ModelError, StoreTimedOut, StoreUnavailable, Superseded
from qapla.loops import PerLoop

OPTIONS: dict[str, Any] = {"timeoutMS": 5000, "serverSelectionTimeoutMS": 2000, "connectTimeoutMS": 2000, "appname": "qapla"}
DURABLE = WriteConcern("majority", j=True)
TERMS = "qapla_terms"  # a collection: who writes behind a memory, by the names of repositories
KEYS_AT_ONCE = 1000
DEPTH = 50  # MongoDB takes 100 levels, and some tools fewer
COLLECTION = re.compile(r"(?!system\.)[^$.\0]+(\.[^$.\0]+)*")
LONGEST_NAME = 120  # characters of a collection's name, with that of the database

# Codes of MongoDB's own table of errors.
ILLEGAL_OPERATION, NOT_IN_TRANSACTION = 20, 263
DUPLICATE_KEY = 11000
NO_ENTRY = (13, 18)  # Unauthorized, AuthenticationFailed
NOT_NOW = (24, 43, 112, 133, 134, 136, 202, 251, 14031)  # locks, disks, limits, shards that cannot be reached
TOO_LATE = (50, 202, 262)  # MaxTimeMSExpired, NetworkInterfaceExceededTimeLimit, ExceededTimeLimit
NO_DOCUMENT = (121, 10334, 17280, 17419, 17420)  # a validator of the collection says no; too large


class MongoFallbackDataSource(FallbackDataSource):
    """Keep documents in MongoDB.

    Args:
        url: ``mongodb://user:password@host:port/database``, ``mongodb+srv://…``.
        database: its name, where the URL has none.
        prefix: put before the names of repositories to make those of collections.
        options: keywords of ``pymongo.AsyncMongoClient``, which win over ours and those of the URL: ``timeoutMS``, five seconds that
            a call may take, two of them (``serverSelectionTimeoutMS``) to find a server.

    Several entities of one call are a transaction, which needs a replica set (of one, at least) or a sharded cluster.

    Raises:
        ConfigurationError: the URL is none, an option is unknown, or there is no database. No connection is opened to find out.
    """

    name = "mongodb"
    has_terms = True

    def __init__(self, url: str, database: str | None = None, *, prefix: str = "", **options: Any) -> None:
        self._options = {**OPTIONS, **options}
        self._url = url
        self._prefix = prefix
        try:
            self._timeout_s = float(self._options["timeoutMS"]) / 1000
            client: Any = AsyncMongoClient(url, **self._options, connect=False)
            self.database: str = database or client.get_default_database().name
            client.get_database(self.database)
        except errors.ConfigurationError as error:
            if "default database" in str(error):
                raise ConfigurationError("a URL of MongoDB names no database", hint="mongodb://host/database") from None
            raise self._no_client() from None
        except (errors.PyMongoError, ValueError, TypeError):
            raise self._no_client() from None
        self.place = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
        self._clients = PerLoop(self._open, _close)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r}, {self.database!r})"

    def check(self, repository: str, attrs: tuple[str, ...], fields: tuple[str, ...]) -> None:
        """Raise a ModelError if a collection or a field of MongoDB cannot have such a name."""
        collection = self._prefix + repository
        if repository == TERMS or not COLLECTION.fullmatch(collection):
            raise ModelError(f"{collection!r} cannot be the name of a collection of MongoDB")
        if len(self.database.encode()) + len(collection.encode()) >= LONGEST_NAME:
            raise ModelError(f"{collection!r} is too long for a collection of MongoDB", hint=f"{LONGEST_NAME} bytes with the database")
        for field in fields:
            if field == "_id" or not NAME.fullmatch(field):
                raise ModelError(f"field {field!r} of repository {repository!r} cannot be one of a document of MongoDB")

    async def get_many(self, keys: Sequence[Key]) -> list[Document | None]:
        """Return the document of each key, as a majority of servers has it."""
        found: dict[str, Document] = {}
        async with self._collection(keys[0].repository) as collection:
            for some in _parts(sorted({key.path for key in keys})):
                async for one in collection.find({"_id": {"$in": some}}):
                    found[one.pop("_id")] = one
        return [_read(key, found.get(key.path)) for key in keys]

    async def put_many(self, documents: Sequence[tuple[Key, Document]]) -> None:
        """Replace one document, or several in a transaction.

        Raises:
            ConfigurationError: they are several, and the server is one by itself, which has no transactions.
        """
        writes = _changes(documents, ())

        async def write(session: AsyncClientSession) -> None:
            await collection.bulk_write(writes, session=session)

        async with self._collection(documents[0][0].repository) as collection:
            if len(writes) == 1:
                await collection.bulk_write(writes)
            else:
                await self._transact(write)

    async def delete_many(self, keys: Sequence[Key]) -> None:
        """Delete the documents of *keys*. After an error some may be gone."""
        async with self._collection(keys[0].repository) as collection:
            for some in _parts(sorted({key.path for key in keys})):
                await collection.delete_many({"_id": {"$in": some}})

    async def begin_term(self, repository: str, term: str) -> None:
        """Write *term* into the document of *repository*, which everybody changes who settles."""
        async with self._collection(TERMS) as terms:
            await terms.replace_one({"_id": repository}, {"term": term}, upsert=True)

    async def settle(self, repository: str, term: str, documents: Sequence[tuple[Key, Document]], keys: Sequence[Key]) -> None:
        """Change documents in a transaction that begins by changing the one with the term.

        Raises:
            ConfigurationError: the server is one by itself, which has no transactions.
        """
        writes = _changes(documents, keys)

        async def work(session: AsyncClientSession) -> None:
            mine = {"_id": repository, "term": term}
            if await terms.find_one_and_update(mine, {"$inc": {"settled": 1}}, session=session) is None:
                raise Superseded(f"somebody else writes behind repository {repository!r} now", repository=repository)
            if writes:
                await collection.bulk_write(writes, session=session)

        async with self._collection(TERMS) as terms, self._collection(repository) as collection:
            await self._transact(work)

    async def ping(self) -> None:
        """Ask for a sign of life of a server that takes writes.

        Raises:
            StoreUnavailable: there is none.
        """
        async with self._translated():
            await self._clients.get()[self.database].command("ping", read_preference=ReadPreference.PRIMARY)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._clients.aclose()

    async def _transact(self, work: Callable[[AsyncClientSession], Awaitable[None]]) -> None:
        async with self._clients.get().start_session() as session:
            await session.with_transaction(work, ReadConcern("snapshot"), DURABLE, ReadPreference.PRIMARY)

    def _open(self) -> AsyncMongoClient[dict[str, Any]]:
        return AsyncMongoClient(self._url, **self._options)

    def _no_client(self) -> ConfigurationError:
        hint = "mongodb://user:password@host:port/database, and options that pymongo.AsyncMongoClient knows"
        return ConfigurationError("no client of MongoDB can be made of a URL and options", hint=hint)

    @asynccontextmanager
    async def _collection(self, repository: str) -> AsyncIterator[AsyncCollection[dict[str, Any]]]:
        async with self._translated():
            database: AsyncDatabase[dict[str, Any]] = self._clients.get()[self.database]
            yield database.get_collection(self._prefix + repository, None, ReadPreference.PRIMARY, DURABLE, ReadConcern("majority"))

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            with pymongo.timeout(self._timeout_s):
                yield
        except errors.ServerSelectionTimeoutError as error:
            raise StoreUnavailable(f"MongoDB at {self.place!r} cannot be reached, or has no primary") from error
        except (errors.DocumentTooLarge, errors.InvalidDocument):
            raise EntityRefused(f"an entity is no document that MongoDB at {self.place!r} takes: too large, perhaps") from None
        except errors.OperationFailure as error:
            raise self._refused(error) from None  # its details have the documents
        except errors.ConnectionFailure as error:
            kind, what = (StoreTimedOut, "does not answer in time") if error.timeout else (StoreUnavailable, "cannot be reached")
            raise kind(f"MongoDB at {self.place!r} {what}") from None
        except errors.ConfigurationError as error:  # a name that DNS does not know, say
            raise StoreUnavailable(f"MongoDB at {self.place!r} cannot be found") from error

    def _refused(self, error: errors.OperationFailure) -> Exception:
        details: Any = error.details or {}
        first = next(iter(details.get("writeErrors") or details.get("writeConcernErrors") or []), details)
        code, name = first.get("code", error.code), first.get("codeName") or details.get("codeName")
        where = f"MongoDB at {self.place!r}"
        if code in (ILLEGAL_OPERATION, NOT_IN_TRANSACTION):
            hint = "add them one by one, or make it a replica set, of one server perhaps: rs.initiate()"
            return ConfigurationError(f"{where} has no transactions: several entities cannot be kept all or none", hint=hint)
        if code in NO_ENTRY:
            return StoreUnavailable(f"{where} does not let us in", hint="look at the user and the password of its URL", answered=True)
        if code == DUPLICATE_KEY:
            message = f"{where} has another document with a value of this one: a unique index of its collection says no"
            return Conflict(message, code="23505")
        if code in NO_DOCUMENT:
            return EntityRefused(f"an entity is no document that {where} takes: too large, or its collection has a rule")
        if error.timeout or code in TOO_LATE:
            return StoreTimedOut(f"{where} does not answer in time")
        why = name or f"code {code}"
        if code in NOT_NOW or error.has_error_label("TransientTransactionError") or error.has_error_label("RetryableWriteError"):
            return StoreUnavailable(f"{where} takes no writes now: {why}", answered=True)
        return ConfigurationError(f"{where} refused a command: {why}", hint="MongoDB 4.4 or later is needed")


async def _close(client: AsyncMongoClient[dict[str, Any]]) -> None:
    await client.close()


def _read(key: Key, found: dict[str, Any] | None) -> Document | None:
    try:
        return None if found is None else {name: to_text(value) for name, value in found.items()}
    except TypeError:
        raise EntityDamaged(f"what is kept as {key.text!r} is no document of ours", repository=key.repository, key=key.text) from None


def _changes(documents: Sequence[tuple[Key, Document]], keys: Sequence[Key]) -> list[Any]:
    """Return what writes *documents* and deletes those of *keys*, in one order for all who write."""
    kept = {key.path: {name: to_native(text, DEPTH) for name, text in document.items()} for key, document in documents}
    writes: dict[str, Any] = {path: ReplaceOne({"_id": path}, document, upsert=True) for path, document in kept.items()}
    writes |= {key.path: DeleteOne({"_id": key.path}) for key in keys}
    return [writes[path] for path in sorted(writes)]


def _parts(paths: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(paths), KEYS_AT_ONCE):
        yield paths[at : at + KEYS_AT_ONCE]
