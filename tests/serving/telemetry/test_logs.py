"""A record of the log as one line of JSON."""

import json
import logging
import sys
from datetime import datetime

import pytest

from serving.telemetry.logs import REQUEST_ID, JsonFormatter, LineFormatter, set_formats


def line(record: logging.LogRecord) -> dict:
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)


def record(message: str, *values: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("name", logging.WARNING, "file.py", 1, message, values, None)
    made.__dict__.update(extra)
    return made


def test_time_level_logger_and_message() -> None:
    entry = line(record("%d of %s", 3, "a\nb", created=1_700_000_000.25))
    assert datetime.fromisoformat(entry["time"]).timestamp() == 1_700_000_000.25
    assert (entry["level"], entry["logger"]) == ("warning", "name")
    assert entry["message"] == "3 of a\nb"
    assert "request_id" not in entry


def test_fields_and_the_request_s_id() -> None:
    token = REQUEST_ID.set("an-id")
    try:
        entry = line(record("message", fields={"status": 200, "label": "red"}))
    finally:
        REQUEST_ID.reset(token)
    assert (entry["request_id"], entry["status"], entry["label"]) == ("an-id", 200, "red")


def test_an_exception_stays_on_its_line() -> None:
    try:
        raise ZeroDivisionError("a reason")
    except ZeroDivisionError:
        entry = line(record("failed", exc_info=sys.exc_info()))
    assert entry["exception"].endswith("ZeroDivisionError: a reason")


def test_a_line_for_people() -> None:
    request = {"method": "POST", "path": "/predict", "status": 200, "milliseconds": 5.25}
    fields = request | {"client": None, "label": "red"}
    text = LineFormatter().format(record("x", levelno=logging.INFO, fields=fields))
    assert text[8:] == "  POST /predict  200 in 5.25 ms  label=red"
    assert LineFormatter().format(record("%d left", 3))[8:] == "  warning  3 left"


def test_no_path_rewrites_the_terminal() -> None:
    fields = {"method": "GET", "path": "/\x1b[2J\né"}
    text = LineFormatter().format(record("x", levelno=logging.INFO, fields=fields))
    assert text.endswith("  GET /\\x1b[2J\\né")


def test_uvicorn_puts_no_line_together_for_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    own = logging.getLogger("uvicorn.access")
    monkeypatch.setattr(own, "propagate", True)  # and back afterwards
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
    assert own.hasHandlers()
    set_formats()
    assert not own.hasHandlers()  # what uvicorn asks
