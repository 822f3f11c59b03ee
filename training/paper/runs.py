"""The runs behind the paper's tables and figures, kept by configuration.

Each run has a folder of its own, named by its configuration's hash. A finished one holds
result.json with the whole configuration, and is not run again for a cell that asks for exactly
that; one that was cut goes on from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator
from safetensors.numpy import load_file, save

from interpret.bundle.atomic_files import write_atomically
from interpret.bundle.manifest import Metrics
from interpret.geometry import geometry
from interpret.trust import metrics as evaluation
from training.config.train_config import TrainConfig
from training.data.datasets import RESIDENT_SIZE, load_data
from training.data.splits import DataSet, Split
from training.data.splitting import stratified
from training.evaluate.labelled import predict_split
from training.export.bundle_export import library_versions
from training.export.onnx_export import ServedModel, run_torch
from training.model.networks import PrototypeNetwork
from training.paper.protocol import Setting
from training.run import checkpoint
from training.run.accelerator import device_name
from training.run.loop import train

_LOG = logging.getLogger(__name__)
RESULT, ARRAYS = "result.json", "arrays.safetensors"
MEASURED = 10_000  # training pictures that compactness is measured on, at most, evenly spaced


class Cell(NamedTuple):
    """One run: a method on a setting of the paper, with a seed."""

    setting: Setting
    method: str
    seed: int
    config: TrainConfig
    holdout: bool  # measured on a tenth of the training pictures, kept from training

    @property
    def name(self) -> str:
        """The cell in words."""
        return f"{self.setting.key}-{self.method}-{self.seed}"

    @property
    def folder(self) -> str:
        """Its folder's name: in words, and the hash of everything it depends on."""
        text = json.dumps([self.config.model_dump(mode="json"), self.holdout], sort_keys=True)
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


