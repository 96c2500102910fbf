"""What a Test or a refresh found, written into the rows of the registry; called inside a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazydb.models import Connection, Snapshot, now
from lazydb.options import as_stored, map_secrets
from lazydb.records import place_of, target_key
from qapla.database.schema.storage import to_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from qapla.database.catalog import Options
    from qapla.database.check import Checked
    from qapla.database.schema.description import DatabaseSchema
    from qapla.database.spec import ConnectionSpec
    from qapla.ports import SecretBox


def store_spec(row: Connection, spec: ConnectionSpec, sealing: SecretBox) -> None:
    """Keep how to connect; the password sealed, bound to the row's id and its host. The row must have its id."""
    row.engine, row.target, row.target_key = spec.engine, spec.as_fields(), target_key(spec)
    row.sealed = sealing.seal(spec.password, place_of(row.id, spec.host)) if spec.password is not None else None


def store_options(row: Connection, options: Options, sealing: SecretBox) -> None:
    """Keep the settings; each secret among them sealed, bound to its name and to what the password is bound to."""
    place = place_of(row.id, row.target.get("host"))
    row.options = map_secrets(as_stored(options), lambda name, value: {"sealed": sealing.seal(value, f"{place} {name}")})


def store_check(session: Session, row: Connection, checked: Checked) -> None:
    """Keep what a Test found: the schema, or the cause of its failure."""
    failure = checked.failure
    row.error = None if failure is None else f"{failure.message} ({failure.hint})" if failure.hint else failure.message
    row.latency_s, row.checked_at = checked.latency_s, now()
    if checked.schema is not None:
        seconds = next(step.seconds for step in checked.steps if step.name == "catalog")
        store_schema(session, row, checked.schema, to_json(checked.schema), seconds)


def store_schema(session: Session, row: Connection, schema: DatabaseSchema, body: str, seconds: float) -> None:
    """Keep what a database looks like, in place of what was kept before."""
    views = sum(table.is_view for table in schema.tables)
    session.merge(
        Snapshot(
            connection_id=row.id,
            body=body,
            fingerprint=schema.fingerprint,
            engine=schema.engine,
            version=schema.version,
            tables=len(schema.tables) - views,
            views=views,
            findings=len(schema.report),
            seconds=seconds,
            taken_at=now(),
        )
    )
