"""Users, tokens and login links of the registry: an ``AccountStore`` that answers from memory.

The snapshot in memory is made anew when the registry's revision grows, which is looked at no more than once a second, so no request
pays for it. Passwords and secrets arrive here as hashes only.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import DBAPIError

from lazydb.models import LoginLink, Token, User, bump, now
from lazydb.records import transaction, unavailable
from lazydb.scopes import Right, Tables, check_rights, databases_of, read_tables, right_in
from qapla.database.url import shown
from qapla.driver import ReadDriver, WriteDriver
from qapla.errors import DatabaseError, InputError, NameTaken, NotFound, QaplaError, nearest
from qapla.ports import AccessToken, Account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.orm import Session

    from lazydb.source import RevisionReader
    from qapla.database.database import Database
    from qapla.ports import Identity

log = logging.getLogger(__name__)

Role = Literal["admin", "user"]
NAME_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What lists show of a user."""

    id: int
    name: str
    role: Role
    rights: Mapping[str, Any]
    has_password: bool
    created_at: datetime
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What lists show of a token; the token itself is kept by nobody."""

    id: int
    name: str
    rights: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everybody, at one revision."""

    revision: int
    users: Mapping[int, tuple[Account, UserFacts]]
    user_ids: Mapping[str, int]
    tokens: Mapping[str, AccessToken]  # by digest
    token_facts: Mapping[int, TokenFacts]
    tables: Mapping[tuple[str, int, str], Tables]  # by kind, id and database: only what is said of single tables


class UserWriteDriver(WriteDriver[User]):
    """Changes of users."""

    def set_password(self, user_id: int, password_hash: str, *, end_sessions: bool) -> None:
        """Keep another hash; with *end_sessions* a new epoch begins, which no session belongs to."""
        self.update_by_id(user_id, password_hash=password_hash, epoch=User.epoch + int(end_sessions))


class LinkWriteDriver(WriteDriver[LoginLink]):
    """Changes of login links."""

    def use(self, digest: str) -> int | None:
        """Use up the link; return the id of its user unless it has expired. Of two that come at once, one gets it."""
        link = delete(LoginLink).where(LoginLink.hash == digest).returning(LoginLink.user_id, LoginLink.expires_at)
        found = self.session.execute(link).one_or_none()
        self.delete_where(LoginLink.expires_at < now())
        return found[0] if found is not None and found[1] > now() else None


