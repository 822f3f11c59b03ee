"""The two jobs of the command line: train to a bundle, and measure a bundle."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console
from rich.table import Table

from interpret.bundle.bundle import Bundle
from interpret.bundle.manifest import Effort, Metrics
from interpret.geometry.packing import widest_angle
from interpret.model.predictor import Predictor
from interpret.trust import metrics as evaluation
from training.commands.printed_tables import print_calibration, print_verdicts
from training.config.errors import ConfigError, DataError
from training.config.train_config import TrainConfig
from training.data.datasets import load_data
from training.evaluate.labelled import labels_in
from training.export.bundle_export import export_bundle, predict_split
from training.run import checkpoint
from training.run.loop import device_name, seconds_of, train

_LOG = logging.getLogger(__name__)


def train_and_export(
    config: TrainConfig,
    out: Path,
    run: Path,
    data_root: Path = Path("data"),
    download: bool = False,
    *,
    resume: bool = False,
    tensorboard: bool = False,
) -> Bundle | None:
    """Train, export to `out` and print the figures. None on all processes but the first."""
    if out.exists() and not (out / "manifest.json").exists():
        raise ConfigError(f"--out {out}: exists and is no bundle")
    data = load_data(
        config.data,
        seed=config.seed,
        strict=config.strict,
        root=data_root,
        download=download,
        valid_share=config.valid_share,
    )
    try:
        network = train(config, data, run, resume=resume, tensorboard=tensorboard)
    except KeyboardInterrupt:
        if (run / checkpoint.FILE).exists():
            _LOG.warning("interrupted; --resume goes on from %s", run / checkpoint.FILE)
        raise
    if network is None:
        return None
    where = device_name(next(network.parameters()).device)
    effort = Effort(seconds=seconds_of(run), device=where)
    bundle = export_bundle(network, config, data, out, effort)
    checkpoint.mark_finished(run)
    print_bundle(bundle)
    return bundle


def print_bundle(bundle: Bundle) -> None:
    """The figures of a bundle that was just written, on stdout."""
    title = f"{bundle.path}  ({bundle.manifest.fingerprint[:12]})"
    print_metrics(bundle.manifest.metrics, title, *bundle.prototypes.shape)
    if bundle.manifest.calibration is not None:
        print_calibration(bundle.manifest.calibration, "calibration")


def evaluate_bundle(
    path: Path,
    spec: str,
    split: str | None,
    *,
    seed: int | None = None,
    as_json: bool = False,
    data_root: Path = Path("data"),
    download: bool = False,
) -> Metrics:
    """Measure the bundle at `path` on a split of a data set, and print it."""
    bundle = Bundle.load(path)
    seed = int(bundle.manifest.training.get("seed", 0)) if seed is None else seed
    share = float(bundle.manifest.training.get("valid_share", 0.0))
    data = load_data(spec, seed=seed, root=data_root, download=download, valid_share=share)
    split = split or data.evaluation_split()
    if split not in data.splits:
        raise DataError(f"--split {split}: {data.name} has {', '.join(data.splits)}")
    pictures, labels = data.splits[split], labels_in(bundle, data, split)
    predictor = Predictor(bundle)
    prediction = predict_split(predictor, pictures, predictor.input_size, f"embedding {split}")
    measured = evaluation.measure_geometry(prediction.embedding, labels, bundle.prototypes, split)
    scored = evaluation.score(prediction, labels, bundle.prototypes)
    metrics = evaluation.metrics(scored, split, measured)
    if as_json:
        print(metrics.model_dump_json(indent=2))
    else:
        print_metrics(metrics, f"{path} on {data.name}", *bundle.prototypes.shape)
        print_verdicts(scored, bundle.manifest)
    return metrics


def print_metrics(metrics: Metrics, title: str, classes: int, dim: int) -> None:
    """A table of the figures on stdout, for `classes` prototypes in `dim` dimensions."""
    geometry = metrics.geometry
    table = Table(title=title, show_header=False, title_justify="left")
    limit = widest_angle(classes, dim)
    rows = {
        f"accuracy ({metrics.split}, {metrics.examples:,} pictures)": f"{metrics.accuracy:.2%}",
        "accuracy by nearest prototype": f"{metrics.accuracy_nearest_prototype:.2%}",
        "pictures on which the two rules differ": f"{metrics.rules_disagree}",
        "expected calibration error": f"{metrics.expected_calibration_error:.4f}",
        "MinSep, MeanSep, Std": f"{geometry.min_sep_deg:.2f}°, {geometry.mean_sep_deg:.2f}°, "
        f"{geometry.std_deg:.2f}°",
        "widest MinSep possible": f"{limit.degrees:.2f}° ({limit.source})" if limit else "unknown",
        f"mean intra-class angle ({geometry.split})": f"{geometry.intra_class_angle_deg:.2f}°",
        f"separation to compactness ratio ({geometry.split})": f"{geometry.scr:.2f}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    Console().print(table)
