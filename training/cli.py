"""The command `dpnp`: the commands over bundles from interpret.cli, with train and evaluate.

Heavy imports sit inside the commands, so that --help answers at once.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from interpret.cli import app, run

Option = typer.Option

Data = Annotated[str, Option(help="digits, cifar10, cifar100, flowers102 or folder:PATH")]
DataRoot = Annotated[Path, Option(help="where torchvision's data sets lie")]
Download = Annotated[bool, Option("--download", help="fetch a torchvision data set")]
Backbone = Annotated[
    str, Option(help="resnet18, resnet18-reduced, small, tiny or torchvision:NAME")
]
EmbeddingDim = Annotated[
    int | None, Option(help="size d of the embedding; default: the backbone's own")
]
PrototypeLr = Annotated[
    float | None, Option(help="η_c, the prototypes' rate; default: --lr / 20, 0.5 for CL's centres")
]
Gamma = Annotated[
    float | None, Option(help="γ, sharpness of CPN's softmax; default: 1 / (2 --radius)")
]
PrototypeInit = Annotated[
    str,
    Option(
        help="packed (far apart from the first step), arranged (and look-alikes near) or random"
    ),
]
Auxiliary = Annotated[
    float,
    Option(
        help="weight of a softmax on the backbone's features, for training alone: 1 speeds up "
        "short runs with a narrow embedding"
    ),
]
Gallery = Annotated[int | None, Option(help="pictures kept per class; default: all, up to 50,000")]
RunFolder = Annotated[
    Path | None, Option("--run", help="checkpoint and metrics; default: runs/NAME")
]
Resume = Annotated[bool, Option("--resume", help="go on from the checkpoint of a run that was cut")]
Tensorboard = Annotated[
    bool, Option("--tensorboard", help="log for TensorBoard into the run's folder")
]


@app.command()
def train(
    data: Data,
    out: Annotated[Path, Option(help="the bundle to write, models/NAME")],
    method: Annotated[str, Option(help="ce, cl, cpn, ccl, sccl, dpp or dpnp")] = "dpnp",
    backbone: Backbone = "resnet18",
    weights: Annotated[str | None, Option(help="imagenet, or a file, to start from")] = None,
    embedding_dim: EmbeddingDim = None,
    image_size: Annotated[int | None, Option(help="pixels; default: the data's")] = None,
    epochs: Annotated[int, Option(help="passes over the training pictures")] = 15,
    warmup_epochs: Annotated[
        int, Option(help="epochs before those in which layers filled by --weights stand still")
    ] = 0,
    batch_size: Annotated[int, Option(help="pictures a step, over all processes")] = 64,
    accumulate: Annotated[int, Option(help="micro-batches a step")] = 1,
    schedule: Annotated[
        str, Option(help="onecycle, or the paper's step or late-step")
    ] = "onecycle",
    lr: Annotated[float, Option(help="η, the network's rate")] = 0.1,
    prototype_lr: PrototypeLr = None,
    momentum: Annotated[float, Option(help="of SGD")] = 0.9,
    weight_decay: Annotated[float, Option(help="not on prototypes")] = 5e-4,
    lambda_pos: Annotated[float, Option(help="λ of the pull to the own centre")] = 0.01,
    lambda_neg_sample: Annotated[float, Option(help="λ: samples from rivals")] = 0.01,
    lambda_neg_class: Annotated[float, Option(help="λ: prototypes from rivals")] = 0.02,
    gamma: Gamma = None,
    auxiliary: Auxiliary = 0.0,
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
    bundle: Annotated[Path, typer.Argument(help="models/NAME")],
    data: Data,
    split: Annotated[
        str | None, Option(help="train, valid or test; default: test, or valid without one")
    ] = None,
    seed: Annotated[
        int | None, Option(help="of the split; default: the one the model was trained with")
    ] = None,
    json: Annotated[bool, Option("--json", help="print JSON instead of a table")] = False,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Measure a bundle on labelled pictures, with ONNX Runtime.

    Example: dpnp evaluate models/digits-dpnp --data digits
    """
    _log_to_stderr()
    from training.job import evaluate_bundle

    evaluate_bundle(
        bundle, data, split, seed=seed, as_json=json, data_root=data_root, download=download
    )


@app.command()
def reproduce(
    target: Annotated[str, typer.Argument(help="table1 to table4, fig3 to fig5, or all")],
    preset: Annotated[str, Option(help="paper (section V-B) or cpu (minutes a run)")] = "paper",
    methods: Annotated[str, Option(help="some of them, as in dpp,dpnp")] = "",
    networks: Annotated[str, Option(help="standard or reduced; default: the target's")] = "",
    data: Annotated[
        list[str] | None,
        Option(help="NAME, or NAME=SOURCE as in cifar10=folder:PATH; default: the target's"),
    ] = None,
    seeds: Annotated[int, Option(min=1, help="runs of each, seeded 0, 1, …")] = 1,
    first_seed: Annotated[int, Option(min=0, help="where the seeds start")] = 0,
    epochs: Annotated[int | None, Option(help="instead of the preset's")] = None,
    override: Annotated[
        list[str] | None, Option("--set", help="OPTION=VALUE of dpnp train, for every run")
    ] = None,
    holdout: Annotated[
        bool, Option("--holdout", help="measure on a tenth of the training pictures: for tuning")
    ] = False,
    out: Annotated[Path, Option(help="runs, tables and figures")] = Path("runs/reproduce"),
    dry_run: Annotated[
        bool, Option("--dry-run", help="print the configurations, run none")
    ] = False,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Run the paper's comparison, as far as it is not done, and write a table or figure of it.

    Example: dpnp reproduce table2 --preset cpu --data cifar10=folder:pictures --seeds 2
    """
    from training.reproduce import plan, reproduce

    cells = plan(
        target,
        preset,
        seeds=range(first_seed, first_seed + seeds),
        methods=_list(methods),
        networks=_list(networks),
        data=data or (),
        epochs=epochs,
        overrides=override or (),
        holdout=holdout,
    )
    _log_to_stderr()
    reproduce(target, cells, out, dry_run=dry_run, data_root=data_root, download=download)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@app.command()
def export(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="models/NAME, in fp32")],
    out: Annotated[Path, Option(help="the bundle to write")],
    data: Data,
    int8: Annotated[bool, Option("--int8", help="the network in 8-bit integers")] = False,
    max_accuracy_drop: Annotated[
        float, Option(min=0, max=1, help="refuse a larger loss of accuracy")
    ] = 0.002,
    min_agreement: Annotated[
        float, Option(min=0, max=1, help="refuse fewer of the same answers")
    ] = 0.98,
    max_distance_error: Annotated[
        float, Option(min=0, help="refuse a larger mean error of the distances, relative")
    ] = 0.05,
    data_root: DataRoot = Path("data"),
    download: Download = False,
) -> None:
    """Write a bundle in another precision, if measured on labelled pictures it is good enough.

    Example: dpnp export models/digits-dpnp --int8 --data digits --out models/digits-int8
    """
    from training.errors import ConfigError

    if not int8:
        raise ConfigError("say into what to export: --int8")
    _log_to_stderr()
    from training.int8 import export_int8

    export_int8(
        bundle,
        data,
        out,
        max_accuracy_drop=max_accuracy_drop,
        min_agreement=min_agreement,
        max_distance_error=max_distance_error,
        data_root=data_root,
        download=download,
    )


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