class Accounts:
    """An ``AccountStore`` on the registry, and the administration of users and tokens; safe for threads."""

    def __init__(self, database: Database, revision: RevisionReader) -> None:
        self._database = database
        self._revision = revision
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()
        self._uses: dict[int, float] = {}  # of tokens, in seconds since 1970, not yet in the registry

    # -- asked on every request

    def find_user(self, user_id: int) -> Account | None:
        """Return the account, or None."""
        found = self._fresh().users.get(user_id)
        return found and found[0]

    def find_user_by_name(self, name: str) -> Account | None:
        """Return the account of that name, or None."""
        snapshot = self._fresh()
        user_id = snapshot.user_ids.get(name)
        return snapshot.users[user_id][0] if user_id is not None else None

    def find_token(self, digest: str) -> AccessToken | None:
        """Return the token whose SHA-256 is *digest*, or None; its use is remembered until ``write_uses``."""
        found = self._fresh().tokens.get(digest)
        if found is not None:
            seconds = time.time()
            if found.expires_at is None or found.expires_at > seconds:
                self._uses[found.id] = seconds
        return found

    def right_of(self, identity: Identity, database: str) -> Right:
        """Return what a user or token may do in *database*; an admin may write."""
        snapshot = self._fresh()
        if identity.kind == "user":
            found = snapshot.users.get(identity.id or 0)
            if found is None:
                return "none"
            return "write" if found[1].role == "admin" else right_in(found[1].rights, database)
        token = snapshot.token_facts.get(identity.id or 0) if identity.kind == "token" else None
        return right_in(token.rights, database) if token is not None else "none"

    def tables_of(self, identity: Identity, database: str) -> Tables | None:
        """Return what is said of single tables of *database* for a user or token, or None; an admin is told of no tables."""
        snapshot = self._fresh()
        if not snapshot.tables or (identity.kind == "user" and self.is_admin(identity)):
            return None
        return snapshot.tables.get((identity.kind, identity.id or 0, database))

    def is_admin(self, identity: Identity) -> bool:
        """Tell whether *identity* may administer lazydb itself."""
        found = self._fresh().users.get(identity.id or 0) if identity.kind == "user" else None
        return identity.kind == "system" or (found is not None and found[1].role == "admin")

    # -- logging in

    def use_login_link(self, digest: str) -> Account | None:
        """Use up the login link; return its account, or None. Of two that come at once, one gets the account."""
        with transaction(self._database) as session:
            user_id = LinkWriteDriver(session).use(digest)
        return self.find_user(user_id) if user_id is not None else None

    def add_login_link(self, user_id: int, digest: str, valid_s: float) -> None:
        """Keep a login link by the SHA-256 of its secret, for *valid_s* seconds."""
        with transaction(self._database) as session:
            LinkWriteDriver(session).create(hash=digest, user_id=user_id, expires_at=now() + timedelta(seconds=valid_s))

    def set_password(self, user_id: int, password_hash: str, *, end_sessions: bool = True) -> None:
        """Keep another hash; with *end_sessions* every session of the account ends, and its login links are void."""
        with self._change() as session:
            UserWriteDriver(session).set_password(user_id, password_hash, end_sessions=end_sessions)
            if end_sessions:
                LinkWriteDriver(session).delete_where(user_id=user_id)

    def note_login(self, user_id: int) -> None:
        """Remember that the account has just logged in."""
        with transaction(self._database) as session:
            UserWriteDriver(session).update_by_id(user_id, last_login_at=now())

    # -- administration

    def list_users(self) -> list[UserFacts]:
        """Return all users, by name."""
        self._revision.read()
        return sorted((facts for _, facts in self._fresh().users.values()), key=lambda facts: facts.name)

    def add_user(
        self, name: str, password_hash: str | None = None, role: Role = "admin", rights: Mapping[str, Right] | None = None
    ) -> Account:
        """Add a user, without a password for one who comes by a login link.

        Raises:
            NameTaken: there is one of that name. InputError: the name or a right is wrong.
        """
        check_rights(rights or {})
        self._add(UserWriteDriver, "user", name=_check_name(name), password_hash=password_hash, role=role, rights=dict(rights or {}))
        found = self.find_user_by_name(name)
        assert found is not None
        return found

    def remove_user(self, name: str) -> None:
        """Remove a user; the sessions end.

        Raises:
            NotFound: there is none.
        """
        self._remove(ReadDriver[User], UserWriteDriver, "user", name)

    def list_tokens(self) -> list[TokenFacts]:
        """Return all tokens, by name, with their last use: as the registry has it now, which is no reason for a new revision."""
        self._revision.read()
        with transaction(self._database) as session:
            used = {row.id: row.last_used_at for row in session.execute(select(Token.id, Token.last_used_at))}
        facts = (replace(facts, last_used_at=used.get(facts.id)) for facts in self._fresh().token_facts.values())
        return sorted(facts, key=lambda facts: facts.name)

    def write_uses(self) -> None:
        """Write down when tokens were used last; done every minute, and never by a request."""
        uses, self._uses = self._uses, {}
        if not uses:
            return
        try:
            with transaction(self._database) as session:
                for token_id, seconds in uses.items():
                    moment = datetime.fromtimestamp(seconds, UTC)
                    is_later = or_(Token.last_used_at.is_(None), Token.last_used_at < moment)
                    session.execute(update(Token).where(Token.id == token_id, is_later).values(last_used_at=moment))
        except QaplaError as error:
            self._uses = {**uses, **self._uses}  # the next time
            log.warning("the last use of %s tokens is not written down yet: %s", len(uses), error)

    def add_token(self, name: str, digest: str, rights: Mapping[str, Right], expires_at: datetime | None = None) -> None:
        """Keep a token by the SHA-256 of its text.

        Args:
            rights: by database name; ``*`` stands for every database.

        Raises:
            NameTaken: there is one of that name. InputError: the name or a right is wrong.
        """
        self._add(WriteDriver[Token], "token", name=_check_name(name), hash=digest, rights=check_rights(rights), expires_at=expires_at)

    def remove_token(self, name: str) -> None:
        """Remove a token; it is refused from now on.

        Raises:
            NotFound: there is none.
        """
        self._remove(ReadDriver[Token], WriteDriver[Token], "token", name)

    def _add(self, driver: type[WriteDriver[Any]], noun: str, name: str, **values: Any) -> None:
        with self._change() as session:
            try:
                driver(session).create(name=name, **values)
            except DatabaseError as error:
                raise NameTaken(f"there is a {noun} called {shown(name)} already") from error

    def _remove(self, read: type[ReadDriver[Any]], write: type[WriteDriver[Any]], noun: str, name: str) -> None:
        with self._change() as session:
            found = read(session)
            row = found.find_by(name=name)
            if row is None:
                hint = nearest(name[:NAME_LENGTH_MAX], [known.name for known in found.list()])
                raise NotFound(f"no {noun} is called {shown(name)}", hint=hint)
            write(session).delete(row)

    # -- the snapshot

    def _fresh(self) -> Snapshot:
        revision = self._revision.recent()
        snapshot = self._snapshot
        if snapshot is None or snapshot.revision != revision:
            with self._lock:
                if self._snapshot is None or self._snapshot.revision != revision:
                    self._snapshot = self._load(revision)
                snapshot = self._snapshot
        return snapshot

    def _load(self, revision: int) -> Snapshot:
        try:
            with self._database.session() as session:
                users = {row.id: (_account(row), _user_facts(row)) for row in ReadDriver[User](session).list()}
                rows = ReadDriver[Token](session).list()
        except DBAPIError as error:
            if self._snapshot is None:
                raise unavailable(error) from error
            log.warning("the registry stopped answering; accounts stay as they were: %s", type(error.orig).__name__)
            return self._snapshot
        tokens = {row.hash: AccessToken(row.id, row.name, row.expires_at.timestamp() if row.expires_at else None) for row in rows}
        facts = {row.id: TokenFacts(row.id, row.name, row.rights, row.created_at, row.expires_at, row.last_used_at) for row in rows}
        names = {account.name: user_id for user_id, (account, _) in users.items()}
        everybody = [("user", user_id, found.rights) for user_id, (_, found) in users.items()]
        everybody += [("token", row.id, row.rights) for row in rows]
        tables = {
            (kind, key, database): found
            for kind, key, rights in everybody
            for database in databases_of(name for name in rights if "." in name)
            if (found := read_tables(rights, database))
        }
        return Snapshot(revision, users, names, tokens, facts, tables)

    @contextmanager
    def _change(self) -> Iterator[Session]:
        """Lend a session for a change that every process must see; this one sees it at once."""
        with transaction(self._database) as session:
            yield session
            bump(session)
        self._revision.read()


def _check_name(name: str) -> str:
    if not name or len(name) > NAME_LENGTH_MAX or not name.isprintable() or name != name.strip():
        raise InputError(f"name {shown(name)} cannot be used", hint=f"1-{NAME_LENGTH_MAX} printable characters, no space at the ends")
    return name


def _account(row: User) -> Account:
    return Account(row.id, row.name, row.password_hash, row.epoch)


def _user_facts(row: User) -> UserFacts:
    role: Role = "admin" if row.role == "admin" else "user"
    return UserFacts(row.id, row.name, role, row.rights, row.password_hash is not None, row.created_at, row.last_login_at)
