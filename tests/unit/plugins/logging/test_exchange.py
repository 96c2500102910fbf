"""qapla.plugins.logging.exchange: every request is named, every answer is logged"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest

from qapla.plugins.logging.exchange import Exchange
from qapla.plugins.logging.formatters import JsonFormatter, TextFormatter
from qapla.ports import current_request, current_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    logging.getLogger("app").info("inside")
    return [environ["PATH_INFO"].encode()]


def around(application: Any, quiet: tuple[str, ...] = ()) -> Any:
    return lambda environ, start_response: Exchange(environ, start_response, quiet).run(application)


def ask(front: Any, **environ: Any) -> tuple[dict[str, str], bytes]:
    setup_testing_defaults(environ)
    answer: dict[str, str] = {}
    body = front(environ, lambda status, headers, exc_info=None: answer.update(headers, status=status))
    try:
        return answer, b"".join(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def test_answer_names_its_request() -> None:
    """The id in the answer is the one that the caller sent."""
    headers, _ = ask(around(echo), HTTP_X_REQUEST_ID="abc-1")

    assert headers["X-Request-Id"] == "abc-1"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "a\r\nSet-Cookie: b"])
def test_unusable_request_id_is_replaced(sent: str) -> None:
    """An id that is missing, too long or could break a header is not taken over."""
    headers, _ = ask(around(echo), HTTP_X_REQUEST_ID=sent)

    assert headers["X-Request-Id"] != sent
    assert headers["X-Request-Id"].isalnum()


def test_log_record_knows_its_request() -> None:
    """Every record made during a request has its id; afterwards there is none."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(JsonFormatter().format(record))  # type: ignore[method-assign]
    logger = logging.getLogger("app")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    ask(around(echo), HTTP_X_REQUEST_ID="abc-1")
    logger.info("outside")
    logger.removeHandler(handler)

    assert [json.loads(line).get("request_id") for line in lines] == ["abc-1", None]


def test_access_log_tells_the_end_of_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    """A streamed answer is logged when it is over, and one that was cut says so."""

    def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        yield b"b"

    def take_one(body: Iterable[bytes]) -> None:
        iterator = iter(body)
        next(iterator)
        body.close()  # type: ignore[attr-defined]

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    with caplog.at_level(logging.INFO, logger="qapla.access"):
        ask(around(stream))
        take_one(around(stream)(environ, lambda *arguments: None))

    said = [record.getMessage() for record in caplog.records if record.name == "qapla.access"]
    assert [line.endswith("(cut)") for line in said] == [False, True]


def test_probes_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What a supervisor asks every second does not fill the log."""
    with caplog.at_level(logging.INFO, logger="qapla.access"):
        ask(around(echo, ("/healthz",)), PATH_INFO="/healthz")

    assert [record for record in caplog.records if record.name == "qapla.access"] == []


def test_broken_stream_breaks_off(caplog: pytest.LogCaptureFixture) -> None:
    """An error in the middle of a stream reaches the server and the log, with the id of the request."""
    seen: list[str] = []

    def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"a"
        seen.append(current_request.get())
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        ask(around(stream), HTTP_X_REQUEST_ID="abc-1")

    assert seen == ["abc-1"]
    assert any("broke off" in record.getMessage() for record in caplog.records)


def test_log_record_knows_its_task(caplog: pytest.LogCaptureFixture) -> None:
    """What is logged while a task is done has its id."""
    token = current_task.set("task-1")

    logging.getLogger("app").warning("inside")
    line = json.loads(JsonFormatter().format(next(record for record in caplog.records if record.name == "app")))
    current_task.reset(token)

    assert line["task_id"] == "task-1"


@pytest.mark.parametrize(
    ("level", "expected"), [(logging.INFO, "info    hello"), (logging.WARNING, "warning hello [request abc-1, task task-1]")]
)
def test_a_terminal_shows_ids_where_something_is_wrong(level: int, expected: str) -> None:
    """Lines about normal work stay short."""
    record = logging.LogRecord("app", level, __file__, 1, "hello", (), None)
    record.request_id, record.task_id = "abc-1", "task-1"

    assert TextFormatter().format(record).partition(" ")[2] == expected
