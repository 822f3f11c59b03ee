"""Checkpoints: everything a killed run needs to go on to the same weights, bit for bit on the CPU.

Random numbers need no state of their own: they are drawn anew for each (seed, epoch, step).
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interpret.bundle.atomic_files import write_atomically
from training.config.errors import UNREADABLE, CheckpointError
from training.config.train_config import TrainConfig
from training.data.data_record import DataRecord

FILE = "checkpoint.pt"
WIDE = "wide"  # the folder, in a run's own, of the wide stage before it: see width_first
# The data's place does not count, only what lies there; see data_record. The precision of `auto`
# is the one that the run began with.
_NOT_COMPARED = {"data", "precision"}


@dataclass(frozen=True)
class Checkpoint:
    """A run after `epoch` epochs. `data` is None in checkpoints of before it was recorded."""

    config: TrainConfig  # its precision is fp32 or bf16: what the run computes with
    data: DataRecord | None
    epoch: int
    network: dict[str, Tensor]
    optimizer: list[dict[str, Any]]
    finished: bool = False  # its bundle was written

    def check_same_run(self, run: Path, config: TrainConfig, data: DataRecord) -> None:
        """Raises CheckpointError that names what changed, when the run could not have come here
        with this configuration and data.
        """
        asked, saved = config.model_dump(), self.config.model_dump()
        changed = [
            name for name in asked if name not in _NOT_COMPARED and asked[name] != saved[name]
        ]
        if config.precision not in ("auto", self.config.precision):
            changed.append("precision")
        if changed:
            told = ", ".join(f"{name} (was {saved[name]}, now {asked[name]})" for name in changed)
            raise CheckpointError(f"{run / FILE} is of another configuration: {told}")
        if self.data is None:
            raise CheckpointError(
                f"{run / FILE}: an earlier version wrote it, without a record of its data; "
                "delete it and start again"
            )
        if differences := self.data.changes(data):
            raise CheckpointError(
                f"{run / FILE} is of other data: {'; '.join(differences)}. "
                "Bring the old data back, or delete the checkpoint and start again"
            )


def write(run: Path, checkpoint: Checkpoint) -> None:
    """Write RUN/checkpoint.pt through a temporary file and a rename."""
    state = {
        "config": checkpoint.config.model_dump_json(),
        "data": None if checkpoint.data is None else checkpoint.data.plain(),
        "progress": (checkpoint.epoch, checkpoint.finished),
        "network": checkpoint.network,
        "optimizer": checkpoint.optimizer,
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(run / FILE, buffer.getvalue())


def read(run: Path) -> Checkpoint:
    """The checkpoint of a run, its tensors on the CPU. Raises CheckpointError."""
    file = run / FILE
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{file}: no checkpoint to resume from") from error
    except (OSError, *UNREADABLE) as error:
        raise CheckpointError(f"{file}: unreadable ({str(error)[:80] or 'empty'})") from error
    data = state.get("data")
    epoch, finished = state["progress"]
    return Checkpoint(
        config=TrainConfig.recorded(json.loads(state["config"])),
        data=None if data is None else DataRecord.from_plain(data),
        epoch=epoch,
        network=state["network"],
        optimizer=state["optimizer"],
        finished=finished,
    )


def mark_finished(run: Path) -> None:
    """Record that the run's bundle was written, so that the run may be overwritten."""
    write(run, replace(read(run), finished=True))


def check_overwrite(run: Path) -> None:
    """Raises CheckpointError when RUN holds an unfinished run that a new one would destroy."""
    place = begun(run)
    if place is None:
        return
    found = read(place)
    if not found.finished or place != run:  # a wide stage alone is never the whole
        raise CheckpointError(
            f"{place / FILE} holds an unfinished run ({found.epoch} epochs done): "
            "go on with --resume, or delete it"
        )


def begun(run: Path) -> Path | None:
    """The folder of a run's latest checkpoint: its own, or that of its wide stage; None without."""
    return next((place for place in (run, run / WIDE) if (place / FILE).exists()), None)
