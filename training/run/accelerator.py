"""The device and the precision that a run computes with."""

from __future__ import annotations

import atexit
import functools
import platform
from pathlib import Path
from typing import Literal

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState

from training.config.train_config import TrainConfig

Precision = Literal["fp32", "bf16"]


def accelerator_for(config: TrainConfig, tensorboard: Path | None = None) -> Accelerator:
    """CUDA where there is a GPU, the CPU elsewhere, at the configuration's precision; `auto` is
    resolved. With `tensorboard`, logs go into that folder.
    """
    AcceleratorState._reset_state()  # else a second run could not choose another precision
    accelerator = Accelerator(
        mixed_precision="bf16" if precision_of(config) == "bf16" else "no",
        gradient_accumulation_steps=config.accumulate,
        log_with="tensorboard" if tensorboard else None,
        project_dir=tensorboard,
    )
    if tensorboard:
        accelerator.init_trackers("tensorboard")
    _end_group_at_exit()
    return accelerator


def end_logs(accelerator: Accelerator) -> None:
    """Close the logs of a run.

    Accelerate's own end_training ends the group of processes as well, and the next run of the same
    program would miss it: the stage after a wide one, or the next cell of the paper's comparison.
    """
    for tracker in accelerator.trackers:
        tracker.finish()


@functools.cache
def _end_group_at_exit() -> None:
    atexit.register(PartialState().destroy_process_group)


def precision_of(config: TrainConfig) -> Precision:
    """The precision of a run on this machine: what is asked for, or of `auto` what suits it."""
    if config.precision != "auto":
        return config.precision
    return "bf16" if has_bf16() else "fp32"


@functools.cache
def has_bf16() -> bool:
    """Whether bf16 is faster on this machine. It follows from the hardware alone, so that a seed
    gives the same network in every run: a timing could come out differently.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bf16_pays_on_cpu(
        matrix_tiles=torch.cpu._is_amx_tile_supported(),
        avx512_bf16=torch.cpu._is_avx512_bf16_supported(),
        description=_processor(),
    )


def bf16_pays_on_cpu(*, matrix_tiles: bool, avx512_bf16: bool, description: str) -> bool:
    """Matrix tiles (AMX) are made for it. AVX512-BF16 without them at least doubles the rate of
    products on AMD's processors, and halves it on Intel's (both measured).
    """
    return matrix_tiles or (avx512_bf16 and "GenuineIntel" not in description)


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else platform.processor()


def device_name(device: torch.device) -> str:
    """The device in words: "NVIDIA H100", or "CPU (2 threads)"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type.upper()} ({torch.get_num_threads()} threads)"
