"""How cost grows with the number of classes: time and memory against M.

python -m tests.benchmarks.classes [--largest 10000] [--dim 10] [--plot classes.png]

Each M is measured in a process of its own: packing the prototypes, a step of the loss of a batch of
128 with its gradients, writing the end of the ONNX graph, an answer by it, its JSON, and a page of
/prototypes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import onnx.parser
import torch
import typer

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.explain.explainer import Explainer
from interpret.geometry.geometry import nearest_angles
from interpret.geometry.packing import packing
from interpret.model.onnx_head import with_prototypes
from training.config.train_config import TrainConfig
from training.model.methods import method_of

COUNTS = (10, 100, 1000, 10_000, 100_000)
BATCH = 128
# The model is the end of a network alone: its embedding is the picture's first numbers.
MODEL = """
<ir_version: 9, opset_import: ["" : 18]>
end (uint8[n, 4, 4, 3] pixels) => (float[n, {dim}] embedding)
<float scale = {{6.0}}, int64[2] flat = {{-1, 48}}, int64[1] start = {{0}},
 int64[1] end = {{{dim}}}, int64[1] axis = {{1}}>
{{
  numbers = Cast<to = 1>(pixels)
  whole = Reshape(numbers, flat)
  first = Slice(whole, start, end, axis)
  embedding = Div(first, scale)
}}
"""


def seconds(work: Callable[[], object], rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def peak() -> float:
    """MB that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(count: int, dim: int, folder: Path) -> dict[str, float]:
    """Everything for `count` classes."""
    found: dict[str, float] = {"classes": count}
    before = peak()
    found["packing s"] = seconds(lambda: packing.__wrapped__(count, dim), 1)
    prototypes = (40 * packing(count, dim)).astype(np.float32)
    found["smallest angle"] = float(nearest_angles(prototypes).min())
    config = TrainConfig(data="digits", embedding_dim=dim, prototype_init="random")
    method = method_of(config, count, dim)
    embedding = torch.randn(BATCH, dim, requires_grad=True)
    labels = torch.randint(0, count, (BATCH,))
    found["loss ms"] = 1000 * seconds(lambda: method(embedding, labels, 0.1)["loss"].backward())
    found["training MB"] = peak() - before
    bundle = served(prototypes, folder, found)
    explainer = Explainer(bundle)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3), np.uint8)
    explainer.classify(pixels)
    found["predict ms"] = 1000 * seconds(lambda: explainer.classify(pixels), 20)
    found["answer bytes"] = len(explainer.classify(pixels)[0].model_dump_json())
    found["page ms"] = 1000 * seconds(lambda: explainer.prototypes(0, 1000), 3)
    found["peak MB"] = peak() - before
    return found


def served(prototypes: np.ndarray, folder: Path, found: dict[str, float]) -> Bundle:
    """A bundle with these prototypes and an empty gallery."""
    model = onnx.parser.parse_model(MODEL.format(dim=prototypes.shape[1])).SerializeToString()
    start = time.perf_counter()
    model = with_prototypes(model, prototypes, 40.0)
    old = Bundle.load("models/digits-dpnp")
    changes: dict[str, Any] = {
        "class_names": [f"class {i}" for i in range(len(prototypes))],
        "embedding_dim": prototypes.shape[1],
        "input_size": 4,
        "radius": 40.0,
        "evidence": None,
        "calibration": None,
        "metrics": old.manifest.metrics.model_copy(update={"per_class": None}),
    }
    bundle = write_bundle(
        folder / "many",
        old.manifest.model_copy(update=changes),
        model=model,
        prototypes=prototypes,
        embeddings=np.empty((0, prototypes.shape[1]), np.float32),
        gallery=old.gallery.rows(np.arange(0)),
        weights=b"",
    )
    found["bundle s"] = time.perf_counter() - start
    return bundle


def draw(results: list[dict[str, float]], path: Path) -> None:
    figure, axes = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    counts = [each["classes"] for each in results]
    for axis, names in zip(
        axes,
        (
            ("loss ms", "predict ms", "page ms"),
            ("packing s", "bundle s"),
            ("training MB", "peak MB", "answer bytes"),
        ),
        strict=True,
    ):
        for name in names:
            axis.plot(counts, [each[name] for each in results], "o-", label=name)
        axis.set(xscale="log", yscale="log", xlabel="classes")
        axis.legend(frameon=False)
    figure.savefig(path)


def main(
    largest: int = 10_000,
    dim: int = 10,
    plot: Path | None = None,
    measured: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    import tempfile

    if measured is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(measured, dim, Path(folder))))
        return
    results = []
    for count in (count for count in COUNTS if count <= largest):
        words = ["-m", "tests.benchmarks.classes", "--measured", str(count), "--dim", str(dim)]
        done = subprocess.run(
            [sys.executable, *words], check=True, stdout=subprocess.PIPE, text=True
        )
        results.append(json.loads(done.stdout.splitlines()[-1]))
        print(", ".join(f"{k} {v:,.4g}" for k, v in results[-1].items()), flush=True)
    if plot is not None:
        draw(results, plot)


if __name__ == "__main__":
    typer.run(main)
