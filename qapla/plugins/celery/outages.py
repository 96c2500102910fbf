"""Tell an outage from a mistake: what did not answer may answer later, what is wrong stays wrong."""

from __future__ import annotations

import random

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from qapla.database.faults import translate
from qapla.errors import SecretLost, Unavailable
from qapla.plugins.celery.receipts import ReceiptsMissing

PAUSE_MAX_S = 60
ENGINES = {"psycopg": "postgresql", "pymysql": "mariadb", "sqlite3": "sqlite", "oracledb": "oracle"}
STATEMENT_TOO_LONG = "57014"  # it would be too long the next time, too
# Out of resources, shut down; or two transactions were in each other's way and this one had to give in.
PASSING = ("53", "40", "57P")


def is_outage(error: BaseException) -> bool:
    """Tell whether the same task may succeed later: a database or a broker was away, or busy with somebody else."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _is_passing(error)
    if isinstance(error, PoolTimeout):
        return True
    return isinstance(error, Unavailable | ReceiptsMissing) and not isinstance(error, SecretLost)


def pause_s(count: int, comes_back_after_s: float | None = None) -> float:
    """Return how long to wait before the try after outage number *count*: 1 s, then twice as long each time, a minute at most.

    Up to a quarter less by chance, so that what failed together does not come back together.

    Args:
        comes_back_after_s: when the broker delivers a message again that nobody acknowledged; a pause is well below it.
    """
    most = PAUSE_MAX_S if comes_back_after_s is None else min(PAUSE_MAX_S, comes_back_after_s / 2)
    return float(min(most, 2 ** min(count - 1, 10))) * random.uniform(0.75, 1)  # noqa: S311


def _is_passing(error: DBAPIError) -> bool:
    engine = ENGINES.get(type(error.orig).__module__.partition(".")[0])
    if engine is None or error.orig is None:
        return False
    found = translate(engine, error.orig, "")
    return (isinstance(found, Unavailable) and found.code != STATEMENT_TOO_LONG) or found.code.startswith(PASSING)
