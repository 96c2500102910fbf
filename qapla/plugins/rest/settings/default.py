"""What holds where nothing is set."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qapla.settings import Paths, Settings


def make_settings(settings: Settings, paths: Paths) -> None:
    """Answer this machine only, whatever name it is called by; sign what nobody keeps with a secret of this start."""
    settings["web"] = {"hosts": ()}
    settings["session"] = {"secret": secrets.token_hex(32), "cookie": "qapla_models"}
