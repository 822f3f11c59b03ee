"""A number of classes M: time and memory.

`cost_growth` measures many numbers with it, each in a process of its own and in time of a CPU:
packing the prototypes, a step of the loss of a batch of 128 with its gradients, the measures of how
prototypes lie, writing the end of the ONNX graph and its bundle, an answer by it, its JSON, a page
of /prototypes; and by the clock the explorer, which needs Chromium.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx.parser
import torch

from interpret.bundle.bundle import Bundle, write_bundle
from interpret.explain.explainer import Explainer
from interpret.geometry.geometry import nearest_angles
from interpret.geometry.packing import packing
from interpret.model.onnx_head import with_prototypes
from interpret.trust.metrics import measure_geometry
from tests.serving.browser import browse
from tests.serving.servers import serve
from training.config.train_config import TrainConfig
from training.model.methods import method_of
from training.run.freed_memory import freed_memory_kept

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


# Types into the page's search, and waits until it has drawn what it found.
SEARCH = """
const start = performance.now();
$('#search').value = arguments[0];
$('#search').dispatchEvent(new Event('input'));
$('#classes').getBoundingClientRect();
return performance.now() - start;
"""


def seconds(work: Callable[[], object], rounds: int = 5) -> float:
    """Seconds of a CPU, the least of some rounds: other work may share the core."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def peak() -> float:
    """MB that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(count: int, dim: int, folder: Path) -> dict[str, float]:
    """Everything for `count` classes."""
    found: dict[str, float] = {}
    before = peak()
    found["packing s"] = seconds(lambda: packing(count, dim), 1)
    prototypes = (40 * packing(count, dim)).astype(np.float32)  # it is cached
    found["smallest angle"] = float(nearest_angles(prototypes).min())
    config = TrainConfig(data="digits", embedding_dim=dim, prototype_init="random")
    method = method_of(config, count, dim)
    embedding = torch.randn(BATCH, dim, requires_grad=True)
    labels = torch.randint(0, count, (BATCH,))
    with freed_memory_kept():  # as in training
        found["loss ms"] = 1000 * seconds(lambda: method(embedding, labels, 0.1)["loss"].backward())
    found["training MB"] = peak() - before
    labels_of_rows = np.arange(min(count, 1000))
    found["geometry s"] = seconds(
        lambda: measure_geometry(
            prototypes[labels_of_rows] + 1, labels_of_rows, prototypes, "train"
        ),
        1,
    )
    bundle = served(prototypes, folder, found)
    explainer = Explainer(bundle)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3), np.uint8)
    explainer.classify(pixels)
    found["predict ms"] = 1000 * seconds(lambda: explainer.classify(pixels), 20)
    found["answer bytes"] = len(explainer.classify(pixels)[0].model_dump_json())
    found["page ms"] = 1000 * seconds(lambda: explainer.prototypes(0, 1000), 3)
    found["peak MB"] = peak() - before
    return found | explorer(bundle, folder)


def explorer(bundle: Bundle, folder: Path) -> dict[str, float]:
    """How soon the service is ready, and its page, and how long a search of all classes takes."""
    with serve(folder / "log", DPNP_BUNDLE=bundle.path) as server:
        size = len(httpx.get(f"{server.url}/map", timeout=60).content)
        found = {"service ready s": server.seconds_to_ready, "map MB": size / 2**20}
        start = time.perf_counter()
        with browse(f"{server.url}/ui/") as page:
            page.wait("$('#classes').children.length > 0")
            found["page ready s"] = time.perf_counter() - start
            times = [float(str(page.run(SEARCH, str(i)))) for i in range(9)]
    return found | {"search ms": min(times)}


def served(prototypes: np.ndarray, folder: Path, found: dict[str, float]) -> Bundle:
    """A bundle with these prototypes and an empty gallery."""
    model = onnx.parser.parse_model(MODEL.format(dim=prototypes.shape[1])).SerializeToString()
    start = time.process_time()
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
    found["export s"] = time.process_time() - start
    return bundle
