"""Who asks for something in a database whose connection has settings about its callers: an issuer of tokens, roles, limits.

A bearer token with a dot in it is a JSON web token where the connection has an issuer; ours have none. Somebody without a token, or with
one that names no role, is the anonymous role where there is one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qapla.database.dialects import get_engine
from qapla.database.roles import read_grants
from qapla.errors import AccessError, NotAuthenticated, QaplaError
from qapla.plugins.rest import ratelimits
from qapla.plugins.rest.claims import check_claims, find_role, refuse
from qapla.plugins.rest.local import make_local
from qapla.ports import NO_RIGHTS, Identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.request import Request

    from qapla.database.catalog import Options, Served
    from qapla.database.local import Local
    from qapla.plugins.rest.claims import Claims
    from qapla.plugins.rest.contexts import Resource
    from qapla.ports import Rights

MAX_LENGTH = 16_384  # of a token


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what the token says, if it was a JSON web token."""

    identity: Identity
    claims: Claims | None = None


def open_database(
    request: Request, served: Served, read_profile: Callable[[Request, Served], str | None]
) -> tuple[Rights, str | None, Local | None]:
    """Return what the caller may do, the schema that is chosen, and as whom statements run.

    Raises:
        NotAuthenticated: the token is not valid, or there is none and nobody may come without.
        AccessError: the caller may do nothing here, or has asked too much lately (429).
    """
    caller = _find_counted(request, served) if served.options.requests_per_minute else find_caller(request, served)
    if caller.claims is not None:
        request.__dict__["identity"] = caller.identity  # where everybody else looks
    rights = _rights(request, served, caller)
    if not served.is_visible_to(rights):
        raise (AccessError if rights.authenticated else NotAuthenticated)(f"permission denied for database {served.name}")
    profile = read_profile(request, served)
    return rights, profile, make_local(request, served, caller.identity, caller.claims, profile)


def _find_counted(request: Request, served: Served) -> Caller:
    """Return who asks, who is counted; whoever is not known is counted by the address, also with a token that is not valid."""
    limit = served.options.requests_per_minute or 0
    address = f"address {ratelimits.name_address(request.environ.get('REMOTE_ADDR', ''))}"
    try:
        caller = find_caller(request, served)
    except NotAuthenticated:
        ratelimits.check(request.app, served.name, address, limit)
        raise
    identity, claims = caller.identity, caller.claims
    if claims is not None:
        name = f"jwt {claims.get('iss')} {claims.get('sub')} {identity.role}"
    else:
        name = address if identity.kind == "anonymous" else f"{identity.kind} {identity.id}"
    ratelimits.check(request.app, served.name, name, limit)
    return caller


def find_caller(request: Request, served: Served) -> Caller:
    """Return who asks.

    Raises:
        NotAuthenticated: the token is not valid, or there is none and nobody may come without (PGRST302).
    """
    options = served.options
    token = _find_jwt(request, options)
    if token is not None:
        return _by_token(token, served)
    identity: Identity = request.identity
    if identity.kind != "anonymous":
        return Caller(identity)
    if options.db_anon_role is not None:
        return Caller(Identity("anonymous", role=options.db_anon_role))
    if options.anonymous == "none":
        raise _no_token()
    return Caller(identity)


def may_see(request: Request, served: Served) -> bool:
    """Tell whether the caller may know of a database."""
    try:
        return served.is_visible_to(_rights(request, served, find_caller(request, served)))
    except AccessError:
        return False


def is_known_somewhere(request: Request) -> bool:
    """Tell whether the request has a JSON web token that is valid in one of the databases."""
    if "." not in request.environ.get("HTTP_AUTHORIZATION", ""):
        return False
    for served in request.databases:
        if served.options.jwt_secret:
            try:
                return find_caller(request, served).claims is not None
            except AccessError:
                continue
    return False


def rights_to_show(context: Resource) -> Rights:
    """Return what the caller of *context* may do, to tell of it: where a role decides, its grants are read."""
    if context.local is None or not getattr(context.rights, "by_role", False):
        return context.rights
    served, known = context.served, context.rights.authenticated
    return read_grants(served.bulkhead, context.local, served.schema.schemas, authenticated=known)


def _find_jwt(request: Request, options: Options) -> str | None:
    """Return the JSON web token of the request, if it has one and the connection has to do with such tokens."""
    authorization = request.environ.get("HTTP_AUTHORIZATION")
    if authorization is None or not (options.jwt_secret or options.as_postgrest):
        return None
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = token.strip()
    if not token:
        raise refuse("Empty JWT is sent in Authorization header", "PGRST301")
    return token if "." in token else None


def _by_token(token: str, served: Served) -> Caller:
    """Return who has sent a token of the database's issuer."""
    from qapla.plugins.rest.issuers import get_issuer

    options = served.options
    if not options.jwt_secret:
        raise QaplaError("Server lacks JWT secret", code="PGRST300")
    count = token.count(".") + 1
    if count != 3:
        raise refuse(f"Expected 3 parts in JWT; got {count}", "PGRST301")
    if len(token) > MAX_LENGTH:
        raise refuse("JWT cryptographic operation failed", "PGRST301", f"it is longer than {MAX_LENGTH} bytes")
    issuer = get_issuer(options.jwt_secret, options.jwt_secret_is_base64)
    claims = issuer.read(token)
    try:
        check_claims(claims, options.jwt_aud, time.time())
    except NotAuthenticated:
        issuer.forget(token)
        raise
    name = str(claims.get("sub") or "a token of the issuer")[:100]
    if not get_engine(served.schema.engine).has_roles:
        return Caller(Identity("jwt", name=name), claims)
    role = find_role(claims, options.jwt_role_claim_key)
    role = options.db_anon_role if role is None else role
    if role is None:
        raise _no_token()
    return Caller(Identity("jwt", name=name, role=role), claims)


def _rights(request: Request, served: Served, caller: Caller) -> Rights:
    policy = request.app.find("policy")
    found: Rights = policy.rights(caller.identity, served.name) if policy is not None else NO_RIGHTS
    return found


def _no_token() -> NotAuthenticated:
    hint = "send the header Authorization: Bearer <token>"
    return NotAuthenticated("Anonymous access is disabled", code="PGRST302", hint=hint, headers={"WWW-Authenticate": "Bearer"})
