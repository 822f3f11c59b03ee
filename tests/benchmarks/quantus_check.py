"""Three figures of faithfulness against Quantus's code for the same: the deletion curve, ROAD's
filling of removed pixels, and the rank correlation of the sanity check.

    python -m tests.benchmarks.quantus_check models/digits-dpnp --data digits

The differences should be those of rounding.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import quantus
import torch
from quantus.functions.perturb_func import noisy_linear_imputation
from quantus.functions.similarity_func import correlation_spearman
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from interpret.bundle.bundle import Bundle
from interpret.explain.attribution import Attributor, Margin
from interpret.explain.faithfulness import STEPS, curves, rank_correlation
from interpret.explain.map_margins import enlarged
from interpret.explain.road import imputed
from interpret.model.images import featureless
from training.evaluate.labelled import DataSource, load_labelled


class TwoAnswers(nn.Module):
    """The margin as the first of two outputs: Quantus asks for the output of a class."""

    def __init__(self, margin: Margin) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, pixels: Tensor) -> Tensor:
        found = self.margin(pixels.float())
        return torch.stack([found, -found], 1)


def deletion_difference(attributor: Attributor, picture: np.ndarray, pair: list[int]) -> float:
    """The largest difference of the two deletion curves, of the picture's margin. Each location
    has a value of its own, so that there is one order.
    """
    size = len(picture)
    values = np.random.default_rng(0).permutation(size * size).reshape(size, size).astype(float)
    own = curves(attributor, picture, values, pair).deletion
    blurred = featureless(picture).transpose(2, 0, 1).reshape(1, -1).astype(np.float32)

    def blur(arr: np.ndarray, indices: np.ndarray, **_: object) -> np.ndarray:
        places = indices % (size * size)  # of a channel: the other channels' pixels go with it
        every = np.concatenate([places + channel * size * size for channel in range(3)], 1)
        changed = arr.copy()
        np.put_along_axis(changed, every, np.take_along_axis(blurred, every, 1), 1)
        return changed

    metric = quantus.PixelFlipping(
        features_in_step=size * size // STEPS,  # a third of a step: Quantus counts channels
        normalise=False,
        perturb_func=blur,
        disable_warnings=True,
    )
    # The channels of a location follow each other in the order.
    channels = np.stack([values * 3 + channel for channel in (2, 1, 0)])
    theirs = metric(
        model=TwoAnswers(attributor.margin(*pair)).eval(),
        x_batch=picture.transpose(2, 0, 1)[None].astype(np.float32),
        y_batch=np.zeros(1, np.int64),
        a_batch=channels[None],
        device="cpu",
        softmax=False,
    )
    return float(np.abs(own[1:] - np.asarray(theirs[0])[2::3]).max() / abs(own[0]))


def filling_difference(picture: np.ndarray, share: float) -> float:
    """The largest difference of a filled pixel, in levels of 0 to 255, without noise."""
    size = len(picture)
    removed = np.random.default_rng(1).random((size, size)) < share
    own = imputed(picture, removed, 0, noise=0.0)
    theirs = noisy_linear_imputation(
        picture.transpose(2, 0, 1).astype(float), np.flatnonzero(removed), noise=0.0
    )
    other = np.clip(np.round(theirs.reshape(3, size, size).transpose(1, 2, 0)), 0, 255)
    return float(np.abs(own - other).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--pictures", type=int, default=20)
    asked = parser.parse_args()
    bundle = Bundle.load(asked.bundle)
    data = load_labelled(bundle, DataSource(asked.data))
    pictures = data.splits[asked.split].subset(np.arange(asked.pictures))
    pixels = pictures.pixels(bundle.manifest.input_size, "decoding")
    attributor = Attributor(bundle)
    pairs = np.argsort(-attributor.predictor(pixels).probabilities, axis=1)[:, :2].tolist()
    curve = [deletion_difference(attributor, *each) for each in zip(pixels, pairs, strict=True)]
    filled = [filling_difference(picture, 0.5) for picture in pixels]
    maps = [
        enlarged(attributor.attribute(picture, "evidence", *pair).values, len(picture))
        for picture, pair in zip(pixels, pairs, strict=True)
    ]
    ranks = [
        abs(rank_correlation(a, b) - correlation_spearman(a.ravel(), b.ravel()))
        for a, b in pairwise(maps)
    ]
    table = Table(title=f"largest difference from Quantus, {len(pixels)} pictures")
    table.add_column("figure")
    table.add_column("difference", justify="right")
    table.add_row("deletion curve, of the margin", f"{max(curve):.1e}")
    table.add_row("ROAD's filled pixels, levels of 0 to 255", f"{max(filled):.0f}")
    table.add_row("rank correlation", f"{max(ranks):.1e}")
    Console().print(table)


if __name__ == "__main__":
    main()
