"""Register databases, change, pause, refresh and remove them. Form, command line, configuration file and tasks all come through here.

Whatever takes time (the Test, reading a catalog) happens before the registry's transaction begins. Nothing is ever written into a
connected database. After a change every function in ``on_change`` is called, so that this process sees it at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from lazydb.flights import Flights
from lazydb.grants import move_rights
from lazydb.models import Connection, bump, now
from lazydb.options import read_options
from lazydb.records import Records, Registered, place_of, target_key, transaction
from lazydb.storing import store_check, store_options, store_schema, store_spec
from qapla.database.check import Checked, check, read_schema
from qapla.database.schema.diff import Change, diff
from qapla.database.schema.storage import from_json, to_json
from qapla.database.spec import check_name, default_name
from qapla.errors import Conflict, InputError, NameTaken, NotFound, QaplaError, SecretLost, TargetRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import Session

    from lazydb.origins import Origins
    from qapla.database.catalog import Options
    from qapla.database.database import Database
    from qapla.database.schema.description import DatabaseSchema
    from qapla.database.spec import ConnectionSpec
    from qapla.ports import SecretBox

FIELD_OF_STEP = {"resolve": "host", "tcp": "host", "tls": "sslmode", "login": "user", "file": "path"}


class CheckFailed(TargetRefused):
    """The Test of a connection failed, and it was not to be added paused. ``checked`` has the steps."""

    def __init__(self, checked: Checked) -> None:
        step = checked.failure
        assert step is not None
        super().__init__(step.message, field=FIELD_OF_STEP.get(step.name, "url"), hint=step.hint, details=f"step {step.name!r} failed")
        self.checked = checked


@dataclass(frozen=True, slots=True)
class Added:
    """What came of ``Connections.add``. ``checked`` is None when nothing had to be tried."""

    connection: Registered
    is_new: bool
    checked: Checked | None = None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of reading a database again; ``changes`` is empty the first time and when nothing changed."""

    connection: Registered
    changes: tuple[Change, ...]
    is_first: bool


