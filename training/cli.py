"""The command `dpnp`: the commands over bundles from interpret.cli, with train and evaluate.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from interpret.cli import app, run
from interpret.console import BundleFolder

Option = typer.Option

Data = Annotated[str, Option(help="digits, cifar10, cifar100, flowers102 or folder:PATH")]
DataRoot = Annotated[Path, Option(help="where torchvision's data sets lie")]
Download = Annotated[bool, Option("--download", help="fetch a torchvision data set")]
Backbone = Annotated[str, Option(help="resnet18, resnet18-reduced, small or torchvision:NAME")]
EmbeddingDim = Annotated[
    int | None, Option(help="size d of the embedding; default: the backbone's own")
]
PrototypeLr = Annotated[float | None, Option(help="η_c, the prototypes' rate; default: --lr / 20")]
PrototypeInit = Annotated[str, Option(help="packed (far apart from the first step) or random")]
Gallery = Annotated[int | None, Option(help="pictures kept per class; default: all, up to 50,000")]
RunFolder = Annotated[
    Path | None, Option("--run", help="checkpoint and metrics; default: runs/NAME")
]
Resume = Annotated[bool, Option("--resume", help="go on from the checkpoint of a run that was cut")]
Tensorboard = Annotated[
    bool, Option("--tensorboard", help="log for TensorBoard into the run's folder")
]

Seed = Annotated[
    int | None, Option(help="of the split; default: the one the model was trained with")
]
Strange = Annotated[
    list[str] | None,
    Option(metavar="folder:PATH", help="pictures of no class; repeatable. Noise is built in"),
]


@app.command()
def train(
    data: Data,
    out: Annotated[Path, Option(help="the bundle to write, models/NAME")],
    method: Annotated[str, Option(help="dpnp or dpp")] = "dpnp",
    backbone: Backbone = "resnet18",
    weights: Annotated[str | None, Option(help="imagenet, or a file, to start from")] = None,
    embedding_dim: EmbeddingDim = None,
    image_size: Annotated[int | None, Option(help="pixels; default: the data's")] = None,
    epochs: Annotated[int, Option(help="passes over the training pictures")] = 15,
    batch_size: Annotated[int, Option(help="pictures a step, over all processes")] = 64,
    accumulate: Annotated[int, Option(help="micro-batches a step")] = 1,
    schedule: Annotated[str, Option(help="onecycle, or the paper's step")] = "onecycle",
    lr: Annotated[float, Option(help="η, the network's rate")] = 0.1,
    prototype_lr: PrototypeLr = None,
    momentum: Annotated[float, Option(help="of SGD")] = 0.9,
    weight_decay: Annotated[float, Option(help="not on prototypes")] = 5e-4,
    lambda_pos: Annotated[float, Option(help="λ of the pull to the own prototype")] = 0.01,
    lambda_neg_sample: Annotated[float, Option(help="λ: samples from rivals")] = 0.01,
    lambda_neg_class: Annotated[float, Option(help="λ: prototypes from rivals")] = 0.02,
    radius: Annotated[float, Option(help="α, the norm of every prototype")] = 40.0,
    prototype_init: PrototypeInit = "packed",
    precision: Annotated[str, Option(help="auto, fp32 or bf16")] = "auto",
    workers: Annotated[int, Option(help="decoding processes for large pictures")] = 2,
    gallery: Gallery = None,
    strict: Annotated[bool, Option("--strict", help="fail on a corrupt picture")] = False,
    seed: Annotated[int, Option(help="of weights, split, order and augmentation")] = 0,
    run_folder: RunFolder = None,
    resume: Resume = False,
    tensorboard: Tensorboard = False,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Train a model and export it to a bundle.

    Example: dpnp train --data folder:flowers --backbone small --embedding-dim 10 --out models/mine

    On several GPUs: accelerate launch --multi_gpu --num_processes 4 -m training.cli train …
    """
    options = dict(locals())
    from training.config import TrainConfig

    config = TrainConfig.of(**{k: options[k] for k in TrainConfig.model_fields})
    _log_to_stderr()
    from training.job import train_and_export

    train_and_export(
        config,
        out,
        run_folder or Path("runs") / out.name,
        resume=resume,
        tensorboard=tensorboard,
        data_root=data_root,
        download=download,
    )


