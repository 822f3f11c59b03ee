"""What quick depthwise gradients, folded norms and kept memory spare of a training step on a CPU.

    python -m tests.benchmarks.training_step_parts [--backbone timm:tf_efficientnet_lite0]

Pictures a second of forward and backward in bf16 with frozen norms, on one thread. Leave the
machine idle otherwise.
"""

from __future__ import annotations

import argparse
import time
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from training.model.backbones import backbone
from training.model.depthwise import QuickDepthwise
from training.model.folded_norms import fold_norms_
from training.run.freed_memory import freed_memory_kept
from training.run.step import freeze_norms

BATCH, ROUNDS = 32, 4


def seconds(network: nn.Module, pixels: Tensor, context: AbstractContextManager[object]) -> float:
    started = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16), context:
        loss = network(pixels).float().square().mean()
    loss.backward()
    for parameter in network.parameters():
        parameter.grad = None
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="timm:tf_efficientnet_lite0")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96, 128, 224])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{asked.backbone}, pictures/s")
    print(
        "| pixels | PyTorch | quick depthwise | and folded norms |\n| ---: | ---: | ---: | ---: |"
    )
    for size in asked.sizes:
        plain, folded = (
            backbone(asked.backbone, size).to(memory_format=torch.channels_last) for _ in "ab"
        )
        fold_norms_(folded, size)
        for network in (plain, folded):
            network.train()
            freeze_norms(network)
        pixels = torch.rand(BATCH, 3, size, size).to(memory_format=torch.channels_last) * 2 - 1
        times: list[list[float]] = [[], [], [], []]
        for _ in range(ROUNDS):
            times[0].append(seconds(plain, pixels, nullcontext()))
            times[1].append(seconds(plain, pixels, QuickDepthwise()))
            times[2].append(seconds(folded, pixels, QuickDepthwise()))
        with freed_memory_kept():
            seconds(folded, pixels, QuickDepthwise())
            for _ in range(ROUNDS):
                times[3].append(seconds(folded, pixels, QuickDepthwise()))
        rates = " | ".join(f"{BATCH / min(each):.0f}" for each in times)
        print(f"| {size} | {rates} |", flush=True)


if __name__ == "__main__":
    main()
