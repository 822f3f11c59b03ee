"""The exported model on ONNX Runtime: pixels in; embeddings, distances, probabilities out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.bundle.errors import BundleError, DpnpError
from interpret.bundle.missing_parts import named_parts
from interpret.model.devices import cpu_count, cuda_device_count

with named_parts():
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as state

_LOG = logging.getLogger(__name__)

# What ONNX Runtime raises for bytes that are no model, or one that it cannot run. The classes have
# no base of their own.
_LOAD_ERRORS = (
    state.EPFail,
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
    RuntimeError,
    ValueError,
)

CUDA = "CUDAExecutionProvider"  # ONNX Runtime's name for it

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Batch = TypeVar("Batch", Pixels, Floats)
Device = Literal["auto", "cpu", "cuda"]


class Prediction(NamedTuple):
    """What the model computed for N pictures, all float32."""

    embedding: Floats  # (N, d)
    distances: Floats  # (N, M), Euclidean, to each prototype
    probabilities: Floats  # (N, M)
    evidence: Floats | None  # (N, d, h, w): per-location embeddings, their mean is `embedding`
    # (N,), in units of distance: how unlike the training pictures it is, less the same of
    # the median training picture. 0 for a model without this output.
    novelty: Floats
    pooled: Floats | None = None  # (N, F): the features before the projection, when asked for

    @property
    def answers(self) -> NDArray[np.int64]:
        """The classes answered (N,), by inner product."""
        result: NDArray[np.int64] = self.probabilities.argmax(1)
        return result

    def part(self, rows: slice | NDArray[np.int64]) -> Prediction:
        """The prediction of some of the pictures."""
        return Prediction(
            self.embedding[rows],
            self.distances[rows],
            self.probabilities[rows],
            None if self.evidence is None else self.evidence[rows],
            self.novelty[rows],
            None if self.pooled is None else self.pooled[rows],
        )

    @property
    def ood_score(self) -> NDArray[np.float64]:
        """How unlike the training pictures each picture is (N,), in units of distance: the
        distance to the answer's prototype plus the novelty. A verdict compares it with
        `max_distance`.
        """
        own = np.take_along_axis(self.distances, self.answers[:, None], 1)[:, 0]
        return own.astype(np.float64) + self.novelty


def concatenated(parts: Sequence[Prediction]) -> Prediction:
    """Several predictions as one, in order."""
    evidence = [part.evidence for part in parts if part.evidence is not None]
    pooled = [part.pooled for part in parts if part.pooled is not None]
    return Prediction(
        np.concatenate([part.embedding for part in parts]),
        np.concatenate([part.distances for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate(evidence) if evidence else None,
        np.concatenate([part.novelty for part in parts]),
        np.concatenate(pooled) if pooled else None,
    )


class AnyPredictor(Protocol):
    """The part of a predictor that an explainer uses. The service has one that gathers batches."""

    input_size: int
    provider: str

    def __call__(self, pixels: Pixels, *, evidence: bool = False) -> Prediction:
        """As `Predictor.__call__`."""


class Predictor:
    """An ONNX Runtime session over a bundle's model, or over a model.onnx in memory.

    `threads` are those of one inference (default: all CPUs the process may use). With
    device="auto" CUDA is used when the driver shows a GPU; `provider` tells which one runs.
    `pooled` has every prediction bear the features before the projection.
    """

    def __init__(
        self,
        model: Bundle | bytes,
        *,
        threads: int | None = None,
        device: Device = "auto",
        pooled: bool = False,
    ) -> None:
        if isinstance(model, bytes):
            content, source = model, "model.onnx"
        else:
            content, source = model.read("model.onnx"), str(model.path / "model.onnx")
        self.has_pooled = pooled
        if pooled:
            from interpret.model.onnx_projection import with_pooled  # here: it imports onnx

            content = with_pooled(content)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cpu_count()
        options.inter_op_num_threads = 1
        # Threads that wait for the next operator sleep: spinning would take the CPU from decoding.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3  # errors only: its warnings are about graph optimisation
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=_providers(device)
            )
        except _LOAD_ERRORS as error:
            raise BundleError(f"{source}: {error}") from error
        shapes = _shapes(self._session, source)
        self.input_size = shapes["pixels"][1]
        self.has_evidence, self.has_novelty = "evidence" in shapes, "novelty" in shapes
        if isinstance(model, Bundle):
            _check_against(model, shapes, source)
        self.provider = self._session.get_providers()[0]
        if self.provider != CUDA and _cuda_wanted(device):
            if device == "cuda":
                raise DpnpError(f"CUDA was asked for, but {_why_not_cuda()}")
            _LOG.warning("there is a GPU, but the model runs on the CPU: %s", _why_not_cuda())
        _LOG.info("ONNX Runtime %s runs on %s", onnxruntime.__version__, self.provider)

    def __call__(
        self, pixels: Pixels, *, batch_size: int = 64, evidence: bool = False
    ) -> Prediction:
        """Run on uint8 RGB pixels (N, S, S, 3), `batch_size` at a time.

        `evidence` asks for the per-location embeddings too; they stay None for a network that
        has none. Raises ValueError for another shape or dtype.
        """
        size = self.input_size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise ValueError(
                f"pixels are {pixels.dtype} {pixels.shape}, not uint8 (N, {size}, {size}, 3)"
            )
        names = ["embedding", "distances", "probabilities"]
        names += ["evidence"] * (evidence and self.has_evidence)
        names += ["novelty"] * self.has_novelty
        names += ["pooled"] * self.has_pooled
        found = dict(zip(names, self.run(names, pixels, batch_size), strict=True))
        return Prediction(
            found["embedding"],
            found["distances"],
            found["probabilities"],
            found.get("evidence"),
            found.get("novelty", np.zeros(len(pixels), np.float32)),
            found.get("pooled"),
        )

    def run(self, names: Sequence[str], pixels: Pixels, batch_size: int = 64) -> list[Floats]:
        """The graph's outputs of these names, for pixels as in `__call__`."""
        parts = [self._session.run(names, {"pixels": b}) for b in _batches(pixels, batch_size)]
        if len(parts) == 1:
            return list(parts[0])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]


