"""The admin of a small shop, on each engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qapla.testing.shop import make_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webtest import TestApp

    from qapla.testing.shop import OneDatabase


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def shop(request: pytest.FixtureRequest) -> Iterator[tuple[TestApp, OneDatabase]]:
    """Give a module the admin of a shop on each engine."""
    with make_shop(request.param) as made:
        yield made


@pytest.fixture
def web(shop: tuple[TestApp, OneDatabase]) -> TestApp:
    """Give the test a client of the admin that was never used."""
    client, source = shop
    client.reset()
    source.begin()
    return client


@pytest.fixture
def source(shop: tuple[TestApp, OneDatabase]) -> OneDatabase:
    """Give the test the source behind the admin."""
    return shop[1]
