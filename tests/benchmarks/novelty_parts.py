"""Which part of the OOD score tells pictures of no class, alone and in the sum.

    python -m tests.benchmarks.novelty_parts BUNDLE --data folder:cifar10
        --ood folder:cifar100/train --ood folder:cifar100/test [--pictures 2000]

Prints the AUROC of each part against pictures of the split that the limits were found on, or of
--split. A part that is chosen by such a table should be confirmed on other pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from interpret.bundle.bundle import Bundle
from interpret.model.images import Preprocessing, open_image
from interpret.model.onnx_novelty import LATE
from interpret.model.predictor import Pixels, Predictor
from interpret.trust.ood_scores import auroc
from training.evaluate.labelled import DataSource, load_labelled
from training.evaluate.ood import ood_files

LENGTH = "novelty.length"  # tensors in the graph of a calibrated bundle
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default=None)
    parser.add_argument("--ood", action="append", required=True)
    parser.add_argument("--pictures", type=int, default=2000)
    options = parser.parse_args()
    bundle, files = Bundle.load(options.bundle), ood_files(options.ood)
    data = load_labelled(bundle, DataSource(options.data))
    split = data.splits[data.chosen(options.split or data.held_out)]
    fitted = Preprocessing.of(bundle.manifest)
    predictor, names = with_parts(bundle.read("model.onnx"))
    rows = evenly(len(split), options.pictures)
    usual = parts(predictor, names, split.subset(rows).pixels(fitted.size, ""))
    strange = {}
    for name, own in files.items():
        chosen = [own[row] for row in evenly(len(own), options.pictures)]
        pixels = np.stack([fitted(open_image(file)) for file in chosen])
        strange[name] = parts(predictor, names, pixels)
    print(f"| part | {' | '.join(strange)} |\n| --- |{' --- |' * len(strange)}")
    for part, own in usual.items():
        shown = (f"{auroc(found[part], own):.3f}" for found in strange.values())
        print(f"| {part} | {' | '.join(shown)} |")


def with_parts(model: bytes) -> tuple[Predictor, dict[str, str]]:
    """A model that has the parts of its novelty as outputs, and the outputs by the parts' names."""
    proto = onnx.load_from_string(model)
    made = {output for node in proto.graph.node for output in node.output}
    named = {"early maps": LENGTH} | {
        name.replace("_", " "): f"novelty.{name}.part" for name in LATE
    }
    found = {part: tensor for part, tensor in named.items() if tensor in made}
    for tensor in found.values():
        proto.graph.output.append(
            onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, ["n"])
        )
    return Predictor(proto.SerializeToString()), found


def parts(
    predictor: Predictor, names: dict[str, str], pixels: Pixels
) -> dict[str, NDArray[np.floating]]:
    """The distance to the answer's prototype, each part of novelty, and their sum, (N,) each."""
    outputs = ("distances", "probabilities", "novelty", *names.values())
    batches = [
        predictor.run(outputs, pixels[start : start + BATCH])
        for start in range(0, len(pixels), BATCH)
    ]
    away, probabilities, novelty, *found = (
        np.concatenate(column) for column in zip(*batches, strict=True)
    )
    distance = np.take_along_axis(away, probabilities.argmax(1)[:, None], 1)[:, 0]
    named = dict(zip(names, found, strict=True))
    return {"distance": distance, **named, "distance and novelty": distance + novelty}


def evenly(total: int, count: int) -> NDArray[np.int64]:
    """Up to `count` rows, evenly over `total`."""
    return np.unique(np.linspace(0, total - 1, min(total, count)).astype(np.int64))


if __name__ == "__main__":
    main()
