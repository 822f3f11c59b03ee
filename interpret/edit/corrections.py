"""Corrections that people send: the right label of a picture, kept in a SQLite file.

A correction is on the disk before `add` returns: the file is in WAL mode, and every commit is
synced. So a process that is killed at any point loses nothing that it has confirmed. A row has the
pooled features that the head can be refitted on, and the hash of the pixels; the picture itself
only where the one who keeps the file wants it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.errors import DpnpError

_APPLICATION = 0x44504E50  # "DPNP", in the file's header
_VERSION = 1
_WAIT = 10.0  # seconds for another process that writes
_SCHEMA = """
CREATE TABLE IF NOT EXISTS corrections (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received TEXT NOT NULL,
    request_id TEXT,
    label TEXT NOT NULL,
    answer TEXT NOT NULL,
    model TEXT NOT NULL,
    trunk TEXT NOT NULL,
    pixels_sha256 TEXT NOT NULL,
    features BLOB NOT NULL,
    picture BLOB
);
CREATE INDEX IF NOT EXISTS corrections_pixels ON corrections (pixels_sha256);
"""
_COLUMNS = "label, answer, model, trunk, pixels_sha256, features, picture, request_id"


RECENT = ".recent"  # after the name of a file of feedback: answers that may be corrected yet


class FeedbackUnwritableError(DpnpError):
    """The disk takes no correction: it is full, or something else is wrong with it."""


class FeedbackFullError(DpnpError):
    """The file has reached its limit of rows or bytes."""


class Correction(NamedTuple):
    """The right label of one picture, and what teaching needs of the picture."""

    label: str
    answer: str  # the label that the model gave
    model: str  # fingerprint of the bundle that answered
    trunk: str  # digest of the network that made the features, see onnx_projection.trunk_digest
    pixels_sha256: str  # of the network's input
    features: NDArray[np.float32]  # (F,), pooled
    picture: bytes | None = None  # the network's input as a PNG; None: not kept
    request_id: str | None = None


def forget_answers(feedback: Path, digests: Sequence[str]) -> None:
    """Remove pictures from the answers beside a file of feedback, where the service keeps them for
    corrections by `request_id`, their bytes overwritten. Raises DpnpError.
    """
    path = Path(f"{feedback}{RECENT}")
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=_WAIT, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete=ON")
            remove = "DELETE FROM answers WHERE pixels_sha256 = ?"
            connection.executemany(remove, [(digest,) for digest in digests])
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log has them too
    except sqlite3.Error as error:
        raise DpnpError(f"{path}: not the answers of a service ({error})") from error


class CorrectionsFile:
    """The file of corrections. Threads share an instance; processes each open their own."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        """Open the file; `create` makes a new one, which its owner alone may read.

        Raises DpnpError for a file that is missing, or is something else.
        """
        self.path, self._lock = path, threading.Lock()
        if not path.exists():
            if not create:
                raise DpnpError(f"{path}: no such file of feedback")
            try:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            except OSError as error:
                raise DpnpError(f"{path}: cannot be made ({error.strerror})") from error
        try:
            self._connection = sqlite3.connect(
                path, timeout=_WAIT, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(create)
            except sqlite3.Error:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise DpnpError(f"{path}: not a file of feedback ({error})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(
        self, correction: Correction, *, max_rows: int | None = None, max_bytes: int | None = None
    ) -> int:
        """Append a correction and return its id, once it is on the disk.

        Raises FeedbackFullError when the file has `max_rows` or would pass `max_bytes`, and
        FeedbackUnwritableError when the disk does not take it.
        """
        try:
            return self._add(correction, max_rows, max_bytes)
        except sqlite3.OperationalError as error:
            raise FeedbackUnwritableError(f"the correction cannot be kept: {error}") from error

    def _add(self, correction: Correction, max_rows: int | None, max_bytes: int | None) -> int:
        features = np.ascontiguousarray(correction.features, np.float32).tobytes()
        picture = correction.picture
        with self._lock, self._transaction():
            rows, size = self._rows(), self._bytes() + len(features) + len(picture or b"")
            if max_rows is not None and rows >= max_rows:
                raise FeedbackFullError(f"the file of feedback is full: {rows:,} rows")
            if max_bytes is not None and size > max_bytes:
                raise FeedbackFullError(f"the file of feedback is full: over {max_bytes:,} bytes")
            cursor = self._connection.execute(
                f"INSERT INTO corrections (received, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)",
                (
                    datetime.now(UTC).isoformat(timespec="seconds"),
                    *(correction.label, correction.answer, correction.model, correction.trunk),
                    *(correction.pixels_sha256, features, picture, correction.request_id),
                ),
            )
            return int(cursor.lastrowid or 0)

    def __len__(self) -> int:
        with self._lock:
            return self._rows()

    def latest(self) -> list[Correction]:
        """The corrections, oldest first; of several for the same pixels the last one counts."""
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM corrections WHERE id IN "
                "(SELECT max(id) FROM corrections GROUP BY pixels_sha256) ORDER BY id"
            ).fetchall()
        return [_from_row(row) for row in rows]

    def remove(self, pixels_sha256: str) -> int:
        """Remove all corrections of a picture, its bytes overwritten; returns how many."""
        query = "DELETE FROM corrections WHERE pixels_sha256 = ?"
        with self._lock:
            with self._transaction():
                removed = self._connection.execute(query, (pixels_sha256,)).rowcount
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log has them too
            return removed

    def _prepare(self, create: bool) -> None:
        run = self._connection.execute
        self._check(empty=create)  # a file of something else is left as it is, byte for byte
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=FULL")  # WAL alone would not outlive a loss of power
        run("PRAGMA secure_delete=ON")
        with self._transaction():  # of several processes that open a new file, one makes the tables
            if self._check(empty=True):
                return
            for statement in _SCHEMA.split(";"):
                run(statement)
            run(f"PRAGMA application_id={_APPLICATION}")
            run(f"PRAGMA user_version={_VERSION}")

    def _check(self, *, empty: bool) -> bool:
        """Whether this is a file of corrections. Raises DatabaseError for another file, and for one
        without tables that may not be `empty`.
        """
        run = self._connection.execute
        application = run("PRAGMA application_id").fetchone()[0]
        version = run("PRAGMA user_version").fetchone()[0]
        if application == _APPLICATION and version == _VERSION:
            return True
        if application == _APPLICATION:
            raise sqlite3.DatabaseError(f"version {version}; this release reads {_VERSION}")
        if application or run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError("a database of another program")
        if not empty:
            raise sqlite3.DatabaseError("it is empty")
        return False

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            raise

    def _rows(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM corrections").fetchone()[0])

    def _bytes(self) -> int:
        pages, size = (
            int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "page_size")
        )
        return pages * size


def _from_row(row: tuple[Any, ...]) -> Correction:
    label, answer, model, trunk, pixels, features, picture, request = row
    vector = np.frombuffer(features, np.float32)
    return Correction(label, answer, model, trunk, pixels, vector, picture, request)