@app.command()
def evaluate(
    bundle: BundleFolder,
    data: Data,
    split: Annotated[
        str | None, Option(help="train, valid or test; default: test, or valid without one")
    ] = None,
    seed: Seed = None,
    json: Annotated[bool, Option("--json", help="print JSON instead of a table")] = False,
    ood: Strange = None,
    explanations: Annotated[
        bool, Option("--explanations", help="measure how faithful every attribution method is")
    ] = False,
    pictures: Annotated[int, Option(min=1, help="of --explanations, from the split")] = 500,
    out: Annotated[
        Path | None, Option(help="draw the curves of --explanations: .png, .pdf or .svg")
    ] = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Measure a bundle on labelled pictures, with ONNX Runtime.

    Example: dpnp evaluate models/digits-dpnp --data digits

    Example: dpnp evaluate models/digits-dpnp --data digits --ood folder:pictures/flowers

    Example: dpnp evaluate models/digits-dpnp --data digits --explanations --out faithful.png
    """
    _log_to_stderr()
    if ood or explanations:
        from training import measure

        source = measure.Source(data, seed, data_root, download)
        if explanations:
            measure.evaluate_explanations(bundle, source, split, pictures, out, as_json=json)
        else:
            measure.evaluate_novelty(bundle, source, split, ood or [], as_json=json)
        return
    from training.job import evaluate_bundle

    evaluate_bundle(
        bundle, data, split, seed=seed, as_json=json, data_root=data_root, download=download
    )


@app.command()
def calibrate(
    bundle: BundleFolder,
    data: Data,
    out: Annotated[Path, Option(metavar="BUNDLE", help="the bundle to write")],
    split: Annotated[
        str | None, Option(help="held-out pictures; default: valid, or test without one")
    ] = None,
    coverage: Annotated[
        float, Option(min=0.5, max=0.999, help="share of pictures whose class is to be kept")
    ] = 0.95,
    ood: Strange = None,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Write a bundle with thresholds for each class and a temperature, from held-out pictures.

    Example: dpnp calibrate models/digits-dpnp --data digits --out models/digits-calibrated
    """
    _log_to_stderr()
    from training import measure

    source = measure.Source(data, seed, data_root, download)
    measure.calibrate_bundle(bundle, source, out, split=split, coverage=coverage, strange=ood or [])


@app.command()
def audit(
    bundle: BundleFolder,
    data: Data,
    out: Annotated[Path | None, Option(help="a page with the pictures: .html")] = None,
    csv: Annotated[Path | None, Option(help="every finding in a line: .csv")] = None,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Find label errors, near-duplicates, leaks between splits and outliers in a data set.

    Example: dpnp audit models/digits-dpnp --data digits --out audit.html --csv audit.csv
    """
    _log_to_stderr()
    from training.auditing import audit_data
    from training.measure import Source

    audit_data(bundle, Source(data, seed, data_root, download), out, csv)


@app.command("add-class")
def add_class(
    bundle: BundleFolder,
    label: Annotated[str, typer.Argument(help="the new class")],
    folder: Annotated[Path, typer.Argument(help="its pictures")],
    out: Annotated[Path, Option(metavar="BUNDLE", help="the bundle to write")],
    data: Annotated[
        str | None, Option(help="measure the cost on the old classes with these pictures")
    ] = None,
    seed: Seed = None,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Write a bundle with one more class, from its pictures, without training.

    Example: dpnp add-class models/digits-0-to-8 9 pictures/9 --out models/digits --data digits
    """
    _log_to_stderr()
    from training import measure

    source = None if data is None else measure.Source(data, seed, data_root, download)
    measure.add_class(bundle, label, folder, out, source)


def _log_to_stderr() -> None:
    """The packages' own log as plain lines on stderr, from the first process alone."""
    import logging

    if os.environ.get("RANK", "0") != "0":
        return
    handler = logging.StreamHandler()
    for package in ("training", "interpret"):
        logger = logging.getLogger(package)
        logger.setLevel(logging.INFO)
        logger.handlers = [handler]


def main() -> None:
    """The console script `dpnp`."""
    run(app)


if __name__ == "__main__":
    main()
