"""Under which names and addresses lazydb answers."""

from __future__ import annotations

import pytest
from webtest import TestApp

from lazydb.application import LazydbApplication


@pytest.mark.parametrize(("listens_on", "host", "status"), [
    ("192.0.2.7", "192.0.2.7:6543", 200),
    ("2001:db8::7", "[2001:db8::7]:6543", 200),
    ("192.0.2.7", "192.0.2.8:6543", 400),
    ("192.0.2.7", "evil.example", 400),
    ("0.0.0.0", "0.0.0.0:6543", 400),
])
def test_answers_under_the_address_it_listens_on(tmp_path, monkeypatch, listens_on, host, status):
    """The address of ``--host`` is known without being named a second time; no other one is."""
    monkeypatch.setenv("LAZYDB_HOME", str(tmp_path))
    application = LazydbApplication()
    try:
        web = TestApp(application.run_uwsgi({"lazydb:host": listens_on}), extra_environ={"HTTP_HOST": host})

        web.get("/healthz", status=status)
    finally:
        application.stop()
