"""qapla.database.identity"""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from qapla.database.identity import identify


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql://u:p@localhost/shop", "postgresql+psycopg://other@127.0.0.1:5432/shop"),
        ("postgresql:///shop", "postgresql://u@[::1]/shop"),
        ("postgresql://u@/shop?host=/var/run/postgresql", "postgresql://u@localhost/shop"),
        ("postgresql://u@nowhere.invalid/shop", "postgresql://u@NOWHERE.invalid:5432/shop"),
        ("postgresql://u@nowhere.invalid/test?dbname=shop&host=localhost", "postgresql://u@localhost/shop"),
        ("postgresql://u@anywhere.invalid/shop?service=x", "postgresql://u@localhost/shop"),
        ("postgresql://shop@localhost", "postgresql://localhost/shop"),
        ("mysql://u@localhost/shop", "mariadb+pymysql://u@127.0.0.1:3306/shop"),
        ("sqlite:////tmp/a/../shop.sqlite", "sqlite+pysqlite:////tmp/shop.sqlite"),
        ("sqlite:///shop.sqlite", "sqlite:///./shop.sqlite"),
    ],
)
def test_same(one: str, other: str) -> None:
    """Driver, account, default port, spelling of the host or of the path make no difference."""
    assert identify(make_url(one)).is_same(identify(make_url(other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("postgresql://localhost/shop", "postgresql://localhost/shop_test"),
        ("postgresql://localhost/shop", "postgresql://localhost:5433/shop"),
        ("postgresql://localhost/shop", "mariadb://localhost/shop"),
        ("postgresql://localhost/shop", "postgresql://nowhere.invalid/shop"),
        ("sqlite:////tmp/shop.sqlite", "sqlite:////tmp/test.sqlite"),
        ("sqlite://", "sqlite:////tmp/test.sqlite"),
    ],
)
def test_not_the_same(one: str, other: str) -> None:
    """Another name, port, engine, host or file is another database."""
    assert not identify(make_url(one)).is_same(identify(make_url(other)))
