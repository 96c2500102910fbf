"""Who is asking: passwords and sessions for people, tokens for programs.

Adds      ``app["identifier"]``, a ``qapla.ports.Identifier``: ``request.identity``; pages to log in and out, at ``/login`` and ``/logout``.
Uses      ``app["accounts"]``, a ``qapla.ports.AccountStore`` of the application's own (``AuthPlugin("members")`` takes another one);
          ``app["session"]`` and ``app["csrf"]``.
Settings  ``auth:lifetime_s``: after which a session ends, however much it is used; seven days. How long one may be idle is
          ``session:timeout_s``.

``log_in(request, user_id, epoch)`` of the identifier begins a session, a new one each time; ``passwords`` and ``tokens`` make and check
what an account store keeps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the plugin to any Pyramid application that has an account store: ``include_plugin(config, AuthPlugin(...))`` gives it more."""
    from qapla.plugins.auth.plugin import AuthPlugin
    from qapla.web import include_plugin

    include_plugin(config, AuthPlugin())