def run_head(model: bytes, embeddings: Floats, batch_size: int = 4096) -> tuple[Floats, Floats]:
    """Distances and probabilities (N, M) of embeddings (N, d), by a model of
    `onnx_head.head_alone`.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cpu_count()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = ["distances", "probabilities"]
    parts = [session.run(names, {"embedding": b}) for b in _batches(embeddings, batch_size)]
    distances, probabilities = (np.concatenate(column) for column in zip(*parts, strict=True))
    return distances, probabilities


def _shapes(session: onnxruntime.InferenceSession, source: str) -> dict[str, tuple[int, ...]]:
    """The shapes of the model's input and outputs, 0 for the batch; raises BundleError."""
    shapes = {}
    for tensor in (*session.get_inputs(), *session.get_outputs()):
        batch, *rest = tensor.shape or [1]
        if isinstance(batch, int) or not all(isinstance(side, int) for side in rest):
            raise BundleError(
                f"{source}: {tensor.name} is {tensor.shape}; the batch, and nothing else, is free"
            )
        shapes[tensor.name] = (0, *rest)
    for name, rank in (("pixels", 4), ("embedding", 2), ("distances", 2), ("probabilities", 2)):
        if len(shapes.get(name, ())) != rank:
            raise BundleError(f"{source}: has no {name} of {rank} dimensions")
    return shapes


def _check_against(bundle: Bundle, shapes: dict[str, tuple[int, ...]], source: str) -> None:
    manifest = bundle.manifest
    size, d, classes = manifest.input_size, manifest.embedding_dim, len(manifest.class_names)
    expected = {
        "pixels": (0, size, size, 3),
        "embedding": (0, d),
        "distances": (0, classes),
        "probabilities": (0, classes),
    }
    if manifest.evidence is not None:
        expected["evidence"] = (0, d, manifest.evidence.rows, manifest.evidence.cols)
    if "novelty" in shapes:
        expected["novelty"] = (0,)
    for name, shape in expected.items():
        if shapes.get(name) != shape:
            raise BundleError(
                f"{source}: {name} has shape {shapes.get(name)}, not {shape} as in the manifest"
            )


def _batches(pixels: Batch, batch_size: int) -> Iterator[Batch]:
    # An empty input still runs once, so that the outputs have their shapes.
    for start in range(0, max(len(pixels), 1), batch_size):
        yield pixels[start : start + batch_size]


def _providers(device: Device) -> list[str]:
    if _cuda_wanted(device) and CUDA in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()  # finds the CUDA libraries that pip installed
        return [CUDA, "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]


def _cuda_wanted(device: Device) -> bool:
    return device == "cuda" or (device == "auto" and cuda_device_count() > 0)


def _why_not_cuda() -> str:
    if not cuda_device_count():
        return "the driver shows no GPU"
    if CUDA not in onnxruntime.get_available_providers():
        return "the installed ONNX Runtime is built without it: install onnxruntime-gpu instead"
    return "ONNX Runtime cannot start it: is a CUDA library missing?"
