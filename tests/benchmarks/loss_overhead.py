"""What the DPNP loss adds to a ResNet18 training step, against plain cross-entropy.

    python tests/benchmarks/loss_overhead.py [--batch 128] [--classes 10] [--rounds 15]

The two kinds of step take turns on the same network and batch; the ratio is the median over the
rounds. Runs on CUDA when there is a GPU. Leave the machine idle otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Annotated

import torch
import torch.nn.functional as F
import typer

from training.backbones import backbone
from training.losses import DPNPLoss
from training.networks import PrototypeNetwork
from training.prototypes import initial_prototypes
from training.setup import has_bf16


def main(
    batch: int = 128,
    classes: int = 10,
    rounds: int = 15,
    steps: Annotated[int | None, typer.Option(help="a round; default: 20 on CUDA, else 1")] = None,
) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps = steps or (20 if device.type == "cuda" else 1)
    torch.manual_seed(0)
    prototypes = initial_prototypes(classes, 512, 40.0, "packed", 0)
    network = PrototypeNetwork(backbone("resnet18", 32), 32, None, prototypes)
    network.to(device=device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    loss = DPNPLoss(40.0, 0.1, 0.1, 0.1)
    pixels = torch.randint(0, 256, (batch, 3, 32, 32), dtype=torch.uint8, device=device)
    labels = torch.randint(classes, (batch,), device=device)

    def plain(h: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(h @ network.prototypes.T, labels)

    def dpnp(h: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = loss(h, labels, network.prototypes).total
        return total

    def seconds_alone(objective: Callable[[torch.Tensor], torch.Tensor], times: int = 100) -> float:
        h = torch.randn(batch, 512, device=device, requires_grad=True)
        for repeat in (10, times):  # the first is the warm-up
            synchronize(device)
            start = time.perf_counter()
            for _ in range(repeat):
                objective(h).backward()
            synchronize(device)
        return (time.perf_counter() - start) / times

    def seconds(objective: Callable[[torch.Tensor], torch.Tensor]) -> float:
        synchronize(device)
        start = time.perf_counter()
        for _ in range(steps):
            with torch.autocast(device.type, torch.bfloat16, enabled=has_bf16()):
                embedding = network(pixels).embedding
            objective(embedding).backward()
            optimizer.step()
            optimizer.zero_grad()
        synchronize(device)
        return (time.perf_counter() - start) / steps

    for objective in (plain, dpnp) * 2:  # warm-up
        seconds(objective)
    pairs = [(seconds(plain), seconds(dpnp)) for _ in range(rounds)]
    base, ours = (median(times) for times in zip(*pairs, strict=True))
    ratio = median(b / a for a, b in pairs)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"ResNet18, batch {batch}, {classes} classes, {name}, {rounds} rounds of {steps} steps")
    print(f"cross-entropy {base * 1e3:.2f} ms, DPNP {ours * 1e3:.2f} ms, ratio {ratio:.3f}")
    alone = [seconds_alone(objective) for objective in (plain, dpnp)]
    added = (alone[1] - alone[0]) / base
    print(
        f"the two alone {alone[0] * 1e3:.3f} ms and {alone[1] * 1e3:.3f} ms: "
        f"{added:.2%} of a step is added"
    )


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    typer.run(main)
