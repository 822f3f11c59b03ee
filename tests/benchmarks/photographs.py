"""`dpnp train` on folders of photographs, against frozen features with a logistic regression and
against a plain fine-tuning of the same backbone with cross-entropy in the same minutes.

    python -m tests.benchmarks.photographs FOLDER… [--minutes 10] [--seed 0] [--plain]

All are measured on the same test pictures: those that the training holds out of each folder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from training.data.augment import Augmentation, generator
from training.data.datasets import DataSet, load_data
from training.model.backbones import backbone, load_weights
from training.model.timm_backbones import normalisation
from training.recipes.train_classifier import run_job

NAME = "tf_efficientnet_lite0"
BACKBONE = f"timm:{NAME}"
SIZES = (160, 224)  # of the frozen features: the better one counts


def trunk(size: int) -> nn.Module:
    model = backbone(BACKBONE, size)
    load_weights(model, BACKBONE, size, "pretrained")
    return model.to(memory_format=torch.channels_last)


def prepared(pixels: Tensor) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in normalisation(NAME))
    return ((pixels.float() - mean) / std).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def features(model: nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    model.eval()
    batches = torch.from_numpy(pixels).permute(0, 3, 1, 2).split(64)
    return torch.cat([model(prepared(batch)).mean((2, 3)) for batch in batches]).numpy()


def frozen(data: DataSet) -> tuple[float, float]:
    """Accuracy and seconds of the better size, regularised as scikit-learn does by default."""
    started, found = time.perf_counter(), []
    for size in SIZES:
        model, parts = trunk(size), {}
        for name in ("train", "test"):
            parts[name] = features(model, data.splits[name].pixels(size, f"{name} {size}"))
        scale = StandardScaler().fit(parts["train"])
        head = LogisticRegression(max_iter=1000)
        head.fit(scale.transform(parts["train"]), data.splits["train"].labels)
        found.append(head.score(scale.transform(parts["test"]), data.splits["test"].labels))
    return max(found), time.perf_counter() - started


def plain(data: DataSet, minutes: float, size: int = 224, batch: int = 32) -> tuple[float, float]:
    """Accuracy and pictures a second of a plain fine-tuning: AdamW, a new softmax layer, one-cycle,
    the same augmentation; as many epochs as the minutes allow.
    """
    split, augment = data.splits["train"], Augmentation(size, data.flip, resized=True)
    source = torch.from_numpy(split.pixels(round(size * 8 / 7), "reading")).permute(0, 3, 1, 2)
    labels, model = torch.from_numpy(split.labels), trunk(size)
    head = nn.Linear(1280, len(data.class_names))
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=5e-4, weight_decay=0.02)
    deadline, started, step, seen = 60 * minutes, time.perf_counter(), 0, 0
    while (spent := time.perf_counter() - started) < deadline:
        random = generator(0, step // (len(labels) // batch))
        order = torch.randperm(len(labels), generator=random)
        rows = order.split(batch)[step % (len(labels) // batch)]
        share = spent / deadline
        for group in optimizer.param_groups:
            group["lr"] = 5e-4 * min(1.0, share / 0.1) * 0.5 * (1 + np.cos(np.pi * share))
        model.train()
        pixels = augment(source[rows], augment.draw(len(rows), generator(1, step)))
        loss = F.cross_entropy(head(model(prepared(pixels)).mean((2, 3))), labels[rows])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        step, seen = step + 1, seen + len(rows)
    points = features(model, data.splits["test"].pixels(size, "test"))
    answers = head(torch.from_numpy(points)).argmax(1).numpy()
    accuracy = float(np.mean(answers == data.splits["test"].labels))
    return accuracy, seen / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="the plain fine-tuning too")
    asked = parser.parse_args()
    print("| set | pictures | classes | frozen + logistic | dpnp train | seconds | plain |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for folder in asked.folders:
        spec = f"folder:{folder}"
        data = load_data(spec, seed=asked.seed)
        rival, _ = frozen(data)
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as place:
            given = {"data": spec, "minutes": asked.minutes, "seed": asked.seed}
            trained = run_job(given, Path(place) / "bundle", Path(place) / "run")
        assert trained is not None
        seconds = time.perf_counter() - started
        other = f"{plain(data, asked.minutes)[0]:.1%}" if asked.plain else ""
        print(
            f"| {folder.name} | {sum(map(len, data.splits.values())):,} | {len(data.class_names)} "
            f"| {rival:.1%} | {trained.bundle.manifest.metrics.accuracy:.1%} | {seconds:.0f} "
            f"| {other} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
