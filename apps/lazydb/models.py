"""The registry: what lazydb knows about the databases it serves and the people who may use them.

It is an ordinary database of a qapla application, ``Database("main", "migrations")``, on SQLite or PostgreSQL. Whoever changes
something that other processes must see counts the one number of ``revision`` up in the same transaction (``bump``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Float, ForeignKey, Integer, MetaData, String, Text, TypeDecorator, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

HEAD = "0002"  # the last migration in migrations/main/versions


class Model(DeclarativeBase):
    """The base of everything in the registry. Constraints have names, so that migrations can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, in UTC: SQLite keeps no zones, so none is stored and UTC is put back."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Store in UTC without a zone."""
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Give the zone back."""
        return value.replace(tzinfo=UTC) if value is not None else None


def now() -> datetime:
    """Return this moment, in UTC."""
    return datetime.now(UTC)


class Connection(Model):
    """A registered database.

    ``target`` is ``ConnectionSpec.as_fields()``, ``sealed`` its password. ``error`` says why it could not be read when it was
    last tried. ``revision`` is that of its last change.
    """

    __tablename__ = "connection"
    __table_args__ = {"sqlite_autoincrement": True}  # sealed passwords are bound to the id: it is never used again

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    engine: Mapped[str] = mapped_column(String(20))
    target: Mapped[dict[str, Any]] = mapped_column(JSON)
    target_key: Mapped[str] = mapped_column(Text, index=True)
    sealed: Mapped[str | None] = mapped_column(Text)
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    paused: Mapped[bool] = mapped_column(Boolean, default=False)
    error: Mapped[str | None] = mapped_column(Text)
    latency_s: Mapped[float | None] = mapped_column(Float)
    checked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revision: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)


class Snapshot(Model):
    """What a database looked like when it was last read: the JSON form of its ``DatabaseSchema``."""

    __tablename__ = "snapshot"

    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    body: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(128))
    engine: Mapped[str] = mapped_column(String(20))  # the one that was met: MariaDB behind mysql://
    version: Mapped[str] = mapped_column(Text)
    tables: Mapped[int] = mapped_column(Integer)
    views: Mapped[int] = mapped_column(Integer)
    findings: Mapped[int] = mapped_column(Integer)
    seconds: Mapped[float] = mapped_column(Float)
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class User(Model):
    """Somebody who may log in. A new ``epoch`` ends all sessions. ``rights`` are by database name, for who is no admin."""

    __tablename__ = "user"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str | None] = mapped_column(Text)
    epoch: Mapped[int] = mapped_column(Integer, default=1)
    role: Mapped[str] = mapped_column(String(20), default="admin")
    rights: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    last_login_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Token(Model):
    """A key for programs; only its hash is kept. ``rights`` are by database name, ``*`` stands for every database."""

    __tablename__ = "token"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    rights: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LoginLink(Model):
    """A link that logs a user in once; only the hash of its secret is kept."""

    __tablename__ = "login_link"

    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Job(Model):
    """Work in the background, and how far it is. ``state``: queued, running, done, failed.

    ``beat_at`` is when its process said for the last time that it lives; None where a broker gives the work to another process.
    """

    __tablename__ = "job"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(100))
    connection_id: Mapped[int | None] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(20), default="queued")
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    message: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)
    beat_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Export(Model):
    """Rows that somebody wants as a file, and whose: ``listing`` is the address of the list, without its page.

    ``job_id`` says how far it is; ``count_rows`` and ``size_bytes`` are there when the file is whole.
    """

    __tablename__ = "export"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    connection_id: Mapped[int] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str | None] = mapped_column(String(64))
    table_schema: Mapped[str | None] = mapped_column(Text)
    table_name: Mapped[str] = mapped_column(Text)
    listing: Mapped[str] = mapped_column(Text)
    format: Mapped[str] = mapped_column(String(20))
    count_rows: Mapped[int | None] = mapped_column(BigInteger)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Revision(Model):
    """One row with one number, which grows with every change that other processes must see."""

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer)


def bump(session: Session) -> int:
    """Count the revision up and return it. Its row stays locked until the commit, so registry changes happen one after the other."""
    return session.scalars(update(Revision).values(number=Revision.number + 1).returning(Revision.number)).one()
