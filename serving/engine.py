"""The engine: a verified bundle that is ready to answer. Its holder exchanges it under traffic."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.explain.answers import Classification, Explanation
from interpret.explain.evidence_answer import with_fine_evidence
from interpret.explain.explainer import NEAREST_SHOWN, Explainer
from interpret.model.devices import cuda_device_count
from interpret.model.predictor import AnyPredictor, Pixels, Prediction, Predictor
from serving.about import about_model, gallery_map
from serving.answers import Prototypes
from serving.batching import BatchingPredictor, Wanted
from serving.feedback import Answered, Feedback, RememberingPredictor
from serving.schemas import PAGE_LIMIT
from serving.settings import Settings
from serving.telemetry.answer_counter import AnswerCounter
from serving.telemetry.logs import LOG, REQUEST_ID
from serving.telemetry.metrics import metrics

WATCH_SECONDS = 1.0
GARBAGE = 10_000  # new objects until Python looks for cycles among them
# Pixels that the network computes on in one inference on CPUs. What the layers hand on of larger
# batches no longer fits a CPU's own cache: eight pictures of 128 pixels a side take 7 % less time
# each than sixteen, of 160 pixels 20 % less. And the memory that they take is never given back.
CPU_BATCH_PIXELS = 8 * 128**2


class _Asked(NamedTuple):
    """The picture of a request, and what is wanted of its answer."""

    pixels: Pixels  # (S, S, 3)
    request_id: str
    top: int = NEAREST_SHOWN
    probabilities: bool = False


class Engine:
    """One bundle, warmed up, with the answers that are the same for every request.

    Raises BundleError for a bundle that is not whole.
    """

    def __init__(self, settings: Settings, feedback: Feedback | None = None) -> None:
        bundle = Bundle.load(settings.bundle_path)
        predictor = Predictor(
            bundle,
            threads=settings.process_threads,
            device=settings.device,
            pooled=feedback is not None,
        )
        size = predictor.input_size
        batch = settings.max_batch
        if predictor.provider == "CPUExecutionProvider":
            batch = max(1, min(batch, CPU_BATCH_PIXELS // bundle.manifest.network_size**2))
        # The first inference allocates memory and picks kernels: no client has to wait for it.
        blank = np.zeros((batch, size, size, 3), np.uint8)
        for pictures in (blank[:1], blank):
            predictor(pictures, evidence=True)
        self.batch = batch  # pictures of one inference, at most
        # Pictures of a row of requests, at most: two inferences, because a row begins with Python
        # code that the inference before has driven out of the caches.
        self.row = min(settings.max_batch, 2 * batch)
        self._batching = BatchingPredictor(predictor, batch)
        answering: AnyPredictor = self._batching
        self._remembering: RememberingPredictor | None = None
        if feedback is not None:
            answering = self._remembering = _remembering(answering, feedback, bundle)
        explainer = Explainer(bundle, answering)
        self.explainer, self.model = explainer, explainer.model
        self._first_page = self._page(0, PAGE_LIMIT)
        self.map = gallery_map(explainer).model_dump_json().encode()
        self.about = about_model(explainer, settings)
        self.count = AnswerCounter(bundle)
        LOG.info(
            "bundle %s (%.12s) is ready on %s, %d threads",
            self.model.name,
            self.model.fingerprint,
            predictor.provider,
            settings.process_threads,
        )

    def prototypes(self, offset: int = 0, limit: int = PAGE_LIMIT) -> Prototypes:
        """The classes from `offset` on, `limit` of them at most."""
        first = (offset, limit) == (0, PAGE_LIMIT)
        return self._first_page if first else self._page(offset, limit)

    def _page(self, offset: int, limit: int) -> Prototypes:
        bundle = self.explainer.bundle
        return Prototypes(
            radius=bundle.manifest.radius,
            total=len(bundle.prototypes),
            offset=offset,
            prototypes=self.explainer.prototypes(offset, limit),
            model=self.model,
        )

    def answered(self, pixels: Pixels) -> Answered:
        """What a correction of a picture (S, S, 3) needs; only where feedback is collected."""
        assert self._remembering is not None
        return self._remembering.silent(pixels)

    def prediction(
        self, pixels: Pixels, request_ids: Sequence[str], evidence: bool = False
    ) -> Prediction:
        """The prediction for pictures (N, S, S, 3), each remembered under an id of its own."""
        if self._remembering is None:
            return self._batching(pixels, evidence=evidence)
        return self._remembering.of_pictures(pixels, request_ids, evidence=evidence)

    def classification(self, pixels: Pixels, top: int, probabilities: bool) -> Wanted:
        """The question for the answer about one request's picture (S, S, 3)."""
        asked = _Asked(pixels, REQUEST_ID.get() or "", top, probabilities)
        return Wanted(self._classifications, asked)

    def evidence(self, pixels: Pixels) -> Wanted:
        """The question for the prediction, evidence included, of one request's picture."""
        return Wanted(self._evidences, _Asked(pixels, REQUEST_ID.get() or ""))

    def _classifications(self, asked: Sequence[_Asked]) -> list[Classification]:
        prediction = self._of_row(asked, evidence=False)
        wishes = [(each.top, each.probabilities) for each in asked]
        found: dict[int, Classification] = {}
        for top, probabilities in dict.fromkeys(wishes):  # nearly always the same for all
            rows = [row for row, wish in enumerate(wishes) if wish == (top, probabilities)]
            part = prediction.part(np.array(rows))
            answers = self.explainer.answers(part, top=top, probabilities=probabilities)
            found |= zip(rows, answers, strict=True)
        return [found[row] for row in range(len(asked))]

    def _evidences(self, asked: Sequence[_Asked]) -> list[Prediction]:
        prediction = self._of_row(asked, evidence=True)
        return [prediction.part(slice(row, row + 1)) for row in range(len(asked))]

    def _of_row(self, asked: Sequence[_Asked], evidence: bool) -> Prediction:
        pixels, start = np.stack([each.pixels for each in asked]), time.perf_counter()
        prediction = self.prediction(pixels, [each.request_id for each in asked], evidence)
        for _ in asked[1:]:  # the call counts as one
            metrics().inference.observe(time.perf_counter() - start)
        return prediction

    def with_fine_evidence(self, explanation: Explanation, pixels: Pixels) -> Explanation:
        """The explanation of a picture (S, S, 3) with its finer map.

        The shifted pictures are no answers: they are not remembered.
        """
        prototypes = self.explainer.bundle.prototypes
        return with_fine_evidence(explanation, pixels, prototypes, self._batching)


