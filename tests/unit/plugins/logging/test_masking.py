"""qapla.plugins.logging.masking: live secrets are in no log record"""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

import pytest

from qapla.plugins.logging import masking
from qapla.plugins.logging.formatters import JsonFormatter, TextFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """Give the test a logger whose records are masked, and what it writes."""
    factory = logging.getLogRecordFactory()
    masking.install()
    masking.install()
    output, logger = io.StringIO(), logging.getLogger("test.masking")
    handler = logging.StreamHandler(output)
    logger.addHandler(handler)
    yield logger, output
    logger.removeHandler(handler)
    logging.setLogRecordFactory(factory)


def test_secrets_are_masked_in_messages_and_arguments(log: tuple[logging.Logger, io.StringIO]) -> None:
    """A secret appears in no record, neither as it is nor as a URL writes it."""
    logger, output = log
    masking.live_secrets.add("s3cr/et é")

    logger.warning("connect %s with s3cr/et é", "postgresql://u:s3cr%2Fet%20%C3%A9@h/d")

    assert output.getvalue() == "connect postgresql://u:***@h/d with ***\n"


def test_secrets_are_masked_in_tracebacks(log: tuple[logging.Logger, io.StringIO]) -> None:
    """A driver that puts the password into its error does not get it into the log."""
    logger, output = log
    masking.live_secrets.add("tr4ceback-secret")

    try:
        raise ValueError("login failed for 'u' with 'tr4ceback-secret'")
    except ValueError:
        logger.exception("failed")

    assert "tr4ceback" not in output.getvalue()
    assert "ValueError: login failed for 'u' with '***'" in output.getvalue()


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_a_masked_traceback_is_still_shown(log: tuple[logging.Logger, io.StringIO], formatter: logging.Formatter) -> None:
    """The formatters of the serving process write the traceback that is left after masking."""
    logger, output = log
    logger.handlers[-1].setFormatter(formatter)
    masking.live_secrets.add("tr4ceback-secret")

    try:
        raise ValueError("tr4ceback-secret")
    except ValueError:
        logger.exception("failed")

    assert "ValueError: ***" in output.getvalue()


def test_other_records_stay_as_they_are(log: tuple[logging.Logger, io.StringIO]) -> None:
    """A record without secrets keeps its arguments; very short secrets are not masked everywhere."""
    logger, output = log
    masking.live_secrets.add("a")

    logger.warning("%s rows", 3)

    assert output.getvalue() == "3 rows\n"
