"""``request.session``: in a signed cookie, or in Redis with only its id in the cookie.

Adds      ``request.session``, Pyramid's ``ISession``; ``app["session"].cookie``, the cookie's name.
Settings  ``session:secret``: at least 32 characters without blanks, which sign; or several such, of which the first signs and all are
          believed, so that one can be replaced by another. Without one nothing starts but tests. ``session:store``: ``cookie`` or
          ``redis``; ``session:redis``: which client of ``app["redis"]``, ``default``. ``session:timeout_s``: after so long without a
          request it has ended, 43200. ``session:cookie``: its name, ``session``. ``session:samesite``: ``lax``, ``strict`` or ``none``.
          ``session:secure``: ``auto`` (over https), ``true`` or ``false``.

No script can read the cookie. Values are JSON. A session in a cookie holds less than 4000 bytes, and can be read by whoever has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the plugin to any Pyramid application."""
    from qapla.plugins.session.plugin import SessionPlugin
    from qapla.web import include_plugin

    include_plugin(config, SessionPlugin())
