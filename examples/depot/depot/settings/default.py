"""Where the databases are; the environment wins: ``QAPLA__DB__ORDERS__URL``."""


def make_settings(settings, paths):
    """Fill in the settings."""
    for name in ("orders", "stock", "prices"):
        paths.set(f"migrations.{name}", f"{paths.get('module_root')}/../migrations/{name}")
    settings["db:orders:url"] = "postgresql://localhost/orders"
    settings["db:stock:url"] = "mariadb://localhost/stock"
    settings["db:prices:url"] = "sqlite:///prices.sqlite"
