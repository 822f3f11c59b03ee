"""The log: one JSON object a line. It never holds a picture, a token or a form's field."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime

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


def as_json() -> None:
    """Give every handler that writes this process's log the JSON format."""
    formatter = JsonFormatter()
    for name in (None, "bentoml", "uvicorn.error", "circus"):
        for handler in logging.getLogger(name).handlers:
            handler.setFormatter(formatter)
