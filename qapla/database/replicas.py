"""The replicas of a database, as ``db:<name>:replicas`` lists them; who reads from them is in ``routing.py``.

A replica that does not answer is passed over for a while: the next one is asked, at last the primary. The log says so once. Replicas are
asked in turn; on their connections the database itself refuses writes, so that a hidden one fails and does not diverge.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from qapla.database import dialects
from qapla.database.engines import Engines, first_line, open_async_engine, open_configured, open_engine, read_options, read_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine.interfaces import ExceptionContext

    from qapla.settings import Settings

PASSED_OVER_S = 5.0
CONNECT_TIMEOUT_S = 3
EXPECTED = "a list of database URLs, or of mappings with 'url' and 'options'"

log = logging.getLogger(__name__)


class Replica:
    """One replica: its ``engines``, and whether it is passed over just now.

    Args:
        name: what messages call it; a URL without password.
    """

    engines: Engines

    def __init__(self, name: str) -> None:
        self.name = name
        self._ask_again_at: float | None = None

    def __repr__(self) -> str:
        return f"<Replica {self.name}>"

    @property
    def is_passed_over(self) -> bool:
        """Tell whether it did not answer the last time that it was asked."""
        return self._ask_again_at is not None

    def may_be_asked(self) -> bool:
        """Tell whether to try it; of many who ask about one that was passed over long enough, one may."""
        if self._ask_again_at is None:
            return True
        now = time.monotonic()
        if now < self._ask_again_at:
            return False
        self._ask_again_at = now + PASSED_OVER_S
        return True

    def failed(self, error: BaseException) -> None:
        """Pass it over from now on; the log says so once."""
        if self._ask_again_at is None:
            log.warning("replica %s is passed over: %s", self.name, first_line(error))
        self._ask_again_at = time.monotonic() + PASSED_OVER_S

    def answered(self) -> None:
        """Ask it again from now on."""
        if self._ask_again_at is not None:
            self._ask_again_at = None
            log.info("replica %s answers again", self.name)

    def watch(self, engine: Engine) -> None:
        """Notice when *engine* loses the replica in the middle of its work."""

        def lost(context: ExceptionContext) -> None:
            if context.is_disconnect and not context.is_pre_ping:  # the pool connects anew after a ping
                self.failed(context.original_exception)

        event.listen(engine, "handle_error", lost)


class Replicas:
    """The replicas of one database, asked in turn."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = tuple(replicas)
        self._turn = itertools.count()

    def __iter__(self) -> Iterator[Replica]:
        return iter(self._replicas)

    def __len__(self) -> int:
        return len(self._replicas)

    def connect(self, find_engine: Callable[[Replica], Engine]) -> Connection | None:
        """Return a connection to the replica whose turn it is, or the next that answers; None: none does."""
        first = next(self._turn)
        for number in range(len(self._replicas)):
            replica = self._replicas[(first + number) % len(self._replicas)]
            if not replica.may_be_asked():
                continue
            try:
                connection = find_engine(replica).connect()
            except (DBAPIError, OSError) as error:
                replica.failed(error)
            else:
                replica.answered()
                return connection
        return None


def read_replicas(settings: Settings, prefix: str, primary: URL, announce: Callable[[Any], None]) -> Replicas:
    """Return the replicas that the setting ``<prefix>:replicas`` lists; no connection is opened.

    Their options are those of the primary, and their own on top. *announce* is called with every engine that is made.

    Raises:
        SettingsError: an entry is no URL and no mapping with one, or not on the engine of the *primary*.
    """
    key = f"{prefix}:replicas"
    given = settings.get(key)
    given = given.split() if isinstance(given, str) else given  # as the environment has it
    if not isinstance(given, list | tuple):
        raise settings.wrong(key, EXPECTED)
    return Replicas([_read_replica(settings, prefix, primary, entry, announce) for entry in given])


def _read_replica(settings: Settings, prefix: str, primary: URL, entry: Any, announce: Callable[[Any], None]) -> Replica:
    key = f"{prefix}:replicas"
    own = {"url": entry} if isinstance(entry, str) else entry
    if not isinstance(own, Mapping) or not set(own) <= {"url", "options"} or "url" not in own:
        raise settings.wrong(key, EXPECTED)
    url = read_url(settings, key, own["url"])
    known = dialects.ENGINES.get(url.get_backend_name())
    if url.get_backend_name() != primary.get_backend_name():
        raise settings.wrong(key, f"replicas on the engine of the primary, {primary.get_backend_name()!r}, and one is on another")
    if known is None or known.read_only is None:
        raise settings.wrong(key, f"nothing, since replicas on {url.get_backend_name()!r} are not offered")
    replica = Replica(url.render_as_string(hide_password=True))

    def open_with(opener: Callable[..., Any], kind: str) -> Any:
        base = f"{prefix}:{kind}" if f"{prefix}:{kind}" in settings else f"{prefix}:options"
        options = _with_deadline(url, {**read_options(settings, base), **_own_options(own)})
        engine = open_configured(opener, url, settings, key, options, is_read_only=True)
        replica.watch(getattr(engine, "sync_engine", engine))
        announce(engine)
        return engine

    replica.engines = Engines(partial(open_with, open_engine, "options"), partial(open_with, open_async_engine, "async_options"))
    return replica


def _with_deadline(url: URL, options: dict[str, Any]) -> dict[str, Any]:
    """Wait for a silent replica no longer than is worth it: there is somebody else to ask."""
    known = dialects.ENGINES[url.get_backend_name()]
    if known.is_file or url.drivername not in (known.key, known.drivername) or "connect_timeout" in url.query:
        return options
    return {**options, "connect_args": {"connect_timeout": CONNECT_TIMEOUT_S, **options.get("connect_args", {})}}


def _own_options(entry: Mapping[str, Any]) -> dict[str, Any]:
    return dict(entry.get("options") or {})
