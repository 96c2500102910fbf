"""Google Datastore (Firestore in Datastore mode) as a fallback source, by Google's client: a kind for each repository, an entity for each.

Its client does not await: calls run in threads. An entity's name is the key without the name of the repository; its properties are values
of Datastore (``native.py``), which is asked for them by key only, so none is indexed unless it is said.
"""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.auth import exceptions as login
from google.cloud import datastore

from qapla.driver.repositories.entity import Document
from qapla.driver.repositories.keys import Key
from qapla.driver.repositories.native import to_native, to_text
from qapla.driver.repositories.source import FallbackDataSource
from qapla.errors import ConfigurationError, EntityDamaged, EntityRefused, ModelError, StoreTimedOut, StoreUnavailable, Superseded
from qapla.loops import PerLoop

TERMS = "qapla_terms"  # a kind: who writes behind a memory, by the names of repositories
WRITTEN_AT_ONCE = 500  # of one commit, and so of what is kept all or none
READ_AT_ONCE = 1000
LONGEST_NAME = 1500  # bytes
RESERVED = re.compile(r"__.*__", re.DOTALL)
TRIES = 5  # of a transaction that others were in the way of
OUR_OWN = (login.DefaultCredentialsError, OSError, ValueError, TypeError)  # what making a client may raise

Answer = TypeVar("Answer")


class DatastoreFallbackDataSource(FallbackDataSource):
    """Keep documents in Google Datastore. ``DATASTORE_EMULATOR_HOST`` in the environment leads to an emulator.

    Args:
        project: whose Datastore it is; None: the one that the environment says.
        namespace: where in it.
        prefix: put before the names of repositories to make those of kinds.
        indexed: names of fields that others look for: Datastore indexes them, and then text of them has at most 1500 bytes.
        timeout_s: seconds that a call may take.
        options: keywords of ``google.cloud.datastore.Client``: ``credentials``, ``database``, ``client_options``.

    Raises:
        ConfigurationError: an option is unknown. Credentials and the project are looked for on first use.
    """

    name = "datastore"
    has_terms = True

    def __init__(
        self,
        project: str | None = None,
        *,
        namespace: str | None = None,
        prefix: str = "",
        indexed: Sequence[str] = (),
        timeout_s: float = 5.0,
        **options: Any,
    ) -> None:
        for option in options:
            if option not in ("credentials", "client_info", "client_options", "database"):
                hint = "credentials, client_info, client_options, database"
                raise ConfigurationError(f"a client of Google Datastore has no option {option!r}", hint=hint)
        self._given = {"project": project, "namespace": namespace, **options}
        self._prefix = prefix
        self._indexed = frozenset(indexed)
        self._timeout_s = timeout_s
        self._retry = Retry(predicate=if_exception_type(exceptions.ServiceUnavailable), initial=0.05, timeout=min(1.0, timeout_s / 2))
        self._clients = PerLoop(lambda: _Client(self._given), _close)
        self.place = project or "the project of the environment"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    def check(self, repository: str, attrs: tuple[str, ...], fields: tuple[str, ...]) -> None:
        """Raise a ModelError if Datastore cannot have a kind or a property of such a name."""
        for what, name in (("kind", self._prefix + repository), *(("property", field) for field in fields)):
            if not _is_name(name) or (what == "kind" and repository == TERMS):
                raise ModelError(f"{name!r} of repository {repository!r} cannot be the name of a {what} of Google Datastore")
        for name in self._indexed - set(fields):
            raise ModelError(f"repository {repository!r} has no field {name!r} to be indexed")

    async def get_many(self, keys: Sequence[Key]) -> list[Document | None]:
        """Return the document of each key, as it was written last."""

        def read(client: datastore.Client) -> dict[str, Any]:
            found = {}
            for some in _parts(list(self._names(keys)), READ_AT_ONCE):
                asked = [self._key(client, keys[0].repository, path) for path in some]
                for entity in client.get_multi(asked, retry=self._retry, timeout=self._timeout_s):
                    found[entity.key.name] = dict(entity)
            return found

        found = await self._work(read)
        return [_read(key, found.get(key.path)) for key in keys]

    async def put_many(self, documents: Sequence[tuple[Key, Document]]) -> None:
        """Put documents, in a transaction.

        Raises:
            EntityRefused: they are more than a transaction takes, 500, or one has a key or a value that is too long.
        """
        await self._write(documents[0][0].repository, documents, ())

    async def delete_many(self, keys: Sequence[Key]) -> None:
        """Delete the documents of *keys*. After an error some may be gone."""

        def forget(client: datastore.Client) -> None:
            for some in _parts(list(self._names(keys)), WRITTEN_AT_ONCE):
                gone = [self._key(client, keys[0].repository, path) for path in some]
                _insist(partial(client.delete_multi, gone, timeout=self._timeout_s), self._timeout_s)

        await self._work(forget)

    async def begin_term(self, repository: str, term: str) -> None:
        """Write *term* into the entity of *repository*, which everybody reads who settles: that ends their transactions."""

        def begin(client: datastore.Client) -> None:
            entity = datastore.Entity(self._key(client, TERMS, repository), exclude_from_indexes=("term",))
            entity["term"] = term
            _insist(lambda: client.put(entity, timeout=self._timeout_s), self._timeout_s)

        await self._work(begin)

    async def settle(self, repository: str, term: str, documents: Sequence[tuple[Key, Document]], keys: Sequence[Key]) -> None:
        """Change entities in a transaction that begins by reading the one with the term."""
        await self._write(repository, documents, keys, term)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._clients.aclose()

    async def _write(
        self, repository: str, documents: Sequence[tuple[Key, Document]], keys: Sequence[Key], term: str | None = None
    ) -> None:
        kept = {key.path: {name: to_native(text) for name, text in document.items()} for key, document in documents}
        paths = list(self._names([*(key for key, _ in documents), *keys]))
        if len(paths) > WRITTEN_AT_ONCE:
            message = f"{len(paths)} entities of repository {repository!r} cannot be kept all or none"
            raise EntityRefused(message, hint=f"Google Datastore takes {WRITTEN_AT_ONCE} at once", repository=repository)

        def write(client: datastore.Client, transaction: datastore.Transaction) -> None:
            if term is not None and term != self._read_term(client, transaction, repository):
                raise Superseded(f"somebody else writes behind repository {repository!r} now", repository=repository)
            for path in paths:
                if path not in kept:
                    transaction.delete(self._key(client, repository, path))
                    continue
                plain = tuple(name for name in kept[path] if name not in self._indexed)
                entity = datastore.Entity(self._key(client, repository, path), exclude_from_indexes=plain)
                entity.update(kept[path])
                transaction.put(entity)

        await self._work(lambda client: _insist(lambda: self._transact(client, write), self._timeout_s))

    def _transact(self, client: datastore.Client, write: Callable[[datastore.Client, datastore.Transaction], None]) -> None:
        transaction = client.transaction()
        transaction.begin(timeout=self._timeout_s)
        try:
            write(client, transaction)
        except BaseException:
            with suppress(exceptions.GoogleAPICallError):  # others need not wait for what it has read
                transaction.rollback(timeout=self._timeout_s)
            raise
        transaction.commit(timeout=self._timeout_s)

    def _read_term(self, client: datastore.Client, transaction: datastore.Transaction, repository: str) -> str | None:
        asked = self._key(client, TERMS, repository)
        found = client.get(asked, transaction=transaction, retry=self._retry, timeout=self._timeout_s)
        return None if found is None else found.get("term")

    def _names(self, keys: Sequence[Key]) -> Iterator[str]:
        """Return the names of entities, each once, in one order for all who write."""
        for path, key in sorted({key.path: key for key in keys}.items()):
            if not _is_name(path):
                message = f"a key of repository {key.repository!r} is no name for Google Datastore"
                hint = f"it is '__…__', or longer than {LONGEST_NAME} bytes"
                raise EntityRefused(message, hint=hint, repository=key.repository, key=key.text)
            yield path

    def _key(self, client: datastore.Client, repository: str, path: str) -> datastore.Key:
        return client.key(self._prefix + repository, path)

    async def _work(self, work: Callable[[datastore.Client], Answer]) -> Answer:
        holder = self._clients.get()
        try:
            return await asyncio.to_thread(lambda: work(holder.get()))
        except exceptions.RetryError as error:
            raise self._as_ours(error.cause or error) from None
        except (exceptions.GoogleAPICallError, login.GoogleAuthError) as error:
            raise self._as_ours(error) from None  # its text may quote an entity

    def _as_ours(self, error: BaseException) -> Exception:
        where = f"Google Datastore of {self.place!r}"
        if isinstance(error, exceptions.DeadlineExceeded):
            return StoreTimedOut(f"{where} does not answer in time")
        if isinstance(error, exceptions.Aborted | exceptions.ResourceExhausted):
            return StoreUnavailable(f"{where} takes no writes now: {type(error).__name__}", answered=True)
        if isinstance(error, exceptions.Unauthenticated | exceptions.PermissionDenied | login.GoogleAuthError):
            return StoreUnavailable(f"{where} does not let us in", hint="look at its credentials", answered=True)
        if isinstance(error, exceptions.InvalidArgument):
            return EntityRefused(f"{where} refused an entity: too large, or text of an indexed field is too long")
        if isinstance(error, exceptions.NotFound | exceptions.FailedPrecondition | exceptions.MethodNotImplemented):
            hint = "a project with a database in Datastore mode is needed"
            return ConfigurationError(f"{where} refused a command: {type(error).__name__}", hint=hint)
        return StoreUnavailable(f"{where} cannot be reached")


