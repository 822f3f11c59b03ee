"""From labelled pictures to a bundle: what `dpnp train` does, for Python too."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import TrainingCost
from interpret.bundle.overwriting import check_out
from training.config.training_job import TrainingJob
from training.data.datasets import load_data
from training.data.inspection import Inspection, inspect, log_problems
from training.evaluate.summary import Summary, summarise
from training.export.bundle_export import export_and_measure
from training.recipes.named_recipes import with_recipe
from training.run import checkpoint
from training.run.accelerator import device_name
from training.run.loop import train
from training.run.metrics_log import seconds_of

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
    job = TrainingJob.of(**with_recipe({"data": spec, **options}))
    out = Path(out)
    trained = run_job(
        job,
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
    job: TrainingJob,
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
    """Train in the folder `run` and export to `out`; see train_classifier. `show` gets a look at
    the data before the training.
    """
    check_out(out, force=force or resume)  # before the work
    config = job.config
    data = load_data(
        config.data,
        seed=config.seed,
        strict=job.options.strict,
        root=data_root,
        download=download,
        valid_share=config.valid_share,
    )
    show(inspect(data))
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
        if (run / checkpoint.FILE).exists():
            _LOG.warning("interrupted; --resume goes on from %s", run / checkpoint.FILE)
        raise
    if network is None:
        return None
    precision = checkpoint.read(run).config.precision  # of auto, the one that was chosen
    job = replace(job, config=config.model_copy(update={"precision": precision}))
    where = device_name(next(network.parameters()).device)
    cost = TrainingCost(seconds=seconds_of(run), device=where)
    done = export_and_measure(network, job, data, out, cost)
    checkpoint.mark_finished(run)
    return Trained(done.bundle, summarise(done.bundle, data, done.predictions, data_root))
