"""The log: lines for people on a terminal, JSON objects anywhere else.

It never holds a picture, a token or a form's field.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import NamedTuple, TextIO

from bentoml import server_context

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)

# A child of BentoML's logger, which shows records from INFO upwards.
LOG = logging.getLogger("bentoml.dpnp")


class Line(NamedTuple):
    """What a line of the log says."""

    message: str
    fields: Mapping[str, object]
    created: float  # seconds of the clock
    level: str = "info"
    logger: str = LOG.name


class LineFormatter(logging.Formatter):
    """Writes a line for people: the time of day, the message, what its fields add.

    A caller adds fields by `LOG.info(…, extra={"fields": {…}})`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a traceback follows on lines of its own."""
        line = self.written(_line_of(record))
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line

    def written(self, line: Line) -> str:
        """The line."""
        fields = dict(line.fields)
        words = [datetime.fromtimestamp(line.created).strftime("%H:%M:%S")]
        if line.level != "info":
            words.append(line.level)
        fields.pop("request_id", None)
        if "method" in fields:  # a request: its path says more than the counted endpoint
            words.append(f"{fields.pop('method')} {fields.pop('path')}")
        else:
            words.append(line.message)
        if "status" in fields:
            words.append(f"{fields.pop('status')} in {fields.pop('milliseconds')} ms")
        words += [f"{name}={value}" for name, value in fields.items() if value is not None]
        return _printable("  ".join(words))


class JsonFormatter(LineFormatter):
    """Writes time, level, logger, worker, message, the request's id, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = _line_of(record)
        if record.exc_info:
            traceback = {"exception": self.formatException(record.exc_info)}
            line = line._replace(fields={**line.fields, **traceback})
        return self.written(line)

    def written(self, line: Line) -> str:
        """The line."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(line.created, UTC).isoformat(timespec="milliseconds"),
            "level": line.level,
            "logger": line.logger,
            "worker": server_context.worker_index,
            "message": line.message,
        }
        if (request_id := REQUEST_ID.get()) is not None:
            entry["request_id"] = request_id
        entry.update(line.fields)
        return json.dumps(entry)


def _line_of(record: logging.LogRecord) -> Line:
    fields = getattr(record, "fields", {})
    level = "info" if record.levelno == logging.INFO else record.levelname.lower()
    return Line(record.getMessage(), fields, record.created, level, record.name)


def _printable(text: str) -> str:
    """No control characters: a path could otherwise rewrite the terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _formatter(stream: TextIO) -> LineFormatter:
    return LineFormatter() if stream.isatty() else JsonFormatter()


def set_formats() -> None:
    """Give every handler that writes this process's log the format that its stream asks for."""
    for name in (None, "bentoml", "uvicorn.error", "circus"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setFormatter(_formatter(handler.stream))
    # Without a handler uvicorn does not put a line together for each request, to be thrown away.
    logging.getLogger("uvicorn.access").propagate = False


def log_requests(lines: Sequence[Line]) -> None:
    """Log requests that have ended.

    A stream of ours gets all lines at once, without a record of Python's logging for each: one by
    one they take ten times as long. BentoML's filters only add what its own format shows.
    """
    if not lines or not LOG.isEnabledFor(logging.INFO):
        return
    for handler in _handlers():
        if handler.level > logging.INFO:
            continue
        formatter = handler.formatter
        if isinstance(handler, logging.StreamHandler) and isinstance(formatter, LineFormatter):
            text = "".join([formatter.written(line) + handler.terminator for line in lines])
            _write(handler, text)
        else:
            for line in lines:
                handler.handle(_record_of(line))


def _record_of(line: Line) -> logging.LogRecord:
    record = logging.LogRecord(line.logger, logging.INFO, "", 0, line.message, None, None)
    record.created, record.fields = line.created, line.fields
    return record


def _handlers() -> Iterator[logging.Handler]:
    """Those that get what is logged by LOG."""
    logger: logging.Logger | None = LOG
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _write(handler: logging.StreamHandler[TextIO], text: str) -> None:
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
