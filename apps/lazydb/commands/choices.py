"""The options of a connection, the same on ``add`` and ``serve``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from qapla.database.spec import ConnectionSpec, Origin

TLS_FILES = ("tls_ca", "tls_cert", "tls_key")


@dataclass(frozen=True)
class Choices:
    """What was said about a connection on the command line; what was not said is not in it."""

    name: str | None
    settings: dict[str, Any]
    tls: dict[str, str]

    def spec(self, url: str, origin: Origin) -> ConnectionSpec:
        """Read *url* together with the TLS files.

        Raises:
            TargetRefused: something in it is wrong or not allowed.
        """
        from qapla.database.spec import from_fields
        from qapla.database.url import read_url

        return from_fields({**read_url(url), **self.tls}, origin=origin)


def connection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a connection; it gets them as one argument, ``choices``."""

    @wraps(function)
    def collected(**given: Any) -> Any:
        lists = {name: given.pop(name) for name in ("schemas", "include", "exclude")}
        settings = {"db_schemas" if name == "schemas" else name: value for name, value in lists.items() if value is not None}
        for name in ("anonymous", "writable"):
            value = given.pop(name)
            if value is not None:
                settings[name] = value
        settings.update(_read_settings(given.pop("settings")))
        tls = {name: str(Path(value).resolve()) for name in TLS_FILES if (value := given.pop(name)) is not None}
        return function(choices=Choices(given.pop("name"), settings, tls), **given)

    for option in reversed(_OPTIONS):
        collected = option(collected)
    return collected


def _read_settings(pairs: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise click.UsageError(f"--set {pair[:100]!r} is not NAME=VALUE", click.get_current_context())
        found[name.strip().replace("-", "_")] = value
    return found


_OPTIONS = (
    click.option("--name", metavar="NAME", help="Its name in URLs; the database's or file's own by default."),
    click.option(
        "--anonymous",
        type=click.Choice(["none", "read", "write"]),
        default=None,
        help="What callers without a token may do (none).",
    ),
    click.option("--writable/--read-only", "writable", default=None, help="Allow writing at all (read-only)."),
    click.option("--schemas", metavar="A,B", default=None, help="Only these schemas, the first is the default one."),
    click.option("--include", metavar="PATTERNS", default=None, help="Only tables that match, for example 'shop_*,orders'."),
    click.option("--exclude", metavar="PATTERNS", default=None, help="No tables that match."),
    click.option("--tls-ca", type=click.Path(), default=None, help="File with the certificates that are trusted."),
    click.option("--tls-cert", type=click.Path(), default=None, help="File with the certificate of this client."),
    click.option("--tls-key", type=click.Path(), default=None, help="File with the key of this client."),
    click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Any other setting, as in db_max_rows=1000."),
)