class Result(BaseModel):
    """What is kept of a run, beside the arrays that the figures are drawn from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: TrainConfig
    holdout: bool
    class_names: list[str]
    dim: int
    metrics: Metrics
    seconds: float  # of training
    device: str
    versions: dict[str, str]

    @field_validator("config", mode="before")
    @classmethod
    def _recorded(cls, value: object) -> object:
        """Results of before the configuration was split hold options of export beside it."""
        return TrainConfig.recorded(value) if isinstance(value, dict) else value


class Arrays(NamedTuple):
    """The arrays of a run. `embeddings` only in 3-D, for the sphere; `right` not in older runs."""

    centres: NDArray[np.float32]  # (M, d)
    weights: NDArray[np.float32]  # (M, d), the classifier's
    intra_class_angles: NDArray[np.float32]  # (N,) of the measured training pictures, degrees
    labels: NDArray[np.int64]  # (N,)
    embeddings: NDArray[np.float32] | None = None  # (N, 3)
    right: NDArray[np.bool_] | None = None  # (T,): which test pictures are answered right


def run_cells(cells: Sequence[Cell], folder: Path, load: Callable[[str], DataSet]) -> None:
    """Train and measure every cell that has no result yet, in order."""
    waiting = [cell for cell in cells if stored(cell, folder) is None]
    _LOG.info(
        "%d runs: %d done before, %d to do", len(cells), len(cells) - len(waiting), len(waiting)
    )
    for number, cell in enumerate(waiting, 1):
        _LOG.info("run %d of %d: %s", number, len(waiting), cell.folder)
        _run(cell, folder / cell.folder, load(cell.config.data))


def stored(cell: Cell, folder: Path) -> Path | None:
    """The folder of a finished run of exactly the cell's configuration; None without one.

    The configuration in result.json counts, not the folder's name, and it must name every option:
    one that a run from before it does not name may have another default by now.
    """
    for file in sorted(folder.glob(f"{cell.name}-*/{RESULT}")):
        record = json.loads(file.read_text())
        whole = record["config"].keys() >= TrainConfig.model_fields.keys()
        if not whole or record["holdout"] != cell.holdout:
            continue
        if TrainConfig.recorded(record["config"]) == cell.config:
            return file.parent
    return None


def read(folder: Path) -> tuple[Result, Arrays]:
    """The result of a finished run."""
    result = Result.model_validate_json((folder / RESULT).read_text())
    tensors: dict[str, Any] = load_file(folder / ARRAYS)
    return result, Arrays(**tensors)


def loader(data_root: Path, download: bool, holdout: bool) -> Callable[[str], DataSet]:
    """Loads a data set once, small pictures into memory, so that many runs share one decoding."""
    loaded: dict[str, DataSet] = {}

    def load(source: str) -> DataSet:
        if source not in loaded:
            data = load_data(source, root=data_root, download=download)
            data = _held_out(data) if holdout else data
            loaded[source] = in_memory(data) if data.image_size <= RESIDENT_SIZE else data
        return loaded[source]

    return load


def in_memory(data: DataSet) -> DataSet:
    """The same data set with every picture decoded, at its own size."""
    splits = {
        name: Split.of_arrays(
            split.pixels(data.image_size, f"reading {name}"), split.labels, split.sources
        )
        for name, split in data.splits.items()
    }
    return DataSet(data.name, data.class_names, splits, data.image_size, data.flip)


def _held_out(data: DataSet) -> DataSet:
    """A tenth of the training pictures in place of all other splits."""
    train = data.splits["train"]
    parts = stratified(train.labels, 0)
    rest = np.sort(np.concatenate([parts["train"], parts["test"]]))
    splits = {"train": train.subset(rest), "valid": train.subset(parts["valid"])}
    return DataSet(data.name, data.class_names, splits, data.image_size, data.flip)


def _run(cell: Cell, folder: Path, data: DataSet) -> None:
    config, started = cell.config, time.perf_counter()
    resume = (folder / checkpoint.FILE).exists()
    network = train(config, data, folder, resume=resume)
    if network is None:  # not the main process
        return
    seconds = time.perf_counter() - started
    where = device_name(next(network.parameters()).device)
    metrics, arrays = evaluate_network(network, config, data)
    result = Result(
        config=config,
        holdout=cell.holdout,
        class_names=data.class_names,
        dim=network.embedding_dim,
        metrics=metrics,
        seconds=seconds,
        device=where,
        versions=library_versions(),
    )
    tensors = {name: value for name, value in arrays._asdict().items() if value is not None}
    write_atomically(folder / ARRAYS, save(tensors))
    write_atomically(folder / RESULT, (result.model_dump_json(indent=2) + "\n").encode())
    checkpoint.mark_finished(folder)


def evaluate_network(
    network: PrototypeNetwork, config: TrainConfig, data: DataSet
) -> tuple[Metrics, Arrays]:
    """The figures of a network as it would be served, in float32, and what is drawn of it."""
    run = partial(run_torch, ServedModel(network.float().eval()))
    size = config.image_size or data.image_size
    head, train = network.head, data.splits["train"]
    centres, weights = (
        np.asarray(v.detach().cpu().numpy(), np.float32) for v in (head.prototypes, head.weights())
    )
    rows = np.linspace(0, len(train) - 1, min(len(train), MEASURED)).astype(np.int64)
    shown = train.subset(rows)
    embeddings = predict_split(run, shown, size, "embedding train").embedding
    final = data.evaluation_split()
    predicted = predict_split(run, data.splits[final], size, f"embedding {final}")
    scored = evaluation.score(predicted, data.splits[final].labels, centres)
    measured = evaluation.measure_geometry(embeddings, shown.labels, centres, "train")
    angles = geometry.intra_class_angles(embeddings, shown.labels, centres).astype(np.float32)
    arrays = Arrays(
        centres,
        weights,
        angles,
        shown.labels,
        embeddings if network.embedding_dim == 3 else None,
        scored.right,
    )
    return evaluation.metrics(scored, final, measured, data.class_names), arrays