class _Client:
    """Google's client, made in the first thread that needs it: it may ask other machines who we are."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._lock = threading.Lock()
        self._client: datastore.Client | None = None

    def get(self) -> datastore.Client:
        with self._lock:
            if self._client is None:
                try:
                    self._client = datastore.Client(**self._given)
                except OUR_OWN as error:
                    hint = "name the project, and see GOOGLE_APPLICATION_CREDENTIALS or DATASTORE_EMULATOR_HOST"
                    what = type(error).__name__
                    raise ConfigurationError(f"no client of Google Datastore can be made here: {what}", hint=hint) from None
            return self._client

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()
            api = client._datastore_api_internal  # its close() knows of HTTP only
            if api is not None:
                api.transport.close()


async def _close(client: _Client) -> None:
    await asyncio.to_thread(client.close)


def _insist(write: Callable[[], None], timeout_s: float) -> None:
    """Write again while others are in the way."""
    end = time.monotonic() + timeout_s
    for tried in range(TRIES):
        try:
            return write()
        except exceptions.Aborted:
            if tried == TRIES - 1 or time.monotonic() > end:
                raise
            time.sleep(random.uniform(0.01, 0.05) * 2**tried)  # noqa: S311 - no secret
    return None


def _is_name(text: str) -> bool:
    return bool(text) and len(text.encode()) <= LONGEST_NAME and not RESERVED.fullmatch(text)


def _read(key: Key, found: dict[str, Any] | None) -> Document | None:
    try:
        return None if found is None else {name: to_text(value) for name, value in found.items()}
    except TypeError:
        raise EntityDamaged(f"what is kept as {key.text!r} is no document of ours", repository=key.repository, key=key.text) from None


def _parts(paths: list[str], size: int) -> Iterator[list[str]]:
    for at in range(0, len(paths), size):
        yield paths[at : at + size]
