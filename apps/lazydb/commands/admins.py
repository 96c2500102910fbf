"""Admins and their login links, as far as starting a server has to know about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazydb.accounts import Accounts

LINK_VALID_S = 3600
FIRST_ADMIN = "admin"


def has_admin_with_password(accounts: Accounts) -> bool:
    """Tell whether somebody can log in as an admin without a link."""
    return any(user.has_password and user.role == "admin" for user in accounts.list_users())


def make_login_link(accounts: Accounts, url: str) -> str:
    """Return a link that logs an admin in once, within an hour; the first one is made when there is none. *url* ends in a slash."""
    from qapla.plugins.auth.tokens import make_token

    admin = next((user.name for user in accounts.list_users() if user.role == "admin"), None)
    account = accounts.find_user_by_name(admin) if admin is not None else accounts.add_user(FIRST_ADMIN)
    assert account is not None
    token, digest = make_token()
    accounts.add_login_link(account.id, digest, LINK_VALID_S)
    return f"{url}admin/-/login?token={token}"
