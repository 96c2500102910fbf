"""The one family of Cornice services: every database, table, row and function, whatever is registered while the process runs.

Cornice keeps each service for ever and Pyramid cannot take a route away, so there are three routes in all; what a path names is
decided by the route factory (``contexts``), and a view is chosen by the class of that context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cornice import Service
from cornice.pyramidhook import register_service_views
from cornice.renderer import CorniceRenderer

from qapla.plugins.rest import batch, contexts, pages, views

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyramid.config import Configurator

# context → method → view. GET answers HEAD, too.
VIEWS: dict[type, dict[str, Callable]] = {
    contexts.Databases: {"GET": pages.list_databases},
    contexts.Root: {"GET": pages.describe},
    contexts.Health: {"GET": pages.check_health},
    contexts.Batch: {"POST": batch.run_batch},
    contexts.SchemaPage: {"GET": pages.show_schema},
    **views.VIEWS,
}
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
ROUTES = {
    "rest.databases": ("/api/", contexts.Databases, (contexts.Databases,)),
    "rest.database": ("/api/{database}{slash:/?}", contexts.make_root, (contexts.Root,)),
    "rest.resource": (
        "/api/{database}/{rest:(?s:.+)}",
        contexts.make_resource,
        (contexts.Collection, contexts.Row, contexts.Function, contexts.SchemaPage, contexts.Health, contexts.Batch),
    ),
}


def make_services() -> list[Service]:
    """Make the services; called once per process."""
    services = []
    for name, (path, factory, kinds) in ROUTES.items():
        service = Service(name, path, factory=factory)
        for kind in kinds:
            for method in METHODS:
                service.add_view(method, VIEWS[kind].get(method, pages.refuse_method), context=kind)
            service.add_view("OPTIONS", pages.answer_options, context=kind)
        services.append(service)
    return services


SERVICES = make_services()


def include_cornice(config: Configurator) -> None:
    """Let Cornice register services, without what its own ``includeme`` does to every request.

    That is a subscriber to each new request and two callbacks on each response, of the admin's pages, too (a tenth of the CPU of a
    small answer), and error views that would stand before ours. What its views need of a request, ``contexts`` gives it.
    """
    config.registry.cornice_services = {}
    config.add_directive("add_cornice_service", register_service_views)
    config.add_renderer("cornicejson", CorniceRenderer())


def includeme(config: Configurator) -> None:
    """Add the services to an application."""
    for service in SERVICES:
        config.add_cornice_service(service)
