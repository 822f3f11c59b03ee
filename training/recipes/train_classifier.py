"""From labelled pictures to a bundle: what `dpnp train` does, for Python too."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from interpret.bundle.atomic_files import write_atomically
from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import TrainingCost
from interpret.bundle.overwriting import check_out
from training.config.errors import CheckpointError
from training.config.train_config import TrainConfig
from training.config.training_job import TrainingJob
from training.data.batches import RESIDENT_SHARE, free_memory
from training.data.datasets import load_data, with_valid
from training.data.decisions import (
    Decision,
    check_present,
    check_trainable,
    obeyed,
    read_decisions,
)
from training.data.fitted_cache import FittedCache
from training.data.inspection import Inspection, inspect, log_problems
from training.data.splits import DataSet
from training.evaluate.summary import Summary, summarise
from training.export.bundle_export import export_and_measure
from training.export.onnx_export import input_side
from training.recipes.named_recipes import with_recipe
from training.recipes.plan import needs_plan, plan_for
from training.run import checkpoint
from training.run.accelerator import device_name
from training.run.loop import train
from training.run.metrics_log import seconds_of

OPTIONS = "options.json"  # of a run's folder: everything that was asked of the run

_LOG = logging.getLogger(__name__)


def train_classifier(
    data: str | Path,
    out: str | Path,
    *,
    run: str | Path | None = None,
    data_root: str | Path = "data",
    download: bool = False,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = False,
    **options: object,
) -> Bundle | None:
    """Train a classifier and write its bundle, as `dpnp train` does.

        bundle = train_classifier(Path("pictures"), "models/mine", epochs=10, embedding_dim=3)

    `data` is a folder of pictures, as a Path, or a data set as `--data` spells it; `options` are
    those of `dpnp train` by name. Checkpoint and metrics go into `run`, by default runs/NAME; with
    `resume` a run that was cut goes on from there. A bundle that exists at `out` is kept, unless
    `force` or `resume` is given.

    Returns the bundle; None on all processes but the first, when there are several. Raises a
    DpnpError whose message names the option, file or folder at fault.
    """
    spec = f"folder:{data}" if isinstance(data, Path) else data
    out = Path(out)
    trained = run_job(
        {"data": spec, **options},
        out,
        Path("runs") / out.name if run is None else Path(run),
        data_root=Path(data_root),
        download=download,
        resume=resume,
        force=force,
        tensorboard=tensorboard,
    )
    return None if trained is None else trained.bundle


class Trained(NamedTuple):
    """The bundle of a run, and how good it is."""

    bundle: Bundle
    summary: Summary


def run_job(
    given: Mapping[str, object],
    out: Path,
    run: Path,
    *,
    data_root: Path = Path("data"),
    download: bool = False,
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = False,
    show: Callable[[Inspection], None] = log_problems,
) -> Trained | None:
    """Train with the options that were `given`, in the folder `run`, and export to `out`; see
    train_classifier. `show` gets a look at the data before the training.
    """
    started = time.perf_counter()
    # A bad option is said before the long work. A run that goes on splits its data as it did.
    job = _resumed(given, run) if resume else TrainingJob.of(**with_recipe(given))
    check_out(out, force=force or resume)
    if not resume:
        checkpoint.check_overwrite(run)
    decided = read_decisions(Path(job.config.decisions)) if job.config.decisions else []
    data = _load(job, data_root, download)
    check_present(data, decided)
    show(found := inspect(seen := _decided(data, decided)))
    if not resume and needs_plan(given):
        plan = plan_for(seen, given, found, spent=time.perf_counter() - started)
        _LOG.info("%s", plan.sentence())
        job = TrainingJob.of(**plan.options)
    config = job.config
    if config.valid_share and "valid" not in data.splits:
        data = with_valid(data, config.valid_share, config.seed)
    # After the splits, which so are those of the same pictures without decisions.
    data = _decided(data, decided).with_fit(config.fit)
    _write_options(job, run)
    try:
        network = train(
            config,
            data,
            run,
            workers=job.options.workers,
            resume=resume,
            tensorboard=tensorboard,
        )
    except KeyboardInterrupt:
        if (place := checkpoint.begun(run)) is not None:
            _LOG.warning("interrupted; --resume goes on from %s", place / checkpoint.FILE)
        raise
    if network is None:
        return None
    precision = checkpoint.read(run).config.precision  # of auto, the one that was chosen
    job = replace(job, config=config.model_copy(update={"precision": precision}))
    where = device_name(next(network.parameters()).device)
    stages = (run, run / checkpoint.WIDE) if config.wide_epochs else (run,)
    cost = TrainingCost(seconds=sum(map(seconds_of, stages)), device=where)
    kept = _in_memory(data, config)
    done = export_and_measure(network, job, kept, out, cost)
    checkpoint.mark_finished(run)
    return Trained(done.bundle, summarise(done.bundle, kept, done.predictions, data_root))


def _load(job: TrainingJob, root: Path, download: bool) -> DataSet:
    folder, limit = job.options.cache, int(job.options.cache_gb * 1e9)
    # A folder that cannot be written to is refused before the pictures are read.
    cache = None if folder is None else FittedCache(folder, limit)
    data = load_data(
        job.config.data,
        seed=job.config.seed,
        strict=job.options.strict,
        root=root,
        download=download,
        valid_share=job.config.valid_share,
    )
    return data if cache is None else data.with_cache(cache)


def _decided(data: DataSet, decisions: Sequence[Decision]) -> DataSet:
    if not decisions:
        return data
    check_trainable(data := obeyed(data, decisions))
    return data


def _in_memory(data: DataSet, config: TrainConfig) -> DataSet:
    """The data with its pictures fitted to the model's input once, where the memory allows: an
    export looks at each of them several times.
    """
    size = input_side(data.splits["train"], config.image_size or data.image_size)
    pictures = sum(map(len, data.splits.values()))
    if pictures * 3 * size**2 > RESIDENT_SHARE * free_memory(torch.device("cpu")):
        return data
    splits = {name: split.kept(size, f"reading {name}") for name, split in data.splits.items()}
    return replace(data, splits=splits)


def _resumed(given: Mapping[str, object], run: Path) -> TrainingJob:
    """The job of a run that goes on: what was not given now is as it was."""
    config, file = {}, run / OPTIONS
    if checkpoint.begun(run) != run / checkpoint.WIDE:  # it has another configuration
        config = checkpoint.read(run).config.model_dump()
    try:
        options = json.loads(file.read_text()) if file.exists() else {}  # not in runs of before
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file}: unreadable ({error}); delete it to do without") from error
    return TrainingJob.of(**options | config | dict(with_recipe(given)))


def _write_options(job: TrainingJob, run: Path) -> None:
    """Keep all options beside the checkpoint, which has those alone that the weights depend on."""
    write_atomically(run / OPTIONS, json.dumps(job.record(), indent=1).encode())
