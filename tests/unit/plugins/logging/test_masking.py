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
    logger.propagate = False  # what the handlers of others say of a line is not looked at here
    yield logger, output
    logger.propagate = True
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


def test_arguments_that_do_not_fit(log: tuple[logging.Logger, io.StringIO], capsys: pytest.CaptureFixture[str]) -> None:
    """What logging itself says of such a line would show them."""
    logger, output = log
    masking.live_secrets.add("s3cr-fit")

    logger.warning("port %d", "s3cr-fit")

    assert "s3cr-fit" not in output.getvalue() + capsys.readouterr().err
    assert output.getvalue() == "port %d ('***',) (wrong arguments for a line of the log)\n"


def test_fields(log: tuple[logging.Logger, io.StringIO]) -> None:
    """A secret in an address is masked in the line's own fields, too."""
    logger, output = log
    logger.handlers[0].setFormatter(JsonFormatter())
    masking.live_secrets.add("s3cr-path")

    logger.warning("x", extra={"fields": {"path": "/x/s3cr-path", "status": 200}})

    assert '"path": "/x/***", "status": 200' in output.getvalue()


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
def test_half_a_character(formatter: logging.Formatter) -> None:
    """A line that no stream could write is written with the half escaped."""
    line = formatter.format(logging.LogRecord("x", 30, "", 0, "é \ud800", (), None))

    assert "é \\ud800" in line
    assert line.encode()


def test_what_a_terminal_would_obey() -> None:
    """Somebody else's text can neither colour what follows nor take away what was written; lines and tabs stay."""
    line = TextFormatter().format(logging.LogRecord("x", 30, "", 0, "a\tb\n\x1b[2J\r\x9b31m", (), None))

    assert line.endswith("a\tb\n\\x1b[2J\\x0d\\x9b31m")
