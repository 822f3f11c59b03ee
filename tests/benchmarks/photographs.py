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

from training.config.train_config import TrainConfig
from training.data.augment import Augmentation, generator
from training.data.datasets import load_data
from training.data.splits import DataSet
from training.model import timm_backbones
from training.model.backbones import backbone, load_weights
from training.model.timm_backbones import normalisation
from training.recipes.train_classifier import run_job
from training.run import metrics_log
from training.run.accelerator import precision_of

BACKBONE = "timm:tf_efficientnet_lite0"
SIZES = (160, 224)  # of the frozen features: the better one counts


def trunk(size: int, name: str = BACKBONE) -> nn.Module:
    model = backbone(name, size)
    load_weights(model, name, size, "pretrained")
    return model.to(memory_format=torch.channels_last)


def prepared(pixels: Tensor, name: str = BACKBONE) -> Tensor:
    statistics = normalisation(name.removeprefix(timm_backbones.PREFIX))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in statistics)
    return ((pixels.float() - mean) / std).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def features(
    model: nn.Module, pixels: NDArray[np.uint8], name: str = BACKBONE
) -> NDArray[np.float32]:
    model.eval()
    batches = torch.from_numpy(pixels).permute(0, 3, 1, 2).split(64)
    return torch.cat([model(prepared(batch, name)).mean((2, 3)) for batch in batches]).numpy()


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


def plain(
    data: DataSet, minutes: float, name: str, size: int, batch: int = 32
) -> tuple[float, float]:
    """Accuracy and pictures a second of a plain fine-tuning: AdamW, a new softmax layer, one-cycle,
    the same augmentation, bf16 as training takes it; as many epochs as the minutes allow.
    """
    split, augment = data.splits["train"], Augmentation(size, data.flip, resized=True)
    source = torch.from_numpy(split.pixels(round(size * 8 / 7), "reading")).permute(0, 3, 1, 2)
    labels, model = torch.from_numpy(split.labels), trunk(size, name)
    bf16 = precision_of(TrainConfig.of(data="digits", backbone=name)) == "bf16"
    width = features(model, np.zeros((1, size, size, 3), np.uint8), name).shape[1]
    head = nn.Linear(width, len(data.class_names))
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
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            maps = model(prepared(pixels, name))
        loss = F.cross_entropy(head(maps.float().mean((2, 3))), labels[rows])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        step, seen = step + 1, seen + len(rows)
    rate = seen / (time.perf_counter() - started)
    points = features(model, data.splits["test"].pixels(size, "test"), name)
    answers = head(torch.from_numpy(points)).argmax(1).numpy()
    return float(np.mean(answers == data.splits["test"].labels)), rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true", help="plain fine-tuning too")
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
            history = metrics_log.read(Path(place) / "run")
        seconds, manifest, other = time.perf_counter() - started, trained.bundle.manifest, ""
        if asked.plain:
            found = plain(data, asked.minutes, manifest.backbone, manifest.input_size)
            ours = max((line["images_per_second"] for line in history), default=0.0)
            other = f"{found[0]:.1%}, {found[1]:.1f}/s against {ours:.1f}/s"
        print(
            f"| {folder.name} | {sum(map(len, data.splits.values())):,} | {len(data.class_names)} "
            f"| {rival:.1%} | {manifest.metrics.accuracy:.1%} | {seconds:.0f} | {other} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