class EngineHolder:
    """Holds the engine that answers, and exchanges it when the folder holds a new good bundle."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self._stamp = _stamp(settings.bundle_path)
        self.feedback = Feedback(settings) if settings.feedback is not None else None
        self.engine = Engine(settings, self.feedback)
        metrics().serving(self.engine.model, None)
        _trim()

    @property
    def ready(self) -> bool:
        """Whether the model runs where DPNP_DEVICE says."""
        return self._settings.device != "cuda" or self.engine.about.device == "cuda"

    def reload(self) -> bool:
        """Read the folder again. Returns True when it holds another bundle, which then answers.

        The new bundle is verified and warmed up first, then one assignment exchanges the engines:
        requests under way end with the engine they began with. Raises DpnpError for a bad bundle;
        the old engine stays.
        """
        with self._lock:
            self._stamp = _stamp(self._settings.bundle_path)
            old = self.engine
            try:
                new = Engine(self._settings, self.feedback)
            except Exception as error:  # the edge: the old bundle keeps serving whatever happens
                metrics().reloads.labels("refused").inc()
                still = f"{old.model.name} ({old.model.fingerprint:.12}) keeps serving"
                ours = isinstance(error, DpnpError)
                LOG.error("the new bundle is refused: %s; %s", error, still, exc_info=not ours)
                raise DpnpError(f"{error}; {still}") from error
            if new.model == old.model:
                return False
            self.engine = new
            metrics().serving(new.model, old.model)
            metrics().reloads.labels("swapped").inc()
            del old
            _trim()
            return True

    def watch(self, stop: threading.Event) -> None:
        """Reload whenever the folder has changed and then rested for WATCH_SECONDS."""
        last = self._stamp
        while not stop.wait(WATCH_SECONDS):
            now = _stamp(self._settings.bundle_path)
            rested, last = now == last, now
            if rested and now not in (self._stamp, ()):
                try:
                    self.reload()
                except DpnpError:
                    continue  # the log says why; the next change of the folder is tried again


def spare_the_collector() -> None:
    """Keep Python's collector of cyclic garbage away from what the imports have made.

    It goes through all objects again and again, here 120,000 that never go: a tenth of the time
    beside the inference, and pauses of a tenth of a second. Requests make hardly any cycles, but
    those of a row are enough objects at once to start it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 10, 10)


def check_device(settings: Settings) -> None:
    """Raise DpnpError where DPNP_DEVICE asks for CUDA and the model does not run on it.

    It runs once in a process of its own: what CUDA takes would stay with this one.
    """
    if settings.device != "cuda":
        return
    if not cuda_device_count():
        raise DpnpError("DPNP_DEVICE is cuda, but the driver shows no GPU")
    words = [sys.executable, "-c", _ON_CUDA, str(settings.bundle_path)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["the process died"])[-1]
        raise DpnpError(f"DPNP_DEVICE is cuda, but the model does not run on it: {last}")


_ON_CUDA = """
import sys
import numpy
from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import DpnpError
from interpret.model.predictor import Predictor
try:
    model = Predictor(Bundle.load(sys.argv[1]), device="cuda")
except DpnpError as error:
    sys.exit(str(error))
model(numpy.zeros((1, model.input_size, model.input_size, 3), numpy.uint8))
"""


def _remembering(
    predictor: AnyPredictor, feedback: Feedback, bundle: Bundle
) -> RememberingPredictor:
    from interpret.model.onnx_projection import trunk_digest  # here: it imports onnx

    manifest = bundle.manifest
    trunk = trunk_digest(bundle.read("model.onnx"))
    return RememberingPredictor(
        predictor, feedback, manifest.class_names, manifest.fingerprint, trunk
    )


def _trim() -> None:
    """Give back the memory that loading has freed. glibc would keep it: some 25 MB."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def _stamp(path: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Name, inode, time and size of each file: another bundle has others. () without a folder."""
    try:
        files = sorted(path.iterdir())
        stats = [(file.name, file.stat()) for file in files]
    except OSError:
        return ()
    return tuple((name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
