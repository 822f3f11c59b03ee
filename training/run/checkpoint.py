"""Checkpoints: everything a killed run needs to go on to the same weights, bit for bit on the CPU.

Random numbers need no state of their own: they are drawn anew for each (seed, epoch, step).
"""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from interpret.bundle.atomic_files import write_atomically
from training.config.errors import CheckpointError
from training.config.train_config import TrainConfig
from training.run.optimizers import Optimizers

FILE = "checkpoint.pt"


class Progress(NamedTuple):
    """Where a run stands."""

    epoch: int  # epochs done
    finished: bool  # its bundle was written


def save(
    run: Path,
    config: TrainConfig,
    progress: Progress,
    network: nn.Module,
    optimizer: Optimizers,
) -> None:
    """Write RUN/checkpoint.pt through a temporary file and a rename."""
    state = {
        "config": config.model_dump_json(),
        "progress": tuple(progress),
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(run / FILE, buffer.getvalue())


def mark_finished(run: Path) -> None:
    """Record that the run's bundle was written, so that the run may be overwritten."""
    state = read(run)
    state["progress"] = tuple(Progress(state["progress"][0], True))
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(run / FILE, buffer.getvalue())


def resume(run: Path, config: TrainConfig, network: nn.Module, optimizer: Optimizers) -> int:
    """Load RUN/checkpoint.pt into network and optimizer; returns the number of epochs done.

    Raises CheckpointError when there is none, or when it is of another configuration.
    """
    state = read(run)
    asked = config.model_dump(mode="json")
    saved = TrainConfig.recorded(json.loads(state["config"])).model_dump(mode="json")
    changed = [key for key in asked if saved[key] != asked[key]]
    if changed:
        names = ", ".join(f"{k} (was {saved[k]}, now {asked[k]})" for k in changed)
        raise CheckpointError(f"{run / FILE} is of another configuration: {names}")
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["progress"][0])


def check_overwrite(run: Path) -> None:
    """Raises CheckpointError when RUN holds an unfinished run that a new one would destroy."""
    if not (run / FILE).exists():
        return
    progress = Progress(*read(run)["progress"])
    if not progress.finished:
        raise CheckpointError(
            f"{run / FILE} holds an unfinished run ({progress.epoch} epochs done): "
            "go on with --resume, or delete it"
        )


def read(run: Path) -> dict[str, Any]:
    """What `save` wrote: plain values and tensors, on the CPU. Raises CheckpointError."""
    file = run / FILE
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{file}: no checkpoint to resume from") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{file}: unreadable ({str(error)[:80] or 'empty'})") from error
    return state
