"""A side of the square that the default backbone for photographs sees: time and memory.

`cost_growth` measures several sides with it, each in a process of its own and in time of a CPU. The
weights are random: they do not change the time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.bundle.manifest import EvidenceGrid
from interpret.model.predictor import Predictor
from tests.benchmarks.classes import peak, seconds
from tests.benchmarks.training_throughput import bare_step
from training.config.train_config import TrainConfig
from training.data.datasets import load_data
from training.export.onnx_export import ServedModel, export
from training.model.networks import build_network
from training.recipes.named_recipes import recipe
from training.run.freed_memory import freed_memory_kept

BATCH, ROUNDS, PICTURES = 16, 5, 4


def measure(side: int) -> dict[str, float]:
    """A training step, the export, an answer, and an answer with its evidence."""
    found: dict[str, float] = {}
    data, before = load_data("digits"), peak()
    config = TrainConfig.of(
        **recipe("finetune") | {"data": "digits", "image_size": side, "batch_size": BATCH}
    )
    step = bare_step(config, data, torch.device("cpu"))
    with freed_memory_kept():
        found["training ms"] = 1000 * seconds(step, ROUNDS) / BATCH
    found["training MB"] = peak() - before
    network = build_network(config, len(data.class_names), side, ([128.0] * 3, [64.0] * 3))
    model = ServedModel(network.eval())
    written: list[bytes] = []
    found["export s"] = seconds(lambda: written.append(export(model, side)), 1)
    with tempfile.TemporaryDirectory() as folder:
        bundle = _bundle(Path(folder) / "bundle", written[0], network.head.prototypes, side)
        predictor = Predictor(bundle, threads=1, device="cpu")
        pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, side, side, 3), np.uint8)
        for name, evidence in (("predict ms", False), ("evidence ms", True)):
            predictor(pixels, evidence=evidence)
            once = seconds(lambda wanted=evidence: predictor(pixels, evidence=wanted), 5)
            found[name] = 1000 * once / PICTURES
    return found


def _bundle(path: Path, model: bytes, prototypes: torch.Tensor, side: int) -> Bundle:
    old = Bundle.load("models/digits-dpnp")
    changes: dict[str, Any] = {
        "embedding_dim": prototypes.shape[1],
        "input_size": side,
        "radius": None,
        "evidence": EvidenceGrid(rows=side // 32, cols=side // 32),
        "calibration": None,
    }
    return write_bundle(
        path,
        old.manifest.model_copy(update=changes),
        model=model,
        prototypes=prototypes.detach().numpy(),
        embeddings=np.empty((0, prototypes.shape[1]), np.float32),
        gallery=old.gallery.rows(np.arange(0)),
        weights=b"",
    )
