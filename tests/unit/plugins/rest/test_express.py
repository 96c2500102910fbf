"""When the way past Pyramid's router is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyramid.config import Configurator

from qapla.plugins.rest.express import ROUTE, Express, express

PATTERN = "/api/{database}/{rest:(?s:.+)}"


def router(_request: Any) -> Any:
    """Stand for the router."""


def make(*before: Callable[[Configurator], Any], pattern: str = PATTERN) -> Any:
    """Return what stands before the router of an application with the route of REST, and *before* it something else."""
    config = Configurator()
    for declare in before:
        declare(config)
    config.add_route(ROUTE, pattern)
    config.commit()
    return express(router, config.registry)


@pytest.mark.parametrize("path", ["/shop", "/", "/apis/{name}", "/admin/*rest"])
def test_is_open_beside_routes_that_mean_something_else(path: str) -> None:
    """No path is both."""
    assert isinstance(make(lambda config: config.add_route("other", path)), Express)


@pytest.mark.parametrize("path", ["/api/{database}/special", "/:anything", "/{anything}", "/*all", "/api/shop/orders"])
def test_is_closed_behind_routes_that_could_be_meant(path: str) -> None:
    """Whoever declares a route before ours gets its requests."""
    assert make(lambda config: config.add_route("other", path)) is router


def test_is_closed_where_views_ask_for_a_permission() -> None:
    """An application that sets a default permission means ours, too."""
    assert make(lambda config: config.set_default_permission("view")) is router


def test_is_closed_where_views_are_derived_in_another_way() -> None:
    """What an application puts around every view is put around ours."""

    def deriver(view: Any, info: Any) -> Any:
        return view

    assert make(lambda config: config.add_view_deriver(deriver)) is router


def test_is_closed_below_a_prefix() -> None:
    """There the paths are others."""
    assert make(pattern="/shop" + PATTERN) is router
