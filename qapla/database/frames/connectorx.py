"""Rows of PostgreSQL by ConnectorX: straight into Arrow, with a connection of its own. The fastest, and the one that needs least memory.

It speaks to servers through neither libpq nor its TLS: what needs these is read by another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    import pyarrow as pa

    from qapla.database.frames.postgresql import Question

# What of libpq's parameters it has to be told; the others change nothing of what is read over a connection that is not encrypted.
KNOWN = ("connect_timeout", "application_name")


def can_read(question: Question) -> bool:
    """Tell whether ConnectorX is there, and gets to the database as libpq does: not encrypted, to one host, over TCP."""
    from importlib.util import find_spec

    host = str(question.parameters["host"])
    is_plain = bool(host) and not question.is_encrypted and "," not in host and not host.startswith(("/", "@"))
    return is_plain and find_spec("connectorx") is not None


def read(question: Question) -> pa.Table:
    """Return the rows of *question*.

    Raises:
        Exception: whatever ConnectorX raises, of no use to anybody: it may quote the connection.
    """
    import connectorx

    found: Any = connectorx.read_sql(_url(question), question.sql, return_type="arrow", pre_execution_query=question.settings or None)
    return found


def _url(question: Question) -> str:
    parameters = question.parameters
    user = quote(str(parameters.get("user", "")), safe="")
    secret = f":{quote(str(parameters['password']), safe='')}" if parameters.get("password") else ""
    host = str(parameters.get("hostaddr") or parameters["host"])
    host = f"[{host}]" if ":" in host else host
    options: dict[str, Any] = {name: parameters[name] for name in KNOWN if name in parameters}
    asked = urlencode({**options, "sslmode": "disable"}, quote_via=quote)
    return f"postgresql://{user}{secret}@{host}:{parameters['port']}/{quote(str(parameters['dbname']), safe='')}?{asked}"
