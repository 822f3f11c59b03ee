"""What each method's loss costs: a ResNet18 training step of every method against CE's, and the
terms alone against pytorch-metric-learning's nearest equivalents.

    python tests/benchmarks/method_steps.py [--batch 128] [--classes 10] [--rounds 15]

The methods take turns on the same network and batch; ratios are medians over the rounds. Runs on
CUDA when there is a GPU. Leave the machine idle otherwise. (The centre loss has no equivalent
there: SoftTriple, a softmax over learned centres, comes nearest.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Annotated

import torch
import typer
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ProxyNCALoss, SoftTripleLoss
from rich.console import Console
from rich.table import Table
from torch import Tensor

from training.config.method_names import METHOD_NAMES
from training.config.train_config import TrainConfig
from training.model.methods import CenterLoss, Method, method_of
from training.model.networks import build_network
from training.run.accelerator import device_name, has_bf16
from training.run.optimizers import Optimizers, optimizer_for
from training.run.step import NetworkAndLoss, Targets

LAMBDA_POS = 0.01


def main(
    batch: int = 128,
    classes: int = 10,
    rounds: int = 15,
    steps: Annotated[int | None, typer.Option(help="a round; default: 20 on CUDA, else 1")] = None,
) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps = steps or (20 if device.type == "cuda" else 1)
    console = Console()
    console.print(f"{device_name(device)}, batch {batch}, {classes} classes, {rounds} rounds")
    console.print(whole_steps(device, batch, classes, rounds, steps))
    console.print(terms_alone(device, batch, classes, rounds))


def whole_steps(device: torch.device, batch: int, classes: int, rounds: int, steps: int) -> Table:
    """A step of each method: forward, loss, backward, SGD."""
    pixels = torch.randint(0, 256, (batch, 3, 32, 32), dtype=torch.uint8, device=device)
    labels = torch.randint(classes, (batch,), device=device)
    targets = Targets(labels, counts=torch.bincount(labels, minlength=classes))
    kinds = {method: _step(method, classes, device) for method in METHOD_NAMES}

    def seconds(method: str) -> float:
        network_and_loss, optimizer = kinds[method]
        _wait(device)
        start = time.perf_counter()
        for _ in range(steps):
            with torch.autocast(device.type, torch.bfloat16, enabled=has_bf16()):
                terms, _ = network_and_loss(pixels, targets, LAMBDA_POS)
            terms["loss"].backward()
            optimizer.step()
            optimizer.zero_grad()
        _wait(device)
        return (time.perf_counter() - start) / steps

    for method in METHOD_NAMES:  # warm-up
        seconds(method)
    times = [{method: seconds(method) for method in METHOD_NAMES} for _ in range(rounds)]
    table = _table(f"ResNet18, {'bf16' if has_bf16() else 'fp32'}", "step, ms", "of CE's")
    for method in METHOD_NAMES:
        ratio = median(t[method] / t["ce"] for t in times)
        milliseconds = median(t[method] for t in times) * 1e3
        table.add_row(method.upper(), f"{milliseconds:.1f}", f"{ratio:.3f}")
    return table


def terms_alone(device: torch.device, batch: int, classes: int, rounds: int) -> Table:
    """Forward and backward of the loss on a fixed embedding, without a network."""
    dim = 512
    h = torch.randn(batch, dim, device=device, requires_grad=True)
    labels = torch.randint(classes, (batch,), device=device)
    counts = torch.bincount(labels, minlength=classes)
    kinds: dict[str, Callable[[], Tensor]] = {}
    for method in METHOD_NAMES:
        head = method_of(TrainConfig.of(data="none", method=method), classes, dim).to(device)
        kinds[method.upper()] = lambda head=head: _loss(head, h, labels, counts)
    squared = LpDistance(normalize_embeddings=False, power=2)
    nca = ProxyNCALoss(classes, dim, softmax_scale=0.0125, distance=squared).to(device)
    triple = SoftTripleLoss(classes, dim, centers_per_class=1).to(device)
    kinds |= {"ProxyNCA": lambda: nca(h, labels), "SoftTriple": lambda: triple(h, labels)}

    def seconds(loss: Callable[[], Tensor], times: int = 50) -> float:
        _wait(device)
        start = time.perf_counter()
        for _ in range(times):
            loss().backward()
        _wait(device)
        return (time.perf_counter() - start) / times

    for loss in kinds.values():  # warm-up
        seconds(loss, 10)
    times = [{name: seconds(loss) for name, loss in kinds.items()} for _ in range(rounds)]
    table = _table("The loss alone, 512-D", "µs", "of its equivalent's")
    for name in kinds:
        rival = {"CPN": "ProxyNCA", "CL": "SoftTriple"}.get(name)
        ratio = f"{median(t[name] / t[rival] for t in times):.2f} ({rival})" if rival else ""
        table.add_row(name, f"{median(t[name] for t in times) * 1e6:.0f}", ratio)
    return table


def _step(method: str, classes: int, device: torch.device) -> tuple[NetworkAndLoss, Optimizers]:
    """A ResNet18 of the method, ready to train. The rate is small: nothing is to be learned."""
    config = TrainConfig.of(data="none", method=method, backbone="resnet18", lr=1e-4)
    network = build_network(config, classes, 32, ([128.0] * 3, [64.0] * 3))
    network.to(device=device, memory_format=torch.channels_last)
    return NetworkAndLoss(network, 0.0), optimizer_for(network, config)


def _loss(head: Method, embedding: Tensor, labels: Tensor, counts: Tensor) -> Tensor:
    """The loss of a batch, with the update of the centre loss's centres."""
    loss: Tensor = head(embedding, labels, LAMBDA_POS)["loss"]
    if isinstance(head, CenterLoss):
        loss = loss + head.centre_update(embedding, labels, counts)
    return loss


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("method")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    typer.run(main)