class Connections(Records):
    """The registered databases; safe for threads.

    Args:
        origins: who may add what: ``connections.origins["form"]`` for ``parse_url``.
    """

    def __init__(self, database: Database, sealing: SecretBox, origins: Origins) -> None:
        super().__init__(database, sealing)
        self.origins = origins
        self.on_change: list[Callable[[], None]] = []
        self._flights: Flights[Refreshed] = Flights()

    def test(self, spec: ConnectionSpec, settings: Mapping[str, Any] | None = None, *, name: str | None = None) -> Checked:
        """Try *spec* without keeping anything; *name*: with the stored password of that connection, where *spec* has none."""
        base = None
        if name is not None:
            known = self.get(name)
            spec, base = self._with_stored_password(known, spec), known.options
        return check(spec, read_options(settings or {}, base, engine=spec.engine))

    def add(
        self, spec: ConnectionSpec, *, name: str | None = None, settings: Mapping[str, Any] | None = None, paused: bool = False
    ) -> Added:
        """Register the database of *spec*: try it, read it, keep it, in one go.

        The same target again updates its settings (and its user and password). A database that cannot be reached is
        registered only as *paused*.

        Args:
            name: what it is called in URLs; default: the database's or file's own name.
            settings: names and values as people write them (``options.read_options``).

        Raises:
            TargetRefused: name or a setting is wrong; ``CheckFailed``: the Test failed, nothing is registered.
            NameTaken: another target has the name.
        """
        known = self.find(check_name(name)) if name is not None else self.find_by_target(spec)
        name = name or (known.name if known else default_name(spec))
        known = known or self.find(name)
        if known is not None:
            if known.spec.target != spec.target:
                raise _taken(name)
            return self._add_again(known, spec, settings or {}, paused)
        options = read_options(settings or {}, engine=spec.engine)
        checked = self._check(spec, options, paused)
        with transaction(self._database) as session:
            stored = {"engine": spec.engine, "target": spec.as_fields(), "target_key": target_key(spec)}
            row = Connection(name=name, options={}, **stored)
            session.add(row)
            try:
                session.flush()
            except IntegrityError as error:  # somebody else registered this name a moment ago
                raise _taken(name) from error
            row.paused = paused
            store_spec(row, spec, self._sealing)
            store_options(row, options, self._sealing)
            store_check(session, row, checked)
            row.revision = bump(session)
        self._changed()
        return Added(self.get(name), True, checked)

    def change(
        self,
        name: str,
        *,
        spec: ConnectionSpec | None = None,
        settings: Mapping[str, Any] | None = None,
        new_name: str | None = None,
        paused: bool = False,
    ) -> Added:
        """Change a connection; what is None stays. A *spec* without a password keeps the stored one.

        Raises:
            NotFound: there is none. NameTaken: *new_name* is another's.
            TargetRefused: something is wrong, or the host has changed and the password was not given again.
        """
        known = self.get(name)
        if new_name is not None and new_name != name and self.find(check_name(new_name)) is not None:
            raise _taken(new_name)
        full = self._with_stored_password(known, spec) if spec is not None else None
        options = self._changed_options(known, spec or known.spec, settings or {})
        checked = self._check(full, options, paused) if full is not None else self._check_again(known, options, paused)
        with transaction(self._database) as session:
            row = self._row(session, known.id)
            try:
                row.name = new_name or name
                session.flush()
            except IntegrityError as error:
                raise _taken(new_name or name) from error
            move_rights(session, name, new_name or name)
            row.paused = paused or (known.paused and checked is None)
            if full is not None:
                store_spec(row, full, self._sealing)
            store_options(row, options, self._sealing)
            if checked is not None:
                store_check(session, row, checked)
            row.revision = bump(session)
        self._changed()
        return Added(self.get(new_name or name), False, checked)

    def pause(self, name: str) -> None:
        """Serve the database no longer, until it is resumed; nothing is forgotten."""
        self._set_paused(self.get(name), True)

    def resume(self, name: str) -> None:
        """Serve the database again; one that was never read is read now.

        Raises:
            SecretLost: its password has to be entered again. QaplaError: it was never read, and cannot be.
        """
        known = self.get(name)
        self.spec_with_password(name)
        if known.snapshot is None:
            self.refresh(name)
        self._set_paused(known, False)

    def remove(self, name: str) -> None:
        """Forget the database, and the rights on it. Nothing happens to the database itself."""
        known = self.get(name)
        with transaction(self._database) as session:
            session.execute(delete(Connection).where(Connection.id == known.id))
            move_rights(session, known.name, None)
            bump(session)
        self._changed()

    def refresh(self, name: str) -> Refreshed:
        """Read the database again and say what changed. Of several callers at once one reads, and all get its answer.

        Raises:
            NotFound: there is none. QaplaError: it cannot be read; that is kept as its ``error``, and the old schema stays in use.
        """
        known = self.get(name)
        return self._flights.run(known.id, lambda: self._refresh(known))

    def _refresh(self, known: Registered) -> Refreshed:
        spec, started = self.spec_with_password(known.name), time.monotonic()
        try:
            schema, latency_s = read_schema(spec, known.options)
        except QaplaError as error:
            self._note(known.id, error=str(error), latency_s=None)
            raise
        body, before = to_json(schema), self.snapshot_body(known.id)
        if body == before:
            self._note(known.id, error=None, latency_s=latency_s)
        else:
            with transaction(self._database) as session:
                row = self._row(session, known.id)
                if row.target != spec.as_fields():  # what was read is not what is registered now
                    raise Conflict(f"database {known.name!r} was changed while it was read", hint="refresh it again")
                store_schema(session, row, schema, body, time.monotonic() - started)
                row.error, row.latency_s, row.checked_at = None, latency_s, now()
                row.revision = bump(session)
            self._changed()
        old = _read_snapshot(before)
        changes = diff(old, schema) if old is not None else ()
        return Refreshed(self.get(known.name), changes, is_first=old is None)

    def _add_again(self, known: Registered, spec: ConnectionSpec, settings: Mapping[str, Any], paused: bool) -> Added:
        """Update the settings of a target that is registered already; it is tried only where that could come out differently."""
        stays = known.spec == spec.with_password(None) and self._is_known_password(known, spec.password)
        return self.change(known.name, spec=None if stays else spec, settings=settings, paused=paused)

    def _is_known_password(self, known: Registered, password: str | None) -> bool:
        try:
            return password is None or password == self.spec_with_password(known.name).password
        except SecretLost:
            return False

    def _check(self, spec: ConnectionSpec, options: Options, paused: bool) -> Checked:
        checked = check(spec, options)
        if not checked.ok and not paused:
            raise CheckFailed(checked)
        return checked

    def _check_again(self, known: Registered, options: Options, paused: bool) -> Checked | None:
        """Try a connection whose spec stays: only when other tables are wanted, or it was never read."""
        reads = (known.options.db_schemas, known.options.include, known.options.exclude)
        if known.snapshot is not None and reads == (options.db_schemas, options.include, options.exclude):
            return None
        return self._check(self.spec_with_password(known.name), options, paused)

    def _with_stored_password(self, known: Registered, spec: ConnectionSpec) -> ConnectionSpec:
        if spec.password is not None or spec.path is not None or not known.has_password:
            return spec
        if place_of(known.id, spec.host) != place_of(known.id, known.spec.host):
            hint = "it is not sent to another host unasked"
            raise TargetRefused("the host has changed: enter the password again", field="password", hint=hint)
        return spec.with_password(self.spec_with_password(known.name).password)

    def _changed_options(self, known: Registered, spec: ConnectionSpec, settings: Mapping[str, Any]) -> Options:
        """Return the settings of *known* with those given changed; a secret does not get lost, nor to another host, unasked."""
        names = {name.replace("-", "_").replace("app.settings", "app_settings") for name in settings}
        for name in known.lost:
            if name not in names and name.partition(".")[0] not in names:
                raise TargetRefused(f"{name} cannot be opened any more: enter it again", field=name.partition(".")[0], hint="or empty it")
        before = known.options
        if before.app_settings and place_of(known.id, spec.host) != place_of(known.id, known.spec.host):
            before = replace(before, app_settings=())
            if not any(name.startswith("app_settings") for name in names):
                hint = "they are not sent to another host unasked"
                raise TargetRefused("the host has changed: enter app_settings again", field="app_settings", hint=hint)
        return read_options(settings, before, engine=spec.engine)

    def _set_paused(self, known: Registered, paused: bool) -> None:
        with transaction(self._database) as session:
            row = self._row(session, known.id)
            row.paused = paused
            row.revision = bump(session)
        self._changed()

    def _note(self, connection_id: int, *, error: str | None, latency_s: float | None) -> None:
        """Remember how it went. No change that other processes must see, so the revision stays."""
        with transaction(self._database) as session:
            values = {"error": error, "latency_s": latency_s, "checked_at": now(), "updated_at": Connection.updated_at}
            session.execute(update(Connection).where(Connection.id == connection_id).values(values))

    def _row(self, session: Session, connection_id: int) -> Connection:
        row = session.scalar(select(Connection).where(Connection.id == connection_id).with_for_update())
        if row is None:
            raise NotFound("the database has been removed meanwhile")
        return row

    def _changed(self) -> None:
        for notify in self.on_change:
            notify()



def _taken(name: str) -> NameTaken:
    return NameTaken(f"name {name!r} is taken by another database", hint="choose another one with --name")


def _read_snapshot(body: str | None) -> DatabaseSchema | None:
    try:
        return from_json(body) if body is not None else None
    except InputError:  # saved by a release with another format: nothing to compare with
        return None
