"""The JavaScript client ``@supabase/postgrest-js``, through its documentation: the same answers on every engine (see ``tour.mjs``)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def test_tour(fresh: Any, javascript: Path) -> None:
    """Every call of the client's documentation does what it says."""
    environment = {**os.environ, "ORCHESTRA_URL": fresh.url, "NO_COLOR": "1"}

    done = subprocess.run(
        ["node", "--test", "--test-reporter=spec", "tour.mjs"], cwd=javascript, env=environment, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests 0" not in done.stdout
