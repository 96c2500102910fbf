"""A client that a published generator makes from the OpenAPI document."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = {"literal_enums": True, "post_hooks": []}
TABLES = ("/teams", "/countries", "/cities", "/users")


@pytest.fixture
def generated(fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the test a client that was generated just now; ``generated("api.teams.list_teams")`` is a module of it."""
    document = httpx.get(f"{fresh.url}/", headers={"Accept": "application/openapi+json"}, trust_env=False, timeout=30).json()
    document["paths"] = {path: item for path, item in document["paths"].items() if path.startswith(TABLES)}
    (tmp_path / "document.json").write_text(json.dumps(document))
    (tmp_path / "configuration.json").write_text(json.dumps(CONFIGURATION))
    package = f"orchestra_{fresh.engine}"
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    files = ["--path", "document.json", "--config", "configuration.json", "--output-path", package]
    done = subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(re.findall(r"WARNING[^\n]*\n\n([^\n]*)", done.stdout + done.stderr)) <= {"Unsupported content type text/csv"}
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name: importlib.import_module(f"{package}.{name}")


def test_makes_calls(generated: Any, fresh: Any) -> None:
    """Nothing but CSV is beyond the generator; its client lists, inserts, changes, finds and is told of errors, in models of its own."""
    models = generated("models")

    with generated("client").Client(base_url=fresh.url) as client:
        rows = generated("api.countries.list_countries").sync(client=client, people="gt.9000000", order="name")
        red = models.TeamsNew(name="Red", id=40)
        made = generated("api.teams.insert_teams").sync(client=client, body=[red], prefer="return=representation")
        changed = generated("api.teams.change_teams").sync(key="40", client=client, body=models.TeamsChange(name="Rose"))
        found = generated("api.teams.get_teams").sync_detailed(key="40", client=client)
        missing = generated("api.teams.get_teams").sync(key="41", client=client)

    assert [(row.name, row.people) for row in rows] == [("Austria", 9100000), ("Chile", 19600000)]
    assert [row.name for row in made] == ["Red"]
    assert (changed.name, found.parsed.name, found.headers["ETag"][:1]) == ("Rose", "Rose", '"')
    assert (type(missing).__name__, missing.code) == ("Error", "QAPLA404")
