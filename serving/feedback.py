"""Corrections over the network: the pictures answered lately, and the file of what was wrong.

A correction names a picture, or the request that it came with. For the second the service keeps,
of the last answers, what teaching needs: in a second file beside the first, which all workers
share and which may be lost.
"""

from __future__ import annotations

import io
import queue
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from interpret.bundle.errors import DpnpError
from interpret.bundle.gallery_table import pixel_hash
from interpret.edit.corrections import RECENT, Correction, CorrectionsFile
from interpret.model.predictor import AnyPredictor, Pixels, Prediction
from serving.settings import Settings
from serving.telemetry.logs import LOG, REQUEST_ID

_WAITING = 1024  # answers that wait to be kept, at most; more are not kept
_LATE = 2.0  # seconds that another worker may take to keep an answer
_RECENT = """
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    answer TEXT NOT NULL,
    model TEXT NOT NULL,
    trunk TEXT NOT NULL,
    pixels_sha256 TEXT NOT NULL,
    features BLOB NOT NULL,
    picture BLOB,
    UNIQUE (request_id, pixels_sha256)
)
"""
_COLUMNS = "answer, model, trunk, pixels_sha256, features, picture, request_id"


class UnknownRequestError(DpnpError):
    """A request that was not answered here, or too long ago."""


class SeveralPicturesError(DpnpError):
    """A request about several pictures, or several requests with one id."""


class Answered(NamedTuple):
    """A picture that was answered, with the model that did."""

    request_id: str | None
    pixels: Pixels  # (S, S, 3)
    features: np.ndarray[tuple[int], np.dtype[np.float32]]  # (F,)
    answer: str
    model: str
    trunk: str


def picture_ids(request_id: str, count: int) -> list[str]:
    """An id for each picture of a request: ID where it is alone, else ID.1, ID.2 and so on."""
    if count == 1:
        return [request_id]
    return [f"{request_id}.{place}" for place in range(1, count + 1)]


class Feedback:
    """The file of corrections, and the answers they may refer to. Raises DpnpError."""

    def __init__(self, settings: Settings) -> None:
        assert settings.feedback is not None
        self._settings = settings
        self._file = CorrectionsFile(settings.feedback, create=True)
        self._recent = _RecentAnswers(settings)

    def remember(self, answered: Answered) -> None:
        """Keep an answer for a while, so that its request can be corrected; does not wait."""
        self._recent.put(answered)

    def of_request(self, request_id: str) -> Correction:
        """The picture that was answered for a request, without its right label.

        Raises UnknownRequestError, and DpnpError for a request of several pictures.
        """
        found = self._recent.find(request_id)
        if not found and self._recent.has_parts(request_id):
            raise SeveralPicturesError(
                f"request {request_id!r} was about several pictures: name the one by "
                f"its own id, as {request_id}.1, or send it as `image`"
            )
        if not found:
            raise UnknownRequestError(
                f"no answer to request {request_id!r} is remembered: send the picture as `image`"
            )
        if len(found) > 1:
            raise SeveralPicturesError(
                f"request {request_id!r} was about {len(found)} pictures: send the one as `image`"
            )
        return found[0]

    def of_picture(self, answered: Answered) -> Correction:
        """A picture that came with its correction, without its right label."""
        return _correction(answered, self._settings.feedback_pictures)

    def add(self, correction: Correction) -> int:
        """Keep a correction for good; returns its id. Raises what `CorrectionsFile.add` raises."""
        return self._file.add(
            correction,
            max_rows=self._settings.feedback_rows,
            max_bytes=self._settings.feedback_bytes,
        )

    def __len__(self) -> int:
        return len(self._file)


