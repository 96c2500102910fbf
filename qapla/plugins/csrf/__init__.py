"""Refuse what a page of another site makes somebody's browser send.

Adds      a check before every view, for what is not GET, HEAD, OPTIONS or TRACE; ``app["csrf"]``, a ``qapla.ports.CsrfCheck``, for code
          that asks by itself; Pyramid's ``get_csrf_token``.
Settings  ``csrf:origins``: other origins whose pages may send such requests, ``https://app.example.org``; none. ``csrf:forms_below``: the
          path below which the token may come in the form field ``csrf_token``, ``/``; elsewhere only in the header ``X-CSRF-Token``, and
          no body is read here.

A request that a cookie authenticates needs the token of its session; one from another web page is refused even with it. Credentials
that a browser does not send by itself (``Authorization: Bearer …``) need neither. A view that is declared with ``require_csrf=False``
is not checked; one that is declared with ``require_csrf=True`` needs no more than all the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the plugin to any Pyramid application."""
    from qapla.plugins.csrf.plugin import CsrfPlugin
    from qapla.web import include_plugin

    include_plugin(config, CsrfPlugin())
