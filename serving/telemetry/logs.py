"""The log: lines for people on a terminal, JSON objects anywhere else.

It never holds a picture, a token or a form's field.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from bentoml import server_context

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

# A child of BentoML's logger, which shows records from INFO upwards.
LOG = logging.getLogger("bentoml.dpnp")


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, worker, message, the request's id, and the record's `fields`.

    A caller adds fields by `LOG.info(…, extra={"fields": {…}})`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "worker": server_context.worker_index,
            "message": record.getMessage(),
        }
        if (request_id := REQUEST_ID.get()) is not None:
            entry["request_id"] = request_id
        entry |= getattr(record, "fields", {})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class LineFormatter(logging.Formatter):
    """Writes a line for people: the time of day, the message, what its fields add."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a traceback follows on lines of its own."""
        fields = dict(getattr(record, "fields", {}))
        words = [datetime.fromtimestamp(record.created).strftime("%H:%M:%S")]
        if record.levelno != logging.INFO:
            words.append(record.levelname.lower())
        fields.pop("request_id", None)
        if "method" in fields:  # a request: its path says more than the counted endpoint
            words.append(f"{fields.pop('method')} {fields.pop('path')}")
        else:
            words.append(record.getMessage())
        if "status" in fields:
            words.append(f"{fields.pop('status')} in {fields.pop('milliseconds')} ms")
        words += [f"{name}={value}" for name, value in fields.items() if value is not None]
        line = _printable("  ".join(words))
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _printable(text: str) -> str:
    """No control characters: a path could otherwise rewrite the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _formatter(stream: TextIO) -> logging.Formatter:
    return LineFormatter() if stream.isatty() else JsonFormatter()


def set_formats() -> None:
    """Give every handler that writes this process's log the format that its stream asks for."""
    for name in (None, "bentoml", "uvicorn.error", "circus"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(_formatter(handler.stream))
                handler.filters.clear()  # BentoML's adds what its own format shows
    # Without a handler uvicorn does not put a line together for each request, to be thrown away.
    logging.getLogger("uvicorn.access").propagate = False


def log_requests(requests: Sequence[tuple[str, dict[str, object], float]]) -> None:
    """Log requests that have ended: a message, its fields, and the end in seconds of the clock.

    A stream gets their lines at once: one by one they take ten times as long.
    """
    if not requests or not LOG.isEnabledFor(logging.INFO):
        return
    records = [_record(*each) for each in requests]
    for handler in _handlers():
        shown = [each for each in records if each.levelno >= handler.level and handler.filter(each)]
        if isinstance(handler, logging.StreamHandler):
            _write(handler, shown)
        else:
            for record in shown:
                handler.handle(record)


def _record(message: str, fields: dict[str, object], created: float) -> logging.LogRecord:
    record = logging.LogRecord(LOG.name, logging.INFO, "", 0, message, None, None)
    record.created, record.fields = created, fields
    return record


def _handlers() -> Iterator[logging.Handler]:
    """Those that get what is logged by LOG."""
    logger: logging.Logger | None = LOG
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _write(handler: logging.StreamHandler[TextIO], records: Sequence[logging.LogRecord]) -> None:
    text = "".join(handler.format(each) + handler.terminator for each in records)
    handler.acquire()
    try:
        handler.stream.write(text)
        handler.flush()
    finally:
        handler.release()


def announce(message: str) -> None:
    """Write the log's first line to stdout, before BentoML has set up logging."""
    record = logging.makeLogRecord(
        {"name": LOG.name, "levelno": logging.INFO, "levelname": "INFO", "msg": message}
    )
    text = message if sys.stdout.isatty() else JsonFormatter().format(record)
    print(text, flush=True)