class RememberingPredictor:
    """A predictor that hands what it says of single pictures to `Feedback.remember`."""

    def __init__(
        self,
        predictor: AnyPredictor,
        feedback: Feedback,
        class_names: Sequence[str],
        model: str,
        trunk: str,
    ) -> None:
        self.input_size, self.provider = predictor.input_size, predictor.provider
        self._predictor, self._feedback = predictor, feedback
        self._names, self._model, self._trunk = class_names, model, trunk

    def __call__(self, pixels: Pixels, *, evidence: bool = False) -> Prediction:
        """As the predictor inside; the request is the one of the log."""
        prediction = self._predictor(pixels, evidence=evidence)
        if (request_id := REQUEST_ID.get()) is not None:
            self._remember(pixels, prediction, picture_ids(request_id, len(pixels)))
        return prediction

    def of_pictures(
        self, pixels: Pixels, request_ids: Sequence[str], *, evidence: bool = False
    ) -> Prediction:
        """As the predictor inside, each picture (N, S, S, 3) remembered under an id of its own."""
        prediction = self._predictor(pixels, evidence=evidence)
        self._remember(pixels, prediction, request_ids)
        return prediction

    def silent(self, pixels: Pixels) -> Answered:
        """The answer for one picture (S, S, 3), which is not remembered."""
        return self._answered(REQUEST_ID.get(), pixels, self._predictor(pixels[None]), 0)

    def _remember(self, pixels: Pixels, prediction: Prediction, request_ids: Sequence[str]) -> None:
        for row, request_id in enumerate(request_ids):
            self._feedback.remember(self._answered(request_id, pixels[row], prediction, row))

    def _answered(
        self, request_id: str | None, pixels: Pixels, prediction: Prediction, row: int
    ) -> Answered:
        assert prediction.pooled is not None
        label = self._names[int(prediction.answers[row])]
        features = prediction.pooled[row]
        return Answered(request_id, pixels, features, label, self._model, self._trunk)


def _correction(answered: Answered, with_picture: bool) -> Correction:
    return Correction(
        label="",
        answer=answered.answer,
        model=answered.model,
        trunk=answered.trunk,
        pixels_sha256=pixel_hash(answered.pixels),
        features=answered.features,
        picture=_png(answered.pixels) if with_picture else None,
        request_id=answered.request_id,
    )


def _png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class _RecentAnswers:
    """The latest answers of all workers, in a file that is not synced; a thread writes it."""

    def __init__(self, settings: Settings) -> None:
        assert settings.feedback is not None
        path = Path(f"{settings.feedback}{RECENT}")
        path.touch(0o600)
        self._rows, self._pictures = settings.feedback_recent, settings.feedback_pictures
        self._workers = settings.workers
        self._connection = sqlite3.connect(
            path, timeout=10, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.execute(_RECENT)
        if not self._pictures:  # of a service that was told to keep them
            self._connection.execute("UPDATE answers SET picture = NULL WHERE picture NOT NULL")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._lock = threading.Lock()
        self._waiting: queue.Queue[Answered] = queue.Queue(_WAITING)
        threading.Thread(target=self._write, daemon=True).start()

    def put(self, answered: Answered) -> None:
        try:
            self._waiting.put_nowait(answered)
        except queue.Full:
            LOG.warning("an answer came too fast to be kept for feedback")

    def find(self, request_id: str) -> list[Correction]:
        """The pictures of a request; this worker or another may be about to keep them."""
        deadline = time.monotonic() + _LATE
        while not (found := self._read(request_id)) and time.monotonic() < deadline:
            if self._workers == 1 and not self._waiting.unfinished_tasks:
                return self._read(request_id)  # the last one may have been kept since
            time.sleep(0.02)
        return found

    def has_parts(self, request_id: str) -> bool:
        """Whether there are pictures of a request of several: see `picture_ids`."""
        query = (
            "SELECT 1 FROM answers WHERE request_id > ? || '.' AND request_id < ? || '/' LIMIT 1"
        )
        with self._lock:
            rows = self._connection.execute(query, (request_id, request_id)).fetchall()
        return bool(rows)

    def _read(self, request_id: str) -> list[Correction]:
        query = f"SELECT {_COLUMNS} FROM answers WHERE request_id = ?"
        with self._lock:
            rows = self._connection.execute(query, (request_id,)).fetchall()
        return [
            Correction("", answer, model, trunk, pixels, np.frombuffer(f, np.float32), png, request)
            for answer, model, trunk, pixels, f, png, request in rows
        ]

    def _write(self) -> None:
        while True:
            answered = self._waiting.get()
            try:
                self._keep(_correction(answered, self._pictures))
            except sqlite3.OperationalError as error:  # the disk is full, for example
                LOG.warning("an answer is not kept for feedback: %s", error)
            except Exception:  # the edge of the thread: the next answers are kept all the same
                LOG.exception("an answer is not kept for feedback")
            finally:
                self._waiting.task_done()

    def _keep(self, kept: Correction) -> None:
        insert = f"INSERT OR REPLACE INTO answers ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)"
        drop = "DELETE FROM answers WHERE id <= (SELECT max(id) FROM answers) - ?"
        values = (
            *(kept.answer, kept.model, kept.trunk, kept.pixels_sha256),
            *(kept.features.tobytes(), kept.picture, kept.request_id),
        )
        with self._lock:
            self._connection.execute(insert, values)
            self._connection.execute(drop, (self._rows,))
