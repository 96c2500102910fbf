"""One database at the root of a server."""

from __future__ import annotations

from typing import Any

import pytest

from qapla.plugins.rest.atroot import KEY, AtRoot


def ask(path: str, root_path: str = "") -> tuple[str, bool]:
    """Return the path that the application behind sees, and whether it is told that the request came by the root."""
    seen: dict[str, Any] = {}
    AtRoot(lambda environ, _start: seen.update(environ), "shop", ("admin", "api"), root_path)({"PATH_INFO": path}, None)  # type: ignore[arg-type]
    return seen["PATH_INFO"], KEY in seen


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/", "/api/shop/"),
        ("", "/api/shop/"),
        ("/todo", "/api/shop/todo"),
        ("/todo/1", "/api/shop/todo/1"),
        ("/rpc/f", "/api/shop/rpc/f"),
        ("/-/batch", "/api/shop/-/batch"),
        ("/administration", "/api/shop/administration"),
        ("//admin", "/api/shop//admin"),
    ],
)
def test_what_is_for_nobody_else_is_for_the_database(path: str, seen: str) -> None:
    """Any path that does not begin with one of the application's own names is below the database's URL."""
    assert ask(path) == (seen, True)


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/-/login", "/api", "/api/shop/todo"])
def test_the_applications_own_paths_stay(path: str) -> None:
    """The admin, and the API by its full path, are where they are."""
    assert ask(path) == (path, False)


def test_a_root_path_that_nobody_cut_off_is_passed_over() -> None:
    """Whether a proxy cuts it off or not is no difference."""
    assert ask("/shop-api/todo", "/shop-api/") == ask("/todo", "/shop-api/") == ("/api/shop/todo", True)
    assert ask("/shop-api/admin/", "/shop-api/") == ("/shop-api/admin/", False)
