"""What each part of the DPNP loss does: CIFAR-10 in 3-D from scratch, one part changed at a time.

    python -m tests.benchmarks.loss_variants folder:cifar10 --out runs/loss

Every variant is trained with the same seeds, and answers the same test pictures, so differences
are paired. Finished runs are kept in the folder, and a command that was cut goes on from there. The
variants that change a term itself (its norm, or which rival) do so for this benchmark alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from training.config.train_config import TrainConfig
from training.model import losses
from training.paper.paired_tests import Answers, paired
from training.paper.protocol import configuration, setting_of
from training.paper.runs import Arrays, Cell, Result, loader, read, run_cells, stored
from training.paper.tables import markdown_table

WHERE = setting_of("cifar10", "reduced")
_NO_PULL = {"lambda_pos": 0.0, "lambda_pos_start": None}
_PULL = {"lambda_pos": 0.01, "lambda_pos_start": 0.0005}
# As the paper has it: prototypes start anywhere, and learn at a rate near the network's.
_FREE = {"prototype_init": "random", "prototype_lr": 0.1}
_STRONG = {"lambda_neg_sample": 1.0, "lambda_neg_class": 2.0}  # 100 times the paper's
_TEN = {"lambda_neg_sample": 0.1, "lambda_neg_class": 0.2}


class Variant(NamedTuple):
    """A method, and what is changed of `--preset scratch` and of the loss's functions."""

    method: str
    changes: Mapping[str, Any]
    reference: str | None = None  # the variant that it is compared with
    replaced: Mapping[str, Callable[..., Tensor]] = MappingProxyType({})


def euclidean(difference: Tensor) -> Tensor:
    """‖x‖ in place of ‖x‖_{1/2}^{1/2}, over the last dimension."""
    return (difference.square().sum(-1) + losses.EPSILON**4).sqrt()


def all_rivals(embedding: Tensor, labels: Tensor, prototypes: Tensor) -> Tensor:
    """Eq. 7 with the mean over all rivals in place of the nearest one."""
    norms = losses.half_norm(embedding[:, None] - prototypes)  # (N, M)
    others = norms.sum(1) - norms.gather(1, labels[:, None])[:, 0]
    return -0.5 * (others / (len(prototypes) - 1)).mean()


VARIANTS = {
    "CE": Variant("ce", {}),
    "packed, no pull": Variant("dpp", _NO_PULL, "CE"),
    "packed, pull (DPP)": Variant("dpp", _PULL, "packed, no pull"),
    "packed, pull, negatives (DPNP)": Variant("dpnp", _PULL, "packed, pull (DPP)"),
    "random, no pull": Variant("dpp", _NO_PULL | _FREE, "CE"),
    "random, pull (DPP)": Variant("dpp", _PULL | _FREE, "random, no pull"),
    "random, pull, negatives (DPNP)": Variant("dpnp", _PULL | _FREE, "random, pull (DPP)"),
    "random, negatives × 100": Variant("dpnp", _PULL | _FREE | _STRONG, "random, pull (DPP)"),
    "random, negatives × 10, plain norm": Variant(
        "dpnp", _PULL | _FREE | _TEN, "random, pull (DPP)", {"half_norm": euclidean}
    ),
    "random, negatives × 100, all rivals": Variant(
        "dpnp", _PULL | _FREE | _STRONG, "random, pull (DPP)", {"negative_sample": all_rivals}
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="default: the preset's 20")
    arguments = parser.parse_args()
    load = loader(Path("data"), False, False)
    found: dict[str, list[tuple[Result, Arrays]]] = {}
    for title, variant in VARIANTS.items():
        cells = cells_of(variant, arguments.data, range(arguments.seeds), arguments.epochs)
        folder = arguments.out / folder_name(title)
        with replaced(variant):
            run_cells(cells, folder, load)
        done = [place for cell in cells if (place := stored(cell, folder)) is not None]
        found[title] = [read(place) for place in done]
    Console(width=140).print(table(found), markup=False)


def cells_of(variant: Variant, data: str, seeds: range, epochs: int | None = None) -> list[Cell]:
    """The runs of a variant, one for each seed."""
    cells = []
    for seed in seeds:
        preset = configuration("scratch", WHERE, variant.method, seed, data, epochs)
        config = TrainConfig.of(**(preset.model_dump() | variant.changes))
        cells.append(Cell(WHERE, variant.method, seed, config, holdout=False))
    return cells


def folder_name(title: str) -> str:
    """The folder of a variant's runs: two variants may have one configuration."""
    return "".join(c if c.isalnum() else "-" for c in title.replace("×", "x"))


@contextmanager
def replaced(variant: Variant) -> Iterator[None]:
    """The loss's functions as the variant has them."""
    own = {name: getattr(losses, name) for name in variant.replaced}
    for name, function in variant.replaced.items():
        setattr(losses, name, function)
    try:
        yield
    finally:
        for name, function in own.items():
            setattr(losses, name, function)


def table(found: dict[str, list[tuple[Result, Arrays]]]) -> str:
    """A row for each variant: its figures, and the paired difference to its reference."""
    rows = []
    for title, runs in found.items():
        figures, reference = [result.metrics for result, _ in runs], VARIANTS[title].reference
        difference = paired(answers(runs), answers(found.get(reference or "", [])))
        compared = ["", ""]
        if difference is not None:
            points, error = 100 * difference.difference, 100 * difference.error
            compared = [f"{points:+.2f} ± {error:.2f}", reference or ""]
        rows.append(
            [
                title,
                over_seeds([100 * figure.accuracy for figure in figures]),
                over_seeds([figure.geometry.min_sep_deg for figure in figures]),
                over_seeds([figure.geometry.scr for figure in figures]),
                push_to_pull(title, runs),
                *compared,
            ]
        )
    heading = ["variant", "accuracy, %", "MinSep, °", "SCR", "push ÷ pull", "difference", "to"]
    return markdown_table("CIFAR-10, 3-D, from scratch", heading, rows)


def push_to_pull(title: str, runs: list[tuple[Result, Arrays]]) -> str:
    """How strong eq. 7 is beside the pull at the end: the mean lengths of their gradients for the
    embeddings of training pictures, each with its λ.
    """
    result, arrays = runs[0]
    config, variant = result.config, VARIANTS[title]
    if config.method != "dpnp" or arrays.embeddings is None:
        return ""
    h = torch.from_numpy(arrays.embeddings).requires_grad_()
    labels, prototypes = torch.from_numpy(arrays.labels), torch.from_numpy(arrays.centres)
    with replaced(variant):
        push = config.lambda_neg_sample * losses.negative_sample(h, labels, prototypes)
    pull = config.lambda_pos * losses.positive(h, labels, prototypes)
    lengths = [torch.autograd.grad(term, h)[0].norm(dim=1).mean() for term in (push, pull)]
    return f"{lengths[0] / lengths[1]:.3f}"


def over_seeds(values: list[float]) -> str:
    """The mean, and the standard deviation where there are several."""
    spread = f" ± {np.std(values):.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def answers(runs: list[tuple[Result, Arrays]]) -> Answers:
    """Which test pictures are answered right, by seed."""
    return {result.config.seed: arrays.right for result, arrays in runs if arrays.right is not None}


if __name__ == "__main__":
    main()
