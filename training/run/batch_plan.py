"""The batch plan: how a run is cut into steps, and what each process sees of a step.

All random choices are drawn for the global batch from (seed, epoch, step), then cut: one process
or many, resumed or not, the run sees the same pictures in the same order.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from training.config.errors import ConfigError
from training.config.train_config import TrainConfig
from training.data.augment import Augmentation, generator


class BatchPlan(NamedTuple):
    """A step is `batch` pictures: `accumulate` micro-batches on each of `processes` processes."""

    seed: int
    examples: int
    batch: int
    accumulate: int
    processes: int
    process: int  # this one

    @classmethod
    def of(cls, config: TrainConfig, examples: int, processes: int, process: int) -> BatchPlan:
        """The batch is at most half of the pictures, rounded up: an epoch is never a single step.

        Raises ConfigError when the batch does not divide, or there are too few pictures.
        """
        parts = processes * config.accumulate
        half = -(-examples // 2)
        batch = min(config.batch_size, max(half // parts, 1) * parts)
        if batch % parts or examples < 2 * parts:
            raise ConfigError(
                f"--batch-size {config.batch_size}: {examples} pictures cannot be cut evenly over "
                f"{processes} processes × {config.accumulate} accumulation steps"
            )
        return cls(config.seed, examples, batch, config.accumulate, processes, process)

    @property
    def pictures(self) -> int:
        """Pictures that an epoch sees: all, with a smaller last batch. It is left out where a part
        would get fewer than two pictures: of one there are no statistics.
        """
        rest = self.examples % self.batch
        return self.examples - (0 if rest >= 2 * self.accumulate * self.processes else rest)

    @property
    def steps(self) -> int:
        """Optimizer steps per epoch."""
        return -(-self.pictures // self.batch)

    def rows(self, epoch: int) -> list[Tensor]:
        """The rows of this process's micro-batches, `accumulate` for each step of the epoch."""
        return [
            self._own(whole, turn)
            for whole in self._whole(epoch)
            for turn in range(self.accumulate)
        ]

    def counts(self, epoch: int, labels: Tensor, classes: int) -> Tensor:
        """Pictures of each class in each whole step of the epoch (steps, classes)."""
        steps = [torch.bincount(labels[rows], minlength=classes) for rows in self._whole(epoch)]
        return torch.stack(steps)

    def numbers(self, augment: Augmentation, epoch: int, micro_batch: int) -> Tensor:
        """The augmentation's random numbers for a micro-batch of `rows`, counted from 0."""
        step, turn = divmod(micro_batch, self.accumulate)
        count = min(self.batch, self.pictures - step * self.batch)
        whole = augment.draw(count, generator(self.seed, epoch, step))
        return self._own(whole, turn)

    def _whole(self, epoch: int) -> tuple[Tensor, ...]:
        order = torch.randperm(self.examples, generator=generator(self.seed, epoch))
        return torch.split(order[: self.pictures], self.batch)

    def weight(self, micro_batch: int) -> float:
        """The weight of a micro-batch's mean loss in that of its step: the parts of a smaller last
        batch may differ by one picture.
        """
        step, turn = divmod(micro_batch, self.accumulate)
        count = min(self.batch, self.pictures - step * self.batch)
        first, last = self._bounds(count, turn)
        return (last - first) * self.accumulate * self.processes / count

    def _own(self, whole: Tensor, turn: int) -> Tensor:
        first, last = self._bounds(len(whole), turn)
        return whole[first:last]

    def _bounds(self, count: int, turn: int) -> tuple[int, int]:
        parts = self.accumulate * self.processes
        part = turn * self.processes + self.process
        return part * count // parts, (part + 1) * count // parts
